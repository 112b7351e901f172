"""Signatures of the body in a header of any name and form."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import io
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi import (
    AuthenticationFailed,
    AuthenticatorUnavailable,
    BodyTooLarge,
    ConfigurationError,
    Request,
    RequestRejected,
)
from redox_wsgi.authentication.hmac_signature import HmacSignature
from redox_wsgi.authentication.replay import MemoryReplayStore
from tests.support.builders import NOTIFICATION, Received, build_application
from tests.support.strategies import latin1_text
from tests.support.wsgi import build_environ, call

SECRET = "made-up-secret-of-forty-characters-00001"
OLD_SECRET = "made-up-secret-of-forty-characters-00002"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TIMESTAMP = str(int(NOW.timestamp()))
BODY = b'{"Meta":{}}'

Spell = Callable[[bytes], str]
SPELLINGS: dict[str, Spell] = {
    "hex": bytes.hex,
    "base64": lambda mac: base64.b64encode(mac).decode(),
}


def build_authenticator(secrets: Any = SECRET, **settings: Any) -> HmacSignature:
    """Build an authenticator, for hex in ``x-signature`` unless told."""
    return HmacSignature(
        secrets,
        **{
            "header": "x-signature",
            "digest": "sha256",
            "encoding": "hex",
            "prefix": "sha256=",
            "now": lambda: NOW,
            **settings,
        },
    )


def sign(signed: bytes = BODY, secret: str = SECRET) -> str:
    """Return the value of the header that the authenticator wants."""
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def ask(authenticator: HmacSignature, body: bytes = BODY, **headers: str | None) -> str:
    """Return the label of the secret that signed a request."""
    named = {k.replace("_", "-"): v for k, v in headers.items() if v is not None}
    environ = build_environ(body=body, headers=named)
    principal = authenticator.authenticate(Request(environ))
    assert principal.scheme == "hmac-signature"
    return principal.subject


def refuse(authenticator: HmacSignature, body: bytes = BODY, **headers: Any) -> str:
    """Expect that a request is refused, and return why."""
    with pytest.raises(AuthenticationFailed) as caught:
        ask(authenticator, body, **headers)
    assert caught.value.error == "invalid_signature"
    assert caught.value.www_authenticate == "HMAC"
    return caught.value.code


@pytest.mark.parametrize("header", ["x-a0-b5-c9", "x", "x" * 100])
@pytest.mark.parametrize("prefix", ["", "!" * 100])
def test_header_and_prefix_are_what_was_agreed(header: str, prefix: str) -> None:
    """Any name of letters, digits and hyphens, and whatever is visible."""
    authenticator = build_authenticator(header=header, prefix=prefix)
    sent: dict[str, Any] = {header: prefix + sign().removeprefix("sha256=")}

    assert ask(authenticator, **sent) == "0"
    for longer in ({"header": "x" * 101}, {"prefix": "!" * 101}):
        with pytest.raises(ConfigurationError):
            build_authenticator(**longer)


# "Jefe", test case 2 of RFC 4231: from outside, so that we agree not only with
# ourselves. -- https://www.rfc-editor.org/rfc/rfc4231#section-4.3
RFC_BODY = b"what do ya want for nothing?"
RFC_MACS = {
    "sha256": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    "sha384": "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
    "8e2240ca5e69e2c78b3239ecfab21649",
    "sha512": "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
    "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
}


@pytest.mark.parametrize("encoding", SPELLINGS)
@pytest.mark.parametrize("prefix", ["", "v1="])
@pytest.mark.parametrize("digest", RFC_MACS)
def test_a_vector_of_the_standard_is_accepted(
    digest: str, prefix: str, encoding: str
) -> None:
    """In every digest and encoding, and with each bit altered it is not."""
    authenticator = build_authenticator(
        b"Jefe", header="Signature", digest=digest, encoding=encoding, prefix=prefix
    )
    mac = bytes.fromhex(RFC_MACS[digest])
    spell = SPELLINGS[encoding]

    assert ask(authenticator, RFC_BODY, signature=prefix + spell(mac)) == "0"
    for position in range(len(mac)):
        altered = bytearray(mac)
        altered[position] ^= 1
        value = prefix + spell(bytes(altered))
        assert refuse(authenticator, RFC_BODY, signature=value) == "wrong-signature"
    assert refuse(authenticator, b"x", signature=prefix + spell(mac)) == (
        "wrong-signature"
    )


def test_a_signed_transmission_is_handled_and_no_other() -> None:
    """Through a destination, with one answer for every refusal."""
    received = Received()
    application = build_application(
        received, verification_token=None, authenticator=build_authenticator()
    )
    statuses = {}
    for value in (sign(NOTIFICATION), sign(), "sha256=", "x", "\xff", ""):
        environ = build_environ(body=NOTIFICATION, headers={"x-signature": value})
        reply = call(application, environ)
        statuses[value] = (reply.status, reply.headers.get("www-authenticate"))
        if reply.status != 200:
            assert reply.body == b'{"error":"invalid_signature"}'

    assert statuses.pop(sign(NOTIFICATION)) == (200, None)
    assert set(statuses.values()) == {(401, "HMAC")}
    assert [transmission.body for transmission in received] == [NOTIFICATION]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "no-credentials"),
        ("", "malformed-credentials"),
        ("sha256=", "wrong-signature"),
        (sign().removeprefix("sha256="), "malformed-credentials"),
        (sign().replace("sha256", "SHA256"), "malformed-credentials"),
        (sign()[:-1], "malformed-credentials"),
        (sign()[:-2], "wrong-signature"),
        (sign() + "00", "wrong-signature"),
        (sign() + " ", "malformed-credentials"),
        (f"{sign()},{sign()}", "malformed-credentials"),
        (sign(secret=OLD_SECRET), "wrong-signature"),
        (sign(b""), "wrong-signature"),
        ("sha256=" + "\xb2" * 64, "malformed-credentials"),
        ("sha256=" + "a " * 32, "malformed-credentials"),
        ("sha256=" + "a" * 8183, "malformed-credentials"),
    ],
)
def test_anything_but_the_signature_is_refused(value: str | None, code: str) -> None:
    """With a fixed word for the log."""
    assert refuse(build_authenticator(), x_signature=value) == code


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text[:-1],
        lambda text: text + "=",
        lambda text: text.replace("=", ""),
        lambda text: text[:-2] + chr(ord(text[-2]) + 1) + "=",
        lambda text: "\n" + text,
        lambda text: text.replace("+", "-").replace("/", "_") + "_",
    ],
)
def test_base64_has_one_spelling(alter: Callable[[str], str]) -> None:
    """Another one would be the same signature, and no replay."""
    authenticator = build_authenticator(encoding="base64", prefix="")
    mac = hmac.digest(SECRET.encode(), BODY, "sha256")
    right = base64.b64encode(mac).decode()

    assert ask(authenticator, x_signature=right) == "0"
    assert refuse(authenticator, x_signature=alter(right)) == "malformed-credentials"


def test_hex_counts_in_either_case() -> None:
    """Some libraries write it in capitals."""
    value = "sha256=" + sign().removeprefix("sha256=").upper()

    assert ask(build_authenticator(), x_signature=value) == "0"


def test_old_and_new_secret_are_valid_side_by_side() -> None:
    """A changed secret signs from that moment on, what was sent before has the old."""
    authenticator = build_authenticator([SECRET, OLD_SECRET.encode()])

    assert ask(authenticator, x_signature=sign()) == "0"
    assert ask(authenticator, x_signature=sign(secret=OLD_SECRET)) == "1"
    assert refuse(authenticator, x_signature=sign(secret="other")) == "wrong-signature"


@pytest.mark.parametrize(
    "value", [sign(), sign(secret=OLD_SECRET), sign(secret="other"), "sha256=00"]
)
def test_every_outcome_takes_the_same_number_of_comparisons(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All secrets, in constant time, on bytes: wherever the match stands."""
    compared: list[tuple[Any, Any]] = []
    constant_time = hmac.compare_digest

    def count(sent: Any, right: Any) -> bool:
        compared.append((type(sent), type(right)))
        return constant_time(sent, right)

    monkeypatch.setattr(hmac, "compare_digest", count)
    with contextlib.suppress(AuthenticationFailed):
        ask(build_authenticator([SECRET, OLD_SECRET]), x_signature=value)

    assert compared == [(bytes, bytes)] * 2


