"""One bounded question over HTTP, to a server that is named in the configuration.

Do not take an address out of a request or a token, and do not follow redirects: whoever
chooses the address chooses whom this host talks to. Nothing of the address, the
question or the answer enters an error.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from redox_wsgi.authentication.outgoing.connecting import (
    Deadline,
    host_of,
    is_loopback,
    open_connection,
    parse_address,
)
from redox_wsgi.authentication.settings import check_seconds
from redox_wsgi.errors import AuthenticatorUnavailable, ConfigurationError

#: Well below the 30 s after which gunicorn kills a worker that does not answer.
DEFAULT_TIMEOUT_SECONDS = 5.0

_MAX_TIMEOUT_SECONDS = 25.0

# What the head of an answer may take beside its body, in bytes.
_MAX_HEAD_BYTES = 64 * 1024

_OK = 200

_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; any status but a redirect.

    Attributes:
        status: The HTTP status.
        headers: By name in lower case; of several with one name, the last.
        body: At most as long as the ``Fetcher`` allows.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Fetcher:
    """Asks one address, over and over; every question has its own connection.

    Args:
        url: An ``https`` address; ``http`` is for servers on this host only.
        subject: What is asked for, the first word of every error code.
        max_bytes: The largest body taken, in bytes.
        timeout_seconds: The longest that a question takes as a whole, in seconds, at
            most 25.
        proxy: The address of a proxy, as in ``http://proxy.example:3128``, for the
            way out. The environment is never asked for one.
        tls: Trusts something else than the certificates of this system.
        clock: A clock that never goes back, in seconds.

    Raises:
        ConfigurationError: The address is none, or not ``https``, or holds a user name;
            the time is out of range; or ``tls`` does not check certificates.
    """

    def __init__(
        self,
        url: str,
        subject: str,
        *,
        max_bytes: int,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_seconds("timeout_seconds", timeout_seconds, 0.01, _MAX_TIMEOUT_SECONDS)
        self.timeout_seconds = timeout_seconds
        self._address = parse_address(url, "The address of a " + subject)
        self._subject = subject
        self._max_bytes = max_bytes
        self._clock = clock
        self._tls = None if tls is None else _check_tls(tls)
        self._proxy = None
        if self._address.scheme == "https":
            self._proxy = proxy and parse_address(proxy, "A proxy", ("http",))
        elif not is_loopback(host_of(self._address)):
            raise ConfigurationError(
                f"The address of a {subject} begins with https://; http:// is for "
                "servers on this host only."
            )

    def get(self) -> Answer:
        """Ask by GET; see ``post`` for what is raised."""
        return self._ask(self._build("GET", [], b""))

    def post(
        self, form: Mapping[str, str], headers: Iterable[tuple[str, str]] = ()
    ) -> Answer:
        """Ask by POST.

        Args:
            form: The parameters, sent in the body.
            headers: More headers, in printable ASCII.

        Raises:
            AuthenticatorUnavailable: No answer came in time, it is no HTTP, too large,
                cut off or a redirect, or the server is not the one it should be.
        """
        media_type = ("Content-Type", "application/x-www-form-urlencoded")
        body = urlencode(form).encode("ascii")
        return self._ask(self._build("POST", [media_type, *headers], body))

    def fault(self, word: str) -> AuthenticatorUnavailable:
        """Build the error that says that an answer is of no use."""
        return AuthenticatorUnavailable(f"{self._subject}-{word}")

    def _build(self, method: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
        target = self._address.path or "/"
        if self._address.query:
            target += "?" + self._address.query
        headers = [
            ("Host", self._address.netloc),
            ("User-Agent", "redox_wsgi"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *headers,
        ]
        if body:
            headers.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1", *map(": ".join, headers), "", ""]
        return "\r\n".join(lines).encode("ascii") + body

    def _ask(self, question: bytes) -> Answer:
        try:
            return self._exchange(question, Deadline(self.timeout_seconds, self._clock))
        # ValueError: http.client meets numbers and names in what a server sends.
        except (OSError, http.client.HTTPException, ValueError) as error:
            word = _word_of(error)
        # Outside the except clause: the original error may quote address and answer.
        raise self.fault(word)

    def _exchange(self, question: bytes, deadline: Deadline) -> Answer:
        with self._connect(deadline) as connection:
            connection.settimeout(deadline.left())
            connection.sendall(question)
            limit = _MAX_HEAD_BYTES + self._max_bytes
            incoming: Any = _Incoming(connection, deadline, limit)
            with http.client.HTTPResponse(incoming) as response:
                response.begin()
                if response.status in _REDIRECTS:
                    raise _RedirectedError
                headers = {name.lower(): text for name, text in response.getheaders()}
                return Answer(response.status, headers, self._read(response))

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        # The length is None where it was not announced. Only read() without a number
        # notices that an announced body is cut off, and it allocates all at once.
        if response.length is None:
            body = response.read(self._max_bytes + 1)
        elif response.length <= self._max_bytes:
            body = response.read()
        else:
            raise _TooLargeError
        if len(body) > self._max_bytes:
            raise _TooLargeError
        return body

    def _connect(self, deadline: Deadline) -> socket.socket:
        connection = open_connection(self._proxy or self._address, deadline)
        if self._address.scheme != "https":
            return connection
        try:
            if self._proxy is not None:
                self._open_tunnel(connection, deadline)
            if self._tls is None:
                # Not while building: gevent replaces ssl after a server's fork. TLS 1.2
                # or newer; the certificate and the host's name are checked.
                self._tls = ssl.create_default_context()
            connection.settimeout(deadline.left())
            host = host_of(self._address)
            return self._tls.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise

    def _open_tunnel(self, connection: socket.socket, deadline: Deadline) -> None:
        place = self._address.netloc
        if self._address.port is None:
            place += ":443"
        connection.settimeout(deadline.left())
        connection.sendall(
            f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()
        )
        incoming: Any = _Incoming(connection, deadline, _MAX_HEAD_BYTES)
        with http.client.HTTPResponse(incoming, method="CONNECT") as response:
            response.begin()
            if response.status != _OK:
                raise ConnectionRefusedError


class _Incoming(io.RawIOBase):
    """Reads from a socket until one moment, and no more than is reasonable.

    The timeout of a socket begins anew with every byte, so that a drop now and then
    would prolong an answer for ever.
    """

    def __init__(
        self, connection: socket.socket, deadline: Deadline, max_bytes: int
    ) -> None:
        self._connection = connection
        self._deadline = deadline
        self._left_bytes = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._deadline.left())
        count = self._connection.recv_into(buffer)
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise _TooLargeError
        return count

    def makefile(self, _: str) -> io.BufferedReader:
        """Stand for a socket, of which http.client wants just the file."""
        return io.BufferedReader(self)


def _check_tls(tls: ssl.SSLContext) -> ssl.SSLContext:
    if (
        not isinstance(tls, ssl.SSLContext)
        or tls.verify_mode is not ssl.CERT_REQUIRED
        or not tls.check_hostname
    ):
        raise ConfigurationError(
            "tls checks certificates and host names: make it by "
            "ssl.create_default_context(cafile=...)."
        )
    return tls


class _RedirectedError(http.client.HTTPException):
    pass


class _TooLargeError(http.client.HTTPException):
    pass


# The first that fits.
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timed-out"),
    (ssl.SSLCertVerificationError, "not-trusted"),
    (_RedirectedError, "redirected"),
    (_TooLargeError, "too-large"),
    (ConnectionError, "disconnected"),
    (http.client.IncompleteRead, "cut-off"),
    (http.client.HTTPException, "not-http"),
    (OSError, "unreachable"),
)


def _word_of(error: Exception) -> str:
    return next((word for kind, word in _WORDS if isinstance(error, kind)), "not-http")
