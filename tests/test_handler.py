"""What a handler is, and what its return value means."""

from __future__ import annotations

import json
from collections import UserDict
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from redox_wsgi import ConfigurationError, HandlerFailed, Response, Transmission
from redox_wsgi.handler import build_response, check_is_handler
from tests.support.builders import NOTIFICATION, QUERY


def build(body: bytes) -> Transmission:
    """Build a transmission."""
    return Transmission(body, received_at=datetime(2026, 1, 31, tzinfo=UTC))


class Callable_:
    """An object that is a handler."""

    def __call__(self, transmission: Transmission) -> None:
        """Receive."""


class AsyncCallable:
    """An object that looks like one."""

    async def __call__(self, transmission: Transmission) -> None:
        """Never run."""


async def receive_later(transmission: Transmission) -> None:
    """Never run."""


def test_whatever_can_be_called_is_a_handler() -> None:
    """A function, a method, an object: an inbox is just one of them."""
    for handler in (print, Callable_(), Callable_().__call__, lambda _: None):
        check_is_handler(handler)


@pytest.mark.parametrize("handler", [None, "receive", 1, []])
def test_what_cannot_be_called_is_none(handler: Any) -> None:
    """It would fail for every transmission."""
    with pytest.raises(ConfigurationError, match=type(handler).__name__):
        check_is_handler(handler)


@pytest.mark.parametrize("handler", [receive_later, AsyncCallable()])
def test_a_coroutine_is_no_handler(handler: Any) -> None:
    """WSGI awaits nothing: it would return a coroutine and do nothing."""
    with pytest.raises(ConfigurationError, match="plain function"):
        check_is_handler(handler)


def test_none_keeps_a_notification() -> None:
    """Exactly 200 and nothing else: Redox leaves 201 to 399 undefined."""
    response = build_response(build(NOTIFICATION), None)

    assert (response.status, response.body) == (200, b"")
    assert response.content_type == "text/plain; charset=utf-8"


def test_none_tells_the_asker_of_a_query_that_nobody_answered() -> None:
    """An empty 200 would leave him without a reason."""
    response = build_response(build(QUERY), None)
    meta = json.loads(response.body)["Meta"]

    assert (response.status, response.content_type) == (200, "application/json")
    assert (meta["DataModel"], meta["EventType"]) == ("PatientSearch", "Response")
    assert meta["Errors"][0]["Text"] == "No handler answered this query."


@pytest.mark.parametrize(
    "reply",
    [
        {"a": {"b": [1, None, "Zoë"]}},
        MappingProxyType({"a": {"b": [1, None, "Zoë"]}}),
        UserDict({"a": {"b": [1, None, "Zoë"]}}),
    ],
)
def test_a_mapping_is_sent_as_json(reply: Any) -> None:
    """Of any kind; ASCII, so that no text can be impossible to encode."""
    response = build_response(build(QUERY), reply)

    assert response.body == b'{"a": {"b": [1, null, "Zo\\u00eb"]}}'
    assert response.content_type == "application/json"


def test_half_a_character_can_be_echoed() -> None:
    """A patient's name that was cut within an emoji must not fail its own answer."""
    response = build_response(build(QUERY), {"LastName": "\ud83d"})

    assert json.loads(response.body) == {"LastName": "\ud83d"}


@pytest.mark.parametrize("reply", [b'{"a":"\xc3\xab"}', '{"a":"ë"}'])
def test_encoded_json_is_sent_as_it_is(reply: Any) -> None:
    """A handler that passes on somebody's answer need not decode it."""
    response = build_response(build(QUERY), reply)

    assert response.body == b'{"a":"\xc3\xab"}'
    assert response.content_type == "application/json"


def test_text_that_has_no_encoding_is_a_mistake_of_the_handler() -> None:
    """Half a surrogate pair is no text that could be sent."""
    with pytest.raises(HandlerFailed) as caught:
        build_response(build(QUERY), '{"a": "\ud83d"}')

    assert caught.value.code == "reply-not-json"


class Hostile(Mapping[str, Any]):
    """A mapping that fails when it is read."""

    def __getitem__(self, key: str) -> Any:
        """Fail."""
        raise TypeError

    def __iter__(self) -> Any:
        """Have one key."""
        return iter(["a"])

    def __len__(self) -> int:
        """Count it."""
        return 1


DEEP: dict[str, Any] = {}
DEEP["self"] = DEEP


@pytest.mark.parametrize(
    "reply",
    [
        {"a": object()},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": {1, 2}},
        {"a": b"bytes"},
        {"a": datetime(2026, 1, 31, tzinfo=UTC)},
        {("a", "b"): 1},
        DEEP,
        Hostile(),
    ],
    ids=lambda reply: repr(reply)[:30],
)
def test_data_that_is_no_json_is_a_mistake_of_the_handler(reply: Any) -> None:
    """A guess, such as null for NaN, would be a wrong answer about a patient."""
    with pytest.raises(HandlerFailed) as caught:
        build_response(build(QUERY), reply)

    assert (caught.value.status, caught.value.code) == (500, "reply-not-json")


@pytest.mark.parametrize(
    "reply", [True, False, 0, 200, [], ["a"], (200, "OK"), object()]
)
def test_anything_else_is_a_mistake_of_the_handler(reply: Any) -> None:
    """Flask's tuples and Django's responses mean nothing here."""
    with pytest.raises(HandlerFailed) as caught:
        build_response(build(NOTIFICATION), reply)

    assert caught.value.code == "reply-of-unknown-type"


@pytest.mark.parametrize("status", [201, 202, 204, 301, 302, 399])
def test_a_status_that_redox_leaves_undefined_is_a_mistake(status: int) -> None:
    """Nobody knows what Redox does with it; to a query it may be meant."""
    reply = Response(status=status)

    with pytest.raises(HandlerFailed) as caught:
        build_response(build(NOTIFICATION), reply)

    assert caught.value.code == "reply-with-undefined-status"
    assert build_response(build(QUERY), reply) is reply


@pytest.mark.parametrize("status", [200, 400, 404, 500, 503])
def test_a_status_that_redox_defines_is_sent(status: int) -> None:
    """Whoever returns 400 or more wants the subscription to pause."""
    reply = Response(status=status)

    assert build_response(build(NOTIFICATION), reply) is reply