def test_a_wrong_head_is_refused_with_the_body_unread() -> None:
    """Strangers fill no memory."""
    for headers in (
        {},
        {"x-signature": "x"},
        {"x-signature": sign(), "x-timestamp": "x"},
        {"x-signature": sign(), "x-timestamp": "0"},
    ):
        environ = build_environ(body=BODY, headers=headers)
        with pytest.raises(AuthenticationFailed):
            build_authenticator(timestamp_header="x-timestamp").authenticate(
                Request(environ)
            )
        assert environ["wsgi.input"].tell() == 0


def test_a_body_above_the_limit_is_not_hidden_by_the_signature() -> None:
    """413 says what to do; 401 would not."""
    environ = build_environ(body=BODY, headers={"x-signature": sign()})

    with pytest.raises(BodyTooLarge):
        build_authenticator().authenticate(Request(environ, max_body_bytes=5))


def test_a_timestamp_is_signed_with_the_body() -> None:
    """Its text, a full stop and the body; else whoever repeats it sets it anew."""
    authenticator = build_authenticator(timestamp_header="X-Timestamp")
    value = sign(TIMESTAMP.encode() + b"." + BODY)
    later = str(int(TIMESTAMP) + 1)

    assert ask(authenticator, x_signature=value, x_timestamp=TIMESTAMP) == "0"
    assert refuse(authenticator, x_signature=value, x_timestamp=later) == (
        "wrong-signature"
    )
    assert refuse(authenticator, x_signature=sign(), x_timestamp=TIMESTAMP) == (
        "wrong-signature"
    )


