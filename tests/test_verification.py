"""Recognising a verification request, and nothing else as one."""

from __future__ import annotations

import json

import pytest

from redox_wsgi import MalformedRequest
from redox_wsgi.verification import (
    Verification,
    answer_challenge,
    blank_tokens,
    parse_body,
    parse_query,
)


@pytest.mark.parametrize(
    ("query", "challenge", "tokens"),
    [
        ("challenge=c", "c", ()),
        ("challenge=c&verification-token=t", "c", (("t", "t"),)),
        ("verification-token=t&challenge=c", "c", (("t", "t"),)),
        ("a=1&challenge=c&verification-token=t&b", "c", (("t", "t"),)),
        ("challenge=c&verification-token=a%2Bb", "c", (("a%2Bb", "a+b"),)),
        ("challenge=c&verification-token=a+b", "c", (("a+b", "a+b"),)),
        ("challenge=c&verification-token=a=b", "c", (("a=b", "a=b"),)),
        ("challenge=c&verification-token", "c", (("", ""),)),
        ("challenge=a%20b", "a b", ()),
        ("challenge", "", ()),
        ("%63hallenge=c&verification%2dtoken=t", "c", (("t", "t"),)),
        (
            "challenge=c&verification-token=1&verification-token=2",
            "c",
            (("1", "1"), ("2", "2")),
        ),
    ],
)
def test_a_query_is_read_by_its_names(
    query: str, challenge: str, tokens: tuple[tuple[str, str], ...]
) -> None:
    """By position it would break once the URL carries the token too."""
    assert parse_query(query) == Verification(challenge, tokens)


@pytest.mark.parametrize("query", ["", "a=1", "Challenge=c", "verification-token=t"])
def test_a_query_without_a_challenge_is_none(query: str) -> None:
    """Then a GET is none of Redox's."""
    assert parse_query(query) is None


def test_two_challenges_are_malformed() -> None:
    """Nobody could say which one to echo."""
    verification = parse_query("challenge=a&challenge=b")

    assert verification is not None
    with pytest.raises(MalformedRequest):
        answer_challenge(verification)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"challenge":"c"}', ("c", ())),
        (b'{"verification-token":"t","challenge":"c"}', ("c", (("t",),))),
        (b'{"challenge":"c","x":1,"verification-token":"t"}', ("c", (("t",),))),
        (b'{"\\u0063hallenge":"c"}', ("c", ())),
        (b'{"challenge":"c","verification-token":null}', ("c", (("",),))),
        (b'{"challenge":"c","verification-token":["t"]}', ("c", (("",),))),
        (b'{"challenge":""}', ("", ())),
        (b'{"challenge":"c"}' + b" " * (4096 - 17), ("c", ())),
    ],
)
def test_a_short_object_with_a_challenge_is_a_verification(
    body: bytes, expected: tuple[str, tuple[tuple[str, ...], ...]]
) -> None:
    """Whatever else it holds, and however its names are written."""
    assert parse_body(body) == Verification(*expected)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"challenge",
        b'"challenge"',
        b'["challenge"]',
        b'{"challenge":1}',
        b'{"challenge":null}',
        b'{"challenge":"c"',
        b'{"challenge":"c","Meta":{}}',
        b'{"Meta":{},"challenge":"c"}',
        b'{"Meta":1,"challenge":"c"',
        b'{"challenge":"c","Meta":null}',
        b'{"challenge":"c","resourceType":"Bundle"}',
        b'{"challenge":"c","resourceType":null}',
        b'{"challenge":"c"}' + b" " * (4097 - 17),
        b'{"challenge":"\xff"}',
        b'{"x":"\\u0063"}',
    ],
    ids=lambda body: body[:44].decode("latin-1"),
)
def test_anything_else_is_none(body: bytes) -> None:
    """A clinical payload with a challenge in it must not be swallowed."""
    assert parse_body(body) is None


def test_a_body_that_is_nested_too_deep_for_the_parser_raises_nothing() -> None:
    """How deep that is differs between versions of Python."""
    body = b'{"challenge":"c","x":' + b"[" * 2000 + b"]" * 2000 + b"}"

    assert parse_body(body) in (None, Verification("c", ()))
    assert parse_body(body[:-1]) is None


@pytest.mark.parametrize("challenge", ["c", "!~", "<script>", "c" * 256])
def test_a_challenge_is_echoed_alone(challenge: str) -> None:
    """As text that no browser runs; that satisfies both of Redox's documents."""
    response = answer_challenge(Verification(challenge, ()))

    assert response.body == challenge.encode()
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.status == 200


@pytest.mark.parametrize(
    "challenge", ["", " ", "a b", "c" * 257, "\x00", "a\n", "\x7f", "é", "\ud800"]
)
def test_a_challenge_that_is_no_visible_word_is_malformed(challenge: str) -> None:
    """What is echoed must be harmless everywhere."""
    with pytest.raises(MalformedRequest) as caught:
        answer_challenge(Verification(challenge, ()))

    assert caught.value.code == "malformed-challenge"


@pytest.mark.parametrize(
    ("query", "blanked"),
    [
        ("", ""),
        ("a=1&b", "a=1&b"),
        ("verification-token=t", "verification-token=***"),
        ("verification-token", "verification-token=***"),
        ("a=%20&verification-token=t&b==", "a=%20&verification-token=***&b=="),
        ("verification%2Dtoken=t", "verification%2Dtoken=***"),
        ("Verification-Token=t", "Verification-Token=***"),
        (
            "verification-token=t&verification-token=u",
            "verification-token=***&verification-token=***",
        ),
        ("verification-tokens=t", "verification-tokens=t"),
    ],
)
def test_tokens_are_blanked_and_nothing_else_is_touched(
    query: str, blanked: str
) -> None:
    """The rest belongs to somebody, down to its encoding."""
    assert blank_tokens(query) == blanked


def test_a_verification_shows_nothing() -> None:
    """It carries the token."""
    verification = parse_body(
        json.dumps({"challenge": "c-a-n-a-r-y", "verification-token": "s"}).encode()
    )

    assert repr(verification) == "Verification()"
