"""Get an access token from a token endpoint, and keep it while it is valid."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.credentials.fields import Clock
from redox_wsgi.simulator.exchange import NoAnswer, Request, Response, Transport

__all__ = ["FORM", "AccessTokens", "build_token_request"]

FORM = "application/x-www-form-urlencoded"

_OK = 200
_VISIBLE_ASCII = re.compile(r"[!-~]+")
# A token that is about to expire could be too old when it arrives.
_EARLY_SECONDS = 30.0


def build_token_request(
    url: str,
    parameters: Mapping[str, str],
    *headers: tuple[str, str],
    content_type: str = FORM,
) -> Request:
    """Build a request for an access token.

    Args:
        url: Of the token endpoint.
        parameters: What the body says.
        headers: Further headers.
        content_type: The type of the body: JSON, or else a form.

    Raises:
        SimulatorError: The address is none.
    """
    address = parse_address(url)
    is_json = content_type.partition(";")[0].strip().lower() == "application/json"
    text = json.dumps(dict(parameters)) if is_json else urlencode(parameters)
    body = text.encode()
    all_headers = (
        ("host", address.authority),
        ("content-length", str(len(body))),
        ("content-type", content_type),
        ("accept", "application/json"),
        *headers,
    )
    return Request("POST", str(address), all_headers, body)


class AccessTokens:
    """Fetches access tokens, one at a time however many threads ask.

    Args:
        build: Builds the request; asked anew for each token.
        transport: How it travels.
        now: The clock: aware.
        access_token_name: The name of the token in the answer.
        expires_field_name: The name of its lifetime there, in seconds.
        default_seconds: The lifetime of a token whose answer names none, in seconds.
    """

    def __init__(
        self,
        build: Callable[[], Request],
        transport: Transport,
        *,
        now: Clock,
        access_token_name: str = "access_token",  # noqa: S107 - a name
        expires_field_name: str = "expires_in",
        default_seconds: float = 300.0,
    ) -> None:
        self._build = build
        self._transport = transport
        self._now = now
        self._token_name = access_token_name
        self._expires_name = expires_field_name
        self._default_seconds = default_seconds
        self._lock = threading.Lock()
        self._kept: tuple[str, datetime] | None = None

    def get(self) -> str:
        """Return an access token: the last one, or a new one when that is too old.

        Raises:
            NoAnswer: None can be had (``"no-credential"``).
        """
        with self._lock:
            if self._kept is None or self._now() >= self._kept[1]:
                self._kept = None
                self._kept = self._fetch()
            return self._kept[0]

    def exchange(self, request: Request) -> Response:
        """Send one request to the token endpoint, right or wrong on purpose.

        Raises:
            NoAnswer: No whole answer came.
        """
        return self._transport.exchange(request)

    def _fetch(self) -> tuple[str, datetime]:
        try:
            response = self._transport.exchange(self._build())
        # "from None": which word it was says nothing of the destination.
        except NoAnswer:
            raise NoAnswer("no-credential") from None
        answer = _read_object(response.body) if response.status == _OK else {}
        token = answer.get(self._token_name)
        if not (isinstance(token, str) and _VISIBLE_ASCII.fullmatch(token)):
            raise NoAnswer("no-credential")
        seconds = self._read_seconds(answer.get(self._expires_name))
        kept_seconds = max(seconds - _EARLY_SECONDS, seconds / 2)
        return token, self._now() + timedelta(seconds=kept_seconds)

    def _read_seconds(self, value: object) -> float:
        # Some servers send digits in quotes.
        try:
            seconds = float(value) if isinstance(value, int | float | str) else -1.0
        except (OverflowError, ValueError):
            seconds = -1.0
        is_lifetime = 0 <= seconds <= timedelta(days=366).total_seconds()
        return seconds if is_lifetime else self._default_seconds


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    # Deep nesting is a RecursionError; bytes that are no UTF are a ValueError.
    except (RecursionError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}
