"""An inbox in SQLite across forks and under gevent."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from redox_wsgi.inbox.sqlite import SqliteStore, database
from redox_wsgi.inbox.sqlite.pool import Pool
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the database is."""
    return str(tmp_path / "inbox.db")


def check(path: str, count: int) -> None:
    """Assert that so many entries are there, in a sound file."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert other.execute("SELECT count(*) FROM entry").fetchall() == [(count,)]


def fork(action: Callable[[], None]) -> int:
    """Run an action in a child, and return the child's number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        action()
        status = 0
    finally:
        os._exit(status)


# The tests themselves have no other thread.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_children_put_after_a_fork(path: str) -> None:
    """As gunicorn with --preload does when the application was used before."""
    store = SqliteStore(path, utc_now)
    store.put(arrival(0))
    store.stats()

    def put(first: int) -> None:
        for number in range(first, first + 100):
            store.put(arrival(number))

    children = [fork(partial(put, first)) for first in (1000, 2000)]
    put(3000)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    store.put(arrival(1))
    store.close()

    check(path, 302)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_does_not_keep_the_parents_gate(path: str) -> None:
    """Were the parent killed while it holds the gate, nobody could ever write again."""
    store = SqliteStore(path, utc_now)
    store.put(arrival(0))
    reader, writer = os.pipe()

    def wait() -> None:
        os.close(writer)
        names = []
        for number in os.listdir("/proc/self/fd"):
            try:
                names.append(os.readlink(f"/proc/self/fd/{number}"))
            except FileNotFoundError:
                continue
        assert f"{path}.gate" not in names
        # The connection is still there: closing it is what must not be.
        assert path in names
        # Beside it, the WAL was open for being forced.
        assert names.count(f"{path}-wal") == 1

    child = fork(wait)
    os.close(reader)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0
    store.close()


ENDED = """
import os, sys
from redox_wsgi.inbox.sqlite import SqliteStore
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival

store = SqliteStore(sys.argv[1], utc_now)
for number in range(50):
    store.put(arrival(number))
child = os.fork()
if child == 0:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for number in range(50, 100):
    store.put(arrival(number))
"""


def test_the_end_of_a_child_closes_nothing_of_its_parent(path: str) -> None:
    """Its interpreter ends in order and takes everything apart."""
    subprocess.run([sys.executable, "-c", ENDED, path], check=True)

    check(path, 100)
    # The parent ended in order too, and closed its own: the last one checkpoints.
    assert sys.version_info >= (3, 12) or not os.path.exists(f"{path}-wal")


def test_what_was_inherited_is_given_up_and_kept(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite forbids a child even to close it."""
    store = SqliteStore(path, utc_now)
    store.put(arrival(0))
    pool = store._database._pool
    held = sys.getrefcount(pool)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pool.pid + 1)
        database._leave_parents()
        store.put(arrival(1))
        assert store._database._pool is not pool
        store.close()
    connections = [access._connection for access in pool._accesses]

    assert isinstance(pool, Pool)
    assert all(connection is not None for connection in connections)
    assert sys.getrefcount(pool) > held - 3
    for connection in filter(None, connections):
        connection.close()


def test_a_store_that_is_dropped_closes_its_connections_in_order(path: str) -> None:
    """None is left to the garbage collector, which would not wait at the gate."""
    store = SqliteStore(path, utc_now)
    store.put(arrival(0))
    access = next(iter(store._database._pool._accesses))
    connection = access._connection
    assert connection is not None
    del store
    gc.collect()

    assert access._connection is None
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from redox_wsgi.inbox.sqlite import SqliteStore
from redox_wsgi.inbox.sqlite.gate import Deadline, Gate
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival

store = SqliteStore(sys.argv[1], utc_now, timeout_seconds=30)
store.put(arrival(0))
gate = Gate(sys.argv[1] + ".gate")
gate.enter(Deadline(5))
putting = [gevent.spawn(store.put, arrival(n)) for n in range(1, 21)]
large = gevent.spawn(store.put, arrival(21, body=b"x" * 3_000_000))
gevent.sleep(0.01)
killed = putting.pop(5)
killed.kill()
gate.leave()
gevent.joinall([*putting, large], timeout=30)
print(*[greenlet.value.name for greenlet in (*putting, large)])
"""


def test_greenlets_put_together(path: str) -> None:
    """They share one thread: who waits lets the others go on, and one may be killed."""
    pytest.importorskip("gevent")
    run = subprocess.run(
        [sys.executable, "-c", GREENLETS, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["STORED"] * 20
    with closing(sqlite3.connect(path)) as other:
        ((count,),) = other.execute("SELECT count(*) FROM entry").fetchall()
    assert count in (21, 22)
