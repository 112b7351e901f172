"""One request and its answer, and the protocol of whatever carries them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from redox_wsgi.simulator.answer import ErrorWord, Headers

__all__ = ["NoAnswer", "Request", "Response", "Transport"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes out, complete: nothing is added on the way."""

    method: str
    #: The whole address, query included, exactly as it is requested.
    url: str = field(repr=False)
    #: Every header, ``host`` and ``content-length`` too, in the order of sending.
    headers: Headers = field(repr=False)
    #: The body as sent; empty for ``GET``.
    body: bytes = field(repr=False)

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Self:
        """Return the same request with these headers set.

        A header that is there already is replaced where it stands; a new one is
        added at the end.
        """
        left = {name.lower(): value for name, value in headers}
        kept = tuple(
            (name, left.pop(name.lower(), value)) for name, value in self.headers
        )
        return replace(self, headers=(*kept, *left.items()))


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, before anybody judged it."""

    status: int
    headers: Headers = field(repr=False)
    #: As sent, undecoded.
    body: bytes = field(repr=False)


class NoAnswer(Exception):
    """No whole HTTP answer came; the destination may have got the request or not."""

    def __init__(self, word: ErrorWord) -> None:
        super().__init__(word)
        #: Why, as a fixed word.
        self.word = word


class Transport(Protocol):
    """Carries requests to a destination: over HTTP, or within the process."""

    def exchange(self, request: Request) -> Response:
        """Send one request and wait for its answer.

        Raises:
            NoAnswer: No whole answer came.
            SimulatorError: The request cannot be sent as it is.
        """
        ...
