"""Opaque tokens, against a real introspection endpoint that answers and fails."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
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
    Principal,
    Request,
)
from redox_wsgi.authentication.outgoing.verdicts import (
    Accepted,
    Refused,
    Verdict,
    Verdicts,
)
from redox_wsgi.authentication.token_introspection import (
    ClientCredentials,
    TokenIntrospection,
)
from tests.support.json_server import (
    USELESS,
    JsonServer,
    build_answer,
    run_json_server,
)
from tests.support.leaks import capture_logs, list_chain
from tests.support.wsgi import build_environ

TOKEN = "0paque-t0ken-canary"
SECRET = "s3cret of:ours"
US = ClientCredentials("our client", SECRET)
AUDIENCE = "https://ours.example/redox"
BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW = int(BEGIN.timestamp())

ACTIVE = {
    "active": True,
    "client_id": "redox",
    "scope": "write read",
    "aud": AUDIENCE,
    "iss": "https://issuer.example",
    "sub": "service",
    "exp": NOW + 300,
    "username": "not kept",
}


class Clock:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def server() -> Iterator[JsonServer]:
    """An endpoint that knows every token."""
    with run_json_server() as running:
        running.answer(ACTIVE)
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock that goes when it is told."""
    return Clock()


def build(server: JsonServer, clock: Clock, **more: Any) -> TokenIntrospection:
    """Build an authenticator for our audience."""
    more = {"audience": AUDIENCE, "client_auth": US, "timeout_seconds": 20, **more}
    return TokenIntrospection(server.url, now=clock, **more)


