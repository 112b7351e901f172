"""Google's access tokens, against a real server that answers as Google does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redox_wsgi import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
    InsufficientScope,
    Request,
)
from redox_wsgi.authentication.google_token_info import ENDPOINT, GoogleTokenInfo
from tests.support.json_server import (
    USELESS,
    JsonServer,
    build_answer,
    run_json_server,
)
from tests.support.wsgi import build_environ

TOKEN = "ya29.canary-of-an-access-token"
EMAIL = "redox@project.iam.gserviceaccount.com"
BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW = int(BEGIN.timestamp())

# Every value is text, the numbers and the truth of email_verified too.
KNOWN = {
    "azp": "112233445566778899001",
    "aud": "112233445566778899001",
    "sub": "112233445566778899001",
    "scope": "openid https://www.googleapis.com/auth/userinfo.email",
    "exp": str(NOW + 3599),
    "expires_in": "3599",
    "email": EMAIL,
    "email_verified": "true",
    "access_type": "online",
}
ACCOUNT = KNOWN["azp"]


@pytest.fixture(scope="module")
def running() -> Iterator[JsonServer]:
    """One server for all tests."""
    with run_json_server() as server:
        yield server


@pytest.fixture
def server(running: JsonServer) -> JsonServer:
    """A server that knows every token."""
    running.asked.clear()
    running.answer(KNOWN)
    return running


def build(server: JsonServer, **more: Any) -> GoogleTokenInfo:
    """Build an authenticator for one account."""
    more = {"emails": [EMAIL], "now": lambda: BEGIN, "timeout_seconds": 20, **more}
    return GoogleTokenInfo(endpoint=server.url, **more)


def outcome(authenticator: GoogleTokenInfo, token: str | None = TOKEN) -> str:
    """Return the subject, or status and code of what was raised."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        request = Request(build_environ(headers=headers))
        return authenticator.authenticate(request).subject
    except (
        AuthenticationFailed,
        InsufficientScope,
        AuthenticatorUnavailable,
    ) as error:
        return f"{error.status} {error.code}"


def test_a_token_of_a_listed_account_is_accepted(server: JsonServer) -> None:
    """With what Google says of it."""
    authenticator = build(server, scopes=["openid"])
    request = Request(build_environ(headers={"authorization": f"Bearer {TOKEN}"}))

    principal = authenticator.authenticate(request)

    assert (principal.scheme, principal.subject) == ("google-token-info", EMAIL)
    assert principal.scopes == frozenset(KNOWN["scope"].split())
    assert principal.claims == {"azp": ACCOUNT, "sub": ACCOUNT, "email": EMAIL}


@pytest.mark.parametrize(
    ("more", "claims"),
    [
        ({}, {"azp": ACCOUNT}),
        ({"sub": "7"}, {"azp": ACCOUNT, "sub": "7"}),
        ({"email": EMAIL}, {"azp": ACCOUNT}),
        ({"email": EMAIL, "email_verified": "false"}, {"azp": ACCOUNT}),
    ],
)
def test_what_google_does_not_say_or_has_not_verified_is_left_out(
    server: JsonServer, more: dict[str, str], claims: dict[str, str]
) -> None:
    """A handler would take the address for the sender's."""
    server.answer({"azp": ACCOUNT, "exp": KNOWN["exp"], **more})
    authenticator = build(server, emails=[], clients=[ACCOUNT])
    request = Request(build_environ(headers={"authorization": f"Bearer {TOKEN}"}))

    principal = authenticator.authenticate(request)

    assert (principal.subject, principal.scopes) == (ACCOUNT, frozenset())
    assert principal.claims == claims


def test_the_token_is_sent_in_the_body(server: JsonServer) -> None:
    """An address would be written into logs on the way."""
    outcome(build(server))

    [asked] = server.asked
    assert asked.line == "POST /keys HTTP/1.1"
    assert parse_qs(asked.body.decode()) == {"access_token": [TOKEN]}


def test_its_documentation_begins_with_the_warning() -> None:
    """Whoever chooses it reads that first; and it asks Google over TLS."""
    assert (GoogleTokenInfo.__doc__ or "").startswith("Weak:")
    assert ENDPOINT.startswith("https://oauth2.googleapis.com/")
    assert GoogleTokenInfo([EMAIL]) is not None


