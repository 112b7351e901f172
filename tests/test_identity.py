"""The identity: a retry is recognised, and nothing that differs is taken for one."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from redox_wsgi import Transmission
from redox_wsgi.identity import hash_content
from redox_wsgi.meta import read_meta
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
        (
            r'[{"AttemptID":"a"},{"Attempt\u0049D":"b"}]',
            r'[{"AttemptID":"c"},{"Attempt\u0049D":"d"}]',
        ),
        (
            r'[{"\u0041ttemptID":"a","AttemptID":"b"}]',
            r'[{"\u0041ttemptID":"c","AttemptID":"d"}]',
        ),
        (r'[{"AttemptID":"\ud83d"}]', '[{"AttemptID":"a"}]'),
        (
            r'[{"AttemptID":null},{"\u0041ttemptID":null}]',
            r'[{"AttemptID":"a"},{"\u0041ttemptID":"b"}]',
        ),
        (
            r'[{"AttemptID":null},{"Atte\u006DptID":null}]',
            r'[{"AttemptID":"a"},{"Atte\u006DptID":"b"}]',
        ),
        (
            r'[{"AttemptID":null},{"A\u0074temptID":null}]',
            r'[{"AttemptID":"a"},{"A\u0074temptID":"b"}]',
        ),
        ('[ { "AttemptID" : "a" } ]', '[ { "AttemptID" : "b" } ]'),
        (
            '[{"ID":"1","AttemptID":"a"},{"ID":"2","AttemptID":"b"}]',
            '[{"ID":"1","AttemptID":"c"},{"ID":"2","AttemptID":"d"}]',
        ),
        (
            '[{"x":["y",[1]],"AttemptID":"a"},{"AttemptID":"b"}]',
            '[{"x":["y",[1]],"AttemptID":"c"},{"AttemptID":"d"}]',
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


# Raw texts, since it is the letters that are hashed: those that mean something, in more
# than one spelling, and some that end a string of JSON.
SCALARS = [
    '"1"',
    '"2"',
    r'"\u0031"',
    r'"\""',
    r'"\\"',
    '"AttemptID"',
    "1",
    "null",
    "{}",
]
INJECTED = ['"1","x":"1"', '"1"},"Meta":{"x":"1"', '"1"},{"AttemptID":"1"', "1"]
NAMES = ['"Meta"', '"Logs"', '"AttemptID"', r'"Attempt\u0049D"', '"ID"']
COLONS = [":", ": "]
HOLE = "HOLE"


def write_object(members: list[tuple[str, str, str]]) -> str:
    """Write an object with these members, whose names may come again."""
    return "{" + ",".join("".join(member) for member in members) + "}"


def write_list(items: list[str]) -> str:
    """Write a list."""
    return f"[{','.join(items)}]"


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Give objects of JSON with such values."""
    member = st.tuples(st.sampled_from(NAMES), st.sampled_from(COLONS), values)
    return st.lists(member, max_size=3).map(write_object)


def values() -> st.SearchStrategy[str]:
    """Give values of JSON, most of them within the envelope; a part is left open."""
    return st.recursive(
        st.sampled_from([*SCALARS, HOLE]),
        lambda inner: objects(inner) | st.lists(inner, max_size=2).map(write_list),
        max_leaves=6,
    )


@st.composite
def payloads(draw: st.DrawFn) -> str:
    """Give payloads with logs, and more of the same names around them."""
    log = draw(objects(st.sampled_from([*SCALARS, HOLE, HOLE])))
    meta = ('"Meta"', ":", write_object([('"Logs"', ":", write_list([log]))]))
    others = st.tuples(st.sampled_from(NAMES), st.just(":"), values())
    before, after = draw(st.lists(others, max_size=2)), draw(st.lists(others))
    return write_object([*before, meta, *after])


def blank(body: str) -> Any:
    """Return what a payload says but for its attempt IDs, names as often as they come.

    The standard library reads it, so that nothing here looks for a place in the text.
    """
    return _blank(json.loads(body, object_pairs_hook=tuple, parse_int=str), ())


def _blank(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, tuple):
        return "object", [(name, _blank(of, (*path, name))) for name, of in value]
    if isinstance(value, list):
        return "list", [_blank(item, (*path, "[]")) for item in value]
    return None if path == ("Meta", "Logs", "[]", "AttemptID") else ("value", value)


def fill(payload: str, text: str) -> str:
    """Fill the holes, and leave out what is no JSON then."""
    filled = payload.replace(HOLE, text)
    try:
        json.loads(filled)
    except ValueError:
        assume(False)
    return filled


# Two that the ID of the first log and a member elsewhere made one: its text goes on
# behind the end of a string, and comes again where a name is spelled otherwise.
GOES_ON = '1"},"Meta":{"x":"1'
HIDDEN = r'{"Meta":{"Logs":[{"Attempt\u0049D":"1"}]},"c":{"AttemptID":HOLE,"Logs":[{'
HIDDEN += rf'"Attempt\u0049D":{json.dumps(GOES_ON)}}}]}}}}'


@given(payloads(), st.sampled_from(SCALARS), st.sampled_from([*SCALARS, *INJECTED]))
@example(HIDDEN, '"1"', f'"{GOES_ON}"')
@example('{"Meta":{"Logs":[{"AttemptID":HOLE}]}}', '"1"', "2")
def test_no_two_that_differ_in_anything_else_have_one_identity(
    payload: str, one: str, other: str
) -> None:
    """Taken for a repeat, the second would be answered 200 and dropped."""
    first, second = fill(payload, one), fill(payload, other)
    if identify(first.encode()) == identify(second.encode()):
        assert blank(first) == blank(second)


@given(payloads(), st.sampled_from([*SCALARS, *INJECTED]))
def test_any_first_attempt_id_is_left_out_as_if_every_token_were_looked_at(
    payload: str, text: str
) -> None:
    """Attempts of which one is searched and one read would be two transmissions."""
    body = fill(payload, text).encode()
    _, meta = read_meta(body)

    assert hash_content(body, meta.attempt_id) == hash_content(body)


@given(st.sampled_from(['"1"', '"2"', "1"]), st.sampled_from(['"1"', '"3"', "null"]))
def test_any_retry_has_the_identity_of_the_first_attempt(
    first: str, retry: str
) -> None:
    """In the form in which Redox writes it, with any ID."""
    payload = '{"Meta":{"Logs":[{"ID":"1","AttemptID":HOLE}]},"Text":"AttemptID"}'

    assert identify(fill(payload, first).encode()) == identify(
        fill(payload, retry).encode()
    )
