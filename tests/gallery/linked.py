"""Endpoints with a linked auth credential: right ones, in few lines, and what they do.

Their verifiers are hand-written, so that nothing of ``redox_wsgi`` judges itself. They
are made to be broken in one place at a time, and are no example.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import hmac
import json
import re
import time
from collections.abc import Set
from functools import cache
from typing import Any, ClassVar
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tests.gallery.right import LIMIT_BYTES, Answer, RightEndpoint, read_json
from tests.support.jose import build_jwk, build_pem, decode, make_key

ISSUER = "https://redox.example"
AUDIENCE = "https://ours.example/redox"
CLIENT_ID = "redox"
CLIENT_SECRET = "s3cret-canary-Zk8vP2xQ7mN4tR9wY1cB6fH3"
ACCESS_KEY = "AKIDREDOX"
SECRET_KEY = "made-up-secret-of-forty-characters-00001"
SESSION_TOKEN = "session-canary-of-redox-0001"
REGION = "us-east-1"
SERVICE = "execute-api"
HMAC_SECRET = "hmac-canary-0123456789-0123456789-01"
# Within one token.
MOST_BRACKETS = 900


class Refused(Exception):
    """The request proves nothing."""


class LinkedEndpoint(RightEndpoint):
    """Demands a credential of every transmission, and a right token if one comes."""

    def read_tokens(self, environ: Any) -> list[str]:
        """Read the header; ``Authorization`` belongs to the credential."""
        header = environ.get("HTTP_VERIFICATION_TOKEN")
        return [] if header is None else [header]

    def respond_to_post(self, environ: Any, tokens: list[str]) -> Answer:
        """Decide what may be a transmission."""
        if not all(map(self.is_right, tokens)):
            return self.refuse(environ)
        is_proved, body = self.prove_and_read(environ, tokens)
        if isinstance(body, Answer):
            return body if is_proved else self.refuse(environ)
        payload = read_json(body)
        if self.is_verification(payload):
            sent = payload.get("verification-token")
            return self.verify(tokens if sent is None else [sent], payload, environ)
        if not is_proved:
            return self.refuse(environ)
        return self.receive(environ, body)

    def prove_and_read(
        self, environ: Any, tokens: list[str]
    ) -> tuple[bool, bytes | Answer]:
        """Check the head, read the body, and check that; strangers' is short."""
        try:
            self.check_head(environ)
        except Refused:
            return False, self.read(environ, self.verification_bytes)
        body = self.read(environ, LIMIT_BYTES)
        if isinstance(body, bytes):
            try:
                self.check_body(environ, body)
            except Refused:
                return False, body
        return True, body

    def check_head(self, environ: Any) -> None:
        """Raise ``Refused`` unless the headers prove what they can."""

    def check_body(self, environ: Any, body: bytes) -> None:
        """Raise ``Refused`` unless the body is what was proved."""


