"""Send what Redox sends, as Redox sends it: verifications and transmissions.

Nothing is retried and no redirect is followed: what the destination does with one
request is the thing to see.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.answer import (
    Answer,
    Headers,
    Problem,
    judge_refusal,
    judge_transmission,
    judge_verification,
)
from redox_wsgi.simulator.credentials import Credential, TokenCredential
from redox_wsgi.simulator.exchange import NoAnswer, Request, Transport
from redox_wsgi.simulator.over_http import OverHttp
from redox_wsgi.simulator.payloads import JsonObject, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Sender"]

# Lower case and order as Redox sends them when it verifies a destination.
# -- https://docs.redoxengine.com/how-to/manage-your-redox-configuration/create-and-verify-an-endpoint
_VERIFICATION_HEADERS = (
    ("content-type", "application/json"),
    ("application-name", "RedoxEngine"),
    ("source-host", "https://candi.redoxengine.com"),
    ("connection", "close"),
)


class Sender:
    """Plays Redox's side towards one destination.

    Args:
        url: Address of the destination; a query string in it is kept.
        verification_token: The token of the destination, or a wrong one on purpose.
        credential: The linked auth credential: its headers go with every request,
            and on a transmission they take the place of the token's. None: a
            transmission carries the token.
        keep_token: Send the ``verification-token`` header with a transmission although
            there is a credential. Redox does not say which it does: try both.
        expect: ``"refused"`` when the token is wrong on purpose: then 401 is the
            right answer to everything.
        timeout_seconds: Longest wait for the connection, and for each piece of the
            answer, in seconds; of no meaning with a transport.
        transport: How requests travel; None: over HTTP, a connection each.

    Raises:
        SimulatorError: The address is no ``http`` or ``https`` one or holds a
            password, or the token cannot stand in a header. Without a transport also:
            urllib3 is not installed, or the time is not above 0 and at most a day.
    """

    def __init__(
        self,
        url: str,
        *,
        verification_token: str,
        credential: Credential | None = None,
        keep_token: bool = False,
        expect: Literal["accepted", "refused"] = "accepted",
        timeout_seconds: float = 30.0,
        transport: Transport | None = None,
    ) -> None:
        self._transport = transport or OverHttp(timeout_seconds=timeout_seconds)
        address = parse_address(url)
        self._url, self._authority = str(address), address.authority
        self._token = TokenCredential(verification_token)
        self._credential = credential
        self._keep_token = keep_token
        self._expect = expect

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

    def send(
        self, body: bytes | JsonObject, content_type: str = "application/json"
    ) -> Answer:
        """Send one transmission.

        Args:
            body: Bytes go over the wire as they are; a payload is encoded as Redox
                does it.
            content_type: Its media type.

        Returns:
            The answer, judged by the event in ``body``.
        """
        sent = body if isinstance(body, bytes) else encode_payload(body)
        headers = [("content-type", content_type)]
        credential: Credential = self._credential or self._token
        if self._credential is not None and self._keep_token:
            headers.append(("verification-token", self._token.token))
        return self._request(
            self._build_request("POST", self._url, sent, headers),
            credential,
            lambda status, got, answer: judge_transmission(sent, status, got, answer),
        )

    def _verify(
        self,
        method: str,
        url: str,
        body: bytes,
        challenge: str,
        *more: tuple[str, str],
    ) -> Answer:
        *headers, close = _VERIFICATION_HEADERS
        return self._request(
            self._build_request(method, url, body, [*headers, *more, close]),
            self._credential,
            lambda status, _, answer: judge_verification(status, answer, challenge),
        )

    # The whole head, so that a credential may cover all of it.
    def _build_request(
        self, method: str, url: str, body: bytes, headers: Iterable[tuple[str, str]]
    ) -> Request:
        length = [("content-length", str(len(body)))] if method == "POST" else []
        all_headers = (("host", self._authority), *length, *headers)
        return Request(method, url, all_headers, body)

    def _request(
        self,
        request: Request,
        credential: Credential | None,
        judge: Callable[[int, Headers, bytes], Problem | None],
    ) -> Answer:
        started = time.perf_counter()
        try:
            if credential is not None:
                request = request.with_headers(credential.headers(request))
            # What the credential took is not the destination's time.
            started = time.perf_counter()
            response = self._transport.exchange(request)
        except NoAnswer as error:
            seconds = time.perf_counter() - started
            return Answer(None, (), b"", seconds, error.word, "no-answer")
        seconds = time.perf_counter() - started
        status, headers, body = response.status, response.headers, response.body
        if self._expect == "refused":
            problem = judge_refusal(status)
        else:
            problem = judge(status, headers, body)
        return Answer(status, headers, body, seconds, None, problem)

    def _with_query(self, query: str) -> str:
        return self._url + ("&" if "?" in self._url else "?") + query
