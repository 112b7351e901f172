"""Speak HTTP/1.1 over a socket, rightly or wrongly on purpose.

Headers go out exactly as given: doubled, empty, in bytes beyond ASCII. A body may be
chunked, or end before its announced length. One connection a request; no redirect is
followed and nothing is sent again.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redox_wsgi.simulator.address import Address

__all__ = ["CLOSED", "Clock", "NotConnected", "Reply", "Wire", "WireRequest"]

#: Seconds since some fixed moment; never goes back.
Clock = Callable[[], float]

_PIECE_BYTES = 64 * 1024
# Even who sends the largest transmission back is below.
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
#: The ``error`` of an endpoint that hung up.
CLOSED = "the connection was closed"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request, complete: nothing is added on the way."""

    method: str
    #: Path and query.
    target: str = field(repr=False)
    #: In the order of sending, ``host`` and the length of the body too.
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    #: Whether the body, of two bytes or more, goes out in chunks; a header must say so.
    is_chunked: bool = False
    #: Whether the body is shorter than its header says: the request ends after it.
    is_cut: bool = False
    #: How long to wait for an answer before such an end, in seconds.
    patience_seconds: float = 0.0

    @property
    def head(self) -> bytes:
        """The first line, the headers, and the empty line; values are latin-1."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield what goes over the wire, in pieces of bounded size."""
        body = memoryview(self.body)
        if not self.is_chunked:
            # A small request is one piece, as most clients send it.
            yield self.head + body[:_PIECE_BYTES]
            for start in range(_PIECE_BYTES, len(body), _PIECE_BYTES):
                yield body[start : start + _PIECE_BYTES]
            return
        # Two chunks: one alone could pass for a body without framing.
        middle = len(body) // 2
        yield self.head
        for part in (body[:middle], body[middle:]):
            yield b"%x\r\n%b\r\n" % (len(part), part.tobytes())
        yield b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request."""

    #: HTTP status, or None when no whole HTTP answer came.
    status: int | None
    #: Names in lower case, and values, in order.
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: As sent, undecoded; empty when no answer came.
    body: bytes = field(default=b"", repr=False)
    #: From connecting to the last byte, in seconds.
    seconds: float = 0.0
    #: Why no answer came, in words; empty when one came.
    error: str = ""
    #: Whether it came before the whole request was sent.
    is_early: bool = False
    #: The version of TLS; None over plain HTTP.
    tls: str | None = None

    def header(self, name: str) -> str:
        """Return the first header of a name, in lower case; empty if absent."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()


class NotConnected(Exception):
    """The endpoint could not be reached at all; nothing was sent."""


class Wire:
    """A way to one endpoint.

    Args:
        address: Where it is.
        timeout_seconds: Longest wait for the connection, for the endpoint to take
            each piece of a request, and then for the whole answer, in seconds.
        clock: Measures the answers.
    """

    def __init__(
        self, address: Address, *, timeout_seconds: float, clock: Clock = time.monotonic
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        # Redox speaks TLS 1.2 or 1.3; the default context accepts no older one.
        self._context = (
            ssl.create_default_context() if address.scheme == "https" else None
        )

    def exchange(self, request: WireRequest) -> Reply:
        """Send one request and read its answer.

        Raises:
            NotConnected: There is no connection. The message says why in words.
        """
        started = self._clock()
        tls, is_early = None, False
        with self._connect() as connection:
            if isinstance(connection, ssl.SSLSocket):
                tls = connection.version()
            try:
                is_early, wait_seconds = self._send(connection, request)
                status, headers, body = self._read(
                    connection, request.method, wait_seconds
                )
            except (OSError, http.client.HTTPException) as error:
                seconds = self._clock() - started
                word = _word_of(error)
                return Reply(None, (), b"", seconds, word, is_early, tls)
        seconds = self._clock() - started
        return Reply(status, headers, body, seconds, "", is_early, tls)

    def _connect(self) -> socket.socket:
        address = self._address
        place = (address.host, address.port)
        try:
            connection = socket.create_connection(place, self._timeout_seconds)
            if self._context is None:
                return connection
            try:
                return self._context.wrap_socket(
                    connection, server_hostname=address.host
                )
            except BaseException:
                connection.close()
                raise
        except socket.gaierror:
            raise NotConnected("the host name is not known") from None
        except ssl.SSLCertVerificationError as error:
            reason = f"its certificate is not trusted: {error.verify_message}"
            raise NotConnected(reason) from None
        except OSError as error:
            raise NotConnected(_word_of(error)) from None

    def _send(
        self, connection: socket.socket, request: WireRequest
    ) -> tuple[bool, float]:
        """Send; tell whether an answer began before the end, and how long to wait."""
        # After a TLS handshake a socket is readable without an answer.
        can_look = self._context is None
        with selectors.DefaultSelector() as selector:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            selector.register(connection, both)
            for piece in request.pieces():
                left = memoryview(piece)
                while left:
                    if can_look and self._is_answered(selector, self._timeout_seconds):
                        return True, self._timeout_seconds
                    try:
                        left = left[connection.send(left) :]
                    except (ConnectionError, ssl.SSLError):
                        # It may have answered before it hung up.
                        return True, self._timeout_seconds
            if not request.is_cut:
                return False, self._timeout_seconds
            # TLS cannot end one direction only: there, waiting is all.
            if not can_look:
                return True, request.patience_seconds
            selector.modify(connection, selectors.EVENT_READ)
            if selector.select(request.patience_seconds):
                return True, self._timeout_seconds
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            return False, self._timeout_seconds

    @staticmethod
    def _is_answered(selector: selectors.BaseSelector, timeout_seconds: float) -> bool:
        events = selector.select(timeout_seconds)
        if not events:
            raise TimeoutError
        return bool(events[0][1] & selectors.EVENT_READ)

    def _read(
        self, connection: socket.socket, method: str, wait_seconds: float
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        incoming = _Incoming(connection, self._clock, wait_seconds)
        response = http.client.HTTPResponse(incoming.as_socket(), method=method)
        with response:
            response.begin()
            body = response.read()
            headers = tuple((n.lower(), value) for n, value in response.getheaders())
            return response.status, headers, body


class _Incoming(io.RawIOBase):
    """Reads from a socket until one moment, and no more than is reasonable."""

    def __init__(
        self, connection: socket.socket, clock: Clock, wait_seconds: float
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._until = clock() + wait_seconds
        self._left_bytes = _MAX_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_seconds = self._until - self._clock()
        # A drop now and then must not prolong an answer for ever.
        if left_seconds <= 0:
            raise TimeoutError
        self._connection.settimeout(left_seconds)
        count = self._connection.recv_into(buffer)
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise _AnswerTooLong
        return count

    def as_socket(self) -> Any:
        """Stand for a socket, of which http.client wants just the file."""
        return self

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)


class _AnswerTooLong(http.client.HTTPException):
    pass


# The text of an error may quote a header: only its kind is told. The first that fits.
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timed out"),
    (ConnectionRefusedError, "connection refused"),
    (ssl.SSLEOFError, CLOSED),
    (ssl.SSLError, "the TLS connection failed"),
    (ConnectionError, CLOSED),
    (http.client.IncompleteRead, CLOSED),
    (_AnswerTooLong, "the answer does not end"),
    (http.client.HTTPException, "what came is not HTTP"),
    (OSError, "the host cannot be reached"),
)


def _word_of(error: Exception) -> str:
    return next(word for kind, word in _WORDS if isinstance(error, kind))
