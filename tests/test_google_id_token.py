"""ID tokens of Google service accounts."""

from __future__ import annotations

from typing import Any

import pytest

from redox_wsgi import AuthenticationFailed, ConfigurationError, Principal, Request
from redox_wsgi.authentication import GoogleIdToken, StaticKeySet
from redox_wsgi.authentication.google_id_token import KEYS_URL
from tests.support.builders import NOTIFICATION, Received, build_application
from tests.support.jose import (
    AUDIENCE,
    NOW,
    TIME,
    build_header,
    build_key_set,
    build_token,
    make_key,
)
from tests.support.wsgi import build_environ, send

EMAIL = "redox@project.iam.gserviceaccount.com"
SUBJECT = "104029341893428390341"
KEYS = StaticKeySet(build_key_set("RS256", "RS384", "ES256"))


def build_google(**settings: Any) -> GoogleIdToken:
    """Build an authenticator whose clock stands still."""
    defaults: dict[str, Any] = {
        "audience": AUDIENCE,
        "emails": [EMAIL],
        "key_set": KEYS,
        "now": lambda: NOW,
    }
    return GoogleIdToken(**{**defaults, **settings})


def build_id_token(algorithm: str = "RS256", typ: str = "JWT", **more: Any) -> str:
    """Build a token as Google makes it for a service account; None leaves one out."""
    claims = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": EMAIL,
        "sub": SUBJECT,
        "email": EMAIL,
        "email_verified": True,
        "iat": TIME,
        "exp": TIME + 3600,
        **more,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    header = build_header(algorithm, typ=typ)
    return build_token(header, claims, algorithm=algorithm)


def ask(token: str, **settings: Any) -> Principal:
    """Ask an authenticator about a token."""
    environ = build_environ(headers={"authorization": f"Bearer {token}"})
    return build_google(**settings).authenticate(Request(environ))


@pytest.mark.parametrize(
    "issuer", ["https://accounts.google.com", "accounts.google.com"]
)
def test_a_listed_account_is_taken(issuer: str) -> None:
    """Under both names that Google gives itself."""
    principal = ask(build_id_token(iss=issuer))

    assert (principal.scheme, principal.subject) == ("google-id-token", EMAIL)
    assert principal.claims["sub"] == SUBJECT
    assert principal.scopes == frozenset()


def test_an_account_may_be_listed_by_its_number() -> None:
    """The token needs no address then."""
    token = build_id_token(email=None, email_verified=None)

    assert ask(token, emails=(), subjects=[SUBJECT]).subject == SUBJECT
    assert ask(token, emails=["other"], subjects=[SUBJECT]).subject == SUBJECT
    assert ask(build_id_token(), subjects=[SUBJECT]).subject == EMAIL


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"email": "other@project.iam.gserviceaccount.com"}, "unknown-account"),
        ({"email": EMAIL.upper()}, "unknown-account"),
        ({"email": EMAIL + "x"}, "unknown-account"),
        ({"email": EMAIL[1:]}, "unknown-account"),
        ({"email": [EMAIL]}, "unknown-account"),
        ({"email": {}}, "unknown-account"),
        ({"email": None}, "unknown-account"),
        ({"email_verified": None}, "unknown-account"),
        ({"email_verified": False}, "unknown-account"),
        ({"email_verified": "true"}, "unknown-account"),
        ({"email_verified": 1}, "unknown-account"),
        ({"iss": "https://accounts.google.com/"}, "wrong-issuer"),
        ({"iss": "http://accounts.google.com"}, "wrong-issuer"),
        ({"iss": EMAIL}, "wrong-issuer"),
        ({"aud": AUDIENCE + "/"}, "wrong-audience"),
        ({"aud": "https://oauth2.googleapis.com/token"}, "wrong-audience"),
        ({"aud": None}, "missing-claim"),
        ({"sub": None}, "missing-claim"),
        ({"iat": None}, "missing-claim"),
        ({"exp": None}, "missing-claim"),
        ({"exp": TIME - 60}, "expired-token"),
        ({"exp": TIME + 3661}, "long-lived-token"),
        ({"nbf": TIME + 61}, "early-token"),
        ({"typ": "at+jwt"}, "wrong-type"),
        ({"algorithm": "RS384"}, "wrong-algorithm"),
        ({"algorithm": "ES256"}, "wrong-algorithm"),
    ],
)
def test_any_other_token_of_google_is_refused(more: Any, code: str) -> None:
    """Every customer of Google can have one made for our audience."""
    received = Received()
    outcomes: list[Any] = []
    application = build_application(
        received,
        verification_token=None,
        authenticator=build_google(),
        observer=outcomes.append,
    )
    headers = {"authorization": f"Bearer {build_id_token(**more)}"}
    reply = send(application, body=NOTIFICATION, headers=headers)

    assert (reply.status, reply.body) == (401, b'{"error":"invalid_token"}')
    assert reply.headers["www-authenticate"] == (
        'Bearer realm="redox", error="invalid_token"'
    )
    assert received == []
    assert outcomes[-1].code == code


def test_a_token_that_somebody_else_signed_is_refused() -> None:
    """Whatever it says."""
    signed = build_id_token().rpartition(".")[0]
    forged = build_token(signature=b"x" * 256).rpartition(".")[2]

    with pytest.raises(AuthenticationFailed) as caught:
        ask(f"{signed}.{forged}")
    assert caught.value.code == "bad-signature"
    with pytest.raises(AuthenticationFailed) as caught:
        ask(
            build_token(
                build_header("RS256", typ="JWT"),
                {"email": EMAIL, "email_verified": True},
                algorithm="RS256",
                key=make_key("RS256", 1),
            )
        )
    assert caught.value.code == "bad-signature"


@pytest.mark.parametrize(
    "settings",
    [
        {"emails": ()},
        {"emails": [], "subjects": []},
        {"emails": EMAIL},
        {"emails": [""]},
        {"emails": [None]},
        {"subjects": SUBJECT},
        {"subjects": [1]},
        {"audience": ""},
        {"audience": []},
        {"audience": None},
        {"leeway": 301},
        {"max_lifetime": 0},
        {"now": None},
        {"key_set": "x"},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_meant_stops_at_construction(settings: Any) -> None:
    """Above all a list of accounts that lists nobody."""
    with pytest.raises(ConfigurationError):
        build_google(**settings)


def test_the_keys_are_googles_unless_others_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are fetched from its address, by the clock that was given."""
    asked: list[Any] = []

    def build(*where: Any, **how: Any) -> StaticKeySet:
        asked.append((*where, how))
        return KEYS

    monkeypatch.setattr("redox_wsgi.authentication.remote_keys.RemoteKeySet", build)

    assert ask(build_id_token(), key_set=None).subject == EMAIL
    [(url, settings)] = asked
    assert url == KEYS_URL == "https://www.googleapis.com/oauth2/v3/certs"
    assert settings["rsa_algorithm"] == "RS256"
    assert settings["now"]() == NOW


def test_nothing_is_fetched_while_it_is_built() -> None:
    """A worker that has no way out yet starts all the same."""
    google = GoogleIdToken(AUDIENCE, [EMAIL])

    with pytest.raises(AuthenticationFailed) as caught:
        google.authenticate(Request(build_environ()))
    assert caught.value.code == "no-credentials"
