"""AWS Signature Version 4: what it covers, what is refused, and how."""

from __future__ import annotations

import contextlib
import copy
import hmac
import io
import logging
import pickle
import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from redox_wsgi import (
    AllOf,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    BodyTooLarge,
    ConfigurationError,
    DeliveryFailed,
    Request,
    RequestRejected,
    VerificationToken,
)
from redox_wsgi.authentication import aws_sigv4
from redox_wsgi.authentication.aws.canonical_request import (
    list_canonical_paths,
    list_canonical_queries,
)
from redox_wsgi.authentication.aws_sigv4 import AwsSigV4
from redox_wsgi.authentication.replay import MemoryReplayStore
from tests.support.aws import build_signed_environ, sign
from tests.support.aws_app import (
    ACCESS_KEY,
    HOST,
    REGION,
    SECRET,
    SERVICE,
    build_authenticator,
)
from tests.support.builders import NOTIFICATION, TOKEN, Received, build_application
from tests.support.strategies import latin1_text
from tests.support.wsgi import Reply, call

UNAUTHORIZED = b'{"error":"invalid_signature"}'
ROTATED = "made-up-secret-of-forty-characters-00002"
SESSION = "a-session-token-of-more-than-thirty-two-characters"


class Unread(io.BytesIO):
    """A body that nobody may read."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail."""
        raise AssertionError("The body was read.")


def ask(environ: dict[str, Any], **settings: Any) -> str:
    """Return who signed a request; its body may have been read before."""
    environ["wsgi.input"].seek(0)
    return build_authenticator(**settings).authenticate(Request(environ)).subject


def refuse(environ: dict[str, Any], **settings: Any) -> str:
    """Expect that a request is refused, and return why."""
    with pytest.raises(AuthenticationFailed) as caught:
        ask(environ, **settings)
    assert caught.value.error == "invalid_signature"
    assert caught.value.www_authenticate == "AWS4-HMAC-SHA256"
    return caught.value.code


def deliver(environ: dict[str, Any], **settings: Any) -> tuple[Reply, Received]:
    """Send a request to a destination; return its answer and what was handled."""
    received = Received()
    application = build_application(
        received, verification_token=None, authenticator=build_authenticator(**settings)
    )
    environ["wsgi.input"].seek(0)
    return call(application, dict(environ)), received


def test_a_signed_transmission_is_handled() -> None:
    """The principal is the access key."""
    reply, received = deliver(build_signed_environ(body=NOTIFICATION))

    assert (reply.status, reply.body) == (200, b"")
    [transmission] = received
    assert transmission.body == NOTIFICATION
    assert transmission.principal is not None
    assert transmission.principal.scheme == "aws-sigv4"
    assert transmission.principal.subject == ACCESS_KEY


Changes = dict[str, Any]


def change_authorization(before: str, after: str) -> Any:
    """Return a change of the header with the signature."""

    def change(environ: dict[str, Any]) -> Changes:
        text = environ["HTTP_AUTHORIZATION"]
        assert before in text
        return {"HTTP_AUTHORIZATION": text.replace(before, after, 1)}

    return change


def change(**keys: Any) -> Any:
    """Return a change of keys of the environ, the same for every request."""
    return lambda environ: keys


