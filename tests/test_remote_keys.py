"""Key sets that are fetched, against a real server that rotates, fails and hangs."""

from __future__ import annotations

import logging
import os
import sys
import threading
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from redox_wsgi import (
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
    Request,
)
from redox_wsgi.authentication.jwt_bearer import JwtBearer
from redox_wsgi.authentication.outgoing.snapshot import Snapshot, read_lifetime
from redox_wsgi.authentication.remote_keys import RemoteKeySet
from tests.support import jose
from tests.support.json_server import (
    USELESS,
    JsonServer,
    build_answer,
    run_json_server,
)
from tests.support.leaks import list_chain
from tests.support.servers import build_raw_request, exchange, run_server
from tests.support.wsgi import build_environ

LIFETIME = 300
DAY = 24 * 3600


def build_jwk(key_id: str | None) -> dict[str, str]:
    """Build a new public key as it stands in a set."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (
        urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
        for number in (numbers.x, numbers.y)
    )
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    return jwk if key_id is None else {**jwk, "kid": key_id}


JWKS = {name: build_jwk(name) for name in ("old", "new", "newest")}


def build_set(*names: str) -> dict[str, Any]:
    """Build a set of the keys of these names."""
    return {"keys": [JWKS[name] for name in names]}


class Clock:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def server() -> Iterator[JsonServer]:
    """A server that publishes one key."""
    with run_json_server() as running:
        running.answer(build_set("old"))
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock that goes when it is told."""
    return Clock()


@pytest.fixture
def key_set(server: JsonServer, clock: Clock) -> RemoteKeySet:
    """A set without chance: renewed exactly when its lifetime is over."""
    return build_key_set(server, clock)


def build_key_set(server: JsonServer, clock: Clock, **more: Any) -> RemoteKeySet:
    """Build a set without chance."""
    more = {"random": lambda: 0.0, "timeout_seconds": 10.0, **more}
    return RemoteKeySet(server.url, now=clock, **more)


def patience(word: str) -> float:
    """Return how long to wait for an answer: shortly where none comes."""
    return 0.3 if word == "timed-out" else 20.0


def settle() -> None:
    """Wait for the fetches that run."""
    for thread in threading.enumerate():
        if thread.name == "redox-key-set":
            thread.join(20)
            assert not thread.is_alive()


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


def fetched_at(key_set: RemoteKeySet) -> datetime:
    """Return when the set in use was fetched."""
    assert key_set._snapshot is not None
    return key_set._snapshot.fetched_at


def outcome(key_set: RemoteKeySet, key_id: str | None) -> str:
    """Return ``known``, or the code of the refusal or fault."""
    try:
        return "known" if key_set.get(key_id).algorithm == "ES256" else "wrong"
    except (AuthenticationFailed, AuthenticatorUnavailable) as error:
        return error.code


def test_a_set_is_fetched_at_the_first_question_and_kept(
    server: JsonServer, key_set: RemoteKeySet
) -> None:
    """Building asks nothing: a server that forks later must not inherit anything."""
    assert server.asked == []

    assert [outcome(key_set, name) for name in ("old", "old", None)] == ["known"] * 3
    assert [asked.line for asked in server.asked] == ["GET /keys HTTP/1.1"]
    assert server.asked[0].headers["accept"] == "application/json"


def test_a_token_without_a_key_id_gets_a_key_only_if_it_is_the_only_one(
    server: JsonServer, clock: Clock
) -> None:
    """Trying several would multiply the work of a stranger's token."""
    server.answer({"keys": [build_jwk(None)]})
    assert outcome(build_key_set(server, clock), None) == "known"

    server.answer({"keys": [build_jwk(None), JWKS["old"]]})
    key_set = build_key_set(server, clock)
    assert (outcome(key_set, "old"), outcome(key_set, None)) == ("known", "unknown-key")


def test_many_threads_that_need_the_first_set_share_one_fetch(
    server: JsonServer, key_set: RemoteKeySet
) -> None:
    """Twenty workers' threads start with one question, not with twenty."""
    server.hold(build_set("old"))
    outcomes: list[str] = []
    threads = run_threads(20, lambda: outcomes.append(outcome(key_set, "old")))
    assert server.arrived.wait(20)

    server.released.set()
    for thread in threads:
        thread.join(20)

    assert (outcomes, len(server.asked)) == (["known"] * 20, 1)


