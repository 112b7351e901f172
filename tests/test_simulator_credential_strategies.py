"""How the simulator proves itself, strategy by strategy, and what it refuses to be."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from redox_wsgi.simulator import (
    AwsSigV4Credential,
    HmacCredential,
    JwtCredential,
    NoAnswer,
    OAuthCredential,
    Request,
    Response,
    Sender,
    SimulatorError,
    SmartBackendCredential,
)
from redox_wsgi.simulator.credentials.signing_key import SigningKey
from tests.support.authentication import write_private_key
from tests.support.jose import build_jwk, encode_number, make_key

NOW = datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)
SECRET = "s3cret-canary-0123456789"
URL = "https://ours.example/token"
BODY = b'{"Meta":{}}'
REQUEST = Request(
    "POST",
    "https://ours.example/redox",
    (
        ("host", "ours.example"),
        ("content-length", "11"),
        ("content-type", "application/json"),
    ),
    BODY,
)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.time


class TokenServer:
    """A transport that answers with access tokens, and keeps what was asked."""

    def __init__(self, **answer: Any) -> None:
        self.requests: list[Request] = []
        self.status = 200
        self.answer: Any = {"access_token": "t-{}", "expires_in": 300, **answer}

    def exchange(self, request: Request) -> Response:
        """Answer with a new token each time."""
        self.requests.append(request)
        text = self.answer
        if not isinstance(text, bytes):
            text = json.dumps(text).replace("{}", str(len(self.requests))).encode()
        return Response(self.status, (), text)


def read_bearer(credential: Any, request: Request = REQUEST) -> str:
    """Read the Bearer token that a credential sends."""
    [(name, value)] = credential.headers(request)
    scheme, _, token = value.partition(" ")
    assert (name, scheme) == ("authorization", "Bearer")
    return str(token)


def build_jwt(**fields: Any) -> JwtCredential:
    """Build a credential that signs by ES384."""
    fields = {
        "private_key": write_private_key("ES384"),
        "algorithm": "ES384",
        "issuer": "https://redox.example",
        "audience": "https://ours.example/redox",
        "now": lambda: NOW,
        **fields,
    }
    return JwtCredential(**fields)


def build_oauth(server: TokenServer, **fields: Any) -> OAuthCredential:
    """Build a credential that asks a server."""
    fields = {"now": lambda: NOW, "transport": server, **fields}
    return OAuthCredential(URL, "redox", SECRET, **fields)


def build_smart(server: TokenServer, **fields: Any) -> SmartBackendCredential:
    """Build a credential that signs assertions."""
    fields = {"now": lambda: NOW, "transport": server, "algorithm": "ES384", **fields}
    private_key = fields.pop("private_key", write_private_key("ES384"))
    return SmartBackendCredential(URL, "redox", private_key, "k-1", **fields)


def read_form(request: Request) -> dict[str, str]:
    """Read the parameters of a token request."""
    return {name: text for name, [text] in parse_qs(request.body.decode()).items()}


# JWT Bearer


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS384", "PS256", "ES256", "ES384", "ES512"]
)
def test_a_token_is_signed_by_the_key(algorithm: str) -> None:
    """Another library reads it with the public key, and finds the claims."""
    key = make_key(algorithm)
    credential = build_jwt(
        private_key=write_private_key(algorithm),
        algorithm=algorithm,
        key_id="k-1",
        claims={"scope": "a", "client_id": "c"},
    )
    token = read_bearer(credential)
    claims = jwt.decode(
        token,
        key.public_key(),
        [algorithm],
        audience="https://ours.example/redox",
        options={"verify_exp": False, "verify_iat": False},
    )

    assert jwt.get_unverified_header(token) == {
        "alg": algorithm,
        "typ": "JWT",
        "kid": "k-1",
    }
    assert len(claims.pop("jti")) == 36
    assert claims == {
        "iss": "https://redox.example",
        "sub": "https://redox.example",
        "aud": "https://ours.example/redox",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 300,
        "scope": "a",
        "client_id": "c",
    }


def test_every_request_has_a_token_of_its_own() -> None:
    """So that each may be accepted once."""
    credential = build_jwt()
    tokens = {read_bearer(credential) for _ in range(3)}
    ids = {jwt.decode(t, options={"verify_signature": False})["jti"] for t in tokens}

    assert len(ids) == 3
    assert "kid" not in jwt.get_unverified_header(tokens.pop())


def build_private_jwk() -> dict[str, Any]:
    """Build the private key of ES384 as a JWK."""
    number = make_key("ES384").private_numbers().private_value
    return build_jwk(make_key("ES384"), d=encode_number(number, 48))


@pytest.mark.parametrize("form", [dict, json.dumps], ids=["mapping", "text"])
def test_a_key_may_be_a_jwk(form: Any) -> None:
    """As a mapping, or as text."""
    token = read_bearer(build_jwt(private_key=form(build_private_jwk())))
    public = make_key("ES384").public_key()

    assert jwt.PyJWS().decode(token, public, ["ES384"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"private_key": "-----BEGIN SOMETHING-----"}, "private key must be one"),
        ({"private_key": write_private_key("ES256")}, "private key must be one"),
        ({"private_key": write_private_key("RS256")}, "private key must be one"),
        ({"private_key": build_jwk(make_key("ES384"))}, "private key must be one"),
        ({"private_key": "{"}, "private key must be one"),
        ({"private_key": None}, "PEM text or a JWK"),
        ({"algorithm": "HS256"}, "algorithm must be one of"),
        ({"issuer": ""}, "issuer must be text"),
        ({"key_id": 1}, "key_id must be text"),
        ({"subject": ""}, "subject must be text"),
        ({"audience": ["a", 1]}, "audience must be text"),
        ({"lifetime_seconds": 0}, "lifetime_seconds must be a whole"),
        ({"lifetime_seconds": True}, "lifetime_seconds must be a whole"),
        ({"claims": []}, "claims must be names"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_of_a_jwt_is_told(fields: Any, words: str) -> None:
    """Before anything is sent, and without the key."""
    with pytest.raises(SimulatorError, match=words) as raised:
        build_jwt(**fields)

    assert "BEGIN" not in str(raised.value)


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_another_key_of_the_same_kind_signs_what_the_first_does_not_verify(
    algorithm: str,
) -> None:
    """So that a forged token is wrong in nothing else."""
    key = SigningKey(write_private_key(algorithm), algorithm)
    token = key.another().sign({}, b"{}")

    assert len(token) == len(key.sign({}, b"{}"))
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.PyJWS().decode(token, make_key(algorithm).public_key(), [algorithm])


@pytest.mark.parametrize("package", ["jwt", "cryptography"])
def test_a_missing_package_is_told_where_it_is_needed(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that brings it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SimulatorError, match=r"redox_wsgi\[jwt\]"):
        build_jwt()


def test_without_pyjwt_the_extra_is_named() -> None:
    """And everything else of the simulator works without it."""
    code = (
        "import sys\n"
        "sys.modules['jwt'] = None\n"
        "import redox_wsgi.simulator as s, redox_wsgi.simulator.check\n"
        "s.AwsSigV4Credential('a', 'b', 'c', 'd')\n"
        "try: s.JwtCredential('k', 'i', 'a')\n"
        "except s.SimulatorError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert 'pip install "redox_wsgi[jwt]"' in done.stdout


# OAuth 2.0


def test_an_access_token_is_asked_for_by_http_basic() -> None:
    """The example of RFC 6749 section 2.3.1; ID and secret are in no body."""
    server = TokenServer()
    credential = OAuthCredential(
        URL, "s6BhdRkqt3", "gX1fBat3bV", transport=server, now=lambda: NOW
    )

    assert read_bearer(credential) == "t-1"
    [request] = server.requests
    headers = dict(request.headers)
    assert headers["authorization"] == "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["content-length"] == str(len(request.body))
    assert (request.method, request.url) == ("POST", URL)
    assert read_form(request) == {"grant_type": "client_credentials"}


def test_every_field_of_the_request_can_be_renamed() -> None:
    """As Redox's settings have it; in a body that may be JSON."""
    server = TokenServer(token="t-{}", ttl="60")
    clock = Clock()
    credential = build_oauth(
        server,
        now=clock,
        no_basic=True,
        scopes=["a", "b"],
        audience="https://a",
        resource="r",
        custom_field_name="extra",
        custom_field_value="x",
        content_type="application/json",
        grant_type_name="grant",
        client_id_name="id",
        client_secret_name="secret",
        access_token_name="token",
        expires_field_name="ttl",
    )

    assert read_bearer(credential) == "t-1"
    [request] = server.requests
    assert "authorization" not in dict(request.headers)
    assert json.loads(request.body) == {
        "grant": "client_credentials",
        "id": "redox",
        "secret": SECRET,
        "scope": "a b",
        "audience": "https://a",
        "resource": "r",
        "extra": "x",
    }
    clock.time += timedelta(seconds=29)
    assert read_bearer(credential) == "t-1"
    clock.time += timedelta(seconds=1)
    assert read_bearer(credential) == "t-2"


