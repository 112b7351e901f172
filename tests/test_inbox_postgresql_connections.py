"""How connections to PostgreSQL are lent, lost, pooled and inherited."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from redox_wsgi import InboxUnavailable, LostLease
from redox_wsgi.inbox.entry import Receipt
from redox_wsgi.inbox.postgresql import PostgresqlStore
from redox_wsgi.inbox.postgresql import store as store_module
from redox_wsgi.inbox.postgresql.connections import Connections, Session
from tests.support.arrivals import build_arrival
from tests.support.pgbouncer import run_pgbouncer
from tests.support.postgresql import wait_for_a_lock

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[1]
HOUR = 3600.0

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent, psycopg
from redox_wsgi.inbox.postgresql import PostgresqlStore
from tests.support.arrivals import build_arrival
from tests.support.postgresql import wait_for_a_lock

url = sys.argv[1]
store = PostgresqlStore(url)
store.put(build_arrival(1))
with psycopg.connect(url) as other:
    other.execute("UPDATE redox_lane SET has_work = true")
    putting = gevent.spawn(store.put, build_arrival(2))
    wait_for_a_lock(url)
    other.commit()
print(putting.get().name)
store.close()
"""


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


def terminate_others(url: str, *, that_wait: bool = False) -> Any:
    """End the store's sessions at the server; return how many there were."""
    asked = (
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'redox_wsgi'"
    )
    if that_wait:
        asked += " AND wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(asked.encode()).fetchall()[0][0]


def count_sessions(url: str) -> Any:
    asked = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'redox_wsgi'"
    )
    with psycopg.connect(url) as connection:
        return connection.execute(asked).fetchall()[0][0]


class TestLost:
    def test_session_that_ended_between_two_calls_is_replaced(
        self, store, postgresql_url
    ):
        """The server was restarted at night; nobody need notice in the morning."""
        store.put(build_arrival(1))
        store.stats()
        assert terminate_others(postgresql_url) == 1

        assert store.stats().waiting == 1
        assert terminate_others(postgresql_url) == 1
        assert store.put(build_arrival(2)) is Receipt.STORED

    def test_put_whose_session_ends_meanwhile_is_repeated_once(
        self, store, other, postgresql_url
    ):
        """If the first was committed after all, the second is only counted."""
        store.put(build_arrival(1))
        other.execute("UPDATE redox_lane SET has_work = true")
        with ThreadPoolExecutor(1) as threads:
            put = threads.submit(store.put, build_arrival(2))
            wait_for_a_lock(postgresql_url)
            terminate_others(postgresql_url, that_wait=True)
            wait_for_a_lock(postgresql_url)
            other.commit()

            assert put.result() is Receipt.STORED

    def test_put_whose_sessions_end_twice_is_given_up(
        self, store, other, postgresql_url
    ):
        """Redox has the transmission, and the time to send it again."""
        store.put(build_arrival(1))
        other.execute("UPDATE redox_lane SET has_work = true")
        with ThreadPoolExecutor(1) as threads:
            put = threads.submit(store.put, build_arrival(2))
            for _ in range(2):
                wait_for_a_lock(postgresql_url)
                terminate_others(postgresql_url, that_wait=True)

            with pytest.raises(InboxUnavailable) as caught:
                put.result()

        assert caught.value.code == "connection-lost"

    def test_claim_whose_session_ends_meanwhile_is_not_repeated(
        self, store, other, postgresql_url, monkeypatch
    ):
        """It may have been committed, and a second one would take another lane."""
        monkeypatch.setattr(store_module, "_BE_PATIENT", "SET LOCAL lock_timeout = 0")
        store.put(build_arrival(1))
        other.execute("UPDATE redox_lane SET has_work = true")
        with ThreadPoolExecutor(1) as threads:
            claim = threads.submit(store.claim, "token", HOUR)
            wait_for_a_lock(postgresql_url)
            terminate_others(postgresql_url, that_wait=True)

            with pytest.raises(InboxUnavailable) as caught:
                claim.result()

        assert caught.value.code == "connection-lost"

    def test_statement_that_lasts_too_long_is_given_up(self, postgresql_url, other):
        """Redox waits for an answer, and gets its 503 in time."""
        store = PostgresqlStore(postgresql_url, timeout_seconds=0.2)
        store.put(build_arrival(1))
        other.execute("UPDATE redox_lane SET has_work = true")

        with pytest.raises(InboxUnavailable) as caught:
            store.put(build_arrival(2))

        other.rollback()
        assert caught.value.code == "sqlstate-57014"
        assert store.put(build_arrival(2)) is Receipt.STORED
        store.close()


