"""Nothing is accepted that other people's verifiers refuse; they are asked the same."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import errors
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from redox_wsgi import AuthenticationFailed, Request
from redox_wsgi.authentication import JwtBearer, StaticKeySet
from tests.support.jose import (
    AUDIENCE,
    ISSUER,
    build_claims,
    build_header,
    build_jwk,
    build_pem,
    build_token,
    make_key,
)
from tests.support.wsgi import build_environ

# They go by the clock of this machine; far enough from every limit for a slow one.
NOW = int(time.time())
JWK = build_jwk(make_key("ES256"), "ES256", alg="ES256")
PEM = build_pem(make_key("ES256"))
CLAIMS = build_claims(iat=NOW, exp=NOW + 1800)

BEARER = JwtBearer(
    StaticKeySet({"keys": [JWK]}),
    ISSUER,
    AUDIENCE,
    now=lambda: datetime.fromtimestamp(NOW, UTC),
)
JOSERFC = JWSRegistry(algorithms=["ES256"], strict_check_header=False)
JOSERFC.max_header_length = 8192
JOSERFC_CLAIMS = joserfc_jwt.JWTClaimsRegistry(
    now=NOW,
    leeway=60,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
)


def is_accepted(token: str) -> bool:
    """Tell whether we take it."""
    environ = build_environ(headers={"authorization": f"Bearer {token}"})
    try:
        BEARER.authenticate(Request(environ))
    except AuthenticationFailed:
        return False
    return True


def ask_others(token: str) -> None:
    """Have PyJWT and joserfc decode it and check its claims."""
    jwt.decode(
        token,
        PEM,
        algorithms=["ES256"],
        audience=AUDIENCE,
        issuer=ISSUER,
        leeway=60,
        options={"require": ["exp", "iss", "aud"]},
    )
    decoded = joserfc_jwt.decode(token, ECKey.import_key(JWK), registry=JOSERFC)
    JOSERFC_CLAIMS.validate(decoded.claims)


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.sampled_from([0, 1, -1, 10**400]),
    st.sampled_from([NOW - 4000, NOW - 600, NOW, NOW + 600, NOW + 4000, str(NOW)]),
    st.text(max_size=4),
    st.sampled_from([ISSUER, AUDIENCE, "client-1", "ES256", "at+jwt", "JWT"]),
    st.lists(st.sampled_from([ISSUER, AUDIENCE, 1, None]), max_size=2),
    st.just({}),
)
_claims = st.dictionaries(
    st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "client_id"]),
    _values,
    max_size=2,
)
_headers = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x5t", "unknown"]),
    _values,
    max_size=1,
)


@settings(max_examples=300, deadline=None)
@given(header=_headers, claims=_claims)
def test_any_token_that_is_accepted_is_accepted_by_others(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Signed by the right key, so that header and claims decide."""
    token = build_token({**build_header(), **header}, {**CLAIMS, **claims})
    # A thumbprint that is no text: joserfc minds, and nobody reads it here.
    if is_accepted(token) and isinstance(header.get("x5t", ""), str):
        ask_others(token)


def test_the_others_are_asked_the_right_question() -> None:
    """They take what is right, and refuse what is not."""
    right = build_token(build_header(), CLAIMS)
    assert is_accepted(right)
    ask_others(right)

    for claims in ({"exp": NOW - 600}, {"iss": "x"}, {"aud": "x"}, {"nbf": NOW + 600}):
        wrong = build_token(build_header(), {**CLAIMS, **claims})
        assert not is_accepted(wrong)
        with pytest.raises((jwt.PyJWTError, errors.JoseError)):
            ask_others(wrong)
