"""JWT Bearer: a JSON Web Token that the sender signs itself, a new one each time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from redox_wsgi.simulator.credentials.fields import (
    Clock,
    check_seconds,
    check_text,
    utc_now,
)
from redox_wsgi.simulator.credentials.signing_key import SigningKey
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.exchange import Request

__all__ = ["JwtCredential"]


@dataclass(frozen=True, slots=True)
class JwtCredential:
    """Signs a fresh token for each request, and sends it as Bearer.

    Redox documents the name of its strategy and none of the claims, so all of them are
    fields here.

    Args:
        private_key: In PEM form, or as a JWK: JSON text or a mapping.
        algorithm: What it signs with: RS384 or ES384, for example.
        key_id: The ``kid``; None: there is none.
        issuer: The ``iss``.
        audience: The ``aud``; several are sent as a list.
        subject: The ``sub``; None: the issuer.
        lifetime_seconds: From ``iat`` to ``exp``, in seconds.
        type: The ``typ``.
        claims: Further claims, such as ``client_id``, ``scope``, or the ``email`` and
            ``email_verified`` of a Google account; they win over the others.
        now: The clock: aware.

    Raises:
        SimulatorError: A field is wrong, the key is none for the algorithm, or PyJWT
            is not installed.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7519
    """

    private_key: str | Mapping[str, Any] | SigningKey = field(repr=False)
    issuer: str
    audience: str | Sequence[str]
    algorithm: str = "RS384"
    key_id: str | None = None
    subject: str | None = None
    lifetime_seconds: int = 300
    type: str = "JWT"
    claims: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    now: Clock = field(default=utc_now, repr=False)
    #: The private key, read.
    key: SigningKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the fields, and read the key."""
        for name in ("issuer", "type"):
            check_text(name, getattr(self, name))
        for name in ("key_id", "subject"):
            if getattr(self, name) is not None:
                check_text(name, getattr(self, name))
        audiences = [self.audience] if isinstance(self.audience, str) else self.audience
        for audience in audiences:
            check_text("audience", audience)
        check_seconds("lifetime_seconds", self.lifetime_seconds)
        if not isinstance(self.claims, Mapping):
            raise SimulatorError("claims must be names with values.")
        object.__setattr__(self, "key", read_key(self.private_key, self.algorithm))

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Sign a token, and return the header with it."""
        payload = json.dumps(self.build_claims()).encode()
        return [("authorization", f"Bearer {self.key.sign(self.header, payload)}")]

    @property
    def header(self) -> dict[str, Any]:
        """The header of each token, without ``alg``."""
        key_id = {} if self.key_id is None else {"kid": self.key_id}
        return {"typ": self.type, **key_id}

    def build_claims(self) -> dict[str, Any]:
        """Build the claims of one token; the ``jti`` is a new one."""
        now = int(self.now().timestamp())
        return {
            "iss": self.issuer,
            "sub": self.subject or self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + self.lifetime_seconds,
            "jti": str(uuid.uuid4()),
            **self.claims,
        }


def read_key(
    private_key: str | Mapping[str, Any] | SigningKey, algorithm: str
) -> SigningKey:
    """Read a private key, unless it is read already.

    Raises:
        SimulatorError: It is none for the algorithm, or PyJWT is not installed.
    """
    if isinstance(private_key, SigningKey):
        return private_key
    if not isinstance(private_key, str | Mapping):
        raise SimulatorError("private_key must be PEM text or a JWK.")
    return SigningKey(private_key, algorithm)
