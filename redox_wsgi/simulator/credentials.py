"""What Redox adds to a request to prove that it comes from Redox."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from redox_wsgi.simulator.errors import SimulatorError

__all__ = ["Credential", "TokenCredential"]

# Anything else would be refused by http.client with an error that quotes the header.
_VISIBLE_ASCII = re.compile(r"[!-~]+")


class Credential(Protocol):
    """Decides which headers prove one request; one class an auth strategy."""

    def headers(self, method: str, url: str, body: bytes) -> list[tuple[str, str]]:
        """Return the headers to add to this request.

        Args:
            method: ``GET`` or ``POST``.
            url: The whole address, query included, exactly as it is requested.
            body: The body as sent; empty for ``GET``.

        Returns:
            Names in lower case and values, in the order of sending.
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
    def headers(self, method: str, url: str, body: bytes) -> list[tuple[str, str]]:
        """Return the two headers; they are the same for every request."""
        return [
            ("verification-token", self.token),
            ("authorization", f"Bearer {self.token}"),
        ]
