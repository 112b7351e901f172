"""Bearer tokens that are JSON Web Tokens, through a whole destination."""

from __future__ import annotations

import base64
import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, RSAKey

from redox_wsgi import (
    NO_CREDENTIALS,
    AnyOf,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
    InsufficientScope,
    Outcome,
    Principal,
    Request,
    VerificationToken,
)
from redox_wsgi.authentication import JwtBearer, StaticKeySet
from tests.support.builders import NOTIFICATION, TOKEN, Received, build_application
from tests.support.jose import (
    AUDIENCE,
    ISSUER,
    NOW,
    TIME,
    build_claims,
    build_header,
    build_jwk,
    build_key_set,
    build_pem,
    build_token,
    encode,
    make_key,
    spell,
)
from tests.support.wsgi import Reply, build_environ, send

ALGORITHMS = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
]  # fmt: skip
KEYS = StaticKeySet(build_key_set(*ALGORITHMS))
NO_ERROR = 'Bearer realm="redox"'
WITH_ERROR = 'Bearer realm="redox", error="invalid_token"'


def build_bearer(**settings: Any) -> JwtBearer:
    """Build an authenticator whose clock stands still."""
    defaults: dict[str, Any] = {
        "key_set": KEYS,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": lambda: NOW,
    }
    return JwtBearer(**{**defaults, **settings})


def ask(token: str, **settings: Any) -> Principal:
    """Ask an authenticator about a token."""
    environ = build_environ(headers={"authorization": f"Bearer {token}"})
    return build_bearer(**settings).authenticate(Request(environ))


class Door:
    """A destination behind an authenticator, with what came out of it."""

    def __init__(self, authenticator: Any) -> None:
        self.received = Received()
        self.outcomes: list[Outcome] = []
        self.application = build_application(
            self.received,
            verification_token=None,
            authenticator=authenticator,
            observer=self.outcomes.append,
        )

    def knock(self, authorization: str | None, **request: Any) -> Reply:
        """Send a notification with this header."""
        headers = {} if authorization is None else {"authorization": authorization}
        return send(
            self.application, **{"body": NOTIFICATION, "headers": headers, **request}
        )

    def refuse(self, token: str) -> str | None:
        """Send a token, assert the one answer for refusals, return the code."""
        reply = self.knock(f"Bearer {token}")
        assert (reply.status, reply.body) == (401, b'{"error":"invalid_token"}')
        assert reply.headers["www-authenticate"] == WITH_ERROR
        assert self.received == []
        return self.outcomes[-1].code


@pytest.fixture
def door() -> Door:
    """A door for access tokens."""
    return Door(build_bearer())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_right_token_lets_a_transmission_in(door: Door, algorithm: str) -> None:
    """And the handler learns who sent it."""
    token = build_token(
        build_header(algorithm), build_claims(scope="a b"), algorithm=algorithm
    )
    reply = door.knock(f"Bearer {token}")

    assert reply.status == 200
    [transmission] = door.received
    principal = transmission.principal
    assert principal is not None
    assert (principal.scheme, principal.subject) == ("jwt", "client-1")
    assert principal.scopes == {"a", "b"}
    assert principal.claims["jti"] == "token-1"
    with pytest.raises(TypeError):
        principal.claims["sub"] = "other"  # type: ignore[index]


def _confuse(secret: bytes) -> str:
    header = build_header("HS256", kid="RS256")
    signed = f"{encode(spell(header))}.{encode(spell(build_claims()))}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{signed}.{encode(algorithm.sign(signed.encode(), secret))}"


_PEM = build_pem(make_key("RS256"))
_DER = base64.b64decode(b"".join(_PEM.splitlines()[1:-1]))
_DEEP = '{"iss":' + "[" * 3000 + "]" * 3000 + "}"

