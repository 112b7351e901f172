"""SMART Backend Services: an access token that is fetched by a signed assertion."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.credentials.access_token import (
    AccessTokens,
    build_token_request,
)
from redox_wsgi.simulator.credentials.fields import (
    Clock,
    check_seconds,
    check_text,
    utc_now,
)
from redox_wsgi.simulator.credentials.jwt_bearer import read_key
from redox_wsgi.simulator.credentials.oauth import join_scopes
from redox_wsgi.simulator.credentials.signing_key import SigningKey
from redox_wsgi.simulator.exchange import Request, Transport
from redox_wsgi.simulator.over_http import OverHttp

__all__ = ["SmartBackendCredential"]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class SmartBackendCredential:
    """Fetches an access token by ``private_key_jwt``, and sends it as Bearer.

    Args:
        url: Of the token endpoint.
        client_id: Who asks; the ``iss`` and ``sub`` of the assertion.
        private_key: In PEM form, or as a JWK: JSON text or a mapping.
        algorithm: What it signs with; SMART has RS384 and ES384.
        key_id: The ``kid``, which SMART demands.
        scopes: What is asked for: one text, or several.
        audience: The ``aud``; None: the address of the token endpoint.
        jku: The address of the public keys, in the header; None: it is left out.
        lifetime_seconds: Of an assertion, in seconds; SMART allows 300.
        transport: How the request travels; None: over HTTP.
        now: The clock: aware.

    Raises:
        SimulatorError: A field is wrong, the key is none for the algorithm; or PyJWT
            or urllib3 is needed and not installed.

    Spec:
        https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
    """

    url: str
    client_id: str
    private_key: str | Mapping[str, Any] | SigningKey = field(repr=False)
    key_id: str
    scopes: str | Sequence[str] | None = None
    algorithm: str = "RS384"
    audience: str | None = None
    jku: str | None = None
    lifetime_seconds: int = 300
    transport: Transport | None = field(default=None, repr=False)
    now: Clock = field(default=utc_now, repr=False)
    #: The private key, read.
    key: SigningKey = field(init=False, repr=False)
    #: Where the access tokens come from.
    tokens: AccessTokens = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields, and read the key."""
        for name in ("url", "client_id", "key_id"):
            check_text(name, getattr(self, name))
        for name in ("audience", "jku"):
            if getattr(self, name) is not None:
                check_text(name, getattr(self, name))
        check_seconds("lifetime_seconds", self.lifetime_seconds)
        parse_address(self.url)
        join_scopes(self.scopes)
        object.__setattr__(self, "key", read_key(self.private_key, self.algorithm))
        tokens = AccessTokens(
            self.build_request, self.transport or OverHttp(), now=self.now
        )
        object.__setattr__(self, "tokens", tokens)

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the header with the access token.

        Raises:
            NoAnswer: None can be had (``"no-credential"``).
        """
        return [("authorization", f"Bearer {self.tokens.get()}")]

    @property
    def header(self) -> dict[str, Any]:
        """The header of each assertion, without ``alg``."""
        jku = {} if self.jku is None else {"jku": self.jku}
        return {"typ": "JWT", "kid": self.key_id, **jku}

    def build_claims(self) -> dict[str, Any]:
        """Build the claims of one assertion; the ``jti`` is a new one."""
        return {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience or self.url,
            "exp": int(self.now().timestamp()) + self.lifetime_seconds,
            "jti": str(uuid.uuid4()),
        }

    def build_request(self, assertion: str | None = None) -> Request:
        """Build the request for an access token, with an assertion of its own or this.

        Args:
            assertion: What to send instead of a right one.
        """
        if assertion is None:
            payload = json.dumps(self.build_claims()).encode()
            assertion = self.key.sign(self.header, payload)
        parameters = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        scope = join_scopes(self.scopes)
        if scope is not None:
            parameters["scope"] = scope
        return build_token_request(self.url, parameters)