@pytest.mark.parametrize(
    ("lifetime", "kept_seconds"),
    [
        (300, 270),
        (20, 10),
        ("300", 270),
        (None, 90),
        ("soon", 90),
        (-1, 90),
        ([], 90),
        (10**400, 90),
    ],
    ids=str,
)
def test_a_token_is_kept_until_just_before_it_expires(
    lifetime: Any, kept_seconds: int
) -> None:
    """Without a lifetime that makes sense, for the default one."""
    server, clock = TokenServer(expires_in=lifetime), Clock()
    credential = build_oauth(server, now=clock, default_expiration_seconds=120)
    read_bearer(credential)
    clock.time += timedelta(seconds=kept_seconds) - timedelta(microseconds=1)
    read_bearer(credential)
    assert len(server.requests) == 1

    clock.time += timedelta(microseconds=1)
    assert read_bearer(credential) == "t-2"


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[1]",
        b"[" * 100_000,
        b'{"access_token":1}',
        b'{"access_token":"a b"}',
    ],
    ids=["HTML", "a list", "deep nesting", "a number", "a blank"],
)
def test_without_an_access_token_nothing_is_sent(answer: bytes) -> None:
    """The answer has a word for it, and no address."""
    server = TokenServer()
    server.answer = answer
    sender = Sender(
        "http://localhost/redox",
        verification_token="t",
        credential=build_oauth(server),
        transport=server,
    )

    assert sender.send(BODY).error == "no-credential"
    assert len(server.requests) == 1


