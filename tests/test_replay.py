"""Replay stores: each key counts once, for all threads, processes and restarts."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from redox_wsgi import AuthenticatorUnavailable, ConfigurationError
from redox_wsgi.authentication.replay import (
    MemoryReplayStore,
    ReplayStore,
    SqliteReplayStore,
)
from tests.support.servers import ROOT

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)

Build = Callable[..., ReplayStore]


class Clock:
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.time


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


OpenStore = Callable[..., SqliteReplayStore]


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    """Build stores in SQLite files, and close them in the end."""
    stores = []

    def build(*args: Any, **kwargs: Any) -> SqliteReplayStore:
        store = SqliteReplayStore(*args, **kwargs)
        stores.append(store)
        return store

    yield build
    for store in stores:
        store.close()
        # Those of another process, of which some tests only pretend to be.
        for connection in vars(store)["_opened"]:
            connection.close()


@pytest.fixture(params=["memory", "SQLite file"])
def store(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    clock: Clock,
    open_store: OpenStore,
) -> Any:
    """Build each kind of store: one contract, many backends."""
    if request.param == "memory":
        return MemoryReplayStore(now=clock)
    return open_store(tmp_path / "replay.db", now=clock)


def count_rows(path: Path) -> int:
    """Count what a file holds."""
    connection = sqlite3.connect(path)
    try:
        [(rows,)] = connection.execute("SELECT count(*) FROM used")
    finally:
        connection.close()
    return int(rows)


def test_a_key_is_new_once(store: ReplayStore) -> None:
    """The second is a replay; another key is not."""
    assert store.add("a", SOON) is True
    assert store.add("a", SOON) is False
    assert store.add("a", SOON + timedelta(days=1)) is False
    assert store.add("b", SOON) is True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(st.text(st.characters(exclude_categories=()), max_size=9)))
@example(keys=["\ud800"])
def test_any_text_is_a_key(store: ReplayStore, keys: list[str]) -> None:
    """Twice the same list: nothing in it is new at the second time."""
    for key in keys:
        store.add(key, SOON)

    assert [store.add(key, SOON) for key in keys] == [False] * len(keys)


def test_a_key_is_kept_to_its_last_moment(store: ReplayStore, clock: Clock) -> None:
    """What expires is forgotten later, never earlier."""
    store.add("a", SOON)
    clock.time = SOON

    assert store.add("b", SOON + timedelta(minutes=5)) is True
    assert store.add("a", SOON + timedelta(minutes=5)) is False
    clock.time = SOON + timedelta(hours=2)
    assert store.add("c", clock.time) is True
    assert store.add("a", clock.time) is True


def test_many_threads_get_one_acceptance_a_key(store: ReplayStore) -> None:
    """Under gthread they race."""
    barrier = threading.Barrier(8)

    def race() -> int:
        barrier.wait(timeout=30)
        return sum(store.add(str(key), SOON) for key in range(100))

    with ThreadPoolExecutor(8) as pool:
        accepted = [future.result() for future in [pool.submit(race) for _ in range(8)]]

    assert sum(accepted) == 100


def test_memory_is_used_by_one_thread_at_a_time() -> None:
    """Between the question whether a key is known and keeping it nobody comes in."""
    entered, leave = threading.Event(), threading.Event()

    def stop_the_first() -> datetime:
        if not entered.is_set():
            entered.set()
            leave.wait(timeout=30)
        return NOW

    store = MemoryReplayStore(now=stop_the_first)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.add, "a", SOON)
        assert entered.wait(timeout=30)
        second = pool.submit(store.add, "a", SOON)
        is_done, _ = wait([second], timeout=0.1)
        leave.set()

        assert not is_done
        assert (first.result(), second.result()) == (True, False)


def test_memory_has_an_end(clock: Clock) -> None:
    """A full store is unavailable: to forget a key would let it come again."""
    store = MemoryReplayStore(max_keys=2, now=clock)
    assert store.add("a", SOON) is True
    assert store.add("b", SOON + timedelta(minutes=5)) is True

    with pytest.raises(AuthenticatorUnavailable) as caught:
        store.add("c", SOON)
    assert caught.value.code == "replay-store-full"
    assert store.add("a", SOON) is False
    clock.time = SOON
    with pytest.raises(AuthenticatorUnavailable):
        store.add("c", SOON)
    clock.time = SOON + timedelta(seconds=1)
    assert store.add("c", SOON + timedelta(minutes=5)) is True
    assert store.add("b", SOON) is False


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi", "mod_wsgi"])
def test_memory_warns_under_a_server_with_workers(
    server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each of them would accept a key once."""
    for other in ("gunicorn", "uwsgi", "mod_wsgi"):
        monkeypatch.delitem(sys.modules, other, raising=False)
    MemoryReplayStore()
    assert not caplog.records
    monkeypatch.setitem(sys.modules, server, ModuleType(server))

    MemoryReplayStore()

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "SqliteReplayStore" in record.getMessage()