class TestLending:
    @pytest.fixture
    def connections(self, postgresql_url: str) -> Iterator[Connections]:
        """Two connections at most, and little patience."""
        connections = Connections(
            postgresql_url,
            max_connections=2,
            timeout_seconds=0.2,
            prepare=lambda session: None,
        )
        yield connections
        connections.close()

    def test_connection_is_lent_again(self, connections, postgresql_url):
        """To open one costs more than a put."""
        for _ in range(3):
            with connections.borrow() as session:
                session.execute("SELECT 1", {})

        assert count_sessions(postgresql_url) == 1

    def test_connection_that_fails_at_its_first_statement_is_closed(
        self, connections, monkeypatch
    ):
        """As where the server ends at that moment; the collector may come late."""
        opened = []

        def fail(connection: Any, *_: Any, **__: Any) -> None:
            opened.append(connection)
            raise psycopg.OperationalError

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", fail)
            with pytest.raises(InboxUnavailable) as caught, connections.borrow():
                pass

        assert caught.value.code == "cannot-connect"
        assert [connection.closed for connection in opened] == [True]

    def test_exhausted_connections_are_unavailable(self, connections):
        """A server of many threads must not open a connection for each."""
        with (
            connections.borrow() as first,
            connections.borrow() as second,
            pytest.raises(InboxUnavailable) as caught,
            connections.borrow(),
        ):
            pass

        assert first is not second
        assert caught.value.code == "no-free-connection"
        with connections.borrow() as again:
            assert again is first or again is second

    def test_failed_block_is_rolled_back(self, connections):
        """The next caller finds nothing of it."""

        def fail() -> None:
            with connections.transaction() as connection:
                connection.execute("CREATE TABLE half_done ()")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        with connections.borrow() as session:
            found = session.fetch_row("SELECT to_regclass('half_done')", {})
        assert found == (None,)

    def test_connection_lost_within_a_failed_block_hides_no_error(self, connections):
        """What went wrong first says more."""

        def fail() -> None:
            with connections.transaction() as connection:
                connection.close()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

    def test_connection_that_is_not_idle_is_not_lent_again(
        self, connections, postgresql_url
    ):
        """A greenlet that was killed may leave a statement half done."""
        with connections.borrow() as session:
            session.execute("BEGIN", {})

        assert session.connection.closed

    @pytest.mark.parametrize("is_lost", [False, True])
    def test_idle_connection_that_another_thread_takes_is_not_missed(
        self, connections, is_lost
    ):
        """Between a look and a grasp it may go; that was answered with 500."""

        class Contended(deque[Session]):
            """One whose last member is gone when it is to be taken."""

            def __len__(self) -> int:
                return 1

        connections._find_pool().idle = Contended()
        with connections.borrow() as session:
            session.execute("SELECT 1", {})
            if is_lost:
                session.connection.pgconn.finish()

        assert session.connection.closed is is_lost

    def test_one_lost_connection_takes_its_idle_neighbours_along(self, connections):
        """What ended the one ended them all, and a repeat shall find a new one."""
        with connections.borrow() as first, connections.borrow() as second:
            pass
        with connections.borrow() as lost:
            lost.connection.pgconn.finish()

        assert lost in (first, second)
        assert first.connection.closed
        assert second.connection.closed

    def test_lent_connection_is_closed_when_it_comes_back(self, connections):
        """Who closes the store waits for nobody."""
        with connections.borrow() as session:
            connections.close()
            assert not session.connection.closed

        assert session.connection.closed

    def test_server_that_is_away_is_unavailable(self):
        """Redox sees 503 until it is back."""
        store = PostgresqlStore("postgresql://nobody@/nowhere?host=/nonexistent")

        with pytest.raises(InboxUnavailable) as caught:
            store.put(build_arrival())

        assert caught.value.code == "cannot-connect"