def test_a_thread_that_comes_late_finds_what_another_one_fetched(
    server: JsonServer, key_set: RemoteKeySet
) -> None:
    """It saw no set and was held up, while the set came: that is no second question."""
    process = key_set._process()
    key_set.load()

    assert key_set._start(process, 0) is None
    assert (outcome(key_set, "old"), len(server.asked)) == ("known", 1)


def test_load_fetches_before_a_request_needs_it(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """For a server's hook after the fork; a second one changes nothing."""
    key_set.load()
    key_set.load()
    assert (len(server.asked), outcome(key_set, "old")) == (1, "known")

    # One that is old serves on, and is renewed when a request asks for it.
    clock.advance(LIFETIME)
    key_set.load()
    assert len(server.asked) == 1


def test_load_tells_that_it_could_not(
    server: JsonServer, key_set: RemoteKeySet
) -> None:
    """Whether to start all the same is for the hook to say."""
    server.answer({}, 500)
    with pytest.raises(AuthenticatorUnavailable) as caught:
        key_set.load()

    assert caught.value.code == "key-set-bad-status"


def test_a_known_key_never_waits_for_the_next_set(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """It is answered from the old set while one thread fetches the new one."""
    key_set.load()
    clock.advance(LIFETIME)
    server.hold(build_set("old", "new"))

    assert [outcome(key_set, "old") for _ in range(50)] == ["known"] * 50
    assert server.arrived.wait(20)
    assert [outcome(key_set, "old") for _ in range(50)] == ["known"] * 50
    assert len(server.asked) == 2
    server.released.set()
    settle()
    assert (outcome(key_set, "new"), len(server.asked)) == ("known", 2)


def test_a_known_key_does_not_wait_while_an_unknown_one_does(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """A stranger who names a key must not slow the others down."""
    key_set.load()
    clock.advance(31)
    server.hold(build_set("old", "new"))
    outcomes: list[str] = []
    [thread] = run_threads(1, lambda: outcomes.append(outcome(key_set, "new")))
    assert server.arrived.wait(20)

    assert outcome(key_set, "old") == "known"
    assert (outcomes, server.released.is_set()) == ([], False)
    server.released.set()
    thread.join(20)
    assert outcomes == ["known"]


def test_a_set_nobody_asked_for_so_long_is_renewed_first(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """Otherwise a withdrawn key would be accepted after a quiet night."""
    key_set.load()
    server.answer(build_set("new"))
    clock.advance(2 * LIFETIME)

    assert outcome(key_set, "old") == "unknown-key"
    assert (outcome(key_set, "new"), len(server.asked)) == ("known", 2)


def test_a_withdrawn_key_is_refused_once_the_set_is_renewed(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """A set replaces the one before, it is not added to it."""
    key_set.load()
    server.answer(build_set("new"))
    clock.advance(LIFETIME)

    assert outcome(key_set, "old") == "known"
    settle()
    assert (outcome(key_set, "old"), outcome(key_set, "new")) == (
        "unknown-key",
        "known",
    )
    assert len(server.asked) == 2


def test_a_flood_of_unknown_keys_causes_one_fetch_in_thirty_seconds(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """Anybody can make names up."""
    key_set.load()
    outcomes: Counter[str] = Counter()

    def flood() -> None:
        for number in range(25):
            outcomes[outcome(key_set, f"{threading.get_ident()}-{number}")] += 1

    fetches = []
    for _ in range(3):
        for seconds in (29.9, 0.1):
            clock.advance(seconds)
            for thread in run_threads(8, flood):
                thread.join(20)
            fetches.append(len(server.asked))

    assert fetches == [1, 2, 2, 3, 3, 4]
    assert outcomes == {"unknown-key": 6 * 8 * 25}


def test_a_key_that_is_new_is_found_by_looking_again(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """A rotation without notice costs thirty seconds at most."""
    key_set.load()
    server.answer(build_set("new", "old"))
    assert outcome(key_set, "new") == "unknown-key"

    clock.advance(30)
    assert (outcome(key_set, "new"), len(server.asked)) == ("known", 2)


@pytest.mark.parametrize("name", USELESS)
def test_without_any_set_a_useless_answer_is_a_fault_of_ours(
    server: JsonServer, clock: Clock, name: str
) -> None:
    """503, not 401: the sender did nothing wrong. And not a fetch for each request."""
    server.behaviour, word = USELESS[name]
    key_set = build_key_set(server, clock, timeout_seconds=patience(word))

    with pytest.raises(AuthenticatorUnavailable) as caught:
        key_set.get("old")
    settle()

    assert (caught.value.status, caught.value.retry_after_seconds) == (503, 10)
    assert caught.value.code in (f"key-set-{word}", "key-set-timed-out")
    assert [outcome(key_set, "old") for _ in range(9)] == [f"key-set-{word}"] * 9
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", USELESS)
def test_with_a_set_a_useless_answer_changes_nothing(
    server: JsonServer, clock: Clock, name: str
) -> None:
    """The old keys serve on; an unknown one may be new, so nobody can tell."""
    behaviour, word = USELESS[name]
    key_set = build_key_set(server, clock, timeout_seconds=patience(word))
    key_set.load()
    server.behaviour = behaviour
    clock.advance(LIFETIME)

    assert outcome(key_set, "old") == "known"
    settle()
    assert [outcome(key_set, "old") for _ in range(9)] == ["known"] * 9
    assert outcome(key_set, "new") == f"key-set-{word}"
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "document",
    [
        {"keys": []},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "old"}]},
        {"keys": [JWKS["old"], JWKS["old"]]},
        {"keys": [build_jwk(str(number)) for number in range(51)]},
        {"keys": "old"},
        {"keys": None},
        {},
    ],
    ids=["empty", "symmetric", "doubled", "51 keys", "text", "null", "no keys"],
)
def test_a_good_set_is_never_replaced_by_one_without_use(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet, document: Any
) -> None:
    """A mistake at the issuer's must not stop a feed."""
    key_set.load()
    server.answer(document)
    clock.advance(LIFETIME)

    assert outcome(key_set, "old") == "known"
    settle()
    assert (outcome(key_set, "old"), len(server.asked)) == ("known", 2)
    assert outcome(key_set, "new") == "key-set-malformed"


def test_an_old_set_serves_for_a_day_of_outage_and_no_longer(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """Then 503, and as soon as the server is back everything is as before."""
    key_set.load()
    server.answer({}, 503)
    clock.advance(LIFETIME)
    for _ in range(24):
        assert outcome(key_set, "old") == "known"
        settle()
        clock.advance(3600 - 1)
    assert outcome(key_set, "old") == "known"
    settle()

    clock.advance(24)
    assert outcome(key_set, "old") == "key-set-bad-status"
    server.answer(build_set("old"))
    clock.advance(LIFETIME)
    assert outcome(key_set, "old") == "known"


def test_without_grace_a_set_serves_no_longer_than_its_server_says(
    server: JsonServer, clock: Clock
) -> None:
    """For a client that registers its keys here: no stale key proves it."""
    key_set = build_key_set(server, clock, stale_if_error_seconds=0, random=lambda: 1.0)
    key_set.load()
    server.answer({}, 503)

    clock.advance(LIFETIME - 1)
    assert outcome(key_set, "old") == "known"
    settle()
    clock.advance(1)
    assert outcome(key_set, "old") == "key-set-bad-status"


def test_tries_grow_rarer_while_the_server_is_down(
    server: JsonServer, clock: Clock
) -> None:
    """So that a server that comes back is not met by a crowd."""
    server.answer({}, 503)
    key_set = build_key_set(server, clock)
    begin, tried = clock.at, []
    for _ in range(1000):
        before = len(server.asked)
        assert outcome(key_set, "old") == "key-set-bad-status"
        if len(server.asked) > before:
            tried.append((clock.at - begin).total_seconds())
        clock.advance(1)

    assert tried == [0, 5, 15, 35, 75, 155, 315, 615, 915]


def test_chance_takes_up_to_half_off_a_pause(server: JsonServer, clock: Clock) -> None:
    """Processes that failed together do not come back together."""
    server.answer({}, 503)
    key_set = build_key_set(server, clock, random=lambda: 0.8)

    outcomes = []
    for seconds in (0, 2.9, 0.1):
        clock.advance(seconds)
        outcome(key_set, "old")
        outcomes.append(len(server.asked))

    assert outcomes == [1, 1, 2]


def test_an_answer_tells_when_to_come_again(server: JsonServer, clock: Clock) -> None:
    """Not before the next try, which Redox would find as unavailable."""
    server.answer({}, 503)
    key_set = build_key_set(server, clock)
    for _ in range(5):
        outcome(key_set, "old")
        clock.advance(300)
    with pytest.raises(AuthenticatorUnavailable) as caught:
        key_set.get("old")

    assert caught.value.retry_after_seconds == 160


def test_a_clock_that_is_set_back_stops_nothing(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """Neither does a set live longer by it, nor a pause."""
    key_set.load()
    clock.advance(-DAY)
    server.answer({}, 503)

    assert outcome(key_set, "old") == "known"
    settle()
    clock.advance(-DAY)
    server.answer(build_set("old", "new"))
    assert outcome(key_set, "new") == "known"
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("cache_control", "age", "seconds"),
    [
        ("", "", 300),
        ("no-store", "", 60),
        ("private, No-Cache", "", 60),
        ("no-cache, max-age=600", "", 60),
        ('no-cache="set-cookie", max-age=600', "", 600),
        ("no-cached", "", 300),
        ("max-age=600", "", 600),
        ("public, MAX-AGE=600, must-revalidate", "", 600),
        ('max-age="600"', "", 600),
        ("max-age=0", "", 60),
        ("max-age=999999999", "", 3600),
        ("s-maxage=600", "", 300),
        ("max-age=-1", "", 300),
        ("public,max-age=600", "", 600),
        ("x-max-age=600", "", 300),
        ("public,no-store", "", 60),
        ("no-store , max-age=600", "", 60),
        ("x-no-store", "", 300),
        ("max-age=" + "9" * 30, "", 3600),
        ("max-age=600", "9" * 30, 600),
        ("max-age=600", "100 s", 600),
        ("max-age=600", "5", 595),
        ("max-age=600", "100", 500),
        ("max-age=600", "9999", 60),
        ("max-age=600", "-100", 600),
        ("max-age=\u0666", "", 300),
    ],
)
def test_the_lifetime_is_what_the_server_says_within_bounds(
    cache_control: str, age: str, seconds: int
) -> None:
    """A minute at least, an hour at most, less what a cache on the way has used up."""
    headers = {"cache-control": cache_control, "age": age}

    assert read_lifetime(headers) == timedelta(seconds=seconds)


def test_the_lifetime_of_an_answer_decides_when_it_is_renewed(
    server: JsonServer, clock: Clock
) -> None:
    """And chance brings that forward by up to a tenth."""
    server.answer(build_set("old"), Cache_Control="max-age=1000")
    key_set = build_key_set(server, clock, random=lambda: 0.5)
    key_set.load()

    fetches = []
    for seconds in (949, 1):
        clock.advance(seconds)
        outcome(key_set, "old")
        settle()
        fetches.append(len(server.asked))

    assert fetches == [1, 2]


@pytest.mark.parametrize(("grace", "lifetime"), [(DAY, 60), (0, 10)])
def test_a_short_lifetime_is_taken_at_its_word_where_there_is_no_grace(
    server: JsonServer, clock: Clock, grace: int, lifetime: int
) -> None:
    """Elsewhere it would ask without need."""
    server.answer(build_set("old"), Cache_Control="max-age=10")
    key_set = build_key_set(server, clock, stale_if_error_seconds=grace)
    key_set.load()

    fetches = []
    for seconds in (lifetime - 1, 1):
        clock.advance(seconds)
        assert outcome(key_set, "old") == "known"
        settle()
        fetches.append(len(server.asked))

    assert fetches == [1, 2]


@given(
    lifetime=st.integers(60, 3600),
    grace=st.integers(0, DAY),
    chance=st.floats(0, 1),
)
def test_any_snapshot_is_renewed_before_it_is_overdue_before_it_is_unusable(
    lifetime: int, grace: int, chance: float
) -> None:
    """Whatever the settings, the moments follow each other."""
    begin = Clock().at
    snapshot = Snapshot.build(
        {},
        begin,
        timedelta(seconds=lifetime),
        stale_if_error=timedelta(seconds=grace),
        random=lambda: chance,
    )

    assert begin < snapshot.renewed_at <= snapshot.overdue_at <= snapshot.unusable_at
    assert snapshot.overdue_at <= begin + 2 * timedelta(seconds=lifetime)


def test_each_failure_is_one_log_record_without_the_address(
    server: JsonServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An address may hold a key of its own."""
    server.answer({"patient": "Kanarienvogel"}, 503)
    key_set = build_key_set(server, clock)
    with caplog.at_level(logging.INFO, logger="redox_wsgi"):
        for _ in range(5):
            outcome(key_set, "old")
        settle()

    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "A key set could not be fetched (key-set-bad-status), 1 times in a row; the "
        "next try is in 5 s."
    )


def test_a_fetch_that_succeeds_is_not_worth_a_warning(
    key_set: RemoteKeySet, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody would be called out of bed."""
    key_set.load()
    settle()

    assert caplog.records == []


def test_a_fault_brings_nothing_of_an_answer_along(
    server: JsonServer, clock: Clock
) -> None:
    """Whoever prints it finds a fixed word."""
    server.behaviour = build_answer(b"Kanarienvogel")
    with pytest.raises(AuthenticatorUnavailable) as caught:
        build_key_set(server, clock).get("old")

    assert list_chain(caught.value) == [caught.value]


def test_a_host_without_threads_to_spare_is_unavailable(
    clock: Clock, key_set: RemoteKeySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it recovers, since nothing is left as if it ran."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert outcome(key_set, "old") == "key-set-no-thread"
    clock.advance(5)
    assert outcome(key_set, "old") == "known"


def test_a_fetch_of_the_parent_is_not_waited_for_in_a_fork(
    server: JsonServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread does not exist there; the child fetches on its own."""
    key_set = build_key_set(server, clock)
    key_set.load()
    clock.advance(LIFETIME)
    server.hold(build_set("old"))
    assert outcome(key_set, "old") == "known"
    assert server.arrived.wait(20)
    server.answer(build_set("new"))

    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert (outcome(key_set, "new"), len(server.asked)) == ("known", 3)


def test_a_waiter_does_not_wait_longer_than_the_time_set(
    server: JsonServer, clock: Clock
) -> None:
    """Whatever the thread that fetches hangs in."""
    key_set = build_key_set(server, clock, timeout_seconds=0.05)
    key_set._renew = lambda *_: server.closing.wait(20)  # type: ignore[assignment,method-assign]

    assert outcome(key_set, "old") == "key-set-timed-out"


def test_nobody_is_refused_while_a_newer_set_may_have_the_key(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """It is on its way, for longer than a request may wait."""
    key_set.load()
    clock.advance(31)
    key_set._fetcher.timeout_seconds = 0.05
    key_set._renew = lambda *_: server.closing.wait(20)  # type: ignore[assignment,method-assign]

    assert outcome(key_set, "new") == "key-set-timed-out"
    assert outcome(key_set, "old") == "known"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://keys.example/"},
        {"rsa_algorithm": "HS256"},
        {"stale_if_error_seconds": -1},
        {"stale_if_error_seconds": float("inf")},
        {"timeout_seconds": 0},
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    """While building, so that the application does not start."""
    with pytest.raises(ConfigurationError):
        RemoteKeySet(**{"url": "https://keys.example/", **settings})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rsa_algorithm", "HS256"),
        ("stale_if_error_seconds", -1),
        ("timeout_seconds", 0),
        ("proxy", "proxy"),
        ("tls", "tls"),
        ("now", 0),
    ],
)
def test_a_wrong_setting_is_called_by_its_name(name: str, value: Any) -> None:
    """Of several numbers, nobody could guess which one it is."""
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        RemoteKeySet("https://keys.example/", **{name: value})


def test_what_an_rsa_key_without_an_algorithm_serves_can_be_chosen(
    server: JsonServer, clock: Clock
) -> None:
    """RS256 unless it is said."""
    keys = jose.build_key_set("RS256")
    for key in keys["keys"]:
        del key["alg"]
    server.answer(keys)

    assert build_key_set(server, clock).get("RS256").algorithm == "RS256"
    key_set = build_key_set(server, clock, rsa_algorithm="RS384")
    assert key_set.get("RS256").algorithm == "RS384"


def test_without_pyjwt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """While building: at the first request, each would be a 503."""
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[jwt\]"):
        RemoteKeySet("https://keys.example/")


def test_a_rotation_under_load_refuses_nothing_right_and_accepts_nothing_withdrawn(
    server: JsonServer, clock: Clock, key_set: RemoteKeySet
) -> None:
    """With the overlap that every rotation needs, no request sees that one happens."""
    # Which keys have to be known, and which must not: replaced as one.
    expected = [(frozenset({"old"}), frozenset[str]())]
    wrong: list[tuple[str, str]] = []
    judged: Counter[str] = Counter()
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            for name in ("old", "new", "newest"):
                known, withdrawn = before = expected[0]
                word = outcome(key_set, name)
                if expected[0] is not before or name not in known | withdrawn:
                    continue
                judged[name] += 1
                if word != ("known" if name in known else "unknown-key"):
                    wrong.append((name, word))

    key_set.load()
    threads = run_threads(6, ask)
    for names in (("old", "new"), ("new",), ("new", "newest"), ("newest",)):
        (known, withdrawn), published = expected[0], frozenset(names)
        # Its owner no longer signs with a key that is withdrawn from here on.
        expected[0] = (known & published, withdrawn)
        server.answer(build_set(*names))
        clock.advance(LIFETIME)
        while fetched_at(key_set) != clock.at:
            is_over.wait(0.001)
        expected[0] = (published, withdrawn | known - published)
        enough = judged.total() + 500
        while judged.total() < enough and not wrong:
            is_over.wait(0.001)
    is_over.set()
    for thread in threads:
        thread.join(20)

    assert wrong == []
    assert (len(server.asked), set(judged)) == (5, {"old", "new", "newest"})


@pytest.fixture(scope="module")
def any_bytes() -> Iterator[JsonServer]:
    """One server for all examples of a property."""
    with run_json_server() as running:
        yield running


@settings(max_examples=100, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ).map(lambda keys: {"keys": keys}),
        st.lists(
            st.fixed_dictionaries(
                {"kty": st.sampled_from(["RSA", "EC", "oct", "OKP"])},
                optional={
                    name: st.text() | st.integers() | st.sampled_from(["AQAB", "P-256"])
                    for name in ("crv", "x", "y", "n", "e", "alg", "kid")
                },
            )
        ).map(lambda keys: {"keys": keys}),
    )
)
def test_any_answer_is_a_set_or_a_fault(any_bytes: JsonServer, body: Any) -> None:
    """No other exception reaches a request, whatever the server sends."""
    if isinstance(body, bytes):
        any_bytes.behaviour = build_answer(body)
    else:
        any_bytes.answer(body)

    word = outcome(build_key_set(any_bytes, Clock()), "old")

    assert word in ("unknown-key", "key-set-malformed")


@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_the_address_in_a_token_is_never_asked(
    server: JsonServer, any_bytes: JsonServer, member: str
) -> None:
    """Only the address of the configuration is; the same token without it is right."""
    server.answer(jose.build_key_set("ES256"))
    asked = len(any_bytes.asked)
    bearer = JwtBearer(
        RemoteKeySet(server.url),
        issuer=jose.ISSUER,
        audience=jose.AUDIENCE,
        now=lambda: jose.NOW,
    )

    def ask(**more: str) -> str:
        token = jose.build_token(jose.build_header(**more))
        headers = {"authorization": f"Bearer {token}"}
        return bearer.authenticate(Request(build_environ(headers=headers))).subject

    assert ask() == "client-1"
    with pytest.raises(AuthenticationFailed):
        ask(**{member: any_bytes.url})
    assert (len(any_bytes.asked) - asked, len(server.asked)) == (0, 1)


@pytest.mark.parametrize("worker", ["gunicorn sync", "gunicorn gevent"])
def test_a_set_that_is_built_before_the_fork_works_in_every_worker(
    server: JsonServer, tmp_path: Path, worker: str
) -> None:
    """Under gunicorn --preload: the parent asks nothing, each child asks once."""
    before = len(server.asked)
    processes: Counter[tuple[str, str, str]] = Counter()
    with run_server(
        worker,
        "tests.support.preloaded_keys:application",
        tmp_path / "log",
        "--workers=4",
        "--preload",
        env={"KEYS_URL": server.url},
    ) as port:
        assert len(server.asked) == before
        for _ in range(400):
            for name in ("old", "unknown"):
                reply = exchange(port, build_raw_request("GET", f"/{name}", [], b""))
                assert reply is not None
                word, process, master = reply.body.decode().split()
                assert word == {"old": "ES256", "unknown": "unknown-key"}[name]
                processes[process, master, word] += 1
            if len({process for process, _, _ in processes}) == 4:
                break
    workers = {process for process, _, _ in processes}

    assert all(process != master for process, master, _ in processes)
    assert len(server.asked) - before == len(workers)
