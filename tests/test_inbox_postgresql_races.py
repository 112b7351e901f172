"""Who wins in PostgreSQL when two do something at the same moment."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import pytest

from redox_wsgi import LostLease
from redox_wsgi.inbox.entry import Receipt, Selection, State
from redox_wsgi.inbox.postgresql import PostgresqlStore
from redox_wsgi.inbox.postgresql import store as store_module
from redox_wsgi.inbox.postgresql.rows import write_arrival
from redox_wsgi.inbox.statements import load_statements
from tests.support.arrivals import build_arrival
from tests.support.postgresql import wait_for_a_lock

pytestmark = pytest.mark.postgres

HOUR = 3600.0
SQL = load_statements("redox_wsgi.inbox.postgresql")

# What the store does not do: lane and head in one statement, so with one snapshot.
ONE_STATEMENT = """
WITH lane AS (%s)
SELECT entry.id FROM lane JOIN redox_entry AS entry ON entry.lane_id = lane.id
WHERE entry.state = 0 ORDER BY entry.id LIMIT 1
""".replace("%s", SQL["claim_busy_lane"])


@pytest.fixture
def store(postgresql_url: str) -> Iterator[PostgresqlStore]:
    """A store in an empty database."""
    store = PostgresqlStore(postgresql_url)
    yield store
    store.close()


@pytest.fixture
def other(postgresql_url: str, store: PostgresqlStore) -> Iterator[psycopg.Connection]:
    """A connection in a transaction that the test ends when it likes."""
    store.stats()
    with psycopg.connect(postgresql_url) as connection:
        yield connection


class TestSnapshot:
    """A claim waits for the lane while another one claims and completes its head."""

    @pytest.fixture
    def claimed_meanwhile(self, postgresql_url, store, other):
        """Run a claim whose snapshot is older than the completion of the head."""
        store.put(build_arrival(1))
        store.put(build_arrival(2))

        def run(claim: Callable[[], Any]) -> Any:
            first = store.claim("first", 0)
            assert first is not None
            store.complete(first, connection=other)
            # So that the lane is due all the same, as if a clock had been set back.
            other.execute("UPDATE redox_lane SET due_at = '-infinity'")
            with ThreadPoolExecutor(1) as threads:
                second = threads.submit(claim)
                wait_for_a_lock(postgresql_url)
                other.commit()
                return second.result()

        return run

    def test_claim_in_two_statements_gets_the_next_entry(
        self, store, claimed_meanwhile, monkeypatch
    ):
        """The snapshot of the second is younger than the lock."""
        monkeypatch.setattr(store_module, "_BE_PATIENT", "SET LOCAL lock_timeout = 0")

        def claim() -> Any:
            claim = store.claim("second", HOUR)
            assert claim is not None
            return claim.entry_id

        assert claimed_meanwhile(claim) == 2

    def test_claim_in_one_statement_would_get_the_completed_entry(
        self, postgresql_url, claimed_meanwhile
    ):
        """So the window is hit, and the two statements are no ornament."""

        def claim() -> Any:
            named = {"token": "second", "lease_seconds": HOUR}
            with psycopg.connect(postgresql_url) as connection:
                return connection.execute(ONE_STATEMENT, named).fetchall()[0][0]

        assert claimed_meanwhile(claim) == 1


def test_lane_that_is_locked_by_puts_is_claimed_in_its_turn(
    store, other, postgresql_url, monkeypatch
):
    """Who only skips what is locked never gets a lane under a storm of puts."""
    monkeypatch.setattr(store_module, "_BE_PATIENT", "SET LOCAL lock_timeout = 0")
    store.put(build_arrival())
    other.execute("UPDATE redox_lane SET has_work = true")
    with ThreadPoolExecutor(1) as threads:
        claim = threads.submit(store.claim, "token", HOUR)
        wait_for_a_lock(postgresql_url)
        other.commit()

        assert claim.result() is not None


def test_lane_that_stays_locked_is_left_to_a_later_claim(store, other):
    """A caller's long transaction must not hold up every worker."""
    store.put(build_arrival())
    other.execute("UPDATE redox_lane SET has_work = true")

    assert store.claim("token", HOUR) is None
    other.rollback()
    assert store.claim("token", HOUR) is not None


