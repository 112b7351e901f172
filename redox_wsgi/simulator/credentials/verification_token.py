"""The verification token: what proves a transmission while no credential is linked."""

from __future__ import annotations

from dataclasses import dataclass, field

from redox_wsgi.simulator.credentials.fields import check_visible
from redox_wsgi.simulator.exchange import Request

__all__ = ["TokenCredential"]


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """The verification token of a destination, in both documented headers."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a token that cannot stand in a header.

        Raises:
            SimulatorError: The token is empty or not visible ASCII.
        """
        check_visible("The verification token", self.token)

    # A transmission carries the token as "verification-token" and as
    # "authorization: Bearer".
    # -- https://developer.redoxengine.com/redox-json-api/processing-requests/
    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the two headers; they are the same for every request."""
        return [
            ("verification-token", self.token),
            ("authorization", f"Bearer {self.token}"),
        ]