class Tokens:
    """Verifies JSON Web Tokens signed by ES384, in steps that can be left out."""

    issuer = ISSUER
    audience = AUDIENCE
    leeway = 60
    longest_seconds = 3600
    longest_characters = 8192

    def __init__(self) -> None:
        self.used: set[str] = set()

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a right token."""
        if len(token) > self.longest_characters or not self.is_token(token):
            raise Refused
        head, payload, signature = token.split(".")
        header = self.parse(head)
        self.check_header(header)
        signed = f"{head}.{payload}".encode()
        try:
            raw = decode(signature)
        except ValueError:
            raise Refused from None
        self.check_signature(header, signed, raw)
        claims = self.parse(payload)
        self.check_times(claims)
        self.check_issuer(claims)
        self.check_audience(claims)
        self.check_use(claims)
        return claims

    def is_token(self, token: str) -> bool:
        """Match the form."""
        return re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token, re.ASCII) is not None

    def parse(self, part: str) -> dict[str, Any]:
        """Read a part of it."""
        try:
            text = decode(part)
            # Python 3.13 would go on where 3.11 gives up.
            if text.count(b"{") + text.count(b"[") > MOST_BRACKETS:
                raise RecursionError
            members = json.loads(text)
        except (ValueError, RecursionError):
            raise Refused from None
        if not isinstance(members, dict):
            raise Refused
        return members

    def check_header(self, header: dict[str, Any]) -> None:
        """Refuse extensions."""
        if "crit" in header:
            raise Refused

    def check_signature(
        self, header: dict[str, Any], signed: bytes, signature: bytes
    ) -> None:
        """Check with the one key and the one algorithm."""
        if header.get("alg") != "ES384" or header.get("kid") != "es384":
            raise Refused
        check_es384(self.find_key(header), signed, signature)

    def find_key(self, header: dict[str, Any]) -> Any:
        """Return the public key."""
        return make_key("ES384").public_key()

    def check_times(self, claims: dict[str, Any]) -> None:
        """Check the times."""
        now = time.time()
        expires_at: Any = claims.get("exp")
        if type(expires_at) not in (int, float) or not 0 < expires_at < 2**33:
            raise Refused
        if expires_at <= now - self.leeway:
            raise Refused
        if expires_at > now + self.longest_seconds + self.leeway:
            raise Refused
        if claims.get("nbf", 0) > now + self.leeway:
            raise Refused

    def check_issuer(self, claims: dict[str, Any]) -> None:
        """Compare the issuer."""
        if claims.get("iss") != self.issuer:
            raise Refused

    def check_audience(self, claims: dict[str, Any]) -> None:
        """Compare the audience."""
        if claims.get("aud") != self.audience:
            raise Refused

    def check_use(self, claims: dict[str, Any]) -> None:
        """Take each token once."""
        if claims["jti"] in self.used:
            raise Refused
        self.used.add(claims["jti"])


def check_es384(key: Any, signed: bytes, signature: bytes) -> None:
    """Check a signature as RFC 7518 has it."""
    if len(signature) != 96:
        raise Refused
    numbers = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    try:
        key.verify(
            utils.encode_dss_signature(*numbers), signed, ec.ECDSA(hashes.SHA384())
        )
    except InvalidSignature:
        raise Refused from None


def read_bearer(environ: Any) -> str:
    """Read the Bearer token."""
    scheme, _, token = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme != "Bearer":
        raise Refused
    return token


class JwtEndpoint(LinkedEndpoint):
    """Takes JSON Web Tokens."""

    tokens: ClassVar[type[Tokens]] = Tokens

    def __init__(self) -> None:
        self.verifier = self.tokens()

    def check_head(self, environ: Any) -> None:
        """Verify the token."""
        self.verifier.verify(read_bearer(environ))


class OAuthEndpoint(LinkedEndpoint):
    """Takes access tokens, and issues them at ``/token``."""

    access_token = "access-canary-0123456789-0123456789"

    def respond(self, environ: Any) -> Answer:
        """Serve two addresses."""
        if environ["PATH_INFO"] == "/token":
            return self.issue(environ)
        return super().respond(environ)

    def check_head(self, environ: Any) -> None:
        """Compare the token."""
        if not self.is_issued(read_bearer(environ)):
            raise Refused

    def is_issued(self, token: str) -> bool:
        """Tell whether it is the one that was issued."""
        sent = token.encode("latin-1")
        return hmac.compare_digest(sent, self.access_token.encode())

    def issue(self, environ: Any) -> Answer:
        """Answer a request for an access token."""
        length = int(environ["CONTENT_LENGTH"])
        form = parse_qs(environ["wsgi.input"].read(length).decode())
        if form.get("grant_type") != ["client_credentials"]:
            return Answer(400, b'{"error":"unsupported_grant_type"}')
        refusal = self.check_client(environ, form)
        return refusal or self.answer()

    def check_client(self, environ: Any, form: dict[str, list[str]]) -> Answer | None:
        """Compare ID and secret."""
        right = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if environ.get("HTTP_AUTHORIZATION") == f"Basic {right}":
            return None
        return Answer(401, b'{"error":"invalid_client"}')

    def answer(self) -> Answer:
        """Answer with the token."""
        members = {
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": 300,
        }
        body = json.dumps(members).encode()
        return Answer(200, body, {"Cache-Control": "no-store"})


class JwtAccessTokenEndpoint(OAuthEndpoint):
    """Its access tokens are JSON Web Tokens: signed, though by a secret."""

    @property
    def token_header(self) -> bytes:
        """The header that its tokens have."""
        return b'{"alg":"HS256"}'

    def respond(self, environ: Any) -> Answer:
        """Sign the one token first."""
        signed = f"{encode(self.token_header)}.{encode(b'{}')}"
        mac = hmac.digest(CLIENT_SECRET.encode(), signed.encode(), "sha256")
        vars(self)["access_token"] = f"{signed}.{encode(mac)}"
        return super().respond(environ)


def encode(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class SmartTokens(Tokens):
    """Verifies assertions."""

    issuer = CLIENT_ID
    longest_seconds = 300
    audience = ""

    def check_use(self, claims: dict[str, Any]) -> None:
        """Check the subject too."""
        if claims.get("sub") != self.issuer:
            raise Refused
        super().check_use(claims)


class SmartEndpoint(OAuthEndpoint):
    """Issues access tokens to whoever signs an assertion."""

    tokens: ClassVar[type[Tokens]] = SmartTokens

    def __init__(self) -> None:
        self.verifier = self.tokens()

    def check_client(self, environ: Any, form: dict[str, list[str]]) -> Answer | None:
        """Verify the assertion."""
        self.verifier.audience = f"http://{environ['HTTP_HOST']}/token"
        try:
            self.verifier.verify(form["client_assertion"][0])
        except Refused:
            return Answer(401, b'{"error":"invalid_client"}')
        return None


class AwsEndpoint(LinkedEndpoint):
    """Takes AWS signatures as the simulator makes them, and no other."""

    skew_seconds = 300
    must_cover: ClassVar[Set[str]] = {
        *("host", "content-type", "x-amz-date", "x-amz-content-sha256"),
        "x-amz-security-token",
    }
    _form = re.compile(
        r"AWS4-HMAC-SHA256 Credential=([^/,]+)/([^,]+), SignedHeaders=([a-z0-9;-]+), "
        r"Signature=([0-9a-f]{64})"
    )

    def __init__(self) -> None:
        self.used: set[str] = set()

    def check_head(self, environ: Any) -> None:
        """Check all but the body."""
        found = self._form.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        if found is None:
            raise Refused
        access_key, scope, names, signature = found.groups()
        date = environ.get("HTTP_X_AMZ_DATE", "")
        self.check_date(date)
        self.check_scope(scope, date)
        self.check_coverage(environ, set(names.split(";")))
        self.check_session(environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
        digest = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
        self.check_announced(digest)
        secret = {ACCESS_KEY: SECRET_KEY}.get(access_key)
        if secret is None:
            raise Refused
        right = self.compute(environ, names, digest, scope, secret)
        if not hmac.compare_digest(right, signature):
            raise Refused
        self.check_use(signature)

    def check_date(self, date: str) -> None:
        """Compare with the clock."""
        try:
            parsed = time.strptime(date, "%Y%m%dT%H%M%SZ")
        except ValueError:
            raise Refused from None
        if abs(calendar.timegm(parsed) - time.time()) > self.skew_seconds:
            raise Refused

    def check_scope(self, scope: str, date: str) -> None:
        """Compare with the configuration."""
        if scope != f"{date[:8]}/{REGION}/{SERVICE}/aws4_request":
            raise Refused

    def check_coverage(self, environ: Any, names: set[str]) -> None:
        """Demand what must be signed, of what came."""
        came = {n for n in self.must_cover if self.header(environ, n) is not None}
        if not came | {"host", "x-amz-date"} & self.must_cover <= names:
            raise Refused

    def check_session(self, token: str | None) -> None:
        """Compare the session token."""
        if token != SESSION_TOKEN:
            raise Refused

    def check_announced(self, digest: str) -> None:
        """Demand a hash."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise Refused

    def compute(
        self, environ: Any, names: str, digest: str, scope: str, secret: str
    ) -> str:
        """Compute the signature of the request."""
        lines = [
            self.method(environ),
            environ["PATH_INFO"],
            self.query(environ),
            *(f"{name}:{self.header(environ, name)}" for name in names.split(";")),
            "",
            names,
            digest,
        ]
        date = environ["HTTP_X_AMZ_DATE"]
        hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        key = f"AWS4{secret}".encode()
        for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()

    def method(self, environ: Any) -> str:
        """The method that was signed."""
        return str(environ["REQUEST_METHOD"])

    def query(self, environ: Any) -> str:
        """The query that was signed; of plain parameters only."""
        return "&".join(sorted(filter(None, environ["QUERY_STRING"].split("&"))))

    def header(self, environ: Any, name: str) -> str | None:
        """The header that was signed."""
        if name == "content-type":
            return environ.get("CONTENT_TYPE") or None
        value = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return None if value is None else str(value)

    def check_use(self, signature: str) -> None:
        """Take each once."""
        if signature in self.used:
            raise Refused
        self.used.add(signature)

    def check_body(self, environ: Any, body: bytes) -> None:
        """Compare the hash."""
        digest = environ["HTTP_X_AMZ_CONTENT_SHA256"]
        if hashlib.sha256(body).hexdigest() != digest:
            raise Refused


