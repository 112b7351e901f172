"""What Redox adds to a request to prove that it comes from Redox."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.exchange import Request

__all__ = ["Credential", "TokenCredential"]

# Anything else would be refused by http.client with an error that quotes the header.
_VISIBLE_ASCII = re.compile(r"[!-~]+")


class Credential(Protocol):
    """Decides which headers prove one request; one class an auth strategy.

    It is asked for every request, transmissions and verifications alike, just before
    that is sent, so that it may be short-lived, cover the whole request, or fetch an
    access token first (through a ``Transport``, of its own or the ``Sender``'s).
    """

    def headers(self, request: Request) -> Iterable[tuple[str, str]]:
        """Return the headers to set on this request.

        Args:
            request: The request, otherwise complete: ``host``, ``content-length`` and
                ``content-type`` are in its headers. Nothing else is added later.

        Returns:
            Names and values; one whose name the request has already replaces that one
            where it stands, the others go to the end.

        Raises:
            NoAnswer: What it needs first, such as an access token, cannot be had
                (``"no-credential"``); the request is not sent, its answer says so.
            SimulatorError: It cannot prove this request.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """The verification token of a destination, in both documented headers."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a token that cannot stand in a header.

        Raises:
            SimulatorError: The token is empty or not visible ASCII.
        """
        if not _VISIBLE_ASCII.fullmatch(self.token):
            raise SimulatorError(
                "The verification token must be visible ASCII without blanks."
            )

    # A transmission carries the token as "verification-token" and as
    # "authorization: Bearer".
    # -- https://developer.redoxengine.com/redox-json-api/processing-requests/
    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the two headers; they are the same for every request."""
        return [
            ("verification-token", self.token),
            ("authorization", f"Bearer {self.token}"),
        ]