ATTACKS: dict[str, tuple[str, str]] = {
    **{
        f"alg {algorithm!r}": (
            build_token(build_header(alg=algorithm), signature=b"x"),
            "wrong-algorithm",
        )
        for algorithm in ("none", "None", "nOnE", "", None)
    },
    "alg none without signature": (
        build_token(build_header(alg="none"), signature=b""),
        "malformed-token",
    ),
    "alg missing": (
        build_token({"typ": "at+jwt", "kid": "ES256"}),
        "wrong-algorithm",
    ),
    "HMAC by the public key as PEM": (_confuse(_PEM), "wrong-algorithm"),
    "the same without final newline": (_confuse(_PEM.rstrip()), "wrong-algorithm"),
    "HMAC by the public key as DER": (_confuse(_DER), "wrong-algorithm"),
    "HMAC by the public key as JWK": (
        _confuse(spell(build_jwk(make_key("RS256"), "RS256", alg="RS256"))),
        "wrong-algorithm",
    ),
    "a key under another algorithm of its family": (
        build_token(
            build_header("RS384", kid="RS256"),
            algorithm="RS384",
            key=make_key("RS256"),
        ),
        "wrong-algorithm",
    ),
    "embedded jwk": (
        build_token(
            build_header(jwk=build_jwk(make_key("ES256", 1))),
            key=make_key("ES256", 1),
        ),
        "forbidden-header",
    ),
    "embedded jwk that is the right key": (
        build_token(build_header(jwk=build_jwk(make_key("ES256")))),
        "forbidden-header",
    ),
    "embedded x5c": (build_token(build_header(x5c=["MIIB"])), "forbidden-header"),
    "jku of a cloud's metadata": (
        build_token(build_header(jku="http://169.254.169.254/latest/meta-data")),
        "forbidden-header",
    ),
    "kid as a path": (build_token(build_header(kid="../../dev/null")), "unknown-key"),
    "kid as a query": (build_token(build_header(kid="x' OR 1=1--")), "unknown-key"),
    "kid with NUL": (build_token(build_header(kid="ES256\0")), "unknown-key"),
    "kid too long": (build_token(build_header(kid="x" * 257)), "malformed-key-id"),
    "kid a number": (build_token(build_header(kid=1)), "malformed-key-id"),
    "kid of another key": (build_token(build_header(kid="ES384")), "wrong-algorithm"),
    "crit unknown": (build_token(build_header(crit=["x"], x=1)), "forbidden-header"),
    "crit empty": (build_token(build_header(crit=[])), "forbidden-header"),
    "b64 false": (
        build_token(build_header(crit=["b64"], b64=False)),
        "forbidden-header",
    ),
    "r and s zero": (build_token(signature=bytes(64)), "bad-signature"),
    "one byte more": (
        build_token() + "AA",
        "bad-signature",
    ),
    "another key": (build_token(key=make_key("ES256", 1)), "bad-signature"),
    "duplicate member in the header": (
        build_token('{"alg":"ES256","kid":"ES256","typ":"at+jwt","typ":"at+jwt"}'),
        "malformed-token",
    ),
    "duplicate claim": (
        build_token(claims=spell(build_claims())[:-1] + b', "exp": 9999999999}'),
        "malformed-claims",
    ),
    "duplicate member within a claim": (
        build_token(claims=spell(build_claims())[:-1] + b', "x": {"y":1,"y":2}}'),
        "malformed-claims",
    ),
    **{
        f"exp {spelling[:12]}": (
            build_token(
                claims=spell(build_claims(exp="@")).replace(b'"@"', spelling.encode())
            ),
            code,
        )
        for spelling, code in [
            ("NaN", "malformed-claims"),
            ("Infinity", "malformed-claims"),
            ("1e400", "malformed-claims"),
            (f'"{TIME + 60}"', "malformed-claims"),
            ("true", "malformed-claims"),
            ("null", "malformed-claims"),
            ("[1]", "malformed-claims"),
            ("9" * 400, "malformed-claims"),
            ("-" + "9" * 400, "malformed-claims"),
            ("9" * 5000, "malformed-claims"),
        ]
    },
    **{
        f"{name} missing": (
            build_token(claims=build_claims(**{name: None})),
            "missing-claim",
        )
        for name in ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
    },
    **{
        f"iss {value!r}": (build_token(claims={**build_claims(), "iss": value}), code)
        for value, code in [
            (ISSUER[:-1], "wrong-issuer"),
            (ISSUER + "x", "wrong-issuer"),
            (ISSUER.upper(), "wrong-issuer"),
            ([ISSUER], "malformed-claims"),
            (None, "malformed-claims"),
        ]
    },
    **{
        f"aud {value!r}": (build_token(claims={**build_claims(), "aud": value}), code)
        for value, code in [
            (AUDIENCE[:-1], "wrong-audience"),
            (AUDIENCE + "/x", "wrong-audience"),
            (AUDIENCE.upper(), "wrong-audience"),
            ([], "wrong-audience"),
            ([AUDIENCE, 1], "malformed-claims"),
            (None, "malformed-claims"),
        ]
    },
    "a life of a year": (
        build_token(claims=build_claims(exp=TIME + 31_536_000)),
        "long-lived-token",
    ),
    "expired": (build_token(claims=build_claims(exp=TIME - 60)), "expired-token"),
    "issued in the future": (
        build_token(claims=build_claims(iat=TIME + 61)),
        "early-token",
    ),
    "not valid yet": (build_token(claims=build_claims(nbf=TIME + 61)), "early-token"),
    **{
        f"typ {media_type}": (
            build_token(build_header(typ=media_type)),
            "wrong-type",
        )
        for media_type in ("JWT", "client-authentication+jwt", "logout+jwt", "JOSE")
    },
    "encrypted, with a zip bomb": (
        encode(b'{"alg":"dir","enc":"A128GCM","zip":"DEF"}') + "..A.A.A",
        "malformed-token",
    ),
    "encrypted, with a costly password": (
        encode(b'{"alg":"PBES2-HS256+A128KW","p2c":2147483648}') + ".A.A.A.A",
        "malformed-token",
    ),
    "padding": (build_token() + "==", "malformed-token"),
    "20 kB": (build_token(claims=build_claims(x="x" * 20_000)), "malformed-token"),
    "3000 deep": (build_token(claims=_DEEP), "malformed-claims"),
    "3000 deep header": (build_token(_DEEP, claims={}), "malformed-token"),
    "100 k nested arrays": (
        build_token(claims="[" * 100_000),
        "malformed-token",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_like_any_other(door: Door, name: str) -> None:
    """One answer for all; the log has the reason; the handler is not called."""
    token, code = ATTACKS[name]

    assert door.refuse(token) == code


@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_an_address_in_a_token_is_never_visited(door: Door, member: str) -> None:
    """A server that listens there sees nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/keys"
        code = door.refuse(build_token(build_header(**{member: url})))
        with pytest.raises(BlockingIOError):
            server.accept()

    assert code == "forbidden-header"


@pytest.mark.parametrize(
    ("authorization", "status", "challenge"),
    [
        (None, 401, NO_ERROR),
        ("Basic dTpw", 401, NO_ERROR),
        ("Bearer opaque", 401, NO_ERROR),
        ("Bearer one.dot", 401, NO_ERROR),
        ("Bearer", 401, WITH_ERROR),
        ("Bearer ", 401, WITH_ERROR),
        ("Bearer {0},Bearer {0}", 401, WITH_ERROR),
        ("Bearer {0}, {0}", 401, WITH_ERROR),
        ("Bearer {0} {0}", 401, WITH_ERROR),
        ("Bearer\t{0}", 401, WITH_ERROR),
        ("Bearer {0}\t", 401, WITH_ERROR),
        ("Bearer {0} ", 401, WITH_ERROR),
        ("Bearer {0}\xff", 401, WITH_ERROR),
        (" Bearer {0}", 401, NO_ERROR),
        ("{0}", 401, NO_ERROR),
        ("JWT {0}", 401, NO_ERROR),
        ("bearer {0}", 200, None),
        ("BEARER   {0}", 200, None),
    ],
)
def test_only_one_bearer_token_in_the_header_counts(
    door: Door, authorization: str | None, status: int, challenge: str | None
) -> None:
    """The scheme in any case, one or more spaces, one token."""
    header = authorization and authorization.format(build_token())
    reply = door.knock(header)

    assert reply.status == status
    assert reply.headers.get("www-authenticate") == challenge
    assert len(door.received) == (status == 200)


def test_a_token_in_query_or_body_is_not_looked_at(door: Door) -> None:
    """There it would reach access logs."""
    token = build_token()
    replies = [
        door.knock(None, query=f"access_token={token}"),
        door.knock(None, body=f"access_token={token}".encode()),
        door.knock(None, body=json.dumps({"access_token": token}).encode()),
    ]

    assert {reply.status for reply in replies} == {401}
    assert {reply.headers["www-authenticate"] for reply in replies} == {NO_ERROR}
    assert door.received == []


@pytest.mark.parametrize("scope", [None, "", "b", "A", "ab", "a,b", "a\tb", "b a2"])
def test_a_token_without_the_scope_is_forbidden(scope: str | None) -> None:
    """403 with the scope that would do, and the handler is not called."""
    door = Door(build_bearer(scopes=["a"]))
    reply = door.knock(f"Bearer {build_token(claims=build_claims(scope=scope))}")

    assert (reply.status, reply.body) == (403, b'{"error":"insufficient_scope"}')
    assert reply.headers["www-authenticate"] == (
        'Bearer realm="redox", error="insufficient_scope", scope="a"'
    )
    assert door.received == []
    assert door.outcomes[-1].code == "missing-scope"


def test_all_scopes_are_needed_in_any_order() -> None:
    """Others may stand beside them."""
    token = build_token(claims=build_claims(scope="c b  a"))

    assert ask(token, scopes=["a", "b"]).scopes == {"a", "b", "c"}
    with pytest.raises(InsufficientScope) as caught:
        ask(token, scopes=("a", "d"))
    assert str(caught.value.www_authenticate).endswith('scope="a d"')


def test_a_wrong_token_with_a_wrong_scope_is_unauthorized() -> None:
    """A stranger does not learn which scopes exist."""
    with pytest.raises(AuthenticationFailed):
        ask(build_token(key=make_key("ES256", 1)), scopes=["a"])


def test_plain_tokens_need_a_client_or_a_scope() -> None:
    """An ID token of the same issuer, even for us, mostly has neither."""
    header = build_header(typ="JWT")
    settings: dict[str, Any] = {"accepted_types": ["JWT"]}
    service = build_token(
        header, build_claims(client_id=None, azp="client-1", jti=None)
    )
    person = build_token(header, build_claims(client_id=None, sub="person"))

    assert ask(service, **settings, clients=["client-1"]).subject == "client-1"
    with pytest.raises(AuthenticationFailed) as caught:
        ask(person, **settings, clients=["client-1", "person"])
    assert caught.value.code == "unknown-client"
    with pytest.raises(InsufficientScope):
        ask(person, **settings, scopes=["a"])


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        ({"client_id": "client-1"}, True),
        ({"client_id": "client-1", "azp": "client-2"}, True),
        ({"client_id": "client-1", "azp": "client-3"}, False),
        ({"client_id": "client-3", "azp": "client-1"}, False),
        ({"client_id": "CLIENT-1"}, False),
        ({"client_id": "client"}, False),
    ],
)
def test_every_client_that_is_named_must_be_known(names: Any, accepted: bool) -> None:
    """Exactly as configured."""
    token = build_token(claims=build_claims(**names))
    if accepted:
        assert ask(token, clients=["client-1", "client-2"]).subject == "client-1"
    else:
        with pytest.raises(AuthenticationFailed) as caught:
            ask(token, clients=["client-1", "client-2"])
        assert caught.value.code == "unknown-client"


def test_a_subject_does_not_stand_in_for_a_client_that_is_named() -> None:
    """Only a token that names none is taken for self-signed."""
    token = build_token(claims=build_claims(client_id="other", sub=ISSUER))

    with pytest.raises(AuthenticationFailed) as caught:
        ask(token, clients=[ISSUER])
    assert caught.value.code == "unknown-client"


def test_a_self_signed_token_names_its_client_twice() -> None:
    """Its issuer is its subject: a person's ID token is never like that."""
    header = build_header(typ="JWT")
    claims = {"iss": "client-1", "sub": "client-1", "aud": AUDIENCE, "exp": TIME + 60}
    settings: dict[str, Any] = {
        "issuer": "client-1", "accepted_types": ["JWT"], "clients": ["client-1"],
    }  # fmt: skip

    assert ask(build_token(header, claims), **settings).subject == "client-1"
    for sub in ("client-2", None):
        wrong = {**claims, "sub": sub} if sub else {**claims}
        if sub is None:
            del wrong["sub"]
        with pytest.raises(AuthenticationFailed) as caught:
            ask(build_token(header, wrong), **settings)
        assert caught.value.code == "unknown-client"


@pytest.mark.parametrize(
    ("names", "subject"),
    [
        ({"client_id": "c", "azp": "a"}, "c"),
        ({"client_id": None, "azp": "a"}, "a"),
        ({"client_id": None}, "client-1"),
        ({"client_id": None, "sub": None}, ISSUER),
    ],
)
def test_the_subject_is_the_client_or_what_comes_next(names: Any, subject: str) -> None:
    """The best name that the token has."""
    token = build_token(build_header(typ="JWT"), build_claims(scope="a", **names))

    assert ask(token, accepted_types=["JWT"], scopes=["a"]).subject == subject


class Store(list[tuple[str, datetime]]):
    """A replay store with one answer."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def add(self, key: str, expires_at: datetime) -> Any:
        """Keep what is asked, and give the answer."""
        self.append((key, expires_at))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_token_is_taken_once_where_that_is_asked_for() -> None:
    """Its key holds issuer and jti, unreadable; it is kept until the token is dead."""
    store = Store(True)
    for claims in (
        build_claims(exp=TIME + 60.5),
        build_claims(exp=TIME + 60.5),
        build_claims(jti="token-2"),
    ):
        ask(build_token(claims=claims), replay_store=store)

    foreign = build_token(claims=build_claims(iss="other"))
    ask(foreign, issuer="other", replay_store=store)

    first, again, other, of_another_issuer = store
    assert first == again
    assert first[0] != of_another_issuer[0]
    assert first[0] != other[0]
    assert (len(first[0]), first[0].isalnum()) == (64, True)
    assert first[1] == NOW + timedelta(seconds=121)
    with pytest.raises(AuthenticationFailed) as caught:
        ask(build_token(), replay_store=Store(False))
    assert caught.value.code == "replayed-token"


@pytest.mark.parametrize("name", ["sub", "client_id", "iat", "jti"])
def test_a_token_that_counts_once_needs_all_claims_the_more(name: str) -> None:
    """The store does not stand in for the profile."""
    token = build_token(claims=build_claims(**{name: None}))

    with pytest.raises(AuthenticationFailed) as caught:
        ask(token, replay_store=Store(True))
    assert caught.value.code == "missing-claim"


def test_only_right_tokens_reach_the_store() -> None:
    """Otherwise anybody could use up the jti of another."""
    store = Store(True)
    for token in (
        build_token(key=make_key("ES256", 1)),
        build_token(claims=build_claims(aud="other")),
        build_token(claims=build_claims(client_id="other")),
        build_token(claims=build_claims(scope="b")),
        build_token(build_header(typ="JWT"), build_claims(jti=None, scope="a")),
    ):
        with pytest.raises((AuthenticationFailed, InsufficientScope)):
            ask(
                token,
                replay_store=store,
                scopes=["a"],
                clients=["client-1"],
                accepted_types=["JWT", "at+jwt"],
            )

    assert store == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError("canary"), "replay-store-unavailable"),
        (AuthenticatorUnavailable("replay-store-full"), "replay-store-full"),
    ],
)
def test_a_store_that_is_down_blames_nobody(error: Exception, code: str) -> None:
    """503, so that Redox sends again."""
    door = Door(build_bearer(replay_store=Store(error)))
    reply = door.knock(f"Bearer {build_token()}")

    assert (reply.status, reply.headers["retry-after"]) == (503, "10")
    assert door.outcomes[-1].code == code
    assert door.received == []


def test_keys_that_cannot_be_had_blame_nobody() -> None:
    """503 for a token that may be right; 401 for one that cannot be."""

    class Down:
        def get(self, key_id: str | None) -> Any:
            raise AuthenticatorUnavailable("keys-unavailable")

    door = Door(build_bearer(key_set=Down()))

    assert door.knock(f"Bearer {build_token()}").status == 503
    assert door.refuse(build_token(build_header(alg="none"), signature=b"x"))


def test_it_shares_the_header_with_a_verification_token() -> None:
    """A value without two dots is the other's."""
    door = Door(AnyOf(VerificationToken(TOKEN), build_bearer()))

    assert door.knock(f"Bearer {TOKEN}").status == 200
    assert door.knock(f"Bearer {build_token()}").status == 200
    assert door.knock("Bearer other").status == 401
    assert door.knock(f"Bearer {build_token(signature=bytes(64))}").status == 401
    assert len(door.received) == 2


def test_by_default_it_goes_by_the_clock() -> None:
    """Aware, in UTC."""
    now = int(datetime.now(UTC).timestamp())
    bearer = JwtBearer(KEYS, ISSUER, AUDIENCE)
    token = build_token(claims=build_claims(iat=now, exp=now + 60))
    environ = build_environ(headers={"authorization": f"Bearer {token}"})

    assert bearer.authenticate(Request(environ)).subject == "client-1"
    with pytest.raises(AuthenticationFailed) as caught:
        bearer.authenticate(
            Request(build_environ(headers={"authorization": f"Bearer {build_token()}"}))
        )
    assert caught.value.code == "expired-token"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS256", "ES256", "ES384"])
def test_tokens_of_other_libraries_are_taken(algorithm: str) -> None:
    """What PyJWT and joserfc, the library of Authlib, sign as servers do."""
    header, claims = build_header(algorithm), build_claims(scope="a")
    pem = make_key(algorithm).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    kind = ECKey if algorithm.startswith("ES") else RSAKey
    tokens = [
        jwt.encode(claims, pem, algorithm, headers=header),
        joserfc_jwt.encode(
            header, claims, kind.import_key(pem), algorithms=[algorithm]
        ),
    ]

    for token in tokens:
        assert ask(token, scopes=["a"]).claims == claims


@pytest.mark.parametrize(
    "settings",
    [
        {"key_set": None},
        {"key_set": {}},
        {"key_set": StaticKeySet},
        {"key_set": "secret"},
        {"issuer": ""},
        {"issuer": None},
        {"issuer": [ISSUER]},
        {"audience": ""},
        {"audience": None},
        {"audience": []},
        {"audience": [AUDIENCE, ""]},
        {"audience": [1]},
        {"audience": b"x"},
        {"accepted_types": "at+jwt"},
        {"accepted_types": []},
        {"accepted_types": [None]},
        {"accepted_types": ["JWT"]},
        {"accepted_types": ["at+jwt", "jwt"]},
        {"accepted_types": ["application/JWT"]},
        {"clients": []},
        {"clients": "client-1"},
        {"clients": [""]},
        {"scopes": "a b"},
        {"scopes": None},
        {"scopes": ["a b"]},
        {"scopes": ['a"b']},
        {"scopes": ["a\r\nSet-Cookie: x"]},
        {"scopes": ["\u0161"]},
        {"scopes": [""]},
        {"leeway": -1},
        {"leeway": 301},
        {"leeway": True},
        {"leeway": "60"},
        {"leeway": float("nan")},
        {"max_lifetime": 0},
        {"max_lifetime": -1},
        {"max_lifetime": True},
        {"max_lifetime": None},
        {"max_lifetime": float("inf")},
        {"max_lifetime": 10**400},
        {"max_lifetime": 366 * 24 * 3600 + 1},
        {"replay_store": set},
        {"replay_store": []},
        {"now": NOW},
        {"now": lambda: NOW.replace(tzinfo=None)},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_meant_stops_at_construction(settings: Any) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError):
        build_bearer(**settings)


def test_the_limits_themselves_are_taken() -> None:
    """Both ends."""
    for leeway, max_lifetime in ((0, 1), (300, 366 * 24 * 3600), (0.5, 1.5)):
        assert build_bearer(leeway=leeway, max_lifetime=max_lifetime)
    assert build_bearer(audience=(AUDIENCE, "other"), clients={"client-1"}, scopes=())


def test_what_a_caller_changes_later_changes_nothing() -> None:
    """Who is let in was decided when the application started."""
    lists: dict[str, list[str]] = {
        "audience": [AUDIENCE],
        "accepted_types": ["at+jwt"],
        "clients": ["client-1"],
        "scopes": [],
    }
    bearer = build_bearer(**lists)
    for name, added in zip(lists, ["other", "x+jwt", "client-2", "a"], strict=True):
        lists[name].append(added)

    def try_token(media_type: str = "at+jwt", **claims: str) -> str:
        token = build_token(build_header(typ=media_type), build_claims(**claims))
        environ = build_environ(headers={"authorization": f"Bearer {token}"})
        try:
            return bearer.authenticate(Request(environ)).subject
        except AuthenticationFailed as refusal:
            return refusal.code

    assert try_token() == "client-1"
    assert try_token(aud="other") == "wrong-audience"
    assert try_token("x+jwt") == "wrong-type"
    assert try_token(client_id="client-2") == "unknown-client"


def test_clocks_may_disagree_a_little() -> None:
    """By as much as is configured."""
    token = build_token(claims=build_claims(exp=TIME - 59))

    assert ask(token).subject == "client-1"
    with pytest.raises(AuthenticationFailed) as caught:
        ask(token, leeway=59)
    assert caught.value.code == "expired-token"


def test_without_the_extra_the_sentence_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At construction."""
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[jwt\]"):
        build_bearer()


RIGHT = build_token()
DOOR = Door(build_bearer())


@settings(deadline=None)
@given(
    authorization=st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=40),
        st.binary(max_size=60).map(lambda octets: f"Bearer {encode(octets)}.e30.AA"),
        st.tuples(st.integers(0, len(RIGHT) - 1), st.integers(0, 255)).map(
            lambda at: f"Bearer {RIGHT[: at[0]]}{chr(at[1])}{RIGHT[at[0] + 1 :]}"
        ),
    )
)
def test_no_request_without_the_key_reaches_the_handler(authorization: str) -> None:
    """Whatever stands in the header, it is 401 and nothing else."""
    assume(authorization != f"Bearer {RIGHT}")

    assert DOOR.knock(authorization).status == 401
    assert DOOR.received == []
    assert DOOR.outcomes[-1].code not in ("internal", None)


def test_no_credentials_is_said_in_the_common_word() -> None:
    """So that AnyOf asks the next."""
    with pytest.raises(AuthenticationFailed) as caught:
        build_bearer().authenticate(Request(build_environ()))

    assert caught.value.code == NO_CREDENTIALS
