"""What a handler is, and what its return value means as an answer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from redox_wsgi.errors import ConfigurationError, HandlerFailed
from redox_wsgi.response import KEPT, Response
from redox_wsgi.transmission import Transmission

#: What a handler may return: None, an object to be sent as JSON, JSON already encoded,
#: or a response of its own.
Reply: TypeAlias = Mapping[str, Any] | bytes | str | Response | None

#: The user's callable, given one transmission.
Handler: TypeAlias = Callable[[Transmission], Reply]

_OK = 200
_FIRST_REFUSAL = 400


def check_is_handler(candidate: object) -> None:
    """Raise ``ConfigurationError`` unless ``candidate`` can be called as a handler."""
    if not callable(candidate):
        raise ConfigurationError(
            "A handler must be callable with one Transmission, such as a function; "
            f"this is a {type(candidate).__name__}."
        )
    if inspect.iscoroutinefunction(candidate) or inspect.iscoroutinefunction(
        type(candidate).__call__
    ):
        raise ConfigurationError(
            "A handler must be a plain function: WSGI awaits nothing, so an async one "
            "would never run. Wrap it, for example with asgiref.sync.async_to_sync."
        )


def build_response(transmission: Transmission, reply: object) -> Response:
    """Build the answer that a handler's return value means.

    Args:
        transmission: What the handler was given.
        reply: What it returned.

    Returns:
        None means that a notification is kept; to a query, that nobody answered.

    Raises:
        HandlerFailed: It is none of the documented kinds, no JSON, or a status that
            Redox leaves undefined for a notification.

    Spec:
        https://developer.redoxengine.com/redox-json-api/processing-requests/receive/
    """
    if reply is None:
        if not transmission.is_query:
            return KEPT
        # An empty 200 would leave the asker without a reason.
        reply = transmission.reply_errors("No handler answered this query.")
    if isinstance(reply, Mapping):
        return Response(_encode(reply))
    if isinstance(reply, str):
        try:
            reply = reply.encode()
        except UnicodeEncodeError as error:
            raise HandlerFailed("reply-not-json") from error
    if isinstance(reply, bytes):
        return Response(reply)
    if not isinstance(reply, Response):
        raise HandlerFailed("reply-of-unknown-type")
    if not transmission.is_query and _OK != reply.status < _FIRST_REFUSAL:
        raise HandlerFailed("reply-with-undefined-status")
    return reply


def _encode(payload: Mapping[str, Any]) -> bytes:
    try:
        # ASCII: half a surrogate pair, cut from a patient's data, has no UTF-8.
        return json.dumps(dict(payload), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise HandlerFailed("reply-not-json") from error
