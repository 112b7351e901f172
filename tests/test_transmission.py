"""What can be said of a transmission, and how a query is answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from redox_wsgi import BodyNotJson, PatientIdentifier, Transmission
from tests.support.builders import NOTIFICATION, SOURCE_ID, build_payload, encode

RECEIVED_AT = datetime(2026, 1, 31, 10, 20, 30, 123456, tzinfo=UTC)


def build(body: bytes = NOTIFICATION, **more: Any) -> Transmission:
    """Build a transmission."""
    return Transmission(body, received_at=RECEIVED_AT, **more)


def name(data_model: Any, event_type: Any) -> Transmission:
    """Build a transmission of one event."""
    return build(encode(build_payload(data_model, event_type)))


def test_the_envelope_can_be_read_from_the_transmission() -> None:
    """A handler needs no second object for the usual questions."""
    transmission = build(content_type="application/json", destination="/here")
    names = [
        "data_model",
        "event_type",
        "event_datetime",
        "source_id",
        "destination_ids",
        "facility_code",
        "is_test",
        "log_id",
        "attempt_id",
        "message_id",
        "transmission_id",
    ]

    assert [getattr(transmission, name) for name in names] == [
        getattr(transmission.meta, name) for name in names
    ]
    assert transmission.content_type == "application/json"
    assert transmission.received_at == RECEIVED_AT
    assert transmission.format == "data-model"
    assert transmission.principal is None


# Every event of Redox's that wants an answer, and some that look like it.
QUERIES = {
    ("Clinical Decisions", "Request"): "Response",
    ("Clinical Summary", "PatientQuery"): "PatientQueryResponse",
    ("Clinical Summary", "VisitQuery"): "VisitQueryResponse",
    ("Clinical Summary", "DocumentQuery"): "DocumentQueryResponse",
    ("Clinical Summary", "DocumentGet"): "DocumentGetResponse",
    (
        "Enrichment",
        "NaturalLanguageProcessingQuery",
    ): "NaturalLanguageProcessingQueryResponse",
    ("Enrichment", "NormalizationQuery"): "NormalizationQueryResponse",
    ("Media", "Query"): "QueryResponse",
    ("Order", "Query"): "QueryResponse",
    ("PatientAdmin", "CensusQuery"): "CensusQueryResponse",
    ("PatientAdmin", "VisitQuery"): "VisitQueryResponse",
    ("PatientSearch", "Query"): "Response",
    ("PatientSearch", "LocationQuery"): "LocationQueryResponse",
    ("Provider", "ProviderQuery"): "ProviderQueryResponse",
    ("Scheduling", "AvailableSlots"): "AvailableSlotsResponse",
    ("Scheduling", "Booked"): "BookedResponse",
    ("SSO", "Sign-on"): "Sign-onResponse",
    ("Vaccination", "PatientQuery"): "PatientQueryResponse",
    ("clinicaldecisions", "request"): "Response",
    ("patient search", "QUERY"): "Response",
    ("Astrology", "StarQuery"): "StarQueryResponse",
}
NOTIFICATIONS: list[tuple[Any, Any]] = [
    ("PatientAdmin", "Arrival"),
    ("PatientAdmin", "Request"),
    ("Scheduling", "New"),
    ("Clinical Summary", "PatientPush"),
    ("PatientSearch", "Response"),
    ("Media", "QueryResponse"),
    (None, None),
    (1, []),
]


@pytest.mark.parametrize(("event", "response"), QUERIES.items(), ids=str)
def test_a_query_is_known_and_what_answers_it(
    event: tuple[str, str], response: str
) -> None:
    """Somebody waits for 120 seconds: an empty 200 would leave him without a word."""
    transmission = name(*event)

    assert transmission.is_query
    assert transmission.response_event_type == response


@pytest.mark.parametrize("event", NOTIFICATIONS, ids=str)
def test_a_notification_is_none(event: tuple[Any, Any]) -> None:
    """It needs nothing but a 200."""
    transmission = name(*event)

    assert not transmission.is_query
    assert transmission.response_event_type is None


def test_a_reply_has_the_right_meta_on_top() -> None:
    """Same data model, the response's event type, and the test flag of the query."""
    query = name("PatientSearch", "Query")

    reply = query.reply(
        {"Patient": {"Identifiers": []}, "Meta": {"IsIncomplete": True}}
    )

    assert list(reply) == ["Meta", "Patient"]
    assert reply["Meta"] == {
        "DataModel": "PatientSearch",
        "EventType": "Response",
        "EventDateTime": "2026-01-31T10:20:30.123Z",
        "Test": True,
        "IsIncomplete": True,
    }


def test_a_reply_needs_no_meta_of_the_handler() -> None:
    """An explicit null is no different from an absent one."""
    query = name("PatientSearch", "Query")

    assert query.reply({"Meta": None}) == query.reply({})