class TestFork:
    def test_child_opens_its_own_and_leaves_its_parents_alone(
        self, store, postgresql_url
    ):
        """To close an inherited connection would end the parent's session."""
        store.put(build_arrival(1))
        ours = get_session_id(store)
        with warnings.catch_warnings():
            # Only of threads, and none of them holds a lock of ours.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:  # pragma: no cover - the child is not measured
            try:
                receipt = store.put(build_arrival(2))
                is_own = get_session_id(store) != ours
                os._exit(0 if is_own and receipt is Receipt.STORED else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(child, 0)

        assert status == 0
        with store._connections.borrow() as session:
            assert session.is_silent
        assert store.put(build_arrival(2)) is Receipt.REPEATED
        assert count_sessions(postgresql_url) == 1


def get_session_id(store: PostgresqlStore) -> int:
    with store._connections.borrow() as session:
        return session.connection.info.backend_pid


class TestPooler:
    @pytest.fixture(
        params=["", "ignore_startup_parameters = options"],
        ids=["settings are refused", "settings are ignored"],
    )
    def pooled_url(
        self, request: pytest.FixtureRequest, postgresql_url: str
    ) -> Iterator[str]:
        """A way through pgbouncer in transaction mode, to an empty database."""
        with run_pgbouncer(postgresql_url, request.param) as url:
            yield url

    def test_entry_goes_its_whole_way_through_pgbouncer(self, pooled_url):
        """No setting, prepared statement or lock outlives a transaction."""
        store = PostgresqlStore(pooled_url)
        with ThreadPoolExecutor(4) as threads:
            # More than psycopg waits for before it prepares a statement.
            puts = threads.map(store.put, map(build_arrival, range(40)))
            assert set(puts) == {Receipt.STORED}
        for number in range(10):
            claim = store.claim(f"token {number}", HOUR)
            assert claim is not None
            store.renew(claim, HOUR)
            assert store.read_body(claim.entry_id)
            store.complete(claim)
            with pytest.raises(LostLease):
                store.complete(claim)

        stats = store.stats()
        findings = {name: found for name, found, _ in store.diagnose()}
        store.close()

        assert (stats.done, stats.waiting) == (10, 30)
        assert findings["pooler"] == "in between"

    def test_nothing_is_left_in_the_sessions_of_others(self, pooled_url):
        """The next transaction of the same session may be another application's."""
        store = PostgresqlStore(pooled_url)
        store.put(build_arrival())
        assert store.claim("token", HOUR) is not None
        store.close()

        with psycopg.connect(pooled_url, prepare_threshold=None) as connection:
            left = connection.execute(
                "SELECT current_setting('synchronous_commit'), "
                "current_setting('statement_timeout'), "
                "(SELECT count(*) FROM pg_prepared_statements)"
            ).fetchone()
        assert left == ("on", "0", 0)

    def test_statement_that_lasts_too_long_is_given_up(self, pooled_url, other):
        """The limit goes with each transaction."""
        store = PostgresqlStore(pooled_url, timeout_seconds=0.2)
        store.put(build_arrival(1))
        other.execute("UPDATE redox_lane SET has_work = true")

        with pytest.raises(InboxUnavailable) as caught:
            store.put(build_arrival(2))

        other.rollback()
        store.close()
        assert caught.value.code == "sqlstate-57014"

    def test_sessions_that_end_behind_pgbouncer_are_replaced(
        self, pooled_url, postgresql_url
    ):
        """The pooler keeps our connection, and fails what runs on its own."""
        store = PostgresqlStore(pooled_url)
        store.put(build_arrival(1))
        terminate_others(postgresql_url)

        assert store.put(build_arrival(2)) is Receipt.STORED
        store.close()

    def test_worker_looks_by_itself_where_notifications_cannot_pass(self, pooled_url):
        """The doctor says so; nothing is lost by it."""
        store = PostgresqlStore(pooled_url, notify=True)
        store.put(build_arrival(1))
        store.wait(0)

        advice = {name: advice for name, _, advice in store.diagnose()}
        store.close()

        assert advice["pooler"] is not None


class TestWaiting:
    @pytest.fixture
    def waker(self, postgresql_url: str) -> Iterator[PostgresqlStore]:
        """A store whose puts wake its workers."""
        store = PostgresqlStore(postgresql_url, notify=True)
        # What is put from now on is heard.
        store.wait(0)
        yield store
        store.close()

    def test_put_ends_the_waiting(self, waker):
        """The test ends only if it does: an hour is longer than anyone waits."""
        waker.put(build_arrival())

        waker.wait(HOUR)

        assert waker.claim("token", HOUR) is not None

    def test_one_thread_listens_and_the_others_look(self, waker):
        """Each of them returns; which one hears of a put first does not matter."""
        listener = waker._listener
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(waker.wait, HOUR)
            while not listener._lock.locked():
                threading.Event().wait(0.001)
            waker.wait(0)
            waker.put(build_arrival())

            assert waiting.result() is None

    def test_lost_listener_is_unavailable_once(self, waker, postgresql_url):
        """The worker counts it as an outage, and listens again."""
        terminate_others(postgresql_url)

        with pytest.raises(InboxUnavailable) as caught:
            waker.wait(HOUR)

        assert caught.value.code == "connection-lost"
        waker.wait(0)

    def test_listener_that_cannot_connect_is_unavailable(self):
        """There is nothing to wait for."""
        url = "postgresql://nobody@/nowhere?host=/nonexistent"
        store = PostgresqlStore(url, notify=True)

        with pytest.raises(InboxUnavailable) as caught:
            store.wait(HOUR)

        assert caught.value.code == "cannot-connect"
        store.close()

    def test_without_notifications_the_time_goes_by(self, store):
        """The poll is the truth."""
        assert store.wait(0) is None


def test_connection_that_carried_a_large_body_is_not_kept(store):
    """Ten bodies of 40 MB would stay in every process, and their buffers too."""
    pool, sizes, idle = store._connections._find_pool(), [1000, 2 * 1024 * 1024], []
    for number, size in enumerate(sizes, 1):
        store.put(build_arrival(number, body=bytes(size)))
        idle.append(len(pool.idle))
    for number, size in enumerate(sizes, 1):
        assert store.read_body(number) == bytes(size)
        idle.append(len(pool.idle))

    assert idle == [1, 0, 1, 0]


def test_greenlet_that_waits_for_the_server_lets_others_run(postgresql_url):
    """Under gevent, all that a process does would stop for a put otherwise."""
    script = [sys.executable, "-c", GREENLETS, postgresql_url]

    done = subprocess.run(script, capture_output=True, text=True, cwd=ROOT, check=False)

    assert (done.stdout, done.returncode) == ("STORED\n", 0), done.stderr
