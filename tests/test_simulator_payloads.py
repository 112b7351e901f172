"""The built-in payloads: shaped as Redox shapes them, about nobody who exists."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest

from redox_wsgi.simulator import (
    EVENTS,
    PATIENTS,
    SimulatorError,
    build_payload,
    encode_payload,
)
from redox_wsgi.simulator.answer import event_of, is_query

NOW = datetime(2026, 3, 1, 12, 34, 56, 789_000, tzinfo=UTC)


def seeded(seed):
    """Return a source of randomness that repeats itself."""
    return Random(seed)  # noqa: S311 - nothing here is a secret


def build(event, **arguments):
    """Build one payload at a fixed time and with a fixed seed."""
    return build_payload(event, **{"now": NOW, "random": seeded(7), **arguments})


def encode(event):
    """Build the body of one payload."""
    return encode_payload(build(event))


def leaves(value):
    """Yield every scalar, and every empty list as itself."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


#: All that Redox documents: data models, notifications, queries.
TABLE = """
Claim | Submission, SubmissionBatch, Payment, PaymentBatch |
Clinical Decisions | | Request
Clinical Summary | PatientPush, VisitPush | PatientQuery, VisitQuery, DocumentQuery, DocumentGet
Device, Flowsheet | New |
Enrichment | | NaturalLanguageProcessingQuery, NormalizationQuery
Financial | Transaction, AccountUpdate |
Inventory | Update, Deplete |
Media, Notes | New, Replace, Delete | Query
Medications | New, Update, Cancel, Administration |
Order | New, Update, Cancel, GroupedOrders | Query
Organization | New, Update | Query
PatientAdmin | Arrival, Cancel, Discharge, NewPatient, PatientMerge, PatientUpdate, PreAdmit, Registration, Transfer, VisitMerge, VisitUpdate | CensusQuery, VisitQuery
PatientEducation | New, Update, Delete |
PatientSearch | | Query, LocationQuery
Provider | New, Update, Activate, Deactivate | ProviderQuery
Referral | New, Modify, Cancel, AuthReview, AuthResponse | Query
Research | Study, SubjectUpdate |
Results | New, NewUnsolicited | Query
Scheduling | New, Reschedule, Modification, Cancel, NoShow, PushSlots | AvailableSlots, Booked
SSO | | Sign-on
SurgicalScheduling | New, Reschedule, Modification, Cancel, NoShow |
Vaccination | New, Administration | PatientQuery
"""  # noqa: E501 - rows of a table


def read_table(column):
    """Return the events of one column of the table."""
    rows = [line.split("|") for line in TABLE.strip().splitlines()]
    return {
        f"{data_model.strip()}:{event_type.strip()}"
        for row in rows
        for data_model in row[0].split(",")
        for event_type in row[column].split(",")
        if event_type.strip()
    }


def test_every_event_that_redox_documents_is_there_and_no_other():
    """Notifications and queries of all data models."""
    assert len(EVENTS) == len(set(EVENTS)) == 90
    assert set(EVENTS) == read_table(1) | read_table(2)


def test_queries_are_known_as_queries_and_notifications_are_not():
    """Whoever judges the answer has to know which is which."""
    queries = {event for event in EVENTS if is_query(event_of(encode(event)))}

    assert queries == read_table(2)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_the_envelope_redox_documents(event):
    """The names stand in ``Meta`` as they stand in ``EVENTS``."""
    meta = build(event)["Meta"]

    assert f"{meta['DataModel']}:{meta['EventType']}" == event
    assert meta["EventDateTime"] == "2026-03-01T12:34:56.789Z"
    assert meta["Test"] is True
    assert set(meta["Source"]) == {"ID", "Name"}
    assert [set(log) for log in meta["Logs"]] == [{"ID", "AttemptID"}]
    assert meta["Message"]["ID"] > 2**32
    assert 2**32 < meta["Transmission"]["ID"] < 2**53


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_nulls_and_non_ascii_names(event):
    """Real transmissions have both, and careless handlers fall over them."""
    payload = build(event)
    values = list(leaves(payload))

    assert None in values
    assert any(isinstance(v, str) and not v.isascii() for v in values)
    assert next(iter(payload)) == "Meta"


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_survives_json_and_is_utf_8(event):
    """Compact, and written in the letters themselves."""
    payload = build(event)
    body = encode_payload(payload)

    assert json.loads(body) == payload
    assert b"\\u" not in body
    assert "Zoë".encode() in body
    assert body.startswith(b'{"Meta":{"DataModel":"')


@pytest.mark.parametrize("event", EVENTS)
def test_equal_arguments_give_equal_payloads(event):
    """Clock and randomness are arguments; nothing else enters."""
    assert build(event) == build(event)
    assert build(event) != build(event, random=seeded(8))
    assert build(event) != build(event, now=NOW + timedelta(days=1))