def test_a_token_endpoint_that_refuses_or_is_away_gives_no_credential() -> None:
    """Whatever the reason: it is asked again for the next request."""

    class Away(TokenServer):
        def exchange(self, request: Request) -> Response:
            super().exchange(request)
            raise NoAnswer("timed-out")

    refusing, away = TokenServer(), Away()
    refusing.status = 401
    for server in (refusing, away):
        credential = build_oauth(server)
        for _ in range(2):
            with pytest.raises(NoAnswer) as raised:
                credential.headers(REQUEST)
            assert raised.value.word == "no-credential"
        assert len(server.requests) == 2


def test_many_threads_ask_for_one_token() -> None:
    """Those that come meanwhile wait for it."""
    together = threading.Barrier(2, timeout=0.2)

    class Meeting(TokenServer):
        def exchange(self, request: Request) -> Response:
            # Two at once would meet here; one alone goes on after a while.
            with suppress(threading.BrokenBarrierError):
                together.wait()
            return super().exchange(request)

    server = Meeting()
    credential = build_oauth(server)
    threads = [
        threading.Thread(target=credential.headers, args=(REQUEST,)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"grant_type": ""}, "grant_type must be text"),
        ({"audience": 1}, "audience must be text"),
        ({"custom_field_name": "a"}, "a name and a value"),
        ({"no_basic": "true"}, "no_basic must be true or false"),
        ({"scopes": 1}, "scopes must be text"),
        ({"scopes": [1]}, "scopes must be text"),
        ({"default_expiration_seconds": 0.5}, "whole number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_of_oauth_is_told(fields: Any, words: str) -> None:
    """By its name."""
    with pytest.raises(SimulatorError, match=words):
        build_oauth(TokenServer(), **fields)


def test_without_a_transport_tokens_are_fetched_over_http() -> None:
    """Nothing is sent before it is asked; a wrong address is told at once."""
    OAuthCredential(URL, "redox", SECRET)
    with pytest.raises(SimulatorError, match="must begin with http"):
        OAuthCredential("ftp://ours.example/", "redox", SECRET)


# SMART Backend Services


def test_an_assertion_is_as_smart_wants_it() -> None:
    """Type, key ID and five claims; a new ID each time."""
    server, clock = TokenServer(), Clock()
    credential = build_smart(
        server, now=clock, scopes="system/*.rs", jku="https://k.example/"
    )
    assert read_bearer(credential) == "t-1"
    clock.time += timedelta(hours=1)
    assert read_bearer(credential) == "t-2"

    first, second = map(read_form, server.requests)
    assertion = first.pop("client_assertion")
    assert first == {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:"
        "client-assertion-type:jwt-bearer",
        "scope": "system/*.rs",
    }
    assert jwt.get_unverified_header(assertion) == {
        "alg": "ES384",
        "typ": "JWT",
        "kid": "k-1",
        "jku": "https://k.example/",
    }
    public = make_key("ES384").public_key()
    claims = json.loads(jwt.PyJWS().decode(assertion, public, ["ES384"]))
    assert claims.pop("jti") not in second["client_assertion"]
    assert claims == {
        "iss": "redox",
        "sub": "redox",
        "aud": URL,
        "exp": int(NOW.timestamp()) + 300,
    }


def test_scope_key_address_and_audience_may_be_absent_or_others() -> None:
    """Only what is configured is said."""
    server = TokenServer()
    read_bearer(build_smart(server, audience="https://ours.example"))
    form = read_form(server.requests[0])
    claims = jwt.decode(form["client_assertion"], options={"verify_signature": False})

    assert "scope" not in form
    assert "jku" not in jwt.get_unverified_header(form["client_assertion"])
    assert claims["aud"] == "https://ours.example"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"jku": ""}, "jku must be text"),
        ({"lifetime_seconds": -1}, "whole number"),
        ({"scopes": {}}, "scopes must be text"),
        ({"private_key": 1}, "PEM text or a JWK"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_of_smart_is_told(fields: Any, words: str) -> None:
    """By its name."""
    with pytest.raises(SimulatorError, match=words):
        build_smart(TokenServer(), **fields)


# AWS Signature Version 4


def build_aws(**fields: Any) -> AwsSigV4Credential:
    """Build a credential that signs."""
    fields = {"service_name": "execute-api", "now": lambda: NOW, **fields}
    return AwsSigV4Credential("AKIDREDOX", SECRET, "us-east-1", **fields)


@pytest.mark.parametrize("service", ["execute-api", "s3"])
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/redox",
        "/redox/",
        "/a/./b/../c//d",
        "/..",
        "/a%20b/%C3%A9",
        "/redox?b=2&a=1&a=0",
        "/redox?a=%2F&c",
    ],
)
def test_botocore_computes_the_same_signature(service: str, target: str) -> None:
    """AWS's own signer: its steps, from the headers that went out."""
    url = f"https://ours.example{target}"
    request = Request("POST", url, REQUEST.headers, BODY)
    sent = dict(build_aws(service_name=service, session_token="s").headers(request))
    authorization = sent.pop("authorization")
    theirs = AWSRequest(
        "POST",
        url,
        headers={"host": "ours.example", "content-type": "application/json", **sent},
        data=BODY,
    )
    theirs.context["timestamp"] = sent["x-amz-date"]
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials("AKIDREDOX", SECRET), service, "us-east-1"
    )
    canonical = signer.canonical_request(theirs)
    string_to_sign = signer.string_to_sign(theirs, canonical)

    assert sent["x-amz-content-sha256"] == hashlib.sha256(BODY).hexdigest()
    assert sent["x-amz-date"] == "20260131T102030Z"
    assert authorization == (
        "AWS4-HMAC-SHA256 "
        f"Credential=AKIDREDOX/20260131/us-east-1/{service}/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
        "x-amz-security-token, "
        f"Signature={signer.signature(string_to_sign, theirs)}"
    )


