"""The identity: a retry is recognised, and nothing that differs is taken for one."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from redox_wsgi import Transmission
from tests.support.builders import NOTIFICATION, build_payload, encode

ATTEMPT_ID = b"925d1617-2fe0-468c-a14c-f8c04b572c54"


def identify(body: bytes) -> str:
    """Return the identity of a body."""
    return Transmission(body, received_at=datetime(2026, 1, 31, tzinfo=UTC)).identity


def test_a_retry_has_the_identity_of_the_first_attempt() -> None:
    """It is believed to keep everything but the attempt ID."""
    retry = NOTIFICATION.replace(ATTEMPT_ID, b"another")

    assert retry != NOTIFICATION
    assert identify(retry) == identify(NOTIFICATION)


def test_the_identity_is_the_hash_of_the_body_without_the_values() -> None:
    """Anyone can compute it again."""
    without = NOTIFICATION.replace(b'"' + ATTEMPT_ID + b'"', b"")

    assert identify(NOTIFICATION) == hashlib.sha256(without).hexdigest()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Zo\xc3\xab", b"Zoe"),
        (b"0f1e2d3c", b"1f1e2d3c"),
        (b"8589934592", b"8589934593"),
        (b'"Patient"', b' "Patient"'),
        (b'"Test":true', b'"Test":false'),
        (b'"AttemptID":', b'"Attempt":'),
    ],
)
def test_any_other_difference_is_another_transmission(
    before: bytes, after: bytes
) -> None:
    """IDs alone must not decide: test messages repeat theirs."""
    assert before in NOTIFICATION
    assert identify(NOTIFICATION.replace(before, after)) != identify(NOTIFICATION)


def build_logs(logs: str, **more: object) -> bytes:
    """Build a payload around the JSON of its logs."""
    payload = encode({"Meta": {"DataModel": "Notes", "Logs": "LOGS"}, **more})
    return payload.replace(b'"LOGS"', logs.encode())


@pytest.mark.parametrize(
    ("first", "retry"),
    [
        ('[{"ID":"1","AttemptID":"1"}]', '[{"ID":"1","AttemptID":"2"}]'),
        ('[{"AttemptID":"1","ID":"1"}]', '[{"AttemptID":"2","ID":"1"}]'),
        ('[{"AttemptID":1}]', '[{"AttemptID":22}]'),
        ('[{"AttemptID":null}]', '[{"AttemptID":"a,}]"}]'),
        (r'[{"AttemptID":"a\"b\\"}]', '[{"AttemptID":"x"}]'),
        (r'[{"Attempt\u0049D":"a"}]', r'[{"Attempt\u0049D":"b"}]'),
        ('[ { "AttemptID" : "a" } ]', '[ { "AttemptID" : "b" } ]'),
        (
            '[{"ID":"1","AttemptID":"a"},{"ID":"2","AttemptID":"b"}]',
            '[{"ID":"1","AttemptID":"c"},{"ID":"2","AttemptID":"d"}]',
        ),
    ],
)
def test_attempt_ids_are_found_however_they_are_written(first: str, retry: str) -> None:
    """The position counts, not the text: an ID may repeat elsewhere."""
    assert identify(build_logs(first)) == identify(build_logs(retry))


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ('[{"ID":"1","AttemptID":"1"}]', '[{"ID":"2","AttemptID":"1"}]'),
        ('[{"x":{"AttemptID":"1"}}]', '[{"x":{"AttemptID":"2"}}]'),
        ('[["AttemptID","1"]]', '[["AttemptID","2"]]'),
        ('[{"AttemptID":["1"]}]', '[{"AttemptID":["2"]}]'),
        ('{"AttemptID":"1"}', '{"AttemptID":"2"}'),
        ('"AttemptID"', '"AttemptIE"'),
        ('[{"AttemptID":"1"}]', '[{"AttemptID":"1"},{"AttemptID":"1"}]'),
    ],
)
def test_what_only_looks_like_an_attempt_id_counts(first: str, other: str) -> None:
    """Left out is ``Meta.Logs[].AttemptID`` and nothing else."""
    assert identify(build_logs(first)) != identify(build_logs(other))


def test_an_attempt_id_outside_of_the_logs_counts() -> None:
    """A payload of the same shape deeper down is content."""
    logs = '[{"AttemptID":"1"}]'
    first = build_logs(logs, Copy={"Meta": {"Logs": [{"AttemptID": "7"}]}})
    other = build_logs(logs, Copy={"Meta": {"Logs": [{"AttemptID": "8"}]}})

    assert identify(first) != identify(other)


@pytest.mark.parametrize("odd", ["\\ud83d", '"}],"Meta":{"Logs":[{"AttemptID":"x'])
def test_a_retry_of_json_that_the_fast_parser_refuses_is_recognised(odd: str) -> None:
    """Then every token is looked at."""
    more = (
        f',"Text":"{odd}"}}'.encode()
        if odd.startswith("\\")
        else (b',"Text":' + json.dumps(odd).encode() + b',"n":' + b"9" * 30 + b"}")
    )
    first = NOTIFICATION[:-1] + more
    retry = first.replace(ATTEMPT_ID, b"another")

    assert identify(first) == identify(retry)
    assert identify(first) != identify(first.replace(b"Arrival", b"Brrival"))


def test_what_the_fast_parser_refuses_is_hashed_without_the_same_values() -> None:
    """Nothing else is left out, not even a character beside them."""
    body = NOTIFICATION[:-1] + b',"x":"\\ud83d"}'
    without = body.replace(b'"' + ATTEMPT_ID + b'"', b"")

    assert identify(body) == hashlib.sha256(without).hexdigest()


def test_a_copy_of_the_logs_behind_them_counts() -> None:
    """It is content; the first place is the one that Redox writes."""
    logs = '[{"ID":"1","AttemptID":"1"}]'
    body = build_logs(logs, Copy=json.loads(logs))
    without = body.replace(b'"AttemptID":"1"', b'"AttemptID":', 1)

    assert identify(body) == hashlib.sha256(without).hexdigest()


@pytest.mark.parametrize(
    "body",
    [b'{"Meta":{}}', b'{"Meta":{"Logs":null}}', b'{"Meta":{},"x":null}'],
)
def test_a_payload_without_logs_is_hashed_whole(body: bytes) -> None:
    """They are absent from many payloads, and null in some."""
    assert identify(body) == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("body", [b"", b"MSH|^~\\&|", b"[]", b'{"Meta":1}', b"\xff"])
def test_what_is_no_payload_is_hashed_whole(body: bytes) -> None:
    """It has no attempt ID that could be told from its content."""
    assert identify(body) == hashlib.sha256(body).hexdigest()


def test_payloads_that_share_their_log_ids_differ() -> None:
    """110 of Redox's 111 published samples share one."""
    arrival = encode(build_payload("PatientAdmin", "Arrival"))
    discharge = encode(build_payload("PatientAdmin", "Discharge"))

    assert identify(arrival) != identify(discharge)


def test_an_identity_is_computed_once() -> None:
    """A body may have 40 MB."""
    transmission = Transmission(
        NOTIFICATION, received_at=datetime(2026, 1, 31, tzinfo=UTC)
    )

    assert transmission.identity is transmission.identity
