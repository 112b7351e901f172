"""An endpoint in plain WSGI that does all it should; the bad ones change one thing.

It shares no code with ``redox_wsgi``: what is judged here is anybody's endpoint.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl

TOKEN = "canary-5up3r-53cr3t-Token"
LIMIT_BYTES = 50 * 1024 * 1024


@dataclass
class Answer:
    """What a request is answered with."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def read_json(body: bytes) -> Any:
    """Read JSON; None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


class RightEndpoint:
    """Does all it should.

    Attributes:
        FAILS: The probes that ``check`` must name for it, and no others.
        WARNS: The same for warnings.
        QUERY: Whether a query is sent too.
        LARGE: Whether the largest body is sent too; it takes its time.
    """

    FAILS: ClassVar[tuple[str, ...]] = ()
    WARNS: ClassVar[tuple[str, ...]] = ()
    QUERY: ClassVar[bool] = False
    LARGE: ClassVar[bool] = False

    token = TOKEN
    #: The longest verification by POST, in bytes.
    verification_bytes = 4096

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        """Answer one request."""
        answer = self.respond(environ)
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        start_response(f"{answer.status} -", list(headers.items()))
        return [answer.body]

    def respond(self, environ: Any) -> Answer:
        """Decide, in the order that matters: who sent it comes before what it is."""
        method = environ["REQUEST_METHOD"]
        query = self.read_query(environ)
        tokens = self.read_tokens(environ)
        if method == "GET" and "challenge" in query:
            return self.verify_by_get(query, tokens, environ)
        if method != "POST":
            return self.answer_other_method(method)
        return self.respond_to_post(environ, tokens)

    def respond_to_post(self, environ: Any, tokens: list[str]) -> Answer:
        """Decide what may be a transmission."""
        if tokens and not self.may_send(tokens):
            return self.refuse(environ)
        body = self.read(environ, LIMIT_BYTES if tokens else self.verification_bytes)
        if isinstance(body, Answer):
            return body if tokens else self.refuse(environ)
        payload = read_json(body)
        if self.is_verification(payload):
            sent = payload.get("verification-token")
            return self.verify(tokens if sent is None else [sent], payload, environ)
        if not self.may_send(tokens):
            return self.refuse(environ)
        return self.receive(environ, body)

    def may_send(self, tokens: list[str]) -> bool:
        """Tell whether the headers prove a transmission."""
        return bool(tokens) and all(map(self.is_right, tokens))

    def read_query(self, environ: Any) -> dict[str, str]:
        """Read the query string."""
        return dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))

    def read_tokens(self, environ: Any) -> list[str]:
        """List the tokens in the headers."""
        header = environ.get("HTTP_VERIFICATION_TOKEN")
        scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        bearer = credentials if scheme.lower() == "bearer" else None
        return [token for token in (header, bearer) if token is not None]

    def is_right(self, token: str) -> bool:
        """Compare a token with the configured one."""
        sent = token.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(sent, self.token.encode())

    def is_verification(self, payload: Any) -> bool:
        """Tell a verification from a transmission."""
        is_short = isinstance(payload, dict) and isinstance(
            payload.get("challenge"), str
        )
        return is_short and not {"Meta", "resourceType"} & payload.keys()

    def read(self, environ: Any, limit_bytes: int) -> bytes | Answer:
        """Read the body, or say why not."""
        if environ.get("wsgi.input_terminated"):
            chunks: bytes = environ["wsgi.input"].read()
            return chunks
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > limit_bytes:
            return Answer(413)
        body: bytes = environ["wsgi.input"].read(length)
        return body if len(body) == length else Answer(400)

    def verify_by_get(
        self, query: dict[str, str], tokens: list[str], environ: Any
    ) -> Answer:
        """Answer both forms of verification by GET."""
        if "verification-token" in query:
            tokens = [*tokens, query["verification-token"]]
        return self.verify(tokens, query, environ)

    def verify(self, tokens: list[str], request: Any, environ: Any) -> Answer:
        """Answer a verification."""
        if not tokens or not all(map(self.is_right, tokens)):
            return self.refuse(environ)
        return self.echo(request["challenge"])

    def echo(self, challenge: str) -> Answer:
        """Answer with the challenge."""
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "X-Content-Type-Options": "nosniff",
        }
        return Answer(200, challenge.encode(), headers)

    def refuse(self, environ: Any) -> Answer:
        """Refuse, whatever was wrong."""
        return Answer(401, b"no", {"WWW-Authenticate": "Bearer"})

    def answer_other_method(self, method: str) -> Answer:
        """Answer what is neither a verification nor a transmission."""
        return Answer(405, b"", {"Allow": "GET, POST"})

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Receive a transmission, whatever is in it."""
        return Answer(200)
