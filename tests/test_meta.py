"""Reading the envelope: tolerant field by field, strict about what JSON is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from redox_wsgi import Meta
from redox_wsgi.meta import read_meta
from tests.support.builders import LOG_ID, NOTIFICATION, SOURCE_ID, encode

WRONG_TYPES: list[Any] = [None, True, [], {}, [1], {"ID": {}}, [[]], [None]]


def test_every_field_is_read() -> None:
    """The names are the field's standard terms; IDs are text, whatever they were."""
    format_, meta = read_meta(NOTIFICATION)

    assert format_ == "data-model"
    assert (meta.data_model, meta.event_type) == ("PatientAdmin", "Arrival")
    assert meta.event_datetime == datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)
    assert meta.is_test is True
    assert meta.source_id == SOURCE_ID
    assert meta.destination_ids == ("d-1", "d-2")
    assert meta.log_id == LOG_ID
    assert meta.attempt_id == "925d1617-2fe0-468c-a14c-f8c04b572c54"
    assert meta.message_id == "8589934592"
    assert meta.transmission_id == "8589934593"
    assert meta.facility_code is None
    assert meta.fields["Source"]["Name"] == "Hospital"


NAMES = [
    "data_model",
    "event_type",
    "event_datetime",
    "source_id",
    "log_id",
    "attempt_id",
    "message_id",
    "transmission_id",
    "facility_code",
]


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
def test_a_field_of_a_wrong_type_is_none_and_hides_no_other(wrong: Any) -> None:
    """One odd field must not make the rest unreadable."""
    fields = {
        "EventType": wrong,
        "EventDateTime": wrong,
        "Test": wrong,
        "Source": wrong,
        "Destinations": wrong,
        "Logs": wrong,
        "Message": wrong,
        "Transmission": wrong,
        "FacilityCode": wrong,
    }
    meta = Meta({"DataModel": "Notes", **fields})

    assert meta.data_model == "Notes"
    assert {getattr(meta, name) for name in NAMES[1:]} == {None}
    assert meta.destination_ids == ()
    assert meta.is_test is (wrong is True)


def test_an_absent_meta_has_no_fields() -> None:
    """Nobody has to ask whether there is one."""
    meta = Meta({})

    assert {getattr(meta, name) for name in NAMES} == {None}
    assert (meta.is_test, meta.destination_ids) == (False, ())


@pytest.mark.parametrize(
    ("sent", "text"), [("5", "5"), (5565, "5565"), (2**70, str(2**70)), (1.5, "1.5")]
)
def test_an_id_is_text_from_a_string_or_a_number(sent: Any, text: str) -> None:
    """Older payloads carry numbers, above 2**32 in real data."""
    _, meta = read_meta(encode({"Meta": {"Message": {"ID": sent}}}))

    assert meta.message_id == text


@pytest.mark.parametrize("sent", [True, None, ["5"], {"ID": "5"}])
def test_an_id_of_another_type_is_none(sent: Any) -> None:
    """Not the text of what is not meant as one."""
    _, meta = read_meta(encode({"Meta": {"Message": {"ID": sent}}}))

    assert meta.message_id is None


def test_the_first_of_several_logs_counts() -> None:
    """It is that of this transmission."""
    logs = [{"ID": "a", "AttemptID": "b"}, {"ID": "c", "AttemptID": "d"}]
    meta = Meta({"Logs": logs})

    assert (meta.log_id, meta.attempt_id) == ("a", "b")


def test_a_facility_is_known_by_its_code() -> None:
    """For a source with several."""
    assert Meta({"FacilityCode": "RES"}).facility_code == "RES"