HEADS: dict[str, tuple[str, Any]] = {
    "other host": ("unexpected-host", change(HTTP_HOST="evil.example.org")),
    "no host": ("unexpected-host", change(HTTP_HOST=None)),
    "two hosts": ("unexpected-host", change(HTTP_HOST=f"{HOST}, {HOST}")),
    "forwarded host": (
        "unexpected-host",
        change(HTTP_HOST="x", HTTP_X_FORWARDED_HOST=HOST),
    ),
    "absolute target of another host": (
        "unexpected-host",
        change(RAW_URI="http://evil.example.org/redox"),
    ),
    "host not signed": ("header-not-signed", change_authorization("host;", "")),
    "date not signed": ("header-not-signed", change_authorization(";x-amz-date", "")),
    "content type not signed": (
        "header-not-signed",
        change_authorization("content-type;", ""),
    ),
    "header of AWS not signed": ("header-not-signed", change(HTTP_X_AMZ_META="x")),
    "signed header missing": (
        "signed-header-missing",
        change_authorization("host;", "host;x-absent;"),
    ),
    "headers unsorted": (
        "malformed-credentials",
        change_authorization("content-type;host", "host;content-type"),
    ),
    "headers repeated": (
        "malformed-credentials",
        change_authorization("host;", "host;host;"),
    ),
    "other access key": (
        "unknown-access-key",
        change_authorization(ACCESS_KEY, "AKIDOTHER"),
    ),
    "other region": ("wrong-scope", change_authorization(REGION, "us-east-2")),
    "other service": (
        "wrong-scope",
        change_authorization("/aws4_request", "x/aws4_request"),
    ),
    "other day in the scope": (
        "wrong-scope",
        lambda environ: {
            "HTTP_AUTHORIZATION": environ["HTTP_AUTHORIZATION"].replace(
                environ["HTTP_X_AMZ_DATE"][:8], "20150830", 1
            )
        },
    ),
    "other end of the scope": (
        "wrong-scope",
        change_authorization("aws4_request", "aws5_request"),
    ),
    "date of another day": ("clock-skew", change(HTTP_X_AMZ_DATE="20150830T123600Z")),
    "impossible date": (
        "malformed-credentials",
        change(HTTP_X_AMZ_DATE="20150230T123600Z"),
    ),
    "date in another form": (
        "malformed-credentials",
        change(HTTP_X_AMZ_DATE="2015-08-30T12:36:00Z"),
    ),
    "no date": ("malformed-credentials", change(HTTP_X_AMZ_DATE=None)),
    "header twice": (
        "malformed-credentials",
        lambda environ: {
            "HTTP_AUTHORIZATION": ",".join([environ["HTTP_AUTHORIZATION"]] * 2)
        },
    ),
    "SigV4A": (
        "malformed-credentials",
        change_authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
    ),
}
#: With the body's hash in the head these are known from the head too.
SIGNED: dict[str, tuple[str, Any]] = {
    "unsigned payload": (
        "unsigned-payload",
        change(HTTP_X_AMZ_CONTENT_SHA256="UNSIGNED-PAYLOAD"),
    ),
    "streaming payload": (
        "unsigned-payload",
        change(HTTP_X_AMZ_CONTENT_SHA256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    ),
    "hash in upper case": (
        "unsigned-payload",
        change(HTTP_X_AMZ_CONTENT_SHA256="A" * 64),
    ),
    "hash with something behind it": (
        "unsigned-payload",
        lambda environ: {
            "HTTP_X_AMZ_CONTENT_SHA256": environ["HTTP_X_AMZ_CONTENT_SHA256"] + "0"
        },
    ),
    "other path": ("wrong-signature", change(RAW_URI="/redo")),
    "path of another case": ("wrong-signature", change(RAW_URI="/Redox")),
    "other query": ("wrong-signature", change(RAW_URI="/redox?x=1")),
    "other content type": ("wrong-signature", change(CONTENT_TYPE="text/plain")),
    "other hash": (
        "wrong-signature",
        change(HTTP_X_AMZ_CONTENT_SHA256="0" * 64),
    ),
    "signature of another secret": (
        "wrong-signature",
        lambda environ: {
            "HTTP_AUTHORIZATION": sign(body=NOTIFICATION, secret=ROTATED, service="s3")[
                "authorization"
            ]
        },
    ),
}


@pytest.mark.parametrize(
    ("name", "service"),
    [(name, service) for name in HEADS for service in (SERVICE, "s3")]
    + [(name, "s3") for name in SIGNED],
)
def test_a_wrong_head_is_refused_with_the_body_unread(name: str, service: str) -> None:
    """Strangers fill no memory; and everybody gets one answer."""
    code, alter = {**HEADS, **SIGNED}[name]
    signed = build_signed_environ(body=NOTIFICATION, service=service)
    altered = {**signed, **alter(signed), "wsgi.input": Unread(NOTIFICATION)}
    environ = {key: value for key, value in altered.items() if value is not None}

    assert refuse(environ, service=service) == code
    reply, received = deliver(environ, service=service)
    assert (reply.status, reply.body) == (401, UNAUTHORIZED)
    assert reply.headers["www-authenticate"] == "AWS4-HMAC-SHA256"
    assert received == []


@pytest.mark.parametrize(
    ("service", "code"), [(SERVICE, "wrong-signature"), ("s3", "wrong-body")]
)
def test_another_body_is_refused(service: str, code: str) -> None:
    """Whether its hash stands in a header, which then lies, or not."""
    environ = build_signed_environ(body=NOTIFICATION, service=service)
    environ["wsgi.input"] = io.BytesIO(NOTIFICATION.replace(b"MR", b"MX"))

    reply, received = deliver(environ, service=service)
    assert (reply.status, reply.body, received) == (401, UNAUTHORIZED, [])
    assert refuse(environ, service=service) == code


def test_a_request_with_no_signature_has_no_credentials() -> None:
    """So that AnyOf asks the next; a presigned URL is ours, and refused."""
    environ = build_signed_environ()
    environ["HTTP_AUTHORIZATION"] = "Bearer x"
    assert refuse(environ) == "no-credentials"
    del environ["HTTP_AUTHORIZATION"]
    assert refuse(environ) == "no-credentials"
    environ["QUERY_STRING"] = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"
    assert refuse(environ) == "presigned-url"


def test_an_unsigned_payload_needs_the_option() -> None:
    """With it nothing proves the body, and the body is not read for it."""
    headers = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    environ = build_signed_environ(headers=headers)
    environ["wsgi.input"] = Unread()

    assert refuse(environ) == "unsigned-payload"
    assert ask(environ, allow_unsigned_payload=True) == ACCESS_KEY
    streaming = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    environ = build_signed_environ(headers=streaming)
    assert refuse(environ, allow_unsigned_payload=True) == "unsigned-payload"


def test_two_pairs_of_keys_are_valid_while_they_are_rotated() -> None:
    """As AWS has it: a new access key beside the old one."""
    credentials = {ACCESS_KEY: SECRET, "AKIDNEW": ROTATED}
    new = build_signed_environ(access_key="AKIDNEW", secret=ROTATED)
    mixed = build_signed_environ(access_key="AKIDNEW", secret=SECRET)

    assert ask(build_signed_environ(), credentials=credentials) == ACCESS_KEY
    assert ask(new, credentials=credentials) == "AKIDNEW"
    assert refuse(mixed, credentials=credentials) == "wrong-signature"


def test_a_session_token_must_be_the_configured_one() -> None:
    """If one is configured, it must come; else any that comes must be signed."""
    with_token = build_signed_environ(token=SESSION)

    assert ask(with_token) == ACCESS_KEY
    assert ask(with_token, session_token=SESSION) == ACCESS_KEY
    assert ask(with_token, session_token=["x" * 32, SESSION]) == ACCESS_KEY
    assert refuse(with_token, session_token="x" * 32) == "wrong-session-token"
    assert refuse(build_signed_environ(), session_token=SESSION) == (
        "wrong-session-token"
    )
    with_token["HTTP_X_AMZ_SECURITY_TOKEN"] = "\xff"
    assert refuse(with_token, session_token=SESSION) == "wrong-session-token"


def test_behind_a_proxy_that_rewrites_the_host_the_public_one_counts() -> None:
    """By an option, since a host that was altered on the way looks the same."""
    environ = {**build_signed_environ(), "HTTP_HOST": "10.0.0.5:8000"}
    hosts = ["other.example.org", HOST.upper()]

    assert refuse(environ) == "unexpected-host"
    assert refuse(environ, expected_hosts=["10.0.0.5:8000"]) == "wrong-signature"
    assert ask(environ, proxy_rewrites_host=True) == ACCESS_KEY
    assert ask(environ, proxy_rewrites_host=True, expected_hosts=hosts) == ACCESS_KEY
    environ["HTTP_X_FORWARDED_HOST"] = HOST
    others = {"proxy_rewrites_host": True, "expected_hosts": ["other.example.org"]}
    assert refuse(environ, **others) == "wrong-signature"
    del environ["HTTP_HOST"]
    assert refuse(environ, proxy_rewrites_host=True) == "unexpected-host"


def test_a_host_is_compared_without_case_and_signed_in_either_spelling() -> None:
    """Names of hosts have no case; some signers sign what they send, some do not."""
    mixed = {**build_signed_environ(), "HTTP_HOST": HOST.title()}
    as_sent = build_signed_environ(headers={"host": HOST.title()})

    assert ask(mixed, expected_hosts=HOST.upper()) == ACCESS_KEY
    assert ask(as_sent) == ACCESS_KEY
    assert refuse({**as_sent, "HTTP_HOST": HOST}) == "wrong-signature"


@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
def test_an_absolute_target_counts_from_its_path(scheme: str) -> None:
    """As a proxy may send it: gunicorn and waitress hand it over as it came."""
    environ = build_signed_environ()
    for host in (HOST, HOST.upper()):
        environ["RAW_URI"] = f"{scheme}://{host}/redox"
        assert ask(environ) == ACCESS_KEY

    del environ["HTTP_HOST"]
    assert refuse(environ) == "unexpected-host"


def test_a_server_without_the_raw_target_is_to_blame() -> None:
    """A decoded path cannot be turned back, so nobody can tell: 503, not 401."""
    environ = build_signed_environ(body=NOTIFICATION)
    del environ["RAW_URI"]

    with pytest.raises(AuthenticatorUnavailable) as caught:
        ask(environ)
    assert caught.value.code == "server-gives-no-raw-target"
    reply, received = deliver(environ)
    assert (reply.status, received) == (503, [])
    assert ask({**environ, "REQUEST_URI": "/redox"}) == ACCESS_KEY


def test_a_body_above_the_limit_is_not_hidden_by_the_signature() -> None:
    """413 says what to do; 401 would not."""
    request = Request(build_signed_environ(body=b"x" * 11), max_body_bytes=10)

    with pytest.raises(BodyTooLarge):
        build_authenticator().authenticate(request)


def test_a_signature_counts_once_with_a_replay_store() -> None:
    """Without one, TLS alone keeps it from strangers for as long as it is fresh."""
    environ = build_signed_environ(service="s3")
    plain = build_authenticator(service="s3")
    authenticator = build_authenticator(
        service="s3", replay_store=MemoryReplayStore(max_keys=10)
    )

    for _ in range(2):
        environ["wsgi.input"].seek(0)
        assert plain.authenticate(Request(environ)).subject == ACCESS_KEY
    # Refused at last, so it is not used up.
    with pytest.raises(AuthenticationFailed):
        authenticator.authenticate(
            Request({**environ, "wsgi.input": io.BytesIO(b"[]")})
        )
    environ["wsgi.input"].seek(0)
    assert authenticator.authenticate(Request(environ)).subject == ACCESS_KEY
    environ["wsgi.input"].seek(0)
    with pytest.raises(AuthenticationFailed) as caught:
        authenticator.authenticate(Request(environ))
    assert caught.value.code == "replayed-signature"
    assert caught.value.www_authenticate == "AWS4-HMAC-SHA256"


def test_a_used_signature_is_kept_until_its_time_is_over() -> None:
    """As long as it would be accepted, and no longer."""
    kept: list[tuple[str, datetime]] = []

    class Store:
        """Keeps what it is given."""

        def add(self, key: str, expires_at: datetime) -> bool:
            """Keep a key."""
            kept.append((key, expires_at))
            return True

    environ = build_signed_environ()
    signed_at = datetime.fromisoformat(environ["HTTP_X_AMZ_DATE"])
    ask(environ, replay_store=Store(), max_skew=60)

    signature = environ["HTTP_AUTHORIZATION"][-64:]
    assert kept == [(f"aws-sigv4:{signature}", signed_at + timedelta(seconds=60))]


def test_a_replay_store_that_is_down_blames_nobody() -> None:
    """503 and again later, since nobody can tell."""
    full = MemoryReplayStore(max_keys=1)
    full.add("x", datetime(9999, 1, 1, tzinfo=UTC))
    environ = build_signed_environ(body=NOTIFICATION)

    reply, received = deliver(environ, replay_store=full)

    assert (reply.status, received) == (503, [])
    assert reply.body == b'{"error":"temporarily_unavailable"}'


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[Any, ...]]:
    """Keep the arguments of each call of a function of ``hmac``."""
    calls: list[tuple[Any, ...]] = []
    real = getattr(hmac, name)

    def count(*args: Any) -> Any:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(hmac, name, count)
    return calls


