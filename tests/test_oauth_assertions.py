"""Attacks on signed assertions: each is a 401, and burns nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
import threading
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi import AuthenticatorUnavailable, ConfigurationError, Outcome
from redox_wsgi.authentication.keys import StaticKeySet, VerificationKey
from redox_wsgi.authentication.replay import SqliteReplayStore
from redox_wsgi.oauth import AssertionRules, Client, Clients, TokenEndpoint
from tests.support.oauth import (
    ISSUED_AT,
    ISSUER,
    JKU,
    JWT_BEARER,
    URL,
    Clock,
    ask,
    assertion,
    build_claims,
    build_clients,
    build_endpoint,
    build_public_keys,
    build_tokens,
    encode_part,
    private_key,
    read,
    sign,
)

BODY = b'{"error":"invalid_client","error_description":"Client authentication failed."}'
HEADER = {"alg": "RS384", "kid": "rs384", "typ": "JWT"}


def build_jwt(header: Any, claims: Any, signature: bytes = b"x" * 256) -> str:
    """Build a JWT from parts of any kind."""
    return ".".join([encode_part(header), encode_part(claims), encode_part(signature)])


def sign_raw(claims: bytes, header: bytes | None = None) -> str:
    """Sign bytes that no library would write."""
    first = encode_part(json.dumps(HEADER).encode() if header is None else header)
    signed = f"{first}.{encode_part(claims)}"
    key = private_key("RS384")
    signature = key.sign(signed.encode(), padding.PKCS1v15(), SHA384())
    return f"{signed}.{encode_part(signature)}"


def confuse(text: bytes) -> str:
    """Sign with a public key as if it were a secret."""
    header = {**HEADER, "alg": "HS384"}
    signed = f"{encode_part(header)}.{encode_part(build_claims())}"
    digest = hmac.new(text, signed.encode(), hashlib.sha384).digest()
    return f"{signed}.{encode_part(digest)}"


def list_public_forms() -> list[bytes]:
    """List the public key in every form a verifier may hold."""
    public = private_key("RS384").public_key()
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, kind)
    der = public.public_bytes(serialization.Encoding.DER, kind)
    jwk = json.dumps(build_public_keys()["keys"][0]).encode()
    return [pem, pem.rstrip(), der, jwk]


def sign_as(key: Any, algorithm: str, **header: Any) -> str:
    """Sign a right assertion with a key that is not the client's."""
    return jwt.encode(build_claims(), key, algorithm, {"kid": "rs384", **header})


def check_refused(endpoint: Any, token: str) -> None:
    """Expect the one answer for every wrong assertion."""
    reply = ask(endpoint, assertion(token))

    assert (reply.status, reply.body) == (401, BODY)
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["pragma"] == "no-cache"


PUBLIC_JWK = build_public_keys()["keys"][0]
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HALF = 48

