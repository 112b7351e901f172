"""Access tokens: what is issued is accepted, and nothing else."""

from __future__ import annotations

import hashlib
import json
import string
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from redox_wsgi import (
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
)
from redox_wsgi.oauth import Client, Clients
from tests.support.oauth import (
    AUDIENCE,
    ISSUED_AT,
    KEY,
    OLD_KEY,
    SCOPES,
    Clock,
    build_clients,
    build_tokens,
    encode_part,
)

PAYLOAD = {
    "aud": AUDIENCE,
    "client_id": "redox",
    "exp": ISSUED_AT + 300,
    "iat": ISSUED_AT,
    "scope": " ".join(SCOPES),
}


def build_serializer(key: Any = KEY, **settings: Any) -> URLSafeSerializer:
    """Build the serializer of itsdangerous whose form our tokens have."""
    settings = {
        "salt": "redox_wsgi.access-token.v1",
        "signer_kwargs": {"key_derivation": "hmac", "digest_method": hashlib.sha256},
        **settings,
    }
    return URLSafeSerializer(key, **settings)


def sign_plain(payload: Any) -> str:
    """Sign a payload as itsdangerous does, but never compress it."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    signer = build_serializer().make_signer("redox_wsgi.access-token.v1")
    return signer.sign(encode_part(body)).decode()


def expect_refusal(token: str, code: str, **settings: Any) -> None:
    """Expect a token to be refused with this word in the log."""
    with pytest.raises(AuthenticationFailed) as caught:
        build_tokens(**settings).verify(token)

    assert (caught.value.status, caught.value.code) == (401, code)
    assert caught.value.error == "invalid_token"


def test_what_is_issued_is_accepted() -> None:
    """It says whom it was issued to, and what it allows."""
    tokens = build_tokens()
    principal = tokens.verify(tokens.issue("redox", SCOPES))

    assert (principal.scheme, principal.subject) == ("self-issued-token", "redox")
    assert principal.scopes == set(SCOPES)
    assert dict(principal.claims) == {
        name: value for name, value in PAYLOAD.items() if name != "scope"
    }
    assert tokens.lifetime_seconds == 300


def test_itsdangerous_reads_and_writes_the_same_tokens() -> None:
    """The form is its own, so that another program may read them."""
    serializer = build_serializer([OLD_KEY, KEY])
    tokens = build_tokens()

    assert serializer.loads(tokens.issue("redox", SCOPES)) == PAYLOAD
    assert tokens.issue("redox", SCOPES) == sign_plain(PAYLOAD)
    assert tokens.verify(sign_plain(PAYLOAD)).subject == "redox"


def test_a_token_fits_into_a_header_and_has_one_dot() -> None:
    """Two dots would make it look like a JWT: so it is never compressed."""
    scopes = [f"system/Resource{number}.rs" for number in range(100)]
    client = Client(client_id="x", secret_hashes=("0" * 64,), scopes=frozenset(scopes))
    tokens = build_tokens(clients=Clients([client]))
    token = tokens.issue("x", scopes)

    assert token.count(".") == 1
    assert len(token) < 8_190 - len("Authorization: Bearer ")
    assert tokens.verify(token).scopes == set(scopes)
    assert len(build_tokens(audience="redox").issue("plain", ())) < 200


@pytest.mark.parametrize(
    ("issuing", "verifying", "code"),
    [
        (KEY, [OLD_KEY, KEY], None),
        (OLD_KEY, [OLD_KEY, KEY], None),
        ([OLD_KEY, KEY], KEY, None),
        (KEY.decode(), [KEY], None),
        ([OLD_KEY, KEY], OLD_KEY, "wrong-access-token"),
        (OLD_KEY, KEY, "wrong-access-token"),
    ],
)
def test_secret_keys_are_rotated_with_the_newest_last(
    issuing: Any, verifying: Any, code: str | None
) -> None:
    """The last one signs, and all verify; a removed one does not."""
    token = build_tokens(issuing).issue("redox", ())

    if code is None:
        assert build_tokens(verifying).verify(token).subject == "redox"
    else:
        expect_refusal(token, code, keys=verifying)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (359, None),
        (360, "expired-access-token"),
        (-60, None),
        (-61, "access-token-of-the-future"),
    ],
)
def test_a_token_is_valid_for_its_lifetime_and_the_leeway(
    seconds: int, code: str | None
) -> None:
    """One second between two hosts must not break a fresh token."""
    clock = Clock()
    tokens = build_tokens(now=clock)
    token = tokens.issue("redox", ())
    clock.advance(seconds)

    if code is None:
        assert tokens.verify(token).subject == "redox"
    else:
        expect_refusal(token, code, now=clock)


def test_a_token_for_another_mount_is_refused() -> None:
    """Though the secret keys are the same."""
    token = build_tokens(audience=f"{AUDIENCE}-2").issue("redox", ())

    expect_refusal(token, "wrong-audience")


def test_a_removed_client_can_use_no_token_any_more() -> None:
    """That is how a token is revoked; a scope that was taken away counts no more."""
    token = build_tokens().issue("redox", SCOPES)
    others = Clients([c for c in build_clients() if c.client_id != "redox"])
    less = Client(
        client_id="redox", secret_hashes=("0" * 64,), scopes=frozenset(SCOPES[:1])
    )

    expect_refusal(token, "unknown-client", clients=others)
    assert build_tokens(clients=Clients([less])).verify(token).scopes == {SCOPES[0]}


def test_another_client_does_not_bring_a_removed_one_back() -> None:
    """A registry may compare without regard to case."""
    other = Client(client_id="REDOX", secret_hashes=("0" * 64,))

    class Loose:
        """Finds a client by its ID in capitals."""

        def get(self, client_id: str) -> Client | None:
            """Find a client."""
            return other if client_id.upper() == "REDOX" else None

    token = build_tokens().issue("redox", ())
    expect_refusal(token, "unknown-client", clients=Loose())


def test_a_registry_that_is_down_is_no_refusal() -> None:
    """Redox did nothing wrong."""

    class Down:
        def get(self, client_id: str) -> Client | None:
            raise AuthenticatorUnavailable("registry-down")

    with pytest.raises(AuthenticatorUnavailable):
        build_tokens(clients=Down()).verify(build_tokens().issue("redox", ()))


FOREIGN = {
    "another salt": str(build_serializer(salt="other").dumps(PAYLOAD)),
    "no salt of ours": str(URLSafeSerializer(KEY).dumps(PAYLOAD)),
    "SHA-1": str(
        build_serializer(
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1}
        ).dumps(PAYLOAD)
    ),
    "another derivation": str(
        build_serializer(signer_kwargs={"digest_method": hashlib.sha256}).dumps(PAYLOAD)
    ),
    "with a time": str(URLSafeTimedSerializer(KEY).dumps(PAYLOAD)),
    "compressed": str(build_serializer().dumps(PAYLOAD)),
    "empty": "",
    "a dot": ".",
    "only a signature": f".{'A' * 43}",
    "not ASCII": "\xff.\xff",
    "wide digits": "\uff11" * 10 + "." + "A" * 43,
    "20 kB": "x" * 20_000 + "." + "A" * 43,
    "a line break": build_tokens().issue("redox", ()) + "\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_token_of_any_other_making_is_refused(name: str) -> None:
    """With the same key, and even with the right members."""
    with pytest.raises(AuthenticationFailed) as caught:
        build_tokens().verify(FOREIGN[name])

    assert caught.value.code in ("wrong-access-token", "malformed-access-token")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        [],
        "x",
        {**PAYLOAD, "exp": str(PAYLOAD["exp"])},
        {**PAYLOAD, "exp": 1e400},
        {**PAYLOAD, "exp": True},
        {**PAYLOAD, "exp": None},
        {**PAYLOAD, "client_id": ["redox"]},
        {**PAYLOAD, "aud": [AUDIENCE]},
        {**PAYLOAD, "more": 1},
        {name: value for name, value in PAYLOAD.items() if name != "scope"},
    ],
)
def test_our_own_signature_under_another_payload_is_refused(payload: Any) -> None:
    """What another version of this program may have issued."""
    expect_refusal(sign_plain(payload), "foreign-access-token")


def test_a_signed_payload_that_is_no_base64_is_refused() -> None:
    """Only who has the key could make one; it must not be a 500 either."""
    signer = build_serializer().make_signer("redox_wsgi.access-token.v1")
    token = signer.sign(encode_part(PAYLOAD)[:-1] + "x" * 3).decode()

    expect_refusal(token, "foreign-access-token")


RIGHT = build_tokens().issue("redox", SCOPES)


@given(st.integers(0, len(RIGHT) - 1), st.integers(0, 7))
def test_no_token_with_a_flipped_bit_is_ever_accepted(place: int, bit: int) -> None:
    """Not even one of the two bits that the last character does not need."""
    changed = chr(ord(RIGHT[place]) ^ (1 << bit))
    token = RIGHT[:place] + changed + RIGHT[place + 1 :]

    with pytest.raises(AuthenticationFailed):
        build_tokens().verify(token)


@pytest.mark.parametrize("last", string.ascii_letters + string.digits + "_-.=+ ")
def test_a_signature_has_one_spelling_only(last: str) -> None:
    """Two bits of its last character decode to nothing."""
    token = RIGHT[:-1] + last
    if token == RIGHT:
        assert build_tokens().verify(token).subject == "redox"
    else:
        with pytest.raises(AuthenticationFailed):
            build_tokens().verify(token)


def test_a_token_may_hold_all_characters_of_base64url() -> None:
    """A signature ends in one of sixteen, which its two spare bits leave."""
    clock = Clock()
    client = Client(client_id=">>>???~~~", secret_hashes=("0" * 64,))
    tokens = build_tokens(clients=Clients([client]), now=clock)
    bodies, ends = "", set()
    for _ in range(300):
        token = tokens.issue(client.client_id, ())
        assert tokens.verify(token).subject == client.client_id
        bodies += token.partition(".")[0]
        ends.add(token[-1])
        clock.advance(1)

    assert ends == set("AEIMQUYcgkosw048")
    assert set("-_9") <= set(bodies)


@given(st.text(max_size=120))
def test_no_text_without_the_key_is_ever_accepted(text: str) -> None:
    """Nor does any raise anything else."""
    for token in (text, f"{encode_part(PAYLOAD)}.{text}", RIGHT + text):
        if token != RIGHT:
            with pytest.raises(AuthenticationFailed):
                build_tokens().verify(token)


@pytest.mark.parametrize(
    "settings",
    [
        {"keys": ()},
        {"keys": ""},
        {"keys": None},
        {"keys": "x" * 31},
        {"keys": [KEY, b"short"]},
        {"keys": [KEY, 1]},
        {"keys": {KEY}},
        {"audience": ""},
        {"audience": None},
        {"audience": 1},
        {"clients": "redox"},
        {"clients": Clients},
        {"lifetime_seconds": 0},
        {"lifetime_seconds": 3601},
        {"lifetime_seconds": 300.0},
        {"leeway_seconds": -1},
        {"leeway_seconds": 301},
        {"now": 0},
    ],
)
def test_a_wrong_setting_ends_the_start(settings: dict[str, Any]) -> None:
    """A short key could be guessed, and a long-lived token not be revoked."""
    with pytest.raises(ConfigurationError) as caught:
        build_tokens(**settings)

    assert "short" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("lifetime_seconds", 0), ("leeway_seconds", -1)]
)
def test_a_wrong_number_is_called_by_its_name(name: str, value: int) -> None:
    """Else nobody could tell which of the two it is."""
    with pytest.raises(ConfigurationError, match=rf"^{name} is "):
        build_tokens(**{name: value})


@pytest.mark.parametrize(
    "settings", [{"keys": "x" * 32}, {"lifetime_seconds": 1}, {"leeway_seconds": 300}]
)
def test_the_least_and_the_most_that_is_allowed_is_taken(
    settings: dict[str, Any],
) -> None:
    """The bounds are part of what is said."""
    tokens = build_tokens(**settings)

    assert tokens.verify(tokens.issue("redox", ())).subject == "redox"


def test_the_lifetime_can_be_chosen() -> None:
    """Up to an hour."""
    clock = Clock()
    tokens = build_tokens(lifetime_seconds=3600, leeway_seconds=0, now=clock)
    token = tokens.issue("redox", ())
    clock.advance(3599)
    assert tokens.verify(token).subject == "redox"
    clock.advance(1)

    with pytest.raises(AuthenticationFailed):
        tokens.verify(token)


def test_without_itsdangerous_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the application starts."""
    monkeypatch.setitem(sys.modules, "itsdangerous", None)

    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[oauth\]"):
        build_tokens()