@pytest.mark.parametrize("event", EVENTS)
def test_a_payload_may_be_changed_without_harm_to_the_next(event):
    """No part is shared between two payloads."""
    before = encode_payload(build(event))
    empty(build(event))

    assert encode_payload(build(event)) == before


def empty(value):
    """Remove everything from an object, at every depth."""
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            empty(inner)
    value.clear()


def test_each_payload_of_a_run_has_its_own_identifiers():
    """A receiver that knows duplicates must not take them for such."""
    random = seeded(7)
    payloads = [build(event, random=random) for event in EVENTS]
    logs = {payload["Meta"]["Logs"][0]["ID"] for payload in payloads}
    attempts = {payload["Meta"]["Logs"][0]["AttemptID"] for payload in payloads}

    assert len(logs) == len(attempts) == len(EVENTS)
    assert not logs & attempts


def test_the_cast_is_of_different_people():
    """Six, each with numbers of their own."""
    assert len(PATIENTS) == 6
    for name in ("record_number", "ehr_id", "visit_number", "appointment_number"):
        assert len({getattr(patient, name) for patient in PATIENTS}) == 6


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda p: p.record_number)
def test_a_visit_goes_from_bed_to_bed(patient):
    """Arrival, transfer and discharge of one patient belong together."""
    arrival, transfer, discharge = (
        build(f"PatientAdmin:{name}", patient=patient, now=NOW + timedelta(minutes=m))
        for name, m in (("Arrival", 0), ("Transfer", 10), ("Discharge", 20))
    )
    for payload in (arrival, transfer, discharge):
        identifiers = payload["Patient"]["Identifiers"]
        assert {"ID": patient.record_number, "IDType": "MR"} in identifiers
        assert len({identifier["IDType"] for identifier in identifiers}) >= 3
        assert payload["Patient"]["Demographics"]["LastName"] == patient.last_name
        assert payload["Visit"]["VisitNumber"] == patient.visit_number
        assert payload["Visit"]["VisitDateTime"] == "2026-03-01T12:00:00.000Z"

    assert arrival["Visit"]["Location"] == transfer["Visit"]["PreviousLocation"]
    assert transfer["Visit"]["Location"] == discharge["Visit"]["Location"]
    assert arrival["Visit"]["Location"] != transfer["Visit"]["Location"]
    assert transfer["Visit"]["DischargeDateTime"] is None
    assert discharge["Visit"]["DischargeDateTime"] == "2026-03-01T12:54:56.789Z"


def test_the_merge_of_the_first_patient_retires_the_last():
    """The last of the cast is the first, registered a second time."""
    merge = build("PatientAdmin:PatientMerge", patient=PATIENTS[0])["Patient"]
    retired = [{"ID": PATIENTS[5].record_number, "IDType": "MR"}]

    assert merge["PreviousIdentifiers"] == retired
    assert merge["Identifiers"][0] == {"ID": PATIENTS[0].record_number, "IDType": "MR"}


def test_a_cancel_says_what_is_cancelled():
    """It names the event and carries the same visit."""
    payload = build("PatientAdmin:Cancel")

    assert payload["Meta"]["CanceledEvent"] == "Arrival"
    assert payload["Visit"]["VisitNumber"] == PATIENTS[0].visit_number


def test_an_appointment_keeps_its_number_when_it_moves():
    """The old time of the new one is the first one's time."""
    new = build("Scheduling:New")["Visit"]
    moved = build("Scheduling:Reschedule")["Visit"]

    assert new["VisitNumber"] == moved["VisitNumber"]
    assert new["VisitNumber"] == PATIENTS[0].appointment_number
    assert new["VisitDateTime"] == moved["OldDateTime"] == "2026-03-08T12:34:56.789Z"
    assert moved["VisitDateTime"] == "2026-03-09T12:34:56.789Z"


def test_a_missed_appointment_lies_in_the_past():
    """Nobody misses the future."""
    visit = build("Scheduling:NoShow")["Visit"]

    assert visit["VisitDateTime"] < build("Scheduling:NoShow")["Meta"]["EventDateTime"]


def test_a_result_answers_the_order():
    """Both have the same number."""
    order = build("Order:New")["Order"]["ID"]

    assert build("Results:New")["Orders"][0]["ID"] == order