def test_a_request_that_is_repeated_is_dated_a_second_later() -> None:
    """Else it would look as if somebody repeated it; at the next day it begins anew."""
    clock = Clock()
    credential = build_aws(now=clock)
    dates = [dict(credential.headers(REQUEST))["x-amz-date"] for _ in range(3)]
    other = Request("GET", REQUEST.url, REQUEST.headers, b"")

    assert [date[-3:] for date in dates] == ["30Z", "31Z", "32Z"]
    assert dict(credential.headers(other))["x-amz-date"][-3:] == "30Z"


def test_no_credential_remembers_signatures_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It forgets them in time."""
    for module in ("aws_sigv4", "hmac_signature"):
        name = f"redox_wsgi.simulator.credentials.{module}._KEPT_SIGNATURES"
        monkeypatch.setattr(name, 2)
    stamped = HmacCredential(
        SECRET, "x-signature", timestamp_header="x-time", now=lambda: NOW
    )
    for credential in (build_aws(), stamped):
        seen = [tuple(credential.headers(REQUEST)) for _ in range(4)]
        assert seen[2] != seen[0]
        assert seen[0] in seen[3:] or len(set(seen)) == 4
        assert len(credential._used) <= 2


@pytest.mark.parametrize("name", ["service_name", "session_token"])
def test_a_field_of_aws_must_be_visible(name: str) -> None:
    """It stands in a header."""
    with pytest.raises(SimulatorError, match=f"{name} must be visible ASCII"):
        build_aws(**{name: "a b"})


# Webhook signing secret


def test_the_body_is_signed_as_rfc_4231_has_it() -> None:
    """Its second test case, in both encodings."""
    mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    request = Request("POST", "http://h/", (), b"what do ya want for nothing?")
    as_hex = HmacCredential("Jefe", "x-signature", prefix="sha256=")
    as_base64 = HmacCredential("Jefe", "x-signature", encoding="base64")

    assert as_hex.headers(request) == [("x-signature", f"sha256={mac}")]
    assert as_base64.headers(request) == [
        ("x-signature", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=")
    ]


def test_the_time_is_signed_where_it_is_sent() -> None:
    """Its digits, a full stop, and the body; a repeated request is a second later."""
    credential = HmacCredential(
        SECRET, "x-signature", timestamp_header="x-time", now=lambda: NOW
    )
    plain = HmacCredential(SECRET, "x-signature")
    for seconds in (0, 1):
        stamp = str(int(NOW.timestamp()) + seconds)
        signed = Request("POST", "http://h/", (), stamp.encode() + b"." + BODY)
        assert credential.headers(REQUEST) == [
            *plain.headers(signed),
            ("x-time", stamp),
        ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"secret": ""}, "secret must be visible"),
        ({"header": "x y"}, "header must be letters"),
        ({"timestamp_header": "x:y"}, "timestamp_header must be letters"),
        ({"prefix": " "}, "prefix must be visible"),
        ({"digest": "md5"}, "digest must be one of"),
        ({"encoding": "base32"}, "encoding must be one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_of_an_hmac_is_told(fields: Any, words: str) -> None:
    """By its name."""
    with pytest.raises(SimulatorError, match=words):
        HmacCredential(**{"secret": SECRET, "header": "x-signature", **fields})


def test_no_secret_is_in_the_repr_of_a_credential() -> None:
    """Neither the key nor a claim."""
    server = TokenServer()
    for credential in (
        build_jwt(claims={"email": SECRET}),
        build_oauth(server),
        build_smart(server),
        build_aws(session_token=SECRET),
        HmacCredential(SECRET, "x-signature"),
    ):
        assert SECRET not in repr(credential)
        assert "BEGIN" not in repr(credential)
    assert repr(build_jwt().key) == "SigningKey('ES384')"
