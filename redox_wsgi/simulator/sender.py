"""Send what Redox sends, as Redox sends it: verifications and transmissions.

Each request has its own connection. Nothing is retried and no redirect is followed:
what the destination does with one request is the thing to see.
"""

from __future__ import annotations

import http.client
import json
import time
import uuid
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from redox_wsgi.simulator.answer import (
    Answer,
    ErrorWord,
    Headers,
    Problem,
    judge_refusal,
    judge_transmission,
    judge_verification,
)
from redox_wsgi.simulator.credentials import Credential, TokenCredential
from redox_wsgi.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse
    from urllib3.exceptions import HTTPError

__all__ = ["Sender"]

# Lower case and order as Redox sends them when it verifies a destination.
# -- https://docs.redoxengine.com/how-to/manage-your-redox-configuration/create-and-verify-an-endpoint
_VERIFICATION_HEADERS = (
    ("content-type", "application/json"),
    ("application-name", "RedoxEngine"),
    ("source-host", "https://candi.redoxengine.com"),
)
_CLOSE = ("connection", "close")
# Much more does not fit the operating system's type for it.
_DAY_SECONDS = 86_400


class Sender:
    """Plays Redox's side towards one destination.

    Args:
        url: Address of the destination; a query string in it is kept.
        verification_token: The token of the destination, or a wrong one on purpose.
        credential: The linked auth credential: its headers go with every request,
            and on a transmission they take the place of the token's. None: a
            transmission carries the token.
        expect: ``"refused"`` when the token is wrong on purpose: then 401 is the
            right answer to everything.
        timeout_seconds: Longest wait for the connection, and for each piece of the
            answer, in seconds.

    Raises:
        SimulatorError: urllib3 is not installed, the address is no ``http`` or
            ``https`` one or holds a password, the token cannot stand in a header, or
            the time is not above 0 and at most a day.
    """

    def __init__(
        self,
        url: str,
        *,
        verification_token: str,
        credential: Credential | None = None,
        expect: Literal["accepted", "refused"] = "accepted",
        timeout_seconds: float = 30.0,
    ) -> None:
        try:
            import urllib3  # noqa: PLC0415 - only who sends needs it
        except ModuleNotFoundError as error:
            raise SimulatorError(
                "The simulator needs urllib3: "
                'install it with pip install "redox_wsgi[cli]".'
            ) from error
        if not 0 < timeout_seconds <= _DAY_SECONDS:
            raise SimulatorError("timeout_seconds must be above 0 and at most 86400.")
        self._urllib3 = urllib3
        self._url = self._parse_url(url)
        self._token = TokenCredential(verification_token)
        self._credential = credential
        self._expect = expect
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        """Show the address without its query, which may hold a secret."""
        return f"Sender({self._url.partition('?')[0]!r})"

    def verify_by_post(self) -> Answer:
        """Verify with the default request: token and challenge in a JSON body."""
        challenge = str(uuid.uuid4())
        # Compact, the token first: so it stands in Redox's own example.
        document = {"verification-token": self._token.token, "challenge": challenge}
        body = json.dumps(document, separators=(",", ":")).encode()
        return self._verify("POST", self._url, body, challenge)

    def verify_by_get(self) -> Answer:
        """Verify with the newer GET: challenge and token in the query string."""
        challenge = str(uuid.uuid4())
        token = quote(self._token.token, safe="")
        url = self._with_query(f"challenge={challenge}&verification-token={token}")
        return self._verify("GET", url, b"", challenge)

    def verify_by_get_old(self) -> Answer:
        """Verify with the older GET: the token in the ``verification-token`` header."""
        challenge = str(uuid.uuid4())
        url = self._with_query(f"challenge={challenge}")
        token_header = ("verification-token", self._token.token)
        return self._verify("GET", url, b"", challenge, token_header)

    def send(self, body: bytes, content_type: str = "application/json") -> Answer:
        """Send one transmission, byte for byte.

        Args:
            body: The payload as it goes over the wire.
            content_type: Its media type.

        Returns:
            The answer, judged by the event in ``body``.
        """
        credential = self._credential or self._token
        headers = [
            ("content-type", content_type),
            *credential.headers("POST", self._url, body),
        ]
        return self._request(
            "POST",
            self._url,
            body,
            headers,
            lambda status, got, answer: judge_transmission(body, status, got, answer),
        )

    def _verify(
        self,
        method: str,
        url: str,
        body: bytes,
        challenge: str,
        *more: tuple[str, str],
    ) -> Answer:
        headers = [*_VERIFICATION_HEADERS, *more]
        if self._credential is not None:
            headers += self._credential.headers(method, url, body)
        headers.append(_CLOSE)
        return self._request(
            method,
            url,
            body,
            headers,
            lambda status, _, answer: judge_verification(status, answer, challenge),
        )

    def _request(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: list[tuple[str, str]],
        judge: Callable[[int, Headers, bytes], Problem | None],
    ) -> Answer:
        started = time.perf_counter()
        try:
            response = self._exchange(method, url, body, headers)
        except self._urllib3.exceptions.HTTPError as error:
            seconds = time.perf_counter() - started
            return Answer(None, (), b"", seconds, self._word_of(error), "no-answer")
        except ValueError:
            # "from None": the message of http.client quotes the header.
            raise SimulatorError(
                "A header to send has characters that HTTP does not allow."
            ) from None
        seconds = time.perf_counter() - started
        status, got = response.status, tuple(response.headers.items())
        if self._expect == "refused":
            problem = judge_refusal(status)
        else:
            problem = judge(status, got, response.data)
        return Answer(status, got, response.data, seconds, None, problem)

    def _exchange(
        self, method: str, url: str, body: bytes, headers: list[tuple[str, str]]
    ) -> BaseHTTPResponse:
        skip = self._urllib3.util.SKIP_HEADER
        # Redox documents no user agent and no accepted encodings; urllib3 adds both.
        without = {"user-agent": skip, "accept-encoding": skip}
        with self._urllib3.PoolManager(num_pools=1) as pool:
            return pool.urlopen(
                method,
                url,
                body=body if method == "POST" else None,
                headers={**dict(headers), **without},
                redirect=False,
                retries=False,
                decode_content=False,
                timeout=self._timeout_seconds,
            )

    # The messages of urllib3 hold the address, and so perhaps a token: only the kind
    # of the failure leaves this method.
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

    def _parse_url(self, url: str) -> str:
        # Without text of the address, and "from None", because it may hold a secret.
        try:
            parsed = self._urllib3.util.parse_url(url)
        except self._urllib3.exceptions.LocationParseError:
            raise SimulatorError("The address is not a valid URL.") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise SimulatorError("The address must begin with http:// or https://.")
        if parsed.auth is not None:
            raise SimulatorError("The address must not hold a user name or password.")
        return parsed._replace(fragment=None).url

    def _with_query(self, query: str) -> str:
        return self._url + ("&" if "?" in self._url else "?") + query