@pytest.mark.parametrize(
    ("events", "path"),
    [
        (("Order:New", "Order:Update", "Order:Cancel"), ("Order", "ID")),
        (
            ("Medications:New", "Medications:Update", "Medications:Cancel"),
            ("Order", "ID"),
        ),
        (("Referral:New", "Referral:Modify", "Referral:Cancel"), ("Referral", "ID")),
        (
            ("SurgicalScheduling:New", "SurgicalScheduling:Cancel"),
            ("Visit", "VisitNumber"),
        ),
        (
            ("PatientEducation:New", "PatientEducation:Delete"),
            ("Education", 0, "InstanceID"),
        ),
        (
            ("Referral:AuthReview", "Referral:AuthResponse"),
            ("Authorization", "Request"),
        ),
        (("Claim:Submission", "Claim:Submission"), ("Transaction", "ID")),
    ],
)
def test_events_about_one_thing_have_its_number(events, path):
    """A change or a cancel would be of no use without it."""
    numbers = []
    for seed, event in enumerate(events):
        value = build(event, random=seeded(seed))
        for step in path:
            value = value[step]
        numbers.append(value)

    assert all(number == numbers[0] for number in numbers)
    assert numbers[0]


@pytest.mark.parametrize(("model", "key"), [("Media", "Media"), ("Notes", "Note")])
def test_a_replacement_names_what_it_replaces_and_a_delete_what_it_deletes(model, key):
    """A document, its replacement and its deletion belong together."""
    new, replace, delete = (
        build(f"{model}:{name}", random=seeded(seed))[key]
        for seed, name in enumerate(("New", "Replace", "Delete"))
    )
    query = build(f"{model}:Query")

    assert replace["OriginalDocumentID"] == new["DocumentID"]
    assert replace["DocumentID"] not in (None, new["DocumentID"])
    assert delete["DocumentID"] == replace["DocumentID"]
    assert query["DocumentIDs"] == [delete["DocumentID"]]
    assert "FileContents" not in delete


def test_what_was_given_names_the_prescription():
    """So does the payment name the claim."""
    given = build("Medications:Administration")["Administrations"][0]
    payment = build("Claim:Payment")["Payments"][0]

    assert given["Medication"]["Order"] == {
        "ID": build("Medications:New")["Order"]["ID"]
    }
    assert payment["Claim"]["Number"] == build("Claim:Submission")["Claims"][0]["ID"]


def test_grouped_orders_have_different_numbers():
    """They are different orders."""
    orders = build("Order:GroupedOrders")["Orders"]

    assert len({order["ID"] for order in orders}) == len(orders) == 2


def test_an_unsolicited_result_answers_no_order():
    """Only the laboratory has a number for it."""
    order = build("Results:NewUnsolicited")["Orders"][0]

    assert order["ID"] is None
    assert order["ApplicationOrderID"]


def test_an_operation_moves_and_is_missed_in_its_time():
    """Later than planned, or in the past."""
    times = {
        name: build(f"SurgicalScheduling:{name}")["Procedures"][0]["DateTime"]
        for name in ("New", "Reschedule", "NoShow")
    }

    assert times["NoShow"] < NOW.isoformat() < times["New"] < times["Reschedule"]


def test_half_a_pair_of_surrogates_is_written_as_an_escape():
    """JSON of somebody else may hold one, and UTF-8 cannot."""
    assert encode_payload({"ü": "\ud800"}) == b'{"\\u00fc":"\\ud800"}'


def test_a_patient_is_searched_by_identifiers_and_demographics():
    """An answerer may use either."""
    patient = build("PatientSearch:Query", patient=PATIENTS[2])["Patient"]

    assert patient["Identifiers"][0]["ID"] == PATIENTS[2].record_number
    assert patient["Demographics"]["FirstName"] == "明霞"


@pytest.mark.parametrize("size", [0, 1, 3, 100_000])
@pytest.mark.parametrize(
    ("event", "key"),
    [
        ("Media:New", "Media"),
        ("Media:Replace", "Media"),
        ("Notes:New", "Note"),
        ("Notes:Replace", "Note"),
    ],
)
def test_an_embedded_file_has_exactly_the_size_asked_for(event, key, size):
    """The size is that of the file, before base64."""
    contents = build(event, file_bytes=size)[key]["FileContents"]

    assert len(b64decode(contents, validate=True)) == size


def test_times_are_written_in_utc():
    """Whatever the zone of the clock."""
    east = NOW.astimezone(timezone(timedelta(hours=5)))

    assert build("SSO:Sign-on", now=east) == build("SSO:Sign-on")


@pytest.mark.parametrize(
    "arguments",
    [
        {"event": "PatientAdmin:arrival"},
        {"event": ""},
        {"now": NOW.replace(tzinfo=None)},
        {"file_bytes": -1},
    ],
    ids=["wrong case", "no event", "no time zone", "negative size"],
)
def test_what_cannot_be_built_is_refused(arguments):
    """With the simulator's own exception."""
    with pytest.raises(SimulatorError):
        build(**{"event": "Media:New", **arguments})