def run_child(work: Callable[[], object]) -> int:
    """Fork, work in the child, and return its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = int(bool(work()))
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_memory_warns_once_after_a_fork(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Built before the workers were, as with gunicorn's --preload."""
    monkeypatch.delitem(sys.modules, "gunicorn", raising=False)
    store = MemoryReplayStore()
    store.add("a", datetime(9999, 1, 1, tzinfo=UTC))

    def add_twice() -> bool:
        store.add("b", datetime(9999, 1, 1, tzinfo=UTC))
        store.add("c", datetime(9999, 1, 1, tzinfo=UTC))
        return len(caplog.records) == 1

    assert run_child(add_twice) == 1
    assert not caplog.records
    # And here, where a process of another number looks the same.
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert add_twice()


@pytest.mark.parametrize("max_keys", [0, -1, True, None, "9", 1.5])
def test_a_wrong_size_stops_at_construction(max_keys: Any) -> None:
    """A store of nothing would refuse everything."""
    with pytest.raises(ConfigurationError, match="max_keys"):
        MemoryReplayStore(max_keys=max_keys)


@pytest.mark.parametrize("path", ["", ":memory:", None, 7, b"x"])
def test_a_path_that_names_no_file_stops_at_construction(path: Any) -> None:
    """A database in memory would be one for each connection."""
    with pytest.raises(ConfigurationError, match="path of a file"):
        SqliteReplayStore(path)


def test_a_folder_that_is_not_there_stops_at_construction(tmp_path: Path) -> None:
    """Better at the start than at the first transmission."""
    with pytest.raises(ConfigurationError, match="folder"):
        SqliteReplayStore(tmp_path / "absent" / "replay.db")


@pytest.mark.parametrize("seconds", [-1, 26, True, None, "5", float("nan")])
def test_a_wrong_wait_stops_at_construction(seconds: Any, tmp_path: Path) -> None:
    """The server would end a worker that waits for too long."""
    with pytest.raises(ConfigurationError, match="busy_seconds"):
        SqliteReplayStore(tmp_path / "replay.db", busy_seconds=seconds)


@pytest.mark.parametrize("seconds", [0, 25, 0.5])
def test_a_wait_up_to_the_longest_is_taken(
    seconds: float, tmp_path: Path, open_store: OpenStore
) -> None:
    """None at all too."""
    store = open_store(tmp_path / "replay.db", busy_seconds=seconds)

    assert store.add("a", SOON) is True


def test_nothing_is_opened_before_the_first_use(
    tmp_path: Path, open_store: OpenStore
) -> None:
    """The workers may not have been forked yet."""
    open_store(tmp_path / "replay.db")

    assert list(tmp_path.iterdir()) == []


def test_keys_are_stored_as_digests(tmp_path: Path, open_store: OpenStore) -> None:
    """An identifier out of a credential is nobody's business."""
    store = open_store(tmp_path / "replay.db")
    store.add("canary", datetime(9999, 1, 1, tzinfo=UTC))

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"used" in stored
    assert b"canary" not in stored


def test_what_expired_is_removed(
    tmp_path: Path, clock: Clock, open_store: OpenStore
) -> None:
    """So that the file has an end, however long it is used."""
    path = tmp_path / "replay.db"
    store = open_store(path, now=clock)
    most = 0
    for step in range(300):
        clock.time = NOW + timedelta(seconds=100 * step)
        assert store.add(str(step), clock.time + timedelta(seconds=60)) is True
        most = max(most, count_rows(path))

    # 60 s to live, an hour in case a clock is put back; 100 s a key.
    assert most <= 38
    assert store.add("299", SOON) is False