ATTACKS: dict[str, str] = {
    **{
        f"alg {algorithm!r}": build_jwt({**HEADER, "alg": algorithm}, build_claims())
        for algorithm in ("none", "None", "nOnE", "", None, 1, ["RS384"], "rs384")
    },
    "alg missing": build_jwt({"kid": "rs384", "typ": "JWT"}, build_claims()),
    "alg none without a signature": build_jwt(
        {**HEADER, "alg": "none"}, build_claims(), b""
    ),
    **{
        f"the public key as a secret, form {number}": confuse(text)
        for number, text in enumerate(list_public_forms())
    },
    "another algorithm of the key's family": sign_as(
        private_key("RS384"), "RS512", typ="JWT"
    ),
    "an algorithm that SMART does not name": sign_as(private_key("RS384"), "RS256"),
    "PSS in place of PKCS#1": sign_as(private_key("RS384"), "PS384"),
    "another key": sign_as(OTHER_RSA, "RS384"),
    "the kid of another key": sign_as(private_key("ES384"), "ES384", kid="rs384"),
    "its own key": sign_as(OTHER_RSA, "RS384", jwk=PUBLIC_JWK),
    "the right key brought along": sign(jwk=PUBLIC_JWK),
    "a certificate brought along": sign(x5c=["MIIB"]),
    "an address of certificates": sign(x5u="https://keys.example/x"),
    "an unknown critical extension": sign(crit=["x"], x=1),
    "an empty list of extensions": sign(crit=[]),
    "an unencoded payload": sign(b64=False),
    "compression": sign(zip="DEF"),
    "a jku that is not registered": sign(jku="https://evil.example/keys"),
    "a jku with a query": sign(jku=f"{JKU}?x"),
    "a jku in another case": sign(jku=JKU.upper()),
    "a jku that is a list": sign(jku=[JKU]),
    "an empty jku of a client without one": sign_raw(
        json.dumps(build_claims(iss="no-jku", sub="no-jku")).encode(),
        json.dumps({**HEADER, "jku": None}).encode(),
    ),
    "a jku of a client without one": sign(
        build_claims(iss="no-jku", sub="no-jku"), jku=JKU
    ),
    **{
        f"kid {key_id!r:.40}": sign(kid=key_id)
        for key_id in (
            "../../../../dev/null",
            "' UNION SELECT 'x",
            "\x00",
            "/dev/null",
            "x" * 257,
            "",
            "RS384",
        )
    },
    "a kid that is a number": sign_raw(
        json.dumps(build_claims()).encode(),
        json.dumps({**HEADER, "kid": 1}).encode(),
    ),
    "no kid where there are two keys": sign_raw(
        json.dumps(build_claims()).encode(), b'{"alg":"RS384","typ":"JWT"}'
    ),
    "an access token": sign(typ="at+jwt"),
    "a logout token": sign(typ="logout+jwt"),
    "no typ": sign(typ=None),
    "ECDSA with r = s = 0": build_jwt(
        {**HEADER, "alg": "ES384", "kid": "es384"}, build_claims(), bytes(2 * HALF)
    ),
    "five parts": f"{sign()}.x.y",
    "two parts": sign().rpartition(".")[0],
    "padding": f"{sign()}=",
    "a blank": f"{sign()} ",
    "a line break": sign().replace(".", ".\n", 1),
    "20 kB": "x" * 20_000,
    "20 kB of three parts": f"{'x' * 10_000}.{'x' * 10_000}.x",
    "lists in lists": build_jwt(b"[" * 3_000, build_claims()),
    "claims of lists in lists": sign_raw(b'{"x":' + b"[" * 3_000),
    "doubled members in the header": sign_raw(
        json.dumps(build_claims()).encode(),
        b'{"alg":"none","alg":"RS384","kid":"rs384","typ":"JWT"}',
    ),
    "a list of claims": sign_raw(b"[]"),
    "claims that are no JSON": sign_raw(b"{"),
    "claims that are not UTF-8": sign_raw(b'{"iss":"\xff"}'),
}

