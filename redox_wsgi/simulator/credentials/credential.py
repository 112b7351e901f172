"""What Redox adds to a request to prove that it comes from Redox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from redox_wsgi.simulator.exchange import Request

__all__ = ["Credential"]


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