def test_a_reply_of_errors_tells_the_asker_what_failed() -> None:
    """In the form in which Redox documents errors."""
    reply = name("Media", "Query").reply_errors("The archive is down.", "Try later.")

    assert reply["Meta"]["EventType"] == "QueryResponse"
    assert reply["Meta"]["Errors"] == [
        {
            "ID": number,
            "Text": text,
            "Type": "transmission",
            "Module": "redox_wsgi",
        }
        for number, text in [(1, "The archive is down."), (2, "Try later.")]
    ]


def test_a_notification_has_no_reply() -> None:
    """Nobody waits for it."""
    with pytest.raises(ValueError, match="Only a query"):
        build().reply({})


def test_json_is_decoded_once() -> None:
    """40 MB twice would be felt."""
    transmission = build()

    assert transmission.json() is transmission.json()
    assert transmission.json() == json.loads(NOTIFICATION)


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[" * 100_000, b"1" * 5000])
def test_a_body_that_is_no_json_raises_one_documented_error(body: bytes) -> None:
    """And the error holds nothing of the body, in no attribute and in no cause."""
    transmission = build(body)

    for _ in range(2):
        with pytest.raises(BodyNotJson) as caught:
            transmission.json()
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None


def test_null_is_json() -> None:
    """A body of null is decoded, not taken for one that was not."""
    assert build(b"null").json() is None


def test_every_identifier_of_a_patient_is_listed_with_its_type() -> None:
    """A patient may have several, and some have a number where text belongs."""
    assert build().patient_identifiers == (
        PatientIdentifier("0000000001", "MR"),
        PatientIdentifier("17", "NIST"),
    )
    assert build().patient_identifiers[0].id_type == "MR"


def test_identifiers_are_read_once() -> None:
    """The payload may have been changed by the handler in between."""
    transmission = build()

    assert transmission.patient_identifiers is transmission.patient_identifiers


@pytest.mark.parametrize(
    "patient",
    [None, [], "x", {}, {"Identifiers": None}, {"Identifiers": {"ID": 1}},
     {"Identifiers": [None, 1, {}, {"ID": None}, {"ID": []}]}],
)  # fmt: skip
def test_a_patient_without_identifiers_has_none(patient: Any) -> None:
    """Odd content is no error."""
    payload = build_payload(Patient=patient)

    assert build(encode(payload)).patient_identifiers == ()


def test_a_body_that_decodes_in_its_envelope_only_has_no_identifiers() -> None:
    """A number of 5,000 digits somewhere must not fail a handler that only looks."""
    body = NOTIFICATION[:-1] + b',"x":' + b"1" * 5000 + b"}"
    transmission = build(body)

    assert (transmission.format, transmission.event_type) == ("data-model", "Arrival")
    assert transmission.patient_identifiers == ()
    with pytest.raises(BodyNotJson):
        transmission.json()


def test_an_identifier_without_a_type_keeps_its_id() -> None:
    """Half of it is better than nothing."""
    payload = build_payload(Patient={"Identifiers": [{"ID": "1", "IDType": 3}]})

    [identifier] = build(encode(payload)).patient_identifiers

    assert (identifier.id, identifier.id_type) == ("1", None)


@pytest.mark.parametrize(
    "body", [b"no JSON", b'{"resourceType":"Patient","Patient":{"Identifiers":[]}}']
)
def test_what_is_no_data_model_has_no_identifiers(body: bytes) -> None:
    """A FHIR resource has its patient elsewhere."""
    transmission = build(body)

    assert transmission.patient_identifiers == ()
    assert transmission.meta.fields == {}


@pytest.mark.parametrize(
    ("meta", "subscription"),
    [
        ({"DataModel": "Clinical Summary", "Source": {"ID": "S-1"}},
         "/redox|S-1|clinicalsummary"),
        ({"DataModel": "Notes", "Source": {"ID": ""}}, "/redox|-|notes"),
        ({"Source": {"ID": 7}, "Destinations": [{"ID": "d"}]}, "/redox|7|-"),
    ],
)  # fmt: skip
def test_a_subscription_is_destination_source_and_data_model(
    meta: Any, subscription: str
) -> None:
    """Meta.Destinations names others' too, and never decides."""
    assert build(encode({"Meta": meta})).subscription == subscription


def test_the_destination_is_part_of_the_subscription() -> None:
    """Two destinations of one application have two feeds."""
    transmission = build(destination="/east")

    assert transmission.subscription == f"/east|{SOURCE_ID}|patientadmin"


def test_a_representation_holds_no_text_of_the_body() -> None:
    """Not even the names: who prints a transmission may print a patient's data."""
    assert repr(build()) == f"<Transmission: data-model, {len(NOTIFICATION)} bytes>"
    assert "0000000001" not in repr(build().patient_identifiers)