CLAIMS: dict[str, dict[str, Any]] = {
    **{f"no {name}": {name: None} for name in ("iss", "sub", "aud", "exp", "jti")},
    "another client's name": {"sub": "redox"},
    "an unknown client": {"iss": "nobody", "sub": "nobody"},
    "a client without keys": {"iss": "redox", "sub": "redox"},
    "the name in another case": {"iss": "Smart"},
    "the name in a list": {"iss": ["smart"]},
    "sub in a list": {"sub": ["smart"]},
    "another endpoint": {"aud": "https://other.example/oauth/token"},
    "a prefix": {"aud": URL[:-1]},
    "a suffix": {"aud": f"{URL}/"},
    "the issuer": {"aud": ISSUER},
    "two audiences": {"aud": [URL, "https://other.example"]},
    "the same audience twice": {"aud": [URL, URL]},
    "no audience": {"aud": []},
    "an audience that is a number": {"aud": 1},
    "an audience list of numbers": {"aud": [1]},
    "expired": {"exp": ISSUED_AT - 60},
    "a life of over five minutes and leeway": {"exp": ISSUED_AT + 361},
    "a life of a year": {"exp": ISSUED_AT + 365 * 86_400},
    "a long life that began earlier": {
        "iat": ISSUED_AT - 100,
        "exp": ISSUED_AT + 300,
    },
    "from the future": {"iat": ISSUED_AT + 120, "exp": ISSUED_AT + 300},
    "not yet valid": {"nbf": ISSUED_AT + 120},
    "exp that is a text": {"exp": str(ISSUED_AT + 300)},
    "exp that is true": {"exp": True},
    "exp of 400 digits": {"exp": 10**400},
    "a jti that is a number": {"jti": 1},
    "a jti that is empty": {"jti": ""},
    "a jti of 257 characters": {"jti": "x" * 257},
    "a jti that is a list": {"jti": ["x"]},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_burns_no_identifier(name: str) -> None:
    """The right assertion with the same jti is accepted afterwards."""
    endpoint = build_endpoint()

    check_refused(endpoint, ATTACKS[name])
    assert ask(endpoint, assertion(sign())).status == 200


@pytest.mark.parametrize("name", CLAIMS)
def test_a_signed_assertion_with_a_wrong_claim_is_refused(name: str) -> None:
    """A client's own mistake, or another server's assertion sent on to us."""
    endpoint = build_endpoint()
    claims = {**build_claims(), **CLAIMS[name]}
    encoded = json.dumps({k: v for k, v in claims.items() if v is not None})

    check_refused(endpoint, sign_raw(encoded.encode()))
    assert ask(endpoint, assertion(sign())).status == 200


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("no kid where there are two keys", "missing-key-id"),
        ("a jku that is not registered", "wrong-key-set-url"),
        ("an unknown client", "unknown-client"),
        ("two audiences", "wrong-audience"),
        ("another client's name", "wrong-subject"),
        ("a jti that is a number", "malformed-claims"),
        ("a jti of 257 characters", "malformed-claims"),
    ],
)
def test_the_log_tells_what_was_wrong_with_an_assertion(name: str, code: str) -> None:
    """The answer never does, and a client's owner will ask."""
    seen: list[Outcome] = []
    token = ATTACKS.get(name) or sign(build_claims(**CLAIMS[name]))
    check_refused(build_endpoint(observer=seen.append), token)

    assert [outcome.code for outcome in seen] == [code]


@pytest.mark.parametrize(
    "text",
    [
        '"exp":NaN',
        '"exp":Infinity',
        '"exp":1e400',
        '"exp":null',
        '"exp":-1',
        f'"exp":{"9" * 5_000}',
        '"iss":"x","iss":"smart","exp":1769855100',
    ],
)
def test_numbers_and_members_that_programs_read_differently_are_refused(
    text: str,
) -> None:
    """Never a 500."""
    rest = json.dumps(build_claims(exp=None))[1:]

    check_refused(build_endpoint(), sign_raw(f"{{{text},{rest}".encode()))


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_right_assertion_is_accepted_once(algorithm: str) -> None:
    """A replay is another's."""
    endpoint = build_endpoint()
    token = sign(algorithm=algorithm)

    assert ask(endpoint, assertion(token)).status == 200
    check_refused(endpoint, token)


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"exp": ISSUED_AT + 360}, {}),
        ({"exp": ISSUED_AT - 59}, {}),
        ({"iat": ISSUED_AT, "nbf": ISSUED_AT + 60}, {}),
        ({"iat": ISSUED_AT - 60, "nbf": ISSUED_AT - 60}, {}),
        ({"iat": ISSUED_AT, "exp": ISSUED_AT + 301}, {}),
        ({"aud": [URL]}, {}),
        ({}, {"jku": JKU}),
        ({}, {"typ": "client-authentication+jwt"}),
        ({}, {"typ": "application/JWT"}),
        ({"jti": "x" * 256}, {}),
        ({"jti": "\u00e9"}, {}),
        ({"unknown": {"x": 1}}, {}),
    ],
)
def test_the_edges_of_what_is_right_are_accepted(
    claims: dict[str, Any], header: dict[str, Any]
) -> None:
    """Clocks differ by up to a minute, and lists of one are one."""
    token = sign(build_claims(**claims), **header)

    assert ask(build_endpoint(), assertion(token)).status == 200