def test_locked_lane_does_not_hide_another_one(store, other):
    """Lanes are independent."""
    store.put(build_arrival(lane="locked"))
    store.put(build_arrival(lane="free"))
    other.execute("UPDATE redox_lane SET has_work = true WHERE key = 'locked'")

    claim = store.claim("token", HOUR)

    assert claim is not None
    assert claim.lane == "free"


def test_entry_put_while_its_lane_is_finished_is_not_forgotten(
    store, other, postgresql_url
):
    """The put waits for the lane: "there is work" is said after "there is none"."""
    store.put(build_arrival(1))
    claim = store.claim("token", HOUR)
    assert claim is not None
    store.complete(claim, connection=other)
    with ThreadPoolExecutor(1) as threads:
        put = threads.submit(store.put, build_arrival(2))
        wait_for_a_lock(postgresql_url)
        other.commit()
        put.result()

    assert store.claim("next", HOUR) is not None


@pytest.mark.parametrize("is_skipped", [False, True])
def test_entry_put_before_its_lane_is_finished_is_not_forgotten(
    store, other, postgresql_url, is_skipped
):
    """The end of a claim waits for the put, though nothing is left of its own entry."""
    store.put(build_arrival(1))
    claim = store.claim("token", HOUR)
    assert claim is not None
    if is_skipped:
        store.halt_lane(claim.lane)
        store.skip_head(claim.lane)
    other.execute(SQL["put"], write_arrival(build_arrival(2)))
    with ThreadPoolExecutor(1) as threads:
        end = threads.submit(store.complete, claim)
        wait_for_a_lock(postgresql_url)
        other.commit()
        end.result()

    following = store.claim("next", HOUR)
    assert following is not None
    assert following.identity == build_arrival(2).identity


@pytest.mark.parametrize("end", ["retry", "halt"])
def test_skip_while_its_claim_ends_is_seen(store, other, postgresql_url, end):
    """A failure of the skipped entry neither delays nor halts the next one."""
    for number in (1, 2):
        store.put(build_arrival(number))
    claim = store.claim("token", HOUR)
    assert claim is not None
    ends: dict[str, Callable[[], None]] = {
        "retry": partial(store.retry, claim, "x", HOUR),
        "halt": partial(store.halt, claim, "x"),
    }
    other.execute(SQL["halt_lane"], {"lane": claim.lane})
    other.execute(SQL["skip_head"], {"lane_id": claim.lane_id})
    other.execute(SQL["resume_lane"], {"lane": claim.lane})
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(ends[end])
        wait_for_a_lock(postgresql_url)
        other.commit()
        ended.result()

    following = store.claim("next", HOUR)
    assert following is not None
    assert following.identity == build_arrival(2).identity


def test_number_is_drawn_when_the_lane_is_locked(store, other, postgresql_url):
    """So an entry that is committed later has a higher number, and is handled later."""
    store.put(build_arrival(1))
    drawn = "SELECT last_value FROM pg_sequences WHERE sequencename LIKE 'redox_entry%'"
    other.execute("UPDATE redox_lane SET has_work = true")
    with ThreadPoolExecutor(1) as threads:
        put = threads.submit(store.put, build_arrival(2))
        wait_for_a_lock(postgresql_url)
        before = other.execute(drawn).fetchone()
        other.commit()
        put.result()

    assert before == (1,)
    assert other.execute(drawn).fetchone() == (2,)


def test_put_into_a_lane_made_in_this_instant_is_kept(store, other, postgresql_url):
    """Its statement began before that lane was there to be seen."""
    first = build_arrival()
    other.execute(
        "INSERT INTO redox_lane (key, has_work) VALUES (%s, true)", [first.lane]
    )
    with ThreadPoolExecutor(1) as threads:
        put = threads.submit(store.put, first)
        wait_for_a_lock(postgresql_url)
        other.commit()

        assert put.result() is Receipt.STORED

    assert [entry.repeats for entry in store.find_entries(Selection())] == [0]