@pytest.mark.parametrize("access_key", [ACCESS_KEY, "AKIDOTHER"])
@pytest.mark.parametrize("url", ["/redox", "/re%20dox/../x"])
def test_an_unknown_access_key_takes_as_much_work_as_a_known_one(
    access_key: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which ones there are shows in no time that a stranger could measure."""
    environ = build_signed_environ(f"https://{HOST}{url}", access_key=access_key)
    environ["HTTP_AUTHORIZATION"] = environ["HTTP_AUTHORIZATION"][:-64] + "0" * 64
    digests = count_calls(monkeypatch, "digest")
    comparisons = count_calls(monkeypatch, "compare_digest")

    refuse(environ)

    forms = len(list_canonical_paths(url.encode()))
    assert [[type(side) for side in sides] for sides in comparisons] == (
        [[bytes, bytes]] * forms
    )
    # Four to derive the key.
    assert len(digests) == forms + 4


def test_the_secret_of_an_unknown_access_key_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even if somebody guessed it."""
    monkeypatch.setattr(secrets, "token_bytes", lambda _: SECRET.encode())
    environ = build_signed_environ(access_key="AKIDOTHER")

    assert refuse(environ) == "unknown-access-key"


@pytest.mark.parametrize("direction", [-1, 1])
def test_a_clock_may_differ_by_what_is_configured_and_no_more(direction: int) -> None:
    """To the second, in either direction."""
    environ = build_signed_environ()
    signed_at = datetime.fromisoformat(environ["HTTP_X_AMZ_DATE"])

    def read_clock(seconds: int) -> dict[str, Any]:
        return {"now": lambda: signed_at + direction * timedelta(seconds=seconds)}

    assert ask(environ, **read_clock(300)) == ACCESS_KEY
    assert refuse(environ, **read_clock(301)) == "clock-skew"


def test_signing_keys_are_kept_but_not_without_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key a day: deriving one takes four of five HMACs."""
    monkeypatch.setattr(aws_sigv4, "_MAX_SIGNING_KEYS", 2)
    accepted: list[str] = []
    credentials = {f"AKID{number}": f"{SECRET}{number}" for number in range(5)}
    authenticator = build_authenticator(credentials=credentials)
    for access_key in [*credentials, "AKIDOTHER", *credentials, *credentials]:
        secret = credentials.get(access_key, SECRET)
        environ = build_signed_environ(access_key=access_key, secret=secret)
        with contextlib.suppress(AuthenticationFailed):
            principal = authenticator.authenticate(Request(environ))
            assert principal.subject == access_key
            accepted.append(access_key)

    assert accepted == [*credentials] * 3
    assert 0 < len(vars(authenticator)["_signing_keys"]) <= 2


@pytest.mark.parametrize("service", [SERVICE, "s3"])
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//",
        "/redox/",
        "//redox",
        "/a//b/./c/../d",
        "/a/..",
        "/a%20b",
        "/a%2Fb",
        "/a%2fb/%7e",
        "/a(b)!*'$,;:@=&+",
        "/caf\xc3\xa9",
        "/caf%C3%A9",
        "/%zz%",
        "/a?b=1&a=2&a=1",
        "/a?x=a%20b&y=a+b&z",
        "/a?x=caf%C3%A9",
        "/a?x=caf\xc3\xa9",
        "/a?email=a@b.org&u=http://x/y?z",
        "/a?",
        "/a?&&=",
    ],
)
def test_any_spelling_that_botocore_signs_is_accepted(
    target: str, service: str
) -> None:
    """Signers differ in what they encode, and how often."""
    text = target.encode("latin-1").decode()
    environ = build_signed_environ(f"https://{HOST}{text}", service=service)
    environ["RAW_URI"] = target

    assert ask(environ, service=service) == ACCESS_KEY


@pytest.mark.parametrize(
    ("query", "forms"),
    [
        (b"", (b"",)),
        (b"b&a=1", (b"a=1&b=",)),
        (b"a=%2F", (b"a=%2F",)),
        (b"a=/", (b"a=%2F", b"a=/")),
        (b"%61=~", (b"a=~", b"%61=~")),
    ],
)
def test_forms_of_a_query_are_tried_only_where_they_differ(
    query: bytes, forms: tuple[bytes, ...]
) -> None:
    """Encoded afresh first; a slash is a character like any other here."""
    assert list_canonical_queries(query) == forms


@pytest.mark.parametrize(
    ("path", "forms"),
    [
        (b"", (b"/",)),
        (b"/a/b-c_d.e~/", (b"/a/b-c_d.e~/",)),
        (b"/%61", (b"/%2561", b"/a", b"/%61")),
        (b"/./a b", (b"/a%20b", b"/./a%20b", b"/a b", b"/./a b")),
    ],
)
def test_forms_of_a_path_are_tried_only_where_they_differ(
    path: bytes, forms: tuple[bytes, ...]
) -> None:
    """Each costs an HMAC."""
    assert list_canonical_paths(path) == forms


@given(path=st.binary(max_size=60), query=st.binary(max_size=60))
def test_no_target_has_more_than_twelve_spellings(path: bytes, query: bytes) -> None:
    """So that a stranger cannot make one request cost many."""
    paths, queries = list_canonical_paths(path), list_canonical_queries(query)

    assert 1 <= len(paths) == len(set(paths)) <= 6
    assert 1 <= len(queries) == len(set(queries)) <= 2


@given(
    segments=st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1).filter(
            lambda text: text not in (".", "..")
        ),
        max_size=4,
    ),
    pairs=st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4),
    service=st.sampled_from([SERVICE, "s3"]),
    body=st.binary(max_size=100),
    token=st.sampled_from([None, SESSION]),
)
def test_any_path_query_and_body_that_botocore_signs_is_accepted(
    segments: list[str],
    pairs: list[tuple[str, str]],
    service: str,
    body: bytes,
    token: str | None,
) -> None:
    """In any order, with any character, encoded as clients do."""
    encode = "".join
    path = "/".join(
        encode(f"%{byte:02X}" for byte in s.encode("utf-8", "surrogatepass"))
        for s in segments
    )
    query = "&".join(
        "=".join(
            encode(f"%{byte:02X}" for byte in s.encode("utf-8", "surrogatepass"))
            for s in pair
        )
        for pair in pairs
    )
    url = f"https://{HOST}/{path}" + (f"?{query}" if query else "")

    environ = build_signed_environ(url, body, service=service, token=token)
    assert ask(environ, service=service) == ACCESS_KEY


URL = f"https://{HOST}/redox/in%20box?b=2&a=one%20two"
PLACES = ["RAW_URI", "CONTENT_TYPE", "HTTP_X_AMZ_META", "HTTP_HOST", "body"]


@given(place=st.sampled_from(PLACES), data=st.data())
def test_no_request_with_one_altered_byte_is_accepted(
    place: str, data: st.DataObject
) -> None:
    """Wherever it is: path, query, a signed header, the body."""
    service = data.draw(st.sampled_from([SERVICE, "s3"]))
    environ = build_signed_environ(
        URL, NOTIFICATION, service=service, headers={"x-amz-meta": "one two"}
    )
    text = NOTIFICATION.decode("latin-1") if place == "body" else environ[place]
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=255))
    altered = text[:position] + other + text[position + 1 :]
    # These change the spelling only, in ways that signers do not agree upon.
    before, after = (unquote_to_bytes(t.encode("latin-1")) for t in (text, altered))
    if place != "body":
        assume(after.split() != before.split() and after.lower() != before.lower())
    assume(altered != text)
    changes: Changes = (
        {"wsgi.input": io.BytesIO(altered.encode("latin-1"))}
        if place == "body"
        else {place: altered}
    )

    assert refuse({**environ, **changes}, service=service) in (
        "wrong-signature",
        "unexpected-host",
        "wrong-body",
    )


def test_a_blank_more_in_a_header_is_no_alteration() -> None:
    """AWS has runs of blanks collapse, since proxies do that too."""
    environ = build_signed_environ(headers={"x-amz-meta": "one two"})

    assert ask({**environ, "HTTP_X_AMZ_META": " one   two "}) == ACCESS_KEY
    assert refuse({**environ, "HTTP_X_AMZ_META": "onetwo"}) == "wrong-signature"


def test_the_second_byte_of_a_letter_is_no_blank() -> None:
    """UTF-8 of an a with grave accent ends with a byte that text calls white space."""
    environ = build_signed_environ(headers={"x-amz-meta": "voil\xe0 x"})
    environ["HTTP_X_AMZ_META"] = "voil\xc3\xa0 x"

    assert ask(environ) == ACCESS_KEY
    assert refuse({**environ, "HTTP_X_AMZ_META": "voil\xc3 x"}) == "wrong-signature"


odd_texts = st.one_of(
    latin1_text,
    st.text(max_size=20),
    latin1_text.map("AWS4-HMAC-SHA256 {}".format),
    st.builds(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}".format,
        st.sampled_from([ACCESS_KEY, "AKIDOTHER", ""]),
        st.sampled_from([f"20261122/{REGION}/{SERVICE}/aws4_request", "x", "//"]),
        st.sampled_from(["host;x-amz-date", "host", ";", "content-type;host;x-y"]),
        st.sampled_from(["0" * 64, "", "g" * 64]),
    ),
)


@given(
    environ=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            [
                "HTTP_AUTHORIZATION",
                "HTTP_HOST",
                "HTTP_X_AMZ_DATE",
                "HTTP_X_AMZ_CONTENT_SHA256",
                "HTTP_X_AMZ_SECURITY_TOKEN",
                "HTTP_X_AMZ_META",
                "CONTENT_TYPE",
                "QUERY_STRING",
                "REQUEST_METHOD",
                "RAW_URI",
                "REQUEST_URI",
            ],
            odd_texts,
        ),
    ),
    settings=st.sampled_from(
        [
            {},
            {"proxy_rewrites_host": True},
            {"session_token": SESSION},
            {"allow_unsigned_payload": True},
        ]
    ),
)
def test_any_header_and_target_gives_documented_errors_only(
    environ: dict[str, str], settings: dict[str, Any]
) -> None:
    """A hostile header must not become a 500."""
    request = Request({**build_signed_environ(), **environ})
    authenticator = build_authenticator(**settings)

    with contextlib.suppress(RequestRejected, DeliveryFailed):
        authenticator.authenticate(request)
        unused = {"QUERY_STRING", "REQUEST_URI"}
        if "proxy_rewrites_host" in settings:
            unused.add("HTTP_HOST")
        assert set(environ) <= unused


@pytest.mark.parametrize("key", ["RAW_URI", "HTTP_X_AMZ_META", "REQUEST_METHOD"])
def test_text_that_no_server_makes_is_refused(key: str) -> None:
    """An environ holds bytes read as latin-1: no other text can have been signed."""
    environ = build_signed_environ(headers={"x-amz-meta": "x"})

    assert refuse({**environ, key: "/\u20ac"}) == "malformed-credentials"


@pytest.mark.parametrize(
    "text",
    [
        "A" * 8190,
        "AWS4-HMAC-SHA256 " * 481,
        "AWS4-HMAC-SHA256 Credential=" + "/" * 8100,
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/" + "a/" * 4000,
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/x, SignedHeaders=" + "a;" * 4000,
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/x,SignedHeaders=" + ";" * 4096,
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=a, Signature=" + "0" * 8000,
    ],
)
def test_a_long_hostile_header_is_malformed(text: str) -> None:
    """No expression here tries a place twice, so that length costs no more."""
    environ = {**build_signed_environ(), "wsgi.input": Unread()}
    environ["HTTP_AUTHORIZATION"] = text

    assert refuse(environ) in ("malformed-credentials", "no-credentials")


@pytest.mark.parametrize("piece", ["/", "/.", "/..", "%", "%41", "a/", "&", "=&", "+"])
def test_a_long_hostile_target_is_refused(piece: str) -> None:
    """However many segments or parameters it has."""
    path = {"RAW_URI": "/" + piece * (8000 // len(piece))}
    query = {"RAW_URI": "/redox?" + piece * (8000 // len(piece))}

    assert refuse({**build_signed_environ(service="s3"), **path}, service="s3") == (
        "wrong-signature"
    )
    assert refuse({**build_signed_environ(service="s3"), **query}, service="s3") == (
        "wrong-signature"
    )


def test_all_of_wants_the_token_too() -> None:
    """A credential beside the verification token, both of them right."""
    environ = build_signed_environ(body=NOTIFICATION)
    application = build_application(
        Received(),
        verification_token=None,
        authenticator=AllOf(VerificationToken(TOKEN), build_authenticator()),
    )

    assert call(application, dict(environ)).status == 401
    environ["wsgi.input"].seek(0)
    environ["HTTP_VERIFICATION_TOKEN"] = TOKEN
    assert call(application, environ).status == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"credentials": {}},
        {"credentials": None},
        {"credentials": [(ACCESS_KEY, SECRET)]},
        {"credentials": {"": SECRET}},
        {"credentials": {"a/b": SECRET}},
        {"credentials": {"a,b": SECRET}},
        {"credentials": {"a b": SECRET}},
        {"credentials": {1: SECRET}},
        {"credentials": {ACCESS_KEY: ""}},
        {"credentials": {ACCESS_KEY: "canary canary"}},
        {"credentials": {ACCESS_KEY: "canary\xe9"}},
        {"credentials": {ACCESS_KEY: None}},
        {"credentials": {ACCESS_KEY: [SECRET]}},
        {"region": ""},
        {"region": "us/east"},
        {"service": None},
        {"service": "s3 "},
        {"expected_hosts": ""},
        {"expected_hosts": []},
        {"expected_hosts": None},
        {"expected_hosts": [None]},
        {"expected_hosts": [HOST, ""]},
        {"expected_hosts": {HOST}},
        {"expected_hosts": 5},
        {"expected_hosts": "https://hooks.example.org"},
        {"expected_hosts": "a.org, b.org"},
        {"max_skew": 0},
        {"max_skew": 901},
        {"max_skew": True},
        {"max_skew": "300"},
        {"session_token": ""},
        {"session_token": None},
        {"session_token": ["canary canary"]},
        {"replay_store": {}},
        {"replay_store": MemoryReplayStore},
        {"now": None},
        {"now": lambda: datetime(2026, 1, 31)},
        {"allow_unsigned_payload": "false"},
        {"allow_unsigned_session_token": None},
        {"proxy_rewrites_host": 0},
    ],
)
def test_a_wrong_setting_stops_at_construction(settings: dict[str, Any]) -> None:
    """And a secret is in no sentence, since it may be the real one."""
    with pytest.raises(ConfigurationError) as caught:
        build_authenticator(**settings)

    assert "canary" not in str(caught.value)
    assert len(str(caught.value)) > 20


def test_a_session_token_that_is_not_signed_needs_an_option() -> None:
    """Otherwise somebody between may have put it there."""
    environ = {**build_signed_environ(), "HTTP_X_AMZ_SECURITY_TOKEN": SESSION}
    unsigned = {"session_token": SESSION, "allow_unsigned_session_token": True}

    assert refuse(environ, session_token=SESSION) == "header-not-signed"
    assert ask(environ, **unsigned) == ACCESS_KEY


def test_the_header_is_read_with_blanks_behind_its_commas_or_without() -> None:
    """Both are in use; and a signed header may have any digit in its name."""
    environ = build_signed_environ(headers={"x-a0-b9": "1"})
    with_blanks = environ["HTTP_AUTHORIZATION"]
    without = with_blanks.replace(", ", ",")

    assert "x-a0-b9" in with_blanks
    assert with_blanks.count(", ") == 2
    assert ask(environ) == ACCESS_KEY
    assert ask({**environ, "HTTP_AUTHORIZATION": without}) == ACCESS_KEY


# What can be entered, but for what separates the parts of the header.
KEY_CHARACTERS = "".join(map(chr, range(0x21, 0x7F))).translate(
    {0x2C: None, 0x2F: None}
)
SCOPE_CHARACTERS = string.ascii_letters + string.digits + "._-"


@pytest.mark.parametrize("key", [KEY_CHARACTERS, "x", "x" * 128])
def test_an_access_key_is_of_all_characters_that_fit(key: str) -> None:
    """The request that bears it is read in the same way."""
    environ = build_signed_environ(access_key=key)

    assert ask(environ, credentials={key: SECRET}) == key
    with pytest.raises(ConfigurationError):
        build_authenticator(credentials={"x" * 129: SECRET})


@pytest.mark.parametrize("part", [SCOPE_CHARACTERS, "x", "x" * 100])
@pytest.mark.parametrize("name", ["region", "service"])
def test_a_scope_is_of_all_characters_that_fit(name: str, part: str) -> None:
    """As it was entered in Redox."""
    entered: dict[str, Any] = {name: part}

    assert ask(build_signed_environ(**entered), **entered) == ACCESS_KEY
    with pytest.raises(ConfigurationError, match=name):
        build_authenticator(**{name: "x" * 101})


@pytest.mark.parametrize(
    "host", ["[::1]:8000", "a_b.example", "a-b.example", "a~b", "x", "x" * 255]
)
def test_a_host_is_what_can_stand_in_an_address(host: str) -> None:
    """With a port too, or as a number."""
    environ = build_signed_environ(f"https://{host}/redox")

    assert ask(environ, expected_hosts=host) == ACCESS_KEY
    with pytest.raises(ConfigurationError):
        build_authenticator(expected_hosts="x" * 256)


def test_a_short_secret_warns(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sees one signature may guess at it in peace."""
    build_authenticator(credentials={ACCESS_KEY: "canary-canary"})

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "canary" not in caplog.text
    caplog.clear()
    build_authenticator()
    assert not caplog.records


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.deepcopy])
def test_secrets_leave_in_no_pickle_and_no_text(duplicate: Any) -> None:
    """A cache or a queue would write them to a disk."""
    authenticator: AwsSigV4 = build_authenticator()

    with pytest.raises(TypeError) as caught:
        duplicate(authenticator)
    for text in (repr(authenticator), str(caught.value)):
        assert SECRET not in text
        assert ACCESS_KEY not in text