def test_no_address_in_an_assertion_is_ever_visited() -> None:
    """Neither the one in jku nor that of a cloud's metadata service."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        endpoint = build_endpoint()
        for url in (address, "http://169.254.169.254/latest/meta-data"):
            check_refused(endpoint, sign(jku=url))
            check_refused(endpoint, sign(x5u=url))
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_either_audience_of_a_pair_is_taken_but_not_both() -> None:
    """SMART says token URL, the revision of RFC 7523 the issuer alone."""
    endpoint = build_endpoint(assertions=AssertionRules([URL, ISSUER]))

    for number, audience in enumerate((URL, ISSUER, [ISSUER])):
        token = sign(build_claims(aud=audience, jti=f"jti-{number}"))
        assert ask(endpoint, assertion(token)).status == 200
    check_refused(endpoint, sign(build_claims(aud=[URL, ISSUER])))


def test_two_clients_may_use_the_same_identifier() -> None:
    """A jti is unique for its issuer only."""
    endpoint = build_endpoint()
    other = sign(build_claims(iss="no-jku", sub="no-jku"))

    assert ask(endpoint, assertion()).status == 200
    assert ask(endpoint, assertion(other)).status == 200


def test_a_used_identifier_is_remembered_as_long_as_the_assertion_lives() -> None:
    """With the leeway: 300 s ahead and 60 s of it, by the clock of the store too."""
    clock = Clock()
    endpoint = build_endpoint(now=clock)
    token = sign()
    assert ask(endpoint, assertion(token)).status == 200
    clock.advance(359)
    assert ask(endpoint, assertion(sign(build_claims(jti="jti-2")))).status == 200
    check_refused(endpoint, token)
    clock.advance(2)
    check_refused(endpoint, token)


def test_a_store_is_told_to_remember_for_the_leeway_too() -> None:
    """One of the user's own may forget a key the moment that it was told."""
    remembered: list[tuple[str, datetime]] = []

    class Recording:
        """Keeps what it is given."""

        def add(self, key: str, expires_at: datetime) -> bool:
            """Keep it."""
            remembered.append((key, expires_at))
            return True

    rules = AssertionRules(URL, leeway_seconds=40)
    endpoint = build_endpoint(assertions=rules, replay_store=Recording())
    assert ask(endpoint, assertion()).status == 200

    [(key, expires_at)] = remembered
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert expires_at == datetime.fromtimestamp(ISSUED_AT + 340, UTC)


def test_a_grant_needs_no_key_id_where_there_is_one_key() -> None:
    """RFC 7523 wants none; SMART does, of the assertions that authenticate."""
    keys = StaticKeySet({"keys": [PUBLIC_JWK]})
    client = Client(client_id="smart", key_set=keys, grants=frozenset({JWT_BEARER}))
    endpoint = build_endpoint(clients=Clients([client]), jwt_bearer=AssertionRules(URL))
    token = ATTACKS["no kid where there are two keys"]

    assert ask(endpoint, {"grant_type": JWT_BEARER, "assertion": token}).status == 200


@pytest.mark.parametrize("error", ["down", "raises"])
def test_a_clients_keys_that_cannot_be_had_are_a_503(error: str) -> None:
    """And never an acceptance, nor a refusal."""

    class KeySet:
        """A key set that fails."""

        def get(self, key_id: str | None) -> VerificationKey:
            """Fail."""
            if error == "down":
                raise AuthenticatorUnavailable("key-set-timed-out")
            raise OSError

    clients = Clients([Client(client_id="smart", key_set=KeySet())])
    reply = ask(build_endpoint(clients=clients), assertion())

    assert (reply.status, reply.headers["retry-after"]) == (503, "10")
    assert read(reply)["error"] == "temporarily_unavailable"


def test_a_store_that_cannot_write_is_a_503(tmp_path: Any) -> None:
    """What cannot be remembered must not be accepted."""
    path = tmp_path / "replay.db"
    path.mkdir()
    reply = ask(build_endpoint(replay_store=SqliteReplayStore(path)), assertion())

    assert (reply.status, reply.headers["retry-after"]) == (503, "10")