def ask(authenticator: Any, token: str | None = TOKEN) -> Principal:
    """Ask about a request that bears a token."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    request = Request(build_environ(headers=headers))
    if isinstance(authenticator, Verdicts):
        return authenticator.find(request)
    principal: Principal = authenticator.authenticate(request)
    return principal


def outcome(authenticator: Any, token: str | None = TOKEN) -> str:
    """Return the subject, or status and code of what was raised."""
    try:
        return ask(authenticator, token).subject
    except (
        AuthenticationFailed,
        InsufficientScope,
        AuthenticatorUnavailable,
    ) as error:
        return f"{error.status} {error.code}"


def run_threads(count: int, work: Callable[[], object]) -> list[threading.Thread]:
    """Start threads that do one thing at one moment."""
    barrier = threading.Barrier(count)

    def begin() -> None:
        barrier.wait(20)
        work()

    threads = [threading.Thread(target=begin) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_an_active_token_proves_its_client(server: JsonServer, clock: Clock) -> None:
    """What the endpoint says of it is in the claims, personal names are not."""
    principal = ask(build(server, clock))

    assert principal.scheme == "token-introspection"
    assert principal.subject == "redox"
    assert principal.scopes == frozenset({"read", "write"})
    assert principal.claims == {
        "iss": "https://issuer.example",
        "aud": AUDIENCE,
        "sub": "service",
        "client_id": "redox",
        "exp": NOW + 300,
    }


def test_the_question_is_a_post_that_proves_us(
    server: JsonServer, clock: Clock
) -> None:
    """Token and secret stand nowhere else; name and secret are encoded each."""
    ask(build(server, clock))

    [asked] = server.asked
    assert asked.line == "POST /keys HTTP/1.1"
    assert parse_qs(asked.body.decode()) == {
        "token": [TOKEN],
        "token_type_hint": ["access_token"],
    }
    sent = asked.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent) == b"our+client:s3cret+of%3Aours"
    assert asked.headers["accept"] == "application/json"


def test_the_secret_may_be_sent_in_the_body(server: JsonServer, clock: Clock) -> None:
    """For a server that takes no Basic."""
    ask(build(server, clock, client_auth=ClientCredentials("a", SECRET, "post")))

    [asked] = server.asked
    assert "authorization" not in asked.headers
    assert parse_qs(asked.body.decode()) == {
        "token": [TOKEN],
        "token_type_hint": ["access_token"],
        "client_id": ["a"],
        "client_secret": [SECRET],
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"active": False}, "401 inactive-token"),
        ({"exp": NOW - 60}, "401 expired-token"),
        ({"exp": NOW - 59}, "redox"),
        ({"exp": NOW + 0.5}, "redox"),
        ({"exp": None}, "redox"),
        ({"nbf": NOW + 61}, "401 early-token"),
        ({"nbf": NOW + 60}, "redox"),
        ({"aud": None}, "401 wrong-audience"),
        ({"aud": AUDIENCE + "/"}, "401 wrong-audience"),
        ({"aud": AUDIENCE.upper()}, "401 wrong-audience"),
        ({"aud": []}, "401 wrong-audience"),
        ({"aud": ["other", AUDIENCE]}, "redox"),
        ({"iss": None}, "401 wrong-issuer"),
        ({"iss": "https://issuer.example/"}, "401 wrong-issuer"),
        ({"client_id": None}, "401 unknown-client"),
        ({"client_id": "Redox"}, "401 unknown-client"),
        ({"scope": None}, "403 missing-scope"),
        ({"scope": "writer"}, "403 missing-scope"),
        ({"scope": "read  write"}, "redox"),
        ({"active": "true"}, "503 introspection-malformed"),
        ({"active": 1}, "503 introspection-malformed"),
        ({"active": None}, "503 introspection-malformed"),
        ({"exp": str(NOW + 300)}, "503 introspection-malformed"),
        ({"exp": True}, "503 introspection-malformed"),
        ({"exp": -1}, "503 introspection-malformed"),
        ({"exp": 10**400}, "503 introspection-malformed"),
        ({"exp": 1e300}, "503 introspection-malformed"),
        ({"exp": 253402300799.9999999}, "503 introspection-malformed"),
        ({"aud": {"a": 1}}, "503 introspection-malformed"),
        ({"scope": ["write"]}, "503 introspection-malformed"),
    ],
    ids=str,
)
def test_what_the_endpoint_says_is_checked_again(
    server: JsonServer, clock: Clock, change: dict[str, Any], expected: str
) -> None:
    """Active means issued, not meant for us; and a broken answer proves nothing."""
    server.answer({**ACTIVE, **change})
    authenticator = build(
        server,
        clock,
        issuer="https://issuer.example",
        clients=["other", "redox"],
        scopes=["write"],
    )

    assert outcome(authenticator) == expected


@pytest.mark.parametrize("answer", [{}, {"active": False, "client_id": "redox"}])
def test_only_active_true_accepts(
    server: JsonServer, clock: Clock, answer: dict[str, Any]
) -> None:
    """An absent member is a broken answer; false is a refusal."""
    server.answer(answer)

    assert outcome(build(server, clock)) == (
        "401 inactive-token" if answer else "503 introspection-malformed"
    )


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ({"audience": ["other", AUDIENCE]}, {"aud": "theirs"}),
        ({"audience": (), "clients": ["redox"]}, {"client_id": "theirs"}),
        ({"audience": (), "scopes": ["read"]}, {"scope": "theirs"}),
    ],
    ids=["audiences", "clients", "scopes"],
)
def test_one_of_audience_clients_and_scopes_is_enough(
    server: JsonServer, clock: Clock, settings: dict[str, Any], change: dict[str, Any]
) -> None:
    """What is not configured is not looked at."""
    server.answer({**ACTIVE, "aud": AUDIENCE if settings["audience"] else None})
    assert outcome(build(server, clock, **settings)) == "redox"

    server.answer({**ACTIVE, **change})
    assert outcome(build(server, clock, **settings)) != "redox"


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [(None, set()), ("", set()), ("read  write", {"read", "write"})],
)
def test_scopes_are_names_between_spaces(
    server: JsonServer, clock: Clock, scope: str | None, scopes: set[str]
) -> None:
    """Nothing is none of them."""
    server.answer({**ACTIVE, "scope": scope})

    assert ask(build(server, clock)).scopes == scopes


def test_a_token_of_no_client_is_known_by_its_subject(
    server: JsonServer, clock: Clock
) -> None:
    """Both members are optional."""
    server.answer({"active": True, "aud": AUDIENCE, "sub": "service"})
    assert outcome(build(server, clock)) == "service"
    server.answer({"active": True, "aud": AUDIENCE})
    principal = ask(build(server, clock))
    assert (principal.subject, principal.claims) == ("-", {"aud": AUDIENCE})


def test_a_missing_scope_is_named(server: JsonServer, clock: Clock) -> None:
    """As RFC 6750 asks; a new error each time, the cached one too."""
    authenticator = build(server, clock, scopes=["write", "admin"])
    errors = []
    for _ in range(2):
        with pytest.raises(InsufficientScope) as caught:
            ask(authenticator)
        errors.append(caught.value)

    assert errors[0] is not errors[1]
    assert 'scope="write admin"' in (errors[1].www_authenticate or "")
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_answer_is_a_fault_and_not_kept(
    server: JsonServer, clock: Clock, name: str
) -> None:
    """Never 401, never acceptance; as soon as the endpoint is back, all is well."""
    server.behaviour, word = USELESS[name]
    seconds = 0.3 if word == "timed-out" else 20
    authenticator = build(server, clock, timeout_seconds=seconds)

    with pytest.raises(AuthenticatorUnavailable) as caught:
        ask(authenticator)
    assert (caught.value.status, caught.value.code) == (503, f"introspection-{word}")
    assert list_chain(caught.value) == [caught.value]
    server.answer(ACTIVE)
    if word != "timed-out":
        assert outcome(authenticator) == "redox"


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 429, 500])
def test_any_status_but_200_is_a_fault(
    server: JsonServer, clock: Clock, status: int
) -> None:
    """A 401 there means that our own secret is wrong: the sender erred in nothing."""
    server.answer(ACTIVE, status)

    word = "malformed" if status == 204 else "bad-status"
    assert outcome(build(server, clock)) in (
        f"503 introspection-{word}",
        "503 introspection-bad-status",
    )


@pytest.mark.parametrize(
    ("seconds", "questions"), [(0, 1), (59.9, 1), (60, 2), (-1, 2)]
)
def test_an_answer_is_kept_for_a_minute(
    server: JsonServer, clock: Clock, seconds: float, questions: int
) -> None:
    """That is how long a revoked token is accepted, whatever the clock does."""
    authenticator = build(server, clock)
    ask(authenticator)
    clock.advance(seconds)

    assert outcome(authenticator) == "redox"
    assert len(server.asked) == questions


def test_an_answer_is_not_kept_beyond_the_tokens_own_end(
    server: JsonServer, clock: Clock
) -> None:
    """The endpoint is asked again then, and says that it is over."""
    server.answer({**ACTIVE, "exp": NOW + 10})
    authenticator = build(server, clock)
    ask(authenticator)
    server.answer({"active": False})

    clock.advance(9.9)
    assert outcome(authenticator) == "redox"
    clock.advance(0.1)
    assert outcome(authenticator) == "401 inactive-token"


def test_a_refusal_is_kept_for_five_seconds(server: JsonServer, clock: Clock) -> None:
    """Long enough for a flood, too short to matter to a token that becomes valid."""
    server.answer({"active": False})
    authenticator = build(server, clock)
    for seconds in (0, 2.5, 2.4):
        clock.advance(seconds)
        assert outcome(authenticator) == "401 inactive-token"
    server.answer(ACTIVE)
    assert len(server.asked) == 1

    clock.advance(0.1)
    assert (outcome(authenticator), len(server.asked)) == ("redox", 2)


def test_a_refusal_is_kept_no_longer_than_a_principal(
    server: JsonServer, clock: Clock
) -> None:
    """Whoever wants to know sooner is told sooner."""
    server.answer({"active": False})
    authenticator = build(server, clock, cache_seconds=2)
    assert outcome(authenticator) == "401 inactive-token"
    clock.advance(1.9)
    assert outcome(authenticator) == "401 inactive-token"
    assert len(server.asked) == 1

    clock.advance(0.1)
    assert outcome(authenticator) == "401 inactive-token"
    assert len(server.asked) == 2


def test_nothing_is_kept_if_told_so(server: JsonServer, clock: Clock) -> None:
    """Then a revoked token is refused at once, and one that was early accepted."""
    authenticator = build(server, clock, cache_seconds=0)
    for answer, expected in [
        (ACTIVE, "redox"),
        ({"active": False}, "401 inactive-token"),
        (ACTIVE, "redox"),
    ]:
        server.answer(answer)
        assert outcome(authenticator) == expected

    assert len(server.asked) == 3


def test_a_flood_of_tokens_takes_bounded_room_and_pushes_out_no_good_one(
    clock: Clock,
) -> None:
    """What is refused is kept apart from what is accepted."""
    # Past the sockets: it is the number that counts.
    asked: list[str] = []

    def tell(token: str) -> Verdict:
        asked.append(token)
        if token == TOKEN:
            return Accepted(Principal("test", "redox"), None)
        return Refused(lambda: AuthenticationFailed("inactive-token"))

    verdicts = Verdicts(tell, cache_seconds=60, wait_seconds=20, now=clock)
    for token in (TOKEN, *(f"junk-{number}" for number in range(3000)), TOKEN):
        word = "redox" if token == TOKEN else "401 inactive-token"
        assert outcome(verdicts, token) == word
    sizes = [len(cache._entries) for cache in (verdicts._accepted, verdicts._refused)]

    assert sizes[0] == 1
    assert 768 <= sizes[1] <= 1024
    assert len(asked) == 3001


def test_requests_with_one_token_share_one_question(
    server: JsonServer, clock: Clock
) -> None:
    """Twenty at once are one question; another token is another."""
    server.hold(ACTIVE)
    authenticator = build(server, clock)
    outcomes: list[str] = []
    threads = run_threads(20, lambda: outcomes.append(outcome(authenticator)))
    assert server.arrived.wait(20)

    server.released.set()
    for thread in threads:
        thread.join(20)

    assert (outcomes, len(server.asked)) == (["redox"] * 20, 1)
    assert (outcome(authenticator, "other"), len(server.asked)) == ("redox", 2)


class Held:
    """Stands for an endpoint: tells that it is asked, waits, and then fails."""

    def __init__(self) -> None:
        self.asked, self.released = threading.Event(), threading.Event()

    def __call__(self, token: str) -> Verdict:
        """Fail when let go."""
        self.asked.set()
        self.released.wait(20)
        raise AuthenticatorUnavailable("endpoint-down")


def begin(held: Held, wait_seconds: float) -> tuple[Verdicts, threading.Thread]:
    """Let one request ask, so that another one finds it asking."""
    verdicts = Verdicts(held, cache_seconds=60, wait_seconds=wait_seconds, now=Clock())
    [thread] = run_threads(1, lambda: outcome(verdicts))
    assert held.asked.wait(20)
    return verdicts, thread


def test_those_who_share_a_question_share_its_fault() -> None:
    """They would find the same."""
    held = Held()
    verdicts, thread = begin(held, 20)
    [question] = verdicts._asked.values()

    class Waiting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            held.released.set()
            return super().wait(timeout)

    question.done = Waiting()

    assert outcome(verdicts) == "503 endpoint-down"
    thread.join(20)
    assert verdicts._asked == {}


def test_a_thread_that_comes_late_finds_what_another_one_was_told() -> None:
    """It knew no answer and was held up, while the answer came: no second question."""
    asked: list[str] = []

    def tell(token: str) -> Verdict:
        asked.append(token)
        return Accepted(Principal("test", "redox"), None)

    verdicts = Verdicts(tell, cache_seconds=60, wait_seconds=20, now=Clock())
    verdicts._ask_once(TOKEN, b"digest")
    verdicts._ask_once(TOKEN, b"digest")

    assert asked == [TOKEN]


def test_who_shares_a_question_does_not_wait_for_ever() -> None:
    """Whatever became of the thread that asked."""
    held = Held()
    verdicts, thread = begin(held, 0.05)

    assert outcome(verdicts) == "503 verdict-timed-out"
    held.released.set()
    thread.join(20)


def test_a_question_of_the_parent_is_not_waited_for_in_a_fork(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread does not exist there."""
    held = Held()
    verdicts, thread = begin(held, 0.05)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        held.asked.clear()
        [child] = run_threads(1, lambda: outcome(verdicts))
        assert held.asked.wait(20)
    held.released.set()
    for each in (thread, child):
        each.join(20)
    assert verdicts._asked == {}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (None, f"401 {NO_CREDENTIALS}"),
        ("", "401 malformed-credentials"),
        ("a b", "401 malformed-credentials"),
        ("a,b", "401 malformed-credentials"),
        ("\xff", "401 malformed-credentials"),
        ("x" * 8193, "401 malformed-token"),
    ],
    ids=["none", "empty", "two", "doubled", "non-ASCII", "too long"],
)
def test_what_is_no_token_is_not_asked_about(
    server: JsonServer, clock: Clock, token: str | None, expected: str
) -> None:
    """The endpoint is not a dustbin."""
    assert outcome(build(server, clock), token) == expected
    assert server.asked == []


