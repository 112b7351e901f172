"""What a probe works with: requests as Redox sends them, or wrong in one place."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from random import Random, SystemRandom
from typing import TYPE_CHECKING
from urllib.parse import quote

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.check.material import Material, check_query
from redox_wsgi.simulator.check.redaction import Redaction
from redox_wsgi.simulator.check.wire import Clock, Reply, Wire, WireRequest
from redox_wsgi.simulator.credentials import Credential, TokenCredential
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.exchange import NoAnswer, Request
from redox_wsgi.simulator.payloads import encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Asked", "Bench", "bearer", "token_header"]

# Lower case and order as Redox sends them when it verifies a destination.
# -- https://docs.redoxengine.com/how-to/manage-your-redox-configuration/create-and-verify-an-endpoint
_VERIFICATION_HEADERS = (
    ("content-type", "application/json"),
    ("application-name", "RedoxEngine"),
    ("source-host", "https://candi.redoxengine.com"),
)
_JSON = ("content-type", "application/json")
# Much more does not fit the operating system's type for it.
_DAY_SECONDS = 86_400


def token_header(token: str) -> tuple[str, str]:
    """Build the header that every generation of Redox's documentation names."""
    return ("verification-token", token)


def bearer(token: str) -> tuple[str, str]:
    """Build the header that the newer documentation adds."""
    return ("authorization", f"Bearer {token}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A verification request: its challenge, and what came."""

    challenge: str = field(repr=False)
    reply: Reply

    @property
    def is_echoed(self) -> bool:
        """Whether the challenge stands in the answer, whatever its status."""
        return self.challenge.encode() in self.reply.body


class Bench:
    """Sends what probes send to one endpoint.

    Args:
        url: Address of the endpoint; a query string in it is kept.
        token: Its verification token.
        credential: The linked auth credential: it proves a transmission in place of
            the token, and goes with a right verification. None: the token proves a
            transmission, in both headers.
        keep_token: Send the ``verification-token`` header beside the credential, for
            an endpoint that demands both.
        query: The body of a query the endpoint should answer; None: none is sent.
        timeout_seconds: Longest wait for the connection, for each piece of a request,
            and for an answer, in seconds.
        patience_seconds: How long a refusal may take that needs no body, in seconds:
            enough for the way to the endpoint and back.
        now: When everything in the payloads happens; None: now.
        random: Where identifiers come from; None: the operating system.
        clock: Measures the answers.

    Raises:
        SimulatorError: The address, the token, the query or the time cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        credential: Credential | None = None,
        keep_token: bool = False,
        query: bytes | None = None,
        timeout_seconds: float = 30.0,
        patience_seconds: float = 2.0,
        now: datetime | None = None,
        random: Random | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        if not 0 < timeout_seconds <= _DAY_SECONDS:
            raise SimulatorError("timeout_seconds must be above 0 and at most 86400.")
        random = random or SystemRandom()
        proof = TokenCredential(token)
        self.address = parse_address(url)
        self.token = token
        self.query = None if query is None else check_query(query)
        self.redaction = Redaction(token)
        self.material = Material(now=now or datetime.now(UTC), random=random)
        #: Nobody's token, as long as a good one.
        self.wrong_token = f"wrong-{random.getrandbits(128):032x}"
        #: The linked auth credential, or None.
        self.linked = credential
        self._keeps_token = keep_token and credential is not None
        #: What proves a transmission.
        self.credential: Credential = credential or proof
        self._wire = Wire(self.address, timeout_seconds=timeout_seconds, clock=clock)
        #: How long a refusal may take that needs no body, in seconds.
        self.patience_seconds = min(patience_seconds, timeout_seconds)

    def __repr__(self) -> str:
        """Show the address without its query, which may hold a secret."""
        return f"Bench({self.shown_address!r})"

    @property
    def shown_address(self) -> str:
        """The address without its query."""
        return str(self.address).partition("?")[0]

    def request(
        self,
        method: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        query: str = "",
        credential: Credential | None = None,
        is_chunked: bool = False,
        announced_bytes: int | None = None,
        patience_seconds: float = 0.0,
    ) -> Reply:
        """Send one request.

        Args:
            method: The HTTP method.
            headers: Names and values, besides ``host``, ``connection`` and the length
                of the body; a value goes out as latin-1 bytes.
            body: What it carries.
            query: What to add to the query string.
            credential: What adds the headers that prove it.
            is_chunked: Send the body in chunks.
            announced_bytes: Announce this length, and end after the body.
            patience_seconds: How long to wait before such an end, in seconds.

        Raises:
            NotConnected: The endpoint cannot be reached any more.
        """
        length = len(body) if announced_bytes is None else announced_bytes
        complete = [("host", self.address.authority), *headers, ("connection", "close")]
        if is_chunked:
            complete.append(("transfer-encoding", "chunked"))
        elif method not in ("GET", "HEAD"):
            complete.append(("content-length", str(length)))
        target = self._target(query)
        if credential is not None:
            url = f"{self.address.scheme}://{self.address.authority}{target}"
            plain = Request(method, url, tuple(complete), body)
            try:
                proof = [*credential.headers(plain)]
            except NoAnswer as error:
                return Reply(None, error=f"nothing was sent ({error.word})")
            complete = self._with_proof(plain, proof)
        request = WireRequest(
            method,
            target,
            tuple(complete),
            body,
            is_chunked=is_chunked,
            is_cut=announced_bytes is not None,
            patience_seconds=patience_seconds,
        )
        return self._wire.exchange(request)

    def post(
        self, *headers: tuple[str, str], body: bytes | None = None, query: str = ""
    ) -> Reply:
        """Send a transmission with just these headers as proof."""
        body = self.material.arrival() if body is None else body
        return self.request("POST", [_JSON, *headers], body, query=query)

    def deliver(
        self,
        body: bytes,
        *headers: tuple[str, str],
        credential: Credential | None = None,
        content_type: str | None = "application/json",
        query: str = "",
        is_chunked: bool = False,
        announced_bytes: int | None = None,
        patience_seconds: float = 0.0,
    ) -> Reply:
        """Send a transmission as Redox does: with the right proof, or with another."""
        kind = [] if content_type is None else [("content-type", content_type)]
        if self._keeps_token and "verification-token" not in dict(headers):
            kind.append(token_header(self.token))
        return self.request(
            "POST",
            [*kind, *headers],
            body,
            query=query,
            credential=credential or self.credential,
            is_chunked=is_chunked,
            announced_bytes=announced_bytes,
            patience_seconds=patience_seconds,
        )

    def ask_by_post(
        self,
        token: str | None,
        *headers: tuple[str, str],
        challenge: str | None = None,
        is_chunked: bool = False,
    ) -> Asked:
        """Verify with the default request; without a token if it is None."""
        challenge = challenge or self.material.new_id()
        sent = {} if token is None else {"verification-token": token}
        body = encode_payload({**sent, "challenge": challenge})
        every = [*_VERIFICATION_HEADERS, *headers]
        reply = self.request(
            "POST",
            every,
            body,
            credential=self._linked_for(token),
            is_chunked=is_chunked,
        )
        return Asked(challenge, reply)

    def ask_by_get(
        self,
        token: str | None,
        *,
        challenge: str | None = None,
        is_token_first: bool = False,
    ) -> Asked:
        """Verify with the newer GET; without a token if it is None."""
        challenge = challenge or self.material.new_id()
        pairs = [("challenge", challenge)]
        if token is not None:
            pairs.insert(0 if is_token_first else 1, ("verification-token", token))
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
        reply = self.request(
            "GET",
            _VERIFICATION_HEADERS,
            query=query,
            credential=self._linked_for(token),
        )
        return Asked(challenge, reply)

    def ask_by_old_get(self, token: str) -> Asked:
        """Verify with the older GET: the token in its header."""
        challenge = self.material.new_id()
        headers = [*_VERIFICATION_HEADERS, token_header(token)]
        reply = self.request(
            "GET",
            headers,
            query=f"challenge={challenge}",
            credential=self._linked_for(token),
        )
        return Asked(challenge, reply)

    @cached_property
    def by_post(self) -> Asked:
        """The right verification by POST, sent once."""
        return self.ask_by_post(self.token)

    @cached_property
    def by_get(self) -> Asked:
        """The right verification by the newer GET, sent once."""
        return self.ask_by_get(self.token)

    @cached_property
    def by_old_get(self) -> Asked:
        """The right verification by the older GET, sent once."""
        return self.ask_by_old_get(self.token)

    @cached_property
    def usual_body(self) -> bytes:
        """The body of ``usual``."""
        return self.material.arrival()

    @cached_property
    def usual(self) -> Reply:
        """The answer to a right transmission, sent once."""
        return self.deliver(self.usual_body)

    @cached_property
    def refused(self) -> Reply:
        """The answer to a transmission with a wrong token in both headers."""
        return self.post(token_header(self.wrong_token), bearer(self.wrong_token))

    def _with_proof(
        self, plain: Request, proof: Iterable[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        once: dict[str, str] = {}
        again = []
        for name, value in proof:
            self.redaction.add(value)
            # What is doubled on purpose goes out doubled.
            if name.lower() in once:
                again.append((name, value))
            else:
                once[name.lower()] = value
        return [*plain.with_headers(once.items()).headers, *again]

    # Where the token is wrong on purpose, nothing else must prove the request.
    def _linked_for(self, token: str | None) -> Credential | None:
        return self.linked if token == self.token else None

    def _target(self, query: str) -> str:
        target = self.address.target
        if not query:
            return target
        return target + ("&" if "?" in target else "?") + query