def test_a_restart_forgets_nothing(tmp_path: Path, open_store: OpenStore) -> None:
    """A second store on the same file knows what the first has accepted."""
    first = open_store(tmp_path / "replay.db")
    first.add("a", datetime(9999, 1, 1, tzinfo=UTC))
    second = open_store(str(tmp_path / "replay.db"))

    assert second.add("a", SOON) is False


WORKER = """
import sys
from datetime import UTC, datetime
from redox_wsgi.authentication.replay import SqliteReplayStore

path, count, mode = sys.argv[1:]
store = SqliteReplayStore(path)
expires_at = datetime(9999, 1, 1, tzinfo=UTC)
print("ready", flush=True)
sys.stdin.readline()
for key in range(int(count)):
    print(int(store.add(str(key), expires_at)), flush=mode == "watched")
print("end", flush=True)
sys.stdin.readline()
"""


def start_worker(path: Path, count: int, mode: str = "raced") -> subprocess.Popen[str]:
    """Start a process that adds keys as soon as it is told to."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), str(count), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def tell(worker: subprocess.Popen[str]) -> None:
    """Tell a process to go on."""
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def read_to_end(worker: subprocess.Popen[str]) -> Iterator[int]:
    """Yield what a process got for each key."""
    assert worker.stdout is not None
    for line in iter(worker.stdout.readline, "end\n"):
        yield int(line)


def test_four_processes_get_one_acceptance_a_key(tmp_path: Path) -> None:
    """2,000 equal keys at once, on a file that nobody has made yet."""
    workers = [start_worker(tmp_path / "replay.db", 2_000) for _ in range(4)]
    for worker in workers:
        tell(worker)
    accepted = [list(read_to_end(worker)) for worker in workers]
    for worker in workers:
        worker.communicate("\n", timeout=30)

    assert [len(column) for column in accepted] == [2_000] * 4
    assert [sum(row) for row in zip(*accepted, strict=True)] == [1] * 2_000
    assert [worker.returncode for worker in workers] == [0] * 4
    assert count_rows(tmp_path / "replay.db") == 2_000


def test_a_killed_process_forgets_nothing(
    tmp_path: Path, open_store: OpenStore
) -> None:
    """What was accepted before a kill -9 is refused after it."""
    worker = start_worker(tmp_path / "replay.db", 50, "watched")
    tell(worker)
    accepted = list(read_to_end(worker))
    worker.send_signal(signal.SIGKILL)
    worker.communicate(timeout=30)
    restarted = open_store(tmp_path / "replay.db")

    assert accepted == [1] * 50
    assert [restarted.add(str(key), SOON) for key in range(51)] == [False] * 50 + [True]


def test_a_forked_child_opens_the_file_anew(
    tmp_path: Path, open_store: OpenStore
) -> None:
    """SQLite forbids to use, or to close, a connection of the parent's."""
    store = open_store(tmp_path / "replay.db")
    store.add("a", datetime(9999, 1, 1, tzinfo=UTC))
    [inherited] = vars(store)["_idle"]

    def use_in_child() -> bool:
        is_new = store.add("b", datetime(9999, 1, 1, tzinfo=UTC))
        gc.collect()
        # Still open, and never used here.
        assert inherited in vars(store)["_opened"]
        assert inherited not in vars(store)["_idle"]
        inherited.total_changes  # noqa: B018 - raises if it is closed
        is_known = not store.add("a", SOON)
        # The second time with the one that the first has opened.
        assert len(vars(store)["_opened"]) == 2
        return is_new and is_known

    assert run_child(use_in_child) == 1
    assert store.add("b", SOON) is False
    assert vars(store)["_idle"] == [inherited]


def test_a_number_of_another_process_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_store: OpenStore
) -> None:
    """The same within this process, where coverage sees it."""
    store = open_store(tmp_path / "replay.db")
    store.add("a", datetime(9999, 1, 1, tzinfo=UTC))
    [inherited] = vars(store)["_idle"]
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert store.add("a", SOON) is False
    [own] = vars(store)["_idle"]
    assert own is not inherited
    assert vars(store)["_opened"] == {own, inherited}


def test_a_closed_store_opens_again(tmp_path: Path, open_store: OpenStore) -> None:
    """For programs that end in good order; it forgets nothing."""
    store = open_store(tmp_path / "replay.db")
    store.add("a", datetime(9999, 1, 1, tzinfo=UTC))
    store.close()

    assert vars(store)["_opened"] == set()
    # The last one to close has written the log into the file.
    assert [path.name for path in tmp_path.iterdir()] == ["replay.db"]
    assert store.add("a", SOON) is False
    store.close()
    store.close()