@pytest.mark.parametrize(
    ("change", "settings", "expected"),
    [
        ({}, {"emails": [], "clients": [ACCOUNT]}, EMAIL),
        ({"email": None}, {"emails": [], "clients": [ACCOUNT]}, ACCOUNT),
        ({}, {"clients": ["other", ACCOUNT]}, EMAIL),
        ({}, {"clients": ["other"]}, "401 unknown-account"),
        ({"azp": "other"}, {"clients": [ACCOUNT]}, "401 unknown-account"),
        ({"email": "x" + EMAIL}, {}, "401 unknown-account"),
        ({"email": EMAIL.upper()}, {}, "401 unknown-account"),
        ({"email": None}, {}, "401 unknown-account"),
        ({"email_verified": "false"}, {}, "401 unknown-account"),
        ({"email_verified": "True"}, {}, "401 unknown-account"),
        ({"email_verified": False}, {}, "401 unknown-account"),
        ({"email_verified": True}, {}, EMAIL),
        ({"email_verified": 1}, {}, "503 token-info-malformed"),
        ({}, {"scopes": ["openid"]}, EMAIL),
        ({}, {"scopes": ["openid", "more"]}, "403 missing-scope"),
        ({"scope": ""}, {"scopes": ["openid"]}, "403 missing-scope"),
        ({"exp": str(NOW + 1)}, {}, EMAIL),
        ({"exp": str(NOW)}, {}, "401 expired-token"),
        ({"exp": NOW + 1}, {}, "503 token-info-malformed"),
        ({"exp": "-1"}, {}, "503 token-info-malformed"),
        ({"exp": f"{NOW}\n"}, {}, "503 token-info-malformed"),
        ({"exp": "9" * 12}, {}, "503 token-info-malformed"),
        ({"exp": ""}, {}, "503 token-info-malformed"),
        ({"azp": None}, {}, "503 token-info-malformed"),
    ],
    ids=str,
)
def test_only_a_verified_account_of_the_list_is_accepted(
    server: JsonServer, change: dict[str, Any], settings: dict[str, Any], expected: str
) -> None:
    """Any customer of Google can have a token; the list is what authenticates."""
    server.answer({k: v for k, v in {**KNOWN, **change}.items() if v is not None})

    assert outcome(build(server, **settings)) == expected


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (
            400,
            {"error": "invalid_token", "error_description": "Invalid Value"},
            "401 inactive-token",
        ),
        (400, {"error": "invalid_token"}, "401 inactive-token"),
        (400, {"error_description": "invalid_token"}, "401 inactive-token"),
        (400, {"error_description": "Invalid Value"}, "401 inactive-token"),
        (400, {"error": "invalid_request"}, "503 token-info-bad-status"),
        (400, {}, "503 token-info-bad-status"),
        (400, [], "503 token-info-malformed"),
        (401, {"error": "invalid_token"}, "503 token-info-bad-status"),
        (429, KNOWN, "503 token-info-bad-status"),
        (500, {"error": "invalid_token"}, "503 token-info-bad-status"),
    ],
)
def test_a_token_is_refused_only_if_google_says_that_it_is_invalid(
    server: JsonServer, status: int, document: Any, expected: str
) -> None:
    """Every other answer is a fault of the way, not of the sender."""
    server.answer(document, status)

    assert outcome(build(server)) == expected


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_answer_is_a_fault(server: JsonServer, name: str) -> None:
    """Never 401, never acceptance."""
    server.behaviour, word = USELESS[name]
    seconds = 0.3 if word == "timed-out" else 20

    found = outcome(build(server, timeout_seconds=seconds))

    assert found == f"503 token-info-{word}"


def test_an_answer_is_kept_for_a_minute(server: JsonServer) -> None:
    """Google does not promise to answer more often."""
    moments = [BEGIN]
    authenticator = build(server, now=lambda: moments[0])

    questions = []
    for seconds in (0, 59.9, 60):
        moments[0] = BEGIN + timedelta(seconds=seconds)
        assert outcome(authenticator) == EMAIL
        questions.append(len(server.asked))

    assert questions == [1, 1, 2]


def test_a_request_without_a_token_asks_nothing(server: JsonServer) -> None:
    """Another authenticator may know what it carries."""
    assert outcome(build(server), None) == f"401 {NO_CREDENTIALS}"
    assert server.asked == []


@pytest.mark.parametrize(
    "settings",
    [
        {"emails": []},
        {"emails": EMAIL},
        {"emails": [""]},
        {"clients": ACCOUNT},
        {"scopes": ["a b"]},
        {"cache_seconds": -1},
        {"timeout_seconds": 0},
        {"proxy": "proxy"},
    ],
    ids=str,
)
def test_a_setting_that_would_accept_too_much_is_refused(
    settings: dict[str, Any],
) -> None:
    """Without a list any customer of Google could send."""
    with pytest.raises(ConfigurationError):
        GoogleTokenInfo(**{"emails": [EMAIL], **settings})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("emails", EMAIL),
        ("clients", ACCOUNT),
        ("cache_seconds", -1),
        ("timeout_seconds", 0),
        ("proxy", "proxy"),
        ("tls", "tls"),
    ],
)
def test_a_wrong_setting_is_called_by_its_name(name: str, value: Any) -> None:
    """Of several lists, nobody could guess which one it is."""
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        GoogleTokenInfo(**{"emails": [EMAIL], name: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(
    answer=st.fixed_dictionaries(
        {
            "azp": st.sampled_from([ACCOUNT, "other"]) | JSON,
            "exp": st.sampled_from([KNOWN["exp"]]) | JSON,
        },
        optional={
            "email": st.sampled_from([EMAIL, "other"]) | JSON,
            "email_verified": st.sampled_from(["true", "false"]) | JSON,
        },
    ),
    status=st.sampled_from([200, 200, 200, 400, 403]),
)
def test_no_answer_but_of_the_verified_account_is_ever_accepted(
    running: JsonServer, answer: dict[str, Any], status: int
) -> None:
    """And nothing but the documented errors is raised."""
    running.answer(answer, status)

    if outcome(build(running)) == EMAIL:
        assert (status, answer["email"]) == (200, EMAIL)
        assert answer["email_verified"] in ("true", True)


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=100), status=st.sampled_from([200, 400]))
def test_any_bytes_are_a_fault(running: JsonServer, body: bytes, status: int) -> None:
    """Nothing out of them decides anything."""
    running.behaviour = build_answer(body, status)

    assert outcome(build(running)).startswith("503 token-info-")