def test_neither_token_nor_secret_is_seen_anywhere(
    server: JsonServer, clock: Clock
) -> None:
    """Not in a log, not in a repr, and not in what is kept."""
    authenticator = build(server, clock)
    with capture_logs() as records:
        seen: list[object] = [ask(authenticator)]
        server.answer({"active": False})
        seen += [outcome(authenticator, TOKEN + "2")]
        server.behaviour = USELESS["is no HTTP"][0]
        seen += [outcome(authenticator, TOKEN + "3")]
    verdicts = authenticator._verdicts
    kept = [verdicts._accepted._entries, verdicts._refused._entries, verdicts._asked]
    text = repr([seen, US, authenticator, kept, [vars(record) for record in records]])

    assert TOKEN not in text
    assert SECRET not in text
    assert all(TOKEN not in asked.line for asked in server.asked)


@pytest.mark.parametrize(
    "settings",
    [
        {"audience": ()},
        {"audience": "", "clients": [], "scopes": []},
        {"audience": [""]},
        {"clients": "redox"},
        {"scopes": ["a b"]},
        {"scopes": ['"']},
        {"client_auth": ("a", "b")},
        {"cache_seconds": -1},
        {"cache_seconds": 3601},
        {"leeway": 301},
        {"leeway": -1},
        {"timeout_seconds": 0},
    ],
    ids=str,
)
def test_a_setting_that_would_accept_too_much_is_refused(
    server: JsonServer, clock: Clock, settings: dict[str, Any]
) -> None:
    """Without an audience, client or scope any token of that server would do."""
    with pytest.raises(ConfigurationError):
        build(server, clock, **settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audience", [1]),
        ("clients", "redox"),
        ("issuer", ""),
        ("leeway", -1),
        ("cache_seconds", 3601),
        ("now", 0),
        ("proxy", "proxy"),
        ("tls", "tls"),
    ],
)
def test_a_wrong_setting_is_called_by_its_name(name: str, value: Any) -> None:
    """Of several lists, nobody could guess which one it is."""
    settings = {"audience": AUDIENCE, name: value}

    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        TokenIntrospection("https://issuer.example/introspect", US, **settings)