def test_put_does_not_write_the_row_of_a_lane_that_is_awake(store, other):
    """Each put would leave a dead row behind, for a vacuum to take away."""
    store.put(build_arrival(1))
    where = "SELECT ctid FROM redox_lane"
    before = other.execute(where).fetchall()
    other.commit()
    store.put(build_arrival(2))
    store.put(build_arrival(3))

    assert other.execute(where).fetchall() == before


def test_same_transmission_from_two_at_once_is_kept_once(store, other, postgresql_url):
    """The second waits for the first, and finds what it put."""
    same = build_arrival()
    other.execute(
        "INSERT INTO redox_lane (key, has_work) VALUES (%s, true)", [same.lane]
    )
    other.execute(
        "INSERT INTO redox_entry (lane_id, identity, received_at, head, body_bytes) "
        "SELECT id, %s, now(), '', 0 FROM redox_lane",
        [same.identity],
    )
    with ThreadPoolExecutor(1) as threads:
        put = threads.submit(store.put, same)
        wait_for_a_lock(postgresql_url)
        other.commit()

        assert put.result() is Receipt.REPEATED

    assert [entry.repeats for entry in store.find_entries(Selection())] == [1]


@pytest.mark.parametrize("deed", ["put", "complete", "skip", "replay"])
def test_lane_is_locked_before_its_entry(store, other, postgresql_url, deed):
    """The one who holds the lane may touch its entries: no circle, no deadlock."""
    store.put(build_arrival())
    claim = store.claim("token", HOUR)
    assert claim is not None
    if deed == "replay":
        store.complete(claim)
    store.halt_lane(claim.lane)
    deeds: dict[str, Callable[[], Any]] = {
        "put": partial(store.put, build_arrival()),
        "complete": partial(store.complete, claim),
        "skip": partial(store.skip_head, claim.lane),
        "replay": partial(store.replay, claim.entry_id),
    }
    other.execute("UPDATE redox_lane SET halted = true")
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(deeds[deed])
        wait_for_a_lock(postgresql_url)
        other.execute("UPDATE redox_entry SET data_model = 'Other'")
        other.commit()
        done.result()

    found = store.find_entry(claim.entry_id)
    assert found is not None
    assert found.data_model == "Other"


def test_nothing_deadlocks_with_everything_at_once(postgresql_url):
    """Each transaction locks its lane before any entry, so none waits in a circle."""
    store = PostgresqlStore(postgresql_url, max_connections=16)
    lanes = ["one", "two"]
    numbers = itertools.count()
    is_over = threading.Event()
    future = build_arrival().received_at.replace(2999)

    def put() -> None:
        store.put(build_arrival(next(numbers) % 50, lanes[next(numbers) % 2]))

    def finish() -> None:
        claim = store.claim(secrets.token_hex(8), 0.01)
        if claim is not None:
            ends = [
                partial(store.complete, claim),
                partial(store.release, claim),
                partial(store.bury, claim, "x"),
                partial(store.retry, claim, "x", 0),
                partial(store.halt, claim, "x"),
            ]
            with suppress(LostLease):
                ends[next(numbers) % len(ends)]()

    def skip() -> None:
        lane = lanes[next(numbers) % 2]
        store.halt_lane(lane)
        store.skip_head(lane)
        store.resume_lane(lane)

    def replay() -> None:
        states = frozenset({State.DONE, State.DEAD})
        for entry in store.find_entries(Selection(states=states), limit=5):
            store.replay(entry.id)

    def prune() -> None:
        for state in (State.DONE, State.EMPTIED, State.DEAD):
            store.prune(state, future, limit=3)

    def repeat(deed: Callable[[], None]) -> int:
        count = 0
        while not is_over.is_set():
            deed()
            count += 1
        return count

    deeds = [put, put, put, finish, finish, finish, skip, replay, prune]
    with ThreadPoolExecutor(len(deeds)) as threads:
        running = [threads.submit(repeat, deed) for deed in deeds]
        # Or until one of them raises.
        is_over.wait(3)
        is_over.set()
        counts = [deed.result() for deed in running]
    store.close()

    assert min(counts) > 0
    with psycopg.connect(postgresql_url) as connection:
        asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = %s"
        name = connection.info.dbname
        assert connection.execute(asked, [name]).fetchall() == [(0,)]