@pytest.mark.parametrize(
    ("timestamp", "code"),
    [
        (None, "malformed-credentials"),
        ("", "malformed-credentials"),
        (f"+{TIMESTAMP}", "malformed-credentials"),
        (f" {TIMESTAMP}", "malformed-credentials"),
        (f"{TIMESTAMP}.0", "malformed-credentials"),
        ("1_000", "malformed-credentials"),
        ("\xb2" * 10, "malformed-credentials"),
        ("\u0663" * 10, "malformed-credentials"),
        ("9" * 12, "malformed-credentials"),
        ("9" * 5000, "malformed-credentials"),
        ("9" * 11, "clock-skew"),
        ("0", "clock-skew"),
        (str(int(TIMESTAMP) - 61), "clock-skew"),
        (str(int(TIMESTAMP) + 61), "clock-skew"),
        (str(int(TIMESTAMP) - 60), "wrong-signature"),
        (str(int(TIMESTAMP) + 60), "wrong-signature"),
    ],
)
def test_a_timestamp_far_away_is_refused(timestamp: str | None, code: str) -> None:
    """And one that is no number of seconds; int() takes more than that."""
    authenticator = build_authenticator(timestamp_header="x-timestamp", max_skew=60)

    assert refuse(authenticator, x_signature=sign(), x_timestamp=timestamp) == code


def test_without_a_clock_it_is_now() -> None:
    """A timestamp of today is near, one of 1970 is not."""
    authenticator = HmacSignature(
        SECRET,
        header="x-signature",
        digest="sha256",
        encoding="hex",
        prefix="sha256=",
        timestamp_header="x-timestamp",
    )
    today = str(int(datetime.now(UTC).timestamp()))
    value = sign(today.encode() + b"." + BODY)

    assert ask(authenticator, x_signature=value, x_timestamp=today) == "0"
    assert refuse(authenticator, x_signature=value, x_timestamp="0") == "clock-skew"


def test_what_is_signed_may_be_anything() -> None:
    """Redox does not say, so it is the user's to say."""
    authenticator = build_authenticator(
        signed_parts=lambda request: (
            request.method.encode(),
            b"\n",
            memoryview(request.body()),
        )
    )

    assert ask(authenticator, x_signature=sign(b"POST\n" + BODY)) == "0"
    assert refuse(authenticator, x_signature=sign()) == "wrong-signature"


@pytest.mark.parametrize(
    "signed_parts",
    [lambda request: 1 / 0, lambda request: None, lambda request: ["text"],
     lambda request: b"bytes"],
)  # fmt: skip
def test_parts_that_cannot_be_had_blame_nobody(signed_parts: Any) -> None:
    """A mistake of ours: Redox shall send again."""
    with pytest.raises(AuthenticatorUnavailable) as caught:
        ask(build_authenticator(signed_parts=signed_parts), x_signature=sign())

    assert caught.value.code == "signed-parts-raised"


def test_a_signature_counts_once_with_a_replay_store() -> None:
    """In whatever spelling, and only those that are right use it up."""
    store = MemoryReplayStore(now=lambda: NOW)
    authenticator = build_authenticator(
        timestamp_header="x-timestamp", replay_store=store
    )
    value = sign(TIMESTAMP.encode() + b"." + BODY)
    capitals = "sha256=" + value.removeprefix("sha256=").upper()

    assert refuse(authenticator, b"x", x_signature=value, x_timestamp=TIMESTAMP) == (
        "wrong-signature"
    )
    assert ask(authenticator, x_signature=value, x_timestamp=TIMESTAMP) == "0"
    for replayed in (value, capitals):
        assert (
            refuse(authenticator, x_signature=replayed, x_timestamp=TIMESTAMP)
            == "replayed-signature"
        )