def test_an_answer_may_be_kept_for_an_hour(server: JsonServer, clock: Clock) -> None:
    """But no longer: a token that was revoked would be accepted for that long."""
    authenticator = build(server, clock, cache_seconds=3600)
    server.answer({**ACTIVE, "exp": None})
    ask(authenticator)
    clock.advance(3599)

    assert (outcome(authenticator), len(server.asked)) == ("redox", 1)


def test_the_longest_token_is_asked_about(server: JsonServer, clock: Clock) -> None:
    """About one that is longer nobody is."""
    assert outcome(build(server, clock), "x" * 8192) == "redox"


def test_clocks_that_agree_need_no_leeway(server: JsonServer, clock: Clock) -> None:
    """A token ends then when it says so."""
    authenticator = build(server, clock, leeway=0)
    server.answer({**ACTIVE, "exp": NOW})

    assert outcome(authenticator) == "401 expired-token"


@pytest.mark.parametrize("values", [("", "b"), ("a", ""), ("a", "b", "digest")])
def test_credentials_without_a_name_or_secret_are_refused(values: Any) -> None:
    """A forgotten variable ends the start."""
    with pytest.raises(ConfigurationError):
        ClientCredentials(*values)


@pytest.fixture(scope="module")
def any_bytes() -> Iterator[JsonServer]:
    """One server for all examples of a property."""
    with run_json_server() as running:
        yield running


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(
    body=st.binary(max_size=100)
    | st.fixed_dictionaries(
        {"active": st.booleans() | JSON},
        optional={
            name: JSON | st.sampled_from([AUDIENCE, NOW + 1])
            for name in ("exp", "nbf", "aud", "iss", "client_id", "scope", "sub")
        },
    ).map(lambda answer: json.dumps(answer).encode())
)
def test_no_answer_but_active_true_for_us_is_ever_accepted(
    any_bytes: JsonServer, body: bytes
) -> None:
    """And nothing but the documented errors is raised."""
    any_bytes.behaviour = build_answer(body)

    found = outcome(build(any_bytes, Clock()))

    if not found.startswith(("401 ", "503 introspection-")):
        answer = json.loads(body)
        assert answer["active"] is True
        assert answer["aud"] == AUDIENCE or AUDIENCE in answer["aud"]
