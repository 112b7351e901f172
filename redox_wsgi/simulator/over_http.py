"""Carry requests over HTTP, each on a connection of its own."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.answer import ErrorWord
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.exchange import NoAnswer, Request, Response

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse
    from urllib3.exceptions import HTTPError

__all__ = ["OverHttp"]

# Much more does not fit the operating system's type for it.
_DAY_SECONDS = 86_400


class OverHttp:
    """Sends over real HTTP. Nothing is retried and no redirect is followed.

    Args:
        timeout_seconds: Longest wait for the connection, and for each piece of the
            answer, in seconds.

    Raises:
        SimulatorError: urllib3 is not installed, or the time is not above 0 and at
            most a day.
    """

    def __init__(self, *, timeout_seconds: float = 30.0) -> None:
        try:
            import urllib3  # noqa: PLC0415 - only who sends over HTTP needs it
        except ModuleNotFoundError as error:
            raise SimulatorError(
                "The simulator needs urllib3: "
                'install it with pip install "redox_wsgi[cli]".'
            ) from error
        if not 0 < timeout_seconds <= _DAY_SECONDS:
            raise SimulatorError("timeout_seconds must be above 0 and at most 86400.")
        self._urllib3 = urllib3
        self._timeout_seconds = timeout_seconds

    def exchange(self, request: Request) -> Response:
        """Send one request and wait for its whole answer.

        Raises:
            NoAnswer: None came, or half of one.
            SimulatorError: A header has characters that HTTP does not allow.
        """
        try:
            response = self._exchange(request)
        except self._urllib3.exceptions.HTTPError as error:
            # "from None": the messages of urllib3 hold the address.
            raise NoAnswer(self._word_of(error)) from None
        except ValueError:
            # "from None": the message of http.client quotes the header.
            raise SimulatorError(
                "A header to send has characters that HTTP does not allow."
            ) from None
        return Response(response.status, tuple(response.headers.items()), response.data)

    def _exchange(self, request: Request) -> BaseHTTPResponse:
        headers = self._urllib3.HTTPHeaderDict(request.headers)
        # Redox documents no user agent and no accepted encodings; urllib3 adds both.
        for name in ("user-agent", "accept-encoding"):
            headers.setdefault(name, self._urllib3.util.SKIP_HEADER)
        address = parse_address(request.url)
        with self._urllib3.PoolManager(num_pools=1) as manager:
            pool = manager.connection_from_host(
                address.host, address.port, address.scheme
            )
            return pool.urlopen(
                request.method,
                address.target,
                body=request.body if request.method == "POST" else None,
                headers=headers,
                redirect=False,
                retries=False,
                decode_content=False,
                timeout=self._timeout_seconds,
            )

    def _word_of(self, error: HTTPError) -> ErrorWord:
        kinds = self._urllib3.exceptions
        if isinstance(error, (kinds.NameResolutionError, kinds.LocationValueError)):
            return "no-such-host"
        if isinstance(error, kinds.NewConnectionError):
            refused = isinstance(error.__cause__, ConnectionRefusedError)
            return "connection-refused" if refused else "unreachable"
        if isinstance(error, kinds.TimeoutError):
            return "timed-out"
        if isinstance(error, kinds.SSLError):
            return "tls-failed"
        # The last argument says what happened below: an end that came too early, or
        # bytes that are not HTTP.
        below = error.args[-1]
        ended = isinstance(below, (ConnectionError, http.client.IncompleteRead))
        is_garbage = isinstance(below, http.client.HTTPException) and not ended
        return "not-http" if is_garbage else "closed"