class HmacEndpoint(LinkedEndpoint):
    """Takes an HMAC of the time and the body."""

    skew_seconds = 300

    def __init__(self) -> None:
        self.used: set[str] = set()

    def check_head(self, environ: Any) -> None:
        """Check the time."""
        sent = environ.get("HTTP_X_SIGNATURE", "")
        timestamp = environ.get("HTTP_X_TIME", "")
        if not sent.startswith("sha256=") or not self.is_time(timestamp):
            raise Refused
        self.check_time(int(timestamp))

    def is_time(self, timestamp: str) -> bool:
        """Match the form."""
        return re.fullmatch(r"[0-9]{1,11}", timestamp) is not None

    def check_time(self, seconds: int) -> None:
        """Compare with the clock."""
        if abs(seconds - time.time()) > self.skew_seconds:
            raise Refused

    def check_body(self, environ: Any, body: bytes) -> None:
        """Check the signature."""
        signed = self.signed(environ, body)
        right = hmac.digest(HMAC_SECRET.encode(), signed, "sha256")
        sent = self.decode(environ["HTTP_X_SIGNATURE"].removeprefix("sha256="))
        if not self.is_equal(sent, right):
            raise Refused
        self.check_use(sent)

    def signed(self, environ: Any, body: bytes) -> bytes:
        """What was signed."""
        timestamp: str = environ["HTTP_X_TIME"]
        return timestamp.encode() + b"." + body

    def decode(self, signature: str) -> bytes:
        """Decode hex."""
        try:
            return bytes(binascii.unhexlify(signature))
        except ValueError:
            raise Refused from None

    def is_equal(self, sent: bytes, right: bytes) -> bool:
        """Compare all of it."""
        return hmac.compare_digest(sent, right)

    def check_use(self, signature: bytes) -> None:
        """Take each once."""
        if signature.hex() in self.used:
            raise Refused
        self.used.add(signature.hex())


@cache
def list_public_secrets() -> list[bytes]:
    """List the public key in forms that could be taken for a secret."""
    pem = build_pem(make_key("ES384"))
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    jwk = build_jwk(make_key("ES384"))
    return [pem, pem.strip(), der, json.dumps(jwk).encode()]
