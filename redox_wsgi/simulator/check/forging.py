"""Credentials as an attacker would make them: altered, borrowed, or signed by nobody.

Do not use them for anything but to see them refused.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from redox_wsgi.simulator.credentials.signing_key import encode

if TYPE_CHECKING:
    from redox_wsgi.simulator.credentials import Credential
    from redox_wsgi.simulator.credentials.signing_key import SigningKey
    from redox_wsgi.simulator.exchange import Request

__all__ = [
    "Altered",
    "Fixed",
    "ForAnother",
    "SignsTokens",
    "alter_end",
    "bear",
    "list_confused",
    "list_damaged",
    "list_oversized",
    "list_strange_expiries",
    "list_unsigned",
    "sign",
    "unsign",
]

_NO_ALGORITHMS = ("none", "None", "nOnE", "")
_PARTS_AFTER_HEADER = 2
# Python's own JSON reader gives up at a thousand.
_DEPTH = 2000
_LONG_CHARACTERS = 20_000

_Headers = list[tuple[str, str]]


class SignsTokens(Protocol):
    """A credential that signs JSON Web Tokens, for requests or as assertions."""

    @property
    def key(self) -> SigningKey:
        """What it signs with."""

    @property
    def header(self) -> dict[str, Any]:
        """The header of a right token."""

    def build_claims(self) -> dict[str, Any]:
        """Build the claims of a right token."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same headers, whatever the request."""

    proof: tuple[tuple[str, str], ...]

    def headers(self, request: Request) -> _Headers:
        """Return them."""
        return [*self.proof]


@dataclass(frozen=True, slots=True)
class Altered:
    """What a right credential sends, with a change."""

    credential: Credential
    change: Callable[[_Headers], _Headers]

    def headers(self, request: Request) -> _Headers:
        """Change what is right."""
        return self.change([*self.credential.headers(request)])


class ForAnother:
    """A right proof, of another request than the one it goes with.

    Args:
        credential: What proves the other one.
        changes: How that one differs from the request that is sent.
    """

    def __init__(self, credential: Credential, **changes: Any) -> None:
        self._credential = credential
        self._changes = changes

    def headers(self, request: Request) -> Iterable[tuple[str, str]]:
        """Prove the other request."""
        return self._credential.headers(replace(request, **self._changes))


def bear(token: str) -> Fixed:
    """Send a token as Bearer."""
    return Fixed((("authorization", f"Bearer {token}"),))


def alter_end(text: str) -> str:
    """Change what stands last in a text; it keeps its alphabet and its length.

    Not the last character: of base64, that may hold bits which mean nothing.
    """
    changed = "A" if text[-8] != "A" else "B"
    if text[-8].isdigit() or text[-8] in "abcdef":
        changed = "0" if text[-8] != "0" else "1"
    return f"{text[:-8]}{changed}{text[-7:]}"


def sign(
    credential: SignsTokens,
    *,
    header: Mapping[str, Any] | None = None,
    leave_out: Iterable[str] = (),
    key: SigningKey | None = None,
    **claims: Any,
) -> str:
    """Sign a token that is right but for these changes.

    Args:
        credential: What signs the right ones.
        header: Members of its header to set.
        leave_out: Names of claims to leave out.
        key: Another key to sign with.
        claims: Claims to set; bytes stand for JSON as it is.
    """
    all_claims = {**credential.build_claims(), **claims}
    payload = _write({n: v for n, v in all_claims.items() if n not in set(leave_out)})
    return (key or credential.key).sign(
        {**credential.header, **(header or {})}, payload
    )


def list_unsigned(credential: SignsTokens) -> dict[str, str]:
    """Forge tokens that say of themselves that nobody signed them.

    "An application must always validate the ... algorithm": the word is compared
    without case by some.
    -- https://www.rfc-editor.org/rfc/rfc8725#section-2.1
    """
    claims = _write(credential.build_claims())
    return {
        f"alg {name!r}": _assemble({**credential.header, "alg": name}, claims)
        for name in _NO_ALGORITHMS
    }


def unsign(token: str) -> dict[str, str]:
    """Forge unsigned tokens out of somebody else's; none if that is no JWT."""
    head, *others = token.split(".")
    if len(others) != _PARTS_AFTER_HEADER:
        return {}
    try:
        header = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return {}
    if not isinstance(header, dict):
        return {}
    return {
        f"alg {name!r}": f"{encode(_write({**header, 'alg': name}))}.{others[0]}."
        for name in _NO_ALGORITHMS
    }


def list_confused(credential: SignsTokens) -> dict[str, str]:
    """Forge tokens whose secret is the public key, which everybody may know.

    -- https://www.rfc-editor.org/rfc/rfc8725#section-2.1
    """
    pem = credential.key.public_pem()
    der = b64decode(b"".join(pem.splitlines()[1:-1]))
    jwk = json.dumps(credential.key.public_jwk()).encode()
    secrets = {"PEM": pem, "PEM without its end": pem.strip(), "DER": der, "JWK": jwk}
    header = {**credential.header, "alg": "HS256"}
    claims = _write(credential.build_claims())
    return {
        f"HS256 with the {label}": _assemble(header, claims, secret)
        for label, secret in secrets.items()
    }


def list_damaged(credential: SignsTokens) -> dict[str, str]:
    """Damage right tokens: what is signed, or the signature."""
    right = sign(credential)
    head, payload, signature = right.split(".")
    claims = {**credential.build_claims(), "sub": "somebody-else"}
    return {
        "altered claims": f"{head}.{encode(_write(claims))}.{signature}",
        "altered signature": alter_end(right),
        "no signature": f"{head}.{payload}.",
        "another's signature": sign(credential, key=credential.key.another()),
    }


def list_strange_expiries(credential: SignsTokens) -> dict[str, str]:
    """Sign tokens whose ``exp`` is not a time; JSON has no NaN, but readers do."""
    values = {
        "true": b"true",
        "null": b"null",
        "a list": b"[]",
        "NaN": b"NaN",
        "infinite": b"Infinity",
        "too large a number": b"1e400",
        "400 digits": b"9" * 400,
    }
    return {name: sign(credential, exp=value) for name, value in values.items()}


def list_oversized(credential: SignsTokens) -> dict[str, str]:
    """Make tokens that exhaust who parses them, still short enough for most servers."""
    _, payload, signature = sign(credential).split(".")
    deep = b"[" * _DEPTH + b"]" * _DEPTH
    header = encode(_write({**credential.header, "alg": "none", "deep": deep}))
    return {
        "a deep header": f"{header}.{payload}.{signature}",
        "deep claims": sign(credential, deep=deep),
        "20,000 characters": f"{header}.{'A' * _LONG_CHARACTERS}.{signature}",
    }


def _assemble(
    header: Mapping[str, Any], payload: bytes, secret: bytes | None = None
) -> str:
    signed = f"{encode(json.dumps(header).encode())}.{encode(payload)}"
    mac = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{encode(mac)}"


def _write(members: Mapping[str, Any]) -> bytes:
    written = (
        b"%b:%b"
        % (
            json.dumps(name).encode(),
            value if isinstance(value, bytes) else json.dumps(value).encode(),
        )
        for name, value in members.items()
    )
    return b"{%b}" % b",".join(written)