def test_a_child_does_not_close_what_the_parent_opened(
    tmp_path: Path, open_store: OpenStore
) -> None:
    """It would end the parent's locks."""
    store = open_store(tmp_path / "replay.db")
    store.add("a", datetime(9999, 1, 1, tzinfo=UTC))
    [inherited] = vars(store)["_idle"]

    def close_in_child() -> bool:
        store.close()
        changes: int = inherited.total_changes
        return changes >= 0

    assert run_child(close_in_child) == 1
    assert vars(store)["_idle"] == [inherited]


def test_connections_are_as_many_as_work_at_once(
    tmp_path: Path, open_store: OpenStore
) -> None:
    """A server that starts a thread a request must not open a file for each."""
    store = open_store(tmp_path / "replay.db")
    for number in range(20):
        thread = threading.Thread(target=store.add, args=(str(number), SOON))
        thread.start()
        thread.join()

    assert len(vars(store)["_opened"]) == 1


def expect_down(store: ReplayStore) -> None:
    """Expect that a store cannot tell."""
    with pytest.raises(AuthenticatorUnavailable) as caught:
        store.add("a", SOON)
    assert caught.value.code == "replay-store-unavailable"
    assert caught.value.status == 503


def test_a_locked_file_is_unavailable_until_it_is_free(
    tmp_path: Path, open_store: OpenStore
) -> None:
    """503, and Redox sends again; nothing is accepted in between."""
    store = open_store(tmp_path / "replay.db", busy_seconds=0)
    store.add("b", datetime(9999, 1, 1, tzinfo=UTC))
    other = sqlite3.connect(tmp_path / "replay.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        expect_down(store)
        # Of this process no connection is left behind.
        assert vars(store)["_opened"] == set()
        expect_down(store)
        other.execute("ROLLBACK")
    finally:
        other.close()

    assert store.add("a", SOON) is True
    assert store.add("b", SOON) is False


def test_the_first_users_of_a_new_file_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_store: OpenStore
) -> None:
    """SQLite does not by itself, where both would make it one with a log."""
    other = sqlite3.connect(tmp_path / "replay.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waited: list[float] = []

    def finish(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            other.execute("COMMIT")

    monkeypatch.setattr(time, "sleep", finish)
    try:
        expect_down(open_store(tmp_path / "replay.db", busy_seconds=0))
        assert waited == []
        assert open_store(tmp_path / "replay.db").add("a", SOON) is True
        assert len(waited) == 2
    finally:
        other.close()


def test_a_damaged_file_is_unavailable(tmp_path: Path, open_store: OpenStore) -> None:
    """Somebody must look at it; meanwhile nothing is accepted."""
    path = tmp_path / "replay.db"
    path.write_bytes(b"This is no database. " * 100)

    expect_down(open_store(path))
    expect_down(open_store(tmp_path))
    assert path.read_bytes().startswith(b"This is no database.")


def test_a_read_only_file_is_unavailable_at_once(
    monkeypatch: pytest.MonkeyPatch, open_store: OpenStore
) -> None:
    """Nothing could be kept in it, however long one waits."""
    monkeypatch.delattr(time, "sleep")
    # Not in tmp_path, which other users cannot enter: root must become one of them.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "replay.db"
        open_store(path).add("b", SOON)
        empty = Path(folder) / "empty.db"
        empty.touch()
        for file in Path(folder).iterdir():
            file.chmod(0o444)
        Path(folder).chmod(0o555)

        def use_as_nobody() -> bool:
            if os.geteuid() == 0:
                os.seteuid(65534)
            expect_down(open_store(path))
            expect_down(open_store(empty))
            return True

        try:
            assert run_child(use_as_nobody) == 1
        finally:
            Path(folder).chmod(0o700)


def test_sqlite_is_loaded_by_those_who_use_it_only() -> None:
    """The package is loaded by everybody."""
    code = (
        "import sys, redox_wsgi, redox_wsgi.authentication.replay;"
        "print('sqlite3' in sys.modules);"
        "redox_wsgi.authentication.replay.SqliteReplayStore('x.db');"
        "print('sqlite3' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    assert shown.stdout.split() == ["False", "True"]