def test_a_used_signature_is_kept_until_its_time_is_over() -> None:
    """As long as it would be accepted."""
    kept: list[tuple[str, datetime]] = []

    class Store:
        """Keeps what it is given."""

        def add(self, key: str, expires_at: datetime) -> bool:
            """Keep a key."""
            kept.append((key, expires_at))
            return True

    authenticator = build_authenticator(
        timestamp_header="x-timestamp", replay_store=Store(), max_skew=30
    )
    value = sign(TIMESTAMP.encode() + b"." + BODY)
    ask(authenticator, x_signature=value, x_timestamp=TIMESTAMP)

    [(key, expires_at)] = kept
    assert key == "hmac-signature:" + value.removeprefix("sha256=")
    assert expires_at == NOW + timedelta(seconds=30)


@given(
    value=st.one_of(
        latin1_text, st.text(), latin1_text.map("sha256={}".format), st.just(sign())
    ),
    timestamp=st.one_of(st.none(), st.text(), st.just(TIMESTAMP), st.just("9" * 11)),
    body=st.binary(max_size=50),
    encoding=st.sampled_from(["hex", "base64"]),
)
def test_any_header_and_body_give_documented_errors_only(
    value: str, timestamp: str | None, body: bytes, encoding: str
) -> None:
    """A hostile header must not become a 500, and never opens the door."""
    authenticator = build_authenticator(
        encoding=encoding, timestamp_header="x-timestamp"
    )
    headers = {"x-signature": value}
    if timestamp is not None:
        headers["x-timestamp"] = timestamp
    environ = build_environ(body=body, headers=headers)

    with pytest.raises(RequestRejected):
        authenticator.authenticate(Request(environ))


@given(body=st.binary(min_size=1, max_size=200), data=st.data())
def test_no_body_with_one_altered_byte_is_accepted(
    body: bytes, data: st.DataObject
) -> None:
    """Wherever it is."""
    position = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(1, 255))
    altered = bytearray(body)
    altered[position] ^= other

    assert ask(build_authenticator(), body, x_signature=sign(body)) == "0"
    assert refuse(build_authenticator(), bytes(altered), x_signature=sign(body)) == (
        "wrong-signature"
    )


@pytest.mark.parametrize(
    ("secrets", "settings"),
    [
        ("", {}),
        (b"", {}),
        ([], {}),
        (None, {}),
        ({}, {}),
        ([SECRET, "canary canary"], {}),
        ([SECRET, "canary\xe9"], {}),
        ([SECRET, None], {}),
        (SECRET, {"header": None}),
        (SECRET, {"header": ""}),
        (SECRET, {"header": "x_signature"}),
        (SECRET, {"header": "x-signature:"}),
        (SECRET, {"timestamp_header": ""}),
        (SECRET, {"timestamp_header": 7}),
        (SECRET, {"digest": "sha1"}),
        (SECRET, {"digest": None}),
        (SECRET, {"encoding": "base32"}),
        (SECRET, {"encoding": []}),
        (SECRET, {"prefix": None}),
        (SECRET, {"prefix": "sha256= "}),
        (SECRET, {"max_skew": 0}),
        (SECRET, {"max_skew": True}),
        (SECRET, {"max_skew": "300"}),
        (SECRET, {"max_skew": 10**10}),
        (SECRET, {"max_skew": 901}),
        ({SECRET}, {}),
        (5, {}),
        (SECRET, {"signed_parts": b"."}),
        (SECRET, {"now": NOW}),
        (SECRET, {"replay_store": MemoryReplayStore()}),
        (SECRET, {"replay_store": {}, "timestamp_header": "x-timestamp"}),
    ],
)
def test_a_wrong_setting_stops_at_construction(
    secrets: Any, settings: dict[str, Any]
) -> None:
    """And a secret is in no sentence, since it may be the real one."""
    with pytest.raises(ConfigurationError) as caught:
        build_authenticator(secrets, **settings)

    assert "canary" not in str(caught.value)
    assert len(str(caught.value)) > 20


def test_the_limits_themselves_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    """Without a word."""
    for max_skew in (1, 900):
        assert build_authenticator("x" * 32, max_skew=max_skew)

    assert caplog.records == []


def test_a_short_secret_warns(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sees one signature may guess at it in peace."""
    build_authenticator([SECRET, "canary-canary"])

    [record] = caplog.records
    assert "index 1" in record.getMessage()
    assert "canary" not in caplog.text


def test_secrets_leave_in_no_pickle_and_no_text() -> None:
    """A cache or a queue would write them to a disk."""
    authenticator = build_authenticator()

    with pytest.raises(TypeError) as caught:
        pickle.dumps(authenticator)
    for text in (repr(authenticator), str(caught.value)):
        assert SECRET not in text


def test_the_body_is_handed_on() -> None:
    """It is read once, for the signature and for the handler."""
    environ = build_environ(body=BODY, headers={"x-signature": sign()})
    environ["wsgi.input"] = io.BytesIO(BODY)
    request = Request(environ)
    build_authenticator().authenticate(request)

    assert request.body() == BODY
