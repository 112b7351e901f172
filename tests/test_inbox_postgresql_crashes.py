"""What is left when a process or the server dies at any moment."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from redox_wsgi import InboxUnavailable, LostLease
from redox_wsgi.inbox.entry import Selection, State
from redox_wsgi.inbox.postgresql import PostgresqlStore
from redox_wsgi.inbox.statements import load_statements
from tests.support.arrivals import build_arrival
from tests.support.postgresql import PostgresqlServer, open_database, run_postgresql

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[1]
HOUR = 3600.0
SQL = load_statements("redox_wsgi.inbox.postgresql")
LANES = ("one", "two", "three")


class Writer:
    """A process that puts one entry after the other into a lane."""

    def __init__(self, url: str, lane: str) -> None:
        self._command = [sys.executable, "-m", "tests.support.postgresql_writer"]
        self._command += [url, lane]
        self.acknowledged: list[int] = []
        self.start()

    def start(self) -> None:
        """Start it, with the number after the last that was acknowledged."""
        first = len(self.acknowledged)
        self._process = subprocess.Popen(
            [*self._command, str(first)], stdout=subprocess.PIPE, cwd=ROOT
        )

    def kill(self) -> None:
        """Kill it in whatever it does, and read what it had acknowledged."""
        self._process.kill()
        output, _ = self._process.communicate()
        self.acknowledged += map(int, output.splitlines())


@contextmanager
def run_writers(url: str) -> Iterator[dict[str, Writer]]:
    writers = {lane: Writer(url, lane) for lane in LANES}
    try:
        yield writers
    finally:
        for writer in writers.values():
            writer.kill()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def check_writers(store: PostgresqlStore, writers: dict[str, Writer]) -> None:
    """Each acknowledged entry is there once, in the order of the puts."""
    for lane, writer in writers.items():
        found = store.find_entries(Selection(lane=lane), limit=1_000_000)
        numbers = [int(entry.identity, 16) for entry in found]
        assert numbers == sorted(set(numbers))
        assert set(writer.acknowledged) <= set(numbers)
        assert writer.acknowledged == list(range(len(writer.acknowledged)))
        assert len(writer.acknowledged) > 10


def test_what_killed_writers_acknowledged_is_kept_once_and_in_order(postgresql_url):
    """They die between the commit and the answer, too."""
    store = PostgresqlStore(postgresql_url)
    with run_writers(postgresql_url) as writers:
        for reach in (30, 90, 150, 210, 270):
            for lane, writer in writers.items():
                wait_until(partial(has_reached, store, lane, reach))
                writer.kill()
                writer.start()

    check_writers(store, writers)
    store.close()


def has_reached(store: PostgresqlStore, lane: str, count: int) -> bool:
    waiting = {lane.key: lane.waiting for lane in store.stats().lanes}
    return waiting.get(lane, 0) > count


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """A server that the tests may crash."""
    with run_postgresql() as server:
        yield server


@pytest.fixture
def own_url(server: PostgresqlServer) -> Iterator[str]:
    """An empty database of that server."""
    with open_database(server.url) as url:
        yield url


def test_what_was_acknowledged_outlives_crashes_of_the_server(server, own_url):
    """While three put and one claims and completes, it crashes three times."""
    store = PostgresqlStore(own_url)
    is_over = threading.Event()
    handled: list[int] = []

    def work() -> None:
        while not is_over.is_set():
            try:
                claim = store.claim(f"token {time.monotonic_ns()}", 0.5)
                if claim is not None:
                    handled.append(claim.entry_id)
                    store.complete(claim)
            except (InboxUnavailable, LostLease):
                continue

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with run_writers(own_url) as writers:
            for reach in (40, 120, 200):
                while len(handled) <= reach:
                    is_over.wait(0.005)
                server.crash()
        wait_until(lambda: is_all_done(store))
    finally:
        is_over.set()
        worker.join()

    check_writers(store, writers)
    entries = store.find_entries(Selection(), limit=1_000_000)
    assert {entry.state for entry in entries} == {State.DONE}
    assert {entry.id for entry in entries} == set(handled)
    store.close()


def is_all_done(store: PostgresqlStore) -> bool:
    try:
        stats = store.stats()
    except InboxUnavailable:
        return False
    return stats.waiting == 0 and stats.done > 0


def test_crash_within_a_claim_leaves_the_lane_as_it_was(server, own_url):
    """Nobody has it, so the next one gets it at once, for the first time."""
    store = PostgresqlStore(own_url)
    store.put(build_arrival())
    named = {"token": "lost", "lease_seconds": HOUR}
    other = psycopg.connect(own_url)
    assert other.execute(SQL["claim_lane"], named).fetchone() is not None
    server.crash()
    other.close()

    claim = store.claim("next", HOUR)

    assert claim is not None
    assert (claim.attempt, claim.fence) == (1, 1)
    store.close()


def test_crash_within_a_completion_leaves_the_entry_to_be_handled_again(
    server, own_url
):
    """At least once: the handler is to be idempotent."""
    store = PostgresqlStore(own_url)
    store.put(build_arrival())
    claim = store.claim("first", HOUR)
    assert claim is not None
    # So that the claim itself, which may be lost in a crash, lasts.
    store.renew(claim, 0)
    other = psycopg.connect(own_url)
    store.complete(claim, connection=other)
    server.crash()
    other.close()

    again = store.claim("second", HOUR)

    assert again is not None
    assert (again.entry_id, again.attempt) == (claim.entry_id, 2)
    with pytest.raises(LostLease):
        store.complete(claim)
    store.close()


def test_server_that_was_restarted_is_found_again(server, own_url):
    """Redox gets 503 meanwhile, and nobody has to do anything."""
    store = PostgresqlStore(own_url)
    store.put(build_arrival(1))
    server.stop()

    with pytest.raises(InboxUnavailable) as caught:
        store.put(build_arrival(2))

    server.start()
    store.put(build_arrival(2))
    assert caught.value.code == "cannot-connect"
    assert store.stats().waiting == 2
    store.close()
