"""A token endpoint to test against: its clients, their keys, and what they send."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from redox_wsgi.authentication.keys import StaticKeySet
from redox_wsgi.authentication.replay import MemoryReplayStore
from redox_wsgi.oauth import (
    AssertionRules,
    Client,
    Clients,
    TokenEndpoint,
    TokenService,
    hash_secret,
)
from tests.support.wsgi import Reply, send

NOW = datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)
ISSUED_AT = int(NOW.timestamp())

URL = "https://ours.example/oauth/token"
ISSUER = "https://ours.example"
AUDIENCE = "https://ours.example/redox"
JKU = "https://keys.example/redox.json"

KEY = b"k3y-canary-of-the-token-service-0001"
OLD_KEY = b"old-k3y-canary-of-the-token-service-2"
SECRET = "s3cret-canary-Zk8vP2xQ7mN4tR9wY1cB6fH3"
OLD_SECRET = "old-s3cret-canary-J5dL8gT2vX4nM7qS0"
STRANGE_SECRET = "a b%2Bc+d:e-s3cret-canary-0123456789"

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
SCOPES = ("system/Observation.rs", "system/Patient.rs")


@cache
def private_key(algorithm: str) -> Any:
    """Make one key of each kind, for the whole run."""
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def build_public_keys() -> dict[str, Any]:
    """Build the key set of the client that signs, as it would publish it."""
    kinds: dict[str, Any] = {"RS384": RSAAlgorithm, "ES384": ECAlgorithm}
    return {
        "keys": [
            {
                **kind.to_jwk(private_key(name).public_key(), as_dict=True),
                "kid": name.lower(),
                "alg": name,
                "use": "sig",
            }
            for name, kind in kinds.items()
        ]
    }


def build_clients() -> Clients:
    """Register one client of each kind."""
    keys = StaticKeySet(build_public_keys())
    return Clients(
        [
            Client(
                client_id="redox",
                secret_hashes=(hash_secret(SECRET), hash_secret(OLD_SECRET)),
                scopes=frozenset(SCOPES),
            ),
            Client(client_id="plain", secret_hashes=(hash_secret(SECRET),)),
            Client(client_id="strange", secret_hashes=(hash_secret(STRANGE_SECRET),)),
            Client(
                client_id="smart",
                key_set=keys,
                key_set_url=JKU,
                scopes=frozenset(SCOPES),
                grants=frozenset({"client_credentials", JWT_BEARER}),
            ),
            Client(client_id="no-jku", key_set=keys),
            Client(
                client_id="only-jwt",
                key_set=keys,
                secret_hashes=(hash_secret(SECRET),),
                grants=frozenset({JWT_BEARER}),
            ),
        ]
    )


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Go on, or back."""
        self.time += timedelta(seconds=seconds)


def build_tokens(keys: Any = KEY, **settings: Any) -> TokenService:
    """Build a token service whose clock stands."""
    settings = {
        "audience": AUDIENCE,
        "clients": build_clients(),
        "now": lambda: NOW,
        **settings,
    }
    return TokenService(keys, **settings)


def build_endpoint(**settings: Any) -> TokenEndpoint:
    """Build a token endpoint that takes secrets and assertions."""
    now = settings.get("now", lambda: NOW)
    clients = settings.pop("clients", None) or build_clients()
    tokens = settings.pop("tokens", None) or build_tokens(clients=clients, now=now)
    store = settings.pop("replay_store", None) or MemoryReplayStore(now=now)
    settings = {"assertions": AssertionRules(URL), "now": now, **settings}
    return TokenEndpoint(clients, tokens, store, **settings)


def basic(client_id: str = "redox", secret: str = SECRET) -> dict[str, str]:
    """Build the header of a client that proves itself by HTTP Basic."""
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"authorization": f"Basic {encoded}"}


def build_claims(**changes: Any) -> dict[str, Any]:
    """Build the claims of a right assertion; None leaves one out."""
    claims = {
        "iss": "smart",
        "sub": "smart",
        "aud": URL,
        "exp": ISSUED_AT + 300,
        "jti": "jti-1",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def sign(
    claims: dict[str, Any] | None = None,
    algorithm: str = "RS384",
    **header: Any,
) -> str:
    """Sign an assertion with a client's own key."""
    return jwt.encode(
        build_claims() if claims is None else claims,
        private_key(algorithm),
        algorithm,
        {"kid": algorithm.lower(), **header},
    )


def encode_part(part: Any) -> str:
    """Encode a part of a JWT; text as it is."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assertion(token: str | None = None, **more: Any) -> dict[str, Any]:
    """Build the parameters of a client that proves itself by an assertion."""
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": sign() if token is None else token,
        **more,
    }


def ask(
    endpoint: Any,
    parameters: Any = None,
    headers: dict[str, str] | None = None,
    **environ: Any,
) -> Reply:
    """Send parameters to an endpoint; those that are None are left out."""
    if parameters is None:
        parameters = {"grant_type": "client_credentials"}
    if isinstance(parameters, dict):
        given = {name: text for name, text in parameters.items() if text is not None}
        parameters = urlencode(given)
    if isinstance(parameters, str):
        parameters = parameters.encode()
    all_headers = {"content-type": FORM, **(headers or {})}
    return send(
        endpoint,
        environ.pop("method", "POST"),
        "/oauth/token",
        body=parameters,
        headers=all_headers,
        **environ,
    )


def read(reply: Reply) -> Any:
    """Read the JSON of an answer."""
    return json.loads(reply.body)