def test_a_destination_without_an_id_is_left_out() -> None:
    """The list holds IDs only."""
    meta = Meta({"Destinations": [{"ID": "a"}, {"Name": "b"}, 3, {"ID": 4}]})

    assert meta.destination_ids == ("a", "4")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2016-09-22T10:20:30.000Z", datetime(2016, 9, 22, 10, 20, 30, tzinfo=UTC)),
        (
            "2016-09-22T10:20:30-05:00",
            datetime(2016, 9, 22, 10, 20, 30, tzinfo=timezone(-timedelta(hours=5))),
        ),
        ("2016-09-22T10:20:30", None),
        ("2016-09-22", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_an_event_datetime_is_aware_or_none(text: str, moment: datetime | None) -> None:
    """A time without an offset means nothing: it is the destination's own zone."""
    assert Meta({"EventDateTime": text}).event_datetime == moment


@pytest.mark.parametrize(
    ("body", "format_"),
    [
        (b'{"Meta":{}}', "data-model"),
        (b' {"Meta": {}}\n', "data-model"),
        (b'{"Meta":{},"resourceType":"Bundle"}', "data-model"),
        (b'{"resourceType":"Bundle","Meta":null}', "fhir"),
        (b'{"resourceType":"Bundle"}', "fhir"),
        (b'{"resourceType":1}', "unknown"),
        (b'{"Meta":[]}', "unknown"),
        (b'{"Meta":"x"}', "unknown"),
        (b"{}", "unknown"),
        (b"[]", "unknown"),
        (b"1", "unknown"),
        (b"", "unknown"),
        (b"MSH|^~\\&|", "unknown"),
        (b'{"Meta":{}} trailing', "unknown"),
        (b'\xef\xbb\xbf{"Meta":{}}', "unknown"),
        (b'{"Meta":{},"x":NaN}', "unknown"),
        (b'{"Meta":{"x":Infinity}}', "unknown"),
        (b'{"Meta":{},"x":"\xff"}', "unknown"),
        (b'{"Meta":{"x":"\xff"}}', "unknown"),
        (b'{"Meta":{},"x":"\xc3', "unknown"),
        ('{"Meta":{}}'.encode("utf-16"), "unknown"),
        (b'{"Meta":{},"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "unknown"),
        (b'{"Meta":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", "unknown"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_body_is_recognised_for_what_it_is(body: bytes, format_: str) -> None:
    """What does not decode is unknown, and keeps no half-read envelope."""
    found, meta = read_meta(body)

    assert found == format_
    assert meta.fields == {}


@pytest.mark.parametrize(
    "more",
    [
        b'"\\ud83d"',
        b"123456789012345678901234567890",
        b"1e999",
        b'"\\ud83d \\ude00"',
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        b'{"Meta":{"DataModel":"Notes","x":%b}}',
        b'{"Meta":{"DataModel":"Notes"},"x":%b}',
    ],
)
def test_json_that_the_fast_parser_refuses_is_read_all_the_same(
    more: bytes, place: bytes
) -> None:
    """A text that a hospital cut within an emoji must not lose its subscription."""
    format_, meta = read_meta(place % more)

    assert (format_, meta.data_model) == ("data-model", "Notes")
    assert read_meta(b'{"resourceType":"Bundle","x":%b}' % more)[0] == "fhir"


def test_json_that_both_parsers_refuse_is_unknown() -> None:
    """The one for a number, the other for its depth: that is no error either."""
    deep = b"[" * 100_000 + b"]" * 100_000
    body = b'{"Meta":{"DataModel":"Notes"},"x":1e999,"y":%b}' % deep

    assert read_meta(body)[0] == "unknown"


def test_a_number_too_long_to_convert_makes_the_body_unknown() -> None:
    """Python refuses to convert more than 4,300 digits; it is a transmission still."""
    body = b'{"Meta":{"DataModel":"Notes","x":%b}}' % (b"1" * 5000)

    assert read_meta(body)[0] == "unknown"


def test_a_long_text_that_is_not_ascii_is_checked_to_its_end() -> None:
    """A character may stand across the border of two chunks."""
    for shift in range(3):
        text = b"x" * (64 * 1024 - shift) + "ß€😀".encode() * 50_000
        good = b'{"Meta":{"DataModel":"Notes"},"x":"%b"}' % text

        assert read_meta(good)[0] == "data-model"
        assert read_meta(good[:-3] + b'\xf0"}')[0] == "unknown"


def test_the_last_of_two_members_counts() -> None:
    """As in every JSON parser of Python."""
    _, meta = read_meta(b'{"Meta":{"DataModel":"A"},"Meta":{"DataModel":"B"}}')

    assert meta.data_model == "B"