def test_of_many_threads_with_one_assertion_one_gets_a_token(tmp_path: Any) -> None:
    """All workers of a host share one file."""
    store = SqliteReplayStore(tmp_path / "replay.db", now=Clock())
    endpoint = build_endpoint(replay_store=store)
    token = sign()
    barrier = threading.Barrier(8)
    statuses: list[int] = []

    def run() -> None:
        barrier.wait()
        statuses.append(ask(endpoint, assertion(token)).status)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] + [401] * 7


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_no_changed_assertion_is_ever_accepted(place: int, sign_: str) -> None:
    """Whatever character is changed, to whatever."""
    token = RIGHT[: place % len(RIGHT)] + sign_ + RIGHT[place % len(RIGHT) + 1 :]
    status = ask(HARD_ENDPOINT, assertion(token)).status

    assert status == (401 if token != RIGHT else 200)


class Forgetful:
    """A store that takes everything for new."""

    def add(self, key: str, expires_at: Any) -> bool:
        """Forget it at once."""
        return True


RIGHT = sign()
HARD_ENDPOINT = build_endpoint(replay_store=Forgetful())


@pytest.mark.parametrize(
    "settings",
    [
        {"audiences": ()},
        {"audiences": ""},
        {"audiences": [URL, ""]},
        {"audiences": [URL, ISSUER, "x"]},
        {"algorithms": ()},
        {"algorithms": ["HS384"]},
        {"algorithms": ["none"]},
        {"types": ()},
        {"types": [1]},
        {"types": ["JWT", ""]},
        {"types": "JWT"},
        {"algorithms": "RS384"},
        {"algorithms": {"RS384"}},
        {"max_lifetime_seconds": 0},
        {"max_lifetime_seconds": 86_401},
        {"max_lifetime_seconds": "300"},
        {"leeway_seconds": 301},
        {"leeway_seconds": -1},
        {"leeway_seconds": True},
    ],
)
def test_a_wrong_rule_ends_the_start(settings: dict[str, Any]) -> None:
    """Symmetric algorithms too: the client's secret would verify itself."""
    [name] = settings
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        AssertionRules(**{"audiences": URL, **settings})


def test_a_list_that_is_changed_later_changes_no_rule() -> None:
    """What is taken stands fixed from the start."""
    audiences, algorithms, types = [URL], ["ES384"], ["JWT"]
    rules = AssertionRules(audiences, algorithms=algorithms, types=types)
    for names in (audiences, algorithms, types):
        names.append("canary")

    assert rules == AssertionRules(URL, algorithms=("ES384",), types=("JWT",))


def test_a_rule_may_stand_at_its_bounds() -> None:
    """A day at most, a second at least, and clocks that agree."""
    for seconds in (1, 86_400):
        rules = AssertionRules(URL, max_lifetime_seconds=seconds, leeway_seconds=0)
        assert (rules.max_lifetime_seconds, rules.leeway_seconds) == (seconds, 0)


def test_other_algorithms_and_lifetimes_can_be_allowed() -> None:
    """Nobody documents which ones Redox uses."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key_set = StaticKeySet.from_pem({"p256": (pem, "ES256")})
    clients = Clients([Client(client_id="smart", key_set=key_set)])
    rules = AssertionRules(URL, algorithms=["ES256"], max_lifetime_seconds=3600)
    claims = build_claims(exp=ISSUED_AT + 3600)
    token = jwt.encode(claims, key, "ES256", {"kid": "p256"})

    allowed = build_endpoint(clients=clients, assertions=rules)
    assert ask(allowed, assertion(token)).status == 200
    short = jwt.encode(build_claims(), key, "ES256", {"kid": "p256"})
    check_refused(build_endpoint(clients=clients), short)


def test_without_pyjwt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the application starts, and not for a request."""
    clients, tokens = build_clients(), build_tokens()
    monkeypatch.setitem(__import__("sys").modules, "jwt", None)

    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[jwt\]"):
        TokenEndpoint(
            clients,
            tokens,
            Forgetful(),
            assertions=AssertionRules(URL),
        )
