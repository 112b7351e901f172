"""Workers while the ground moves: clocks, servers, threads and processes fail."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from redox_wsgi import ConfigurationError, Transmission
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.outage import Outage
from redox_wsgi.inbox.worker.processes import Processes
from redox_wsgi.inbox.worker.service import serve
from redox_wsgi.inbox.worker.signals import Signals
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.leaks import SENTENCE, capture_logs, find
from tests.support.postgresql import run_postgresql
from tests.support.work import (
    Handled,
    Running,
    put,
    read_number,
    wait_until,
)
from tests.support.working import Site
from tests.test_inbox_worker_processes import QUICK, build

# Python 3.12 warns where a process with threads forks; those of other tests may be
# about to end.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

_FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder with an empty inbox in SQLite."""
    site = Site(tmp_path)
    yield site
    site.inbox.close()


@pytest.fixture
def shared_site(lasting_inbox_url: str, tmp_path: Path) -> Iterator[Site]:
    """A folder with an empty inbox, of every kind that lasts in turn."""
    site = Site(tmp_path)
    site.url = lasting_inbox_url
    site.inbox = Inbox(lasting_inbox_url)
    yield site
    site.inbox.close()


def test_a_zombie_is_refused_and_the_next_entry_is_right(shared_site: Site) -> None:
    """Stopped beyond its lease and continued, it neither completes nor goes on."""
    site = shared_site
    put(site.inbox, 1, effect="wait")
    put(site.inbox, 2)
    with site.working(*QUICK) as zombie:
        site.wait_for("begun", 1)
        site.freeze(zombie)
        handled = Handled()
        successor = Worker(site.inbox, handled)
        wait_until(successor.run_once)
        site.let_go_on()
        zombie.send_signal(signal.SIGCONT)
        wait_until(lambda: "lost lane=" in site.output.read_text())
        site.wait_for("done", 2)

    assert handled == [1]
    assert site.numbers("begun") == [1, 2]
    assert (site.inbox.stats().done, site.inbox.stats().waiting) == (2, 0)


@pytest.mark.postgres
@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_the_clock_of_a_worker_does_not_matter_to_postgresql(
    postgresql_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    offset: str,
) -> None:
    """An hour ahead it takes over nothing that is held, an hour behind it works."""
    if not _FAKETIME:
        pytest.skip("libfaketime is not installed")
    site = Site(tmp_path)
    site.url = postgresql_url
    site.inbox = Inbox(postgresql_url)
    put(site.inbox, 1)
    held = site.inbox.store.claim("token", 60)
    assert held is not None
    for number in (2, 3):
        put(site.inbox, number, "Results")
    monkeypatch.setenv("LD_PRELOAD", str(_FAKETIME[0]))
    monkeypatch.setenv("FAKETIME", offset)
    with site.working(*QUICK):
        site.wait_for("done", 3)
        assert site.numbers("begun") == [2, 3]
        site.inbox.store.release(held)
        site.wait_for("done", 1)

    said_at = datetime.fromisoformat(site.output.read_text()[:19])
    assert abs(datetime.now() - said_at) > timedelta(minutes=50)
    assert [note[:3] for note in site.notes if note.word == "begun"] == [
        ("begun", 2, 1),
        ("begun", 3, 1),
        ("begun", 1, 1),
    ]
    stats = site.inbox.stats()
    assert (stats.done, stats.waiting, stats.repeats) == (3, 0, 0)
    site.inbox.close()


@pytest.mark.postgres
def test_a_server_that_crashes_under_a_handler_costs_no_second_delivery() -> None:
    """The worker tells the restarted server, as long as its lease lasts."""
    begun, go_on = threading.Event(), threading.Event()

    def handle(transmission: Transmission) -> None:
        begun.set()
        if read_number(transmission) == 1:
            assert go_on.wait(30)

    with run_postgresql() as server:
        inbox = Inbox(server.url)
        handled = Handled(handle)
        put(inbox, 1)
        with Running(Worker(inbox, handled, lease_seconds=60)):
            assert begun.wait(30)
            # Its forced write takes the claim along, which might be lost otherwise.
            put(inbox, 2)
            server.stop(signal.SIGQUIT)
            go_on.set()
            wait_until(lambda: handled == [1])
            server.start()
            wait_until(lambda: handled == [1, 2])
            wait_until(lambda: inbox.stats().done == 2)
        inbox.close()

    assert handled == [1, 2]


def refuse(_: object) -> None:
    """Refuse as a system without memory does."""
    raise RuntimeError("can't start new thread")


def test_a_system_without_threads_does_not_end_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says so once, and goes on as soon as there are some."""
    inbox = Inbox("memory://")
    handled = Handled()
    worker = Worker(inbox, handled, concurrency=2)
    with monkeypatch.context() as patch, capture_logs() as records:
        patch.setattr(threading.Thread, "start", refuse)
        worker._crew.fill()
        worker._crew.fill()
    put(inbox, 1)
    with Running(worker):
        wait_until(lambda: handled == [1])

    assert [r.getMessage() for r in records] == [
        "No further thread can be started in this process."
    ]


def test_the_threads_that_there_are_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two could not be started: the first works."""
    inbox = Inbox("memory://")
    handled = Handled()
    worker = Worker(inbox, handled, concurrency=2)
    start = threading.Thread.start

    def start_one(thread: threading.Thread) -> None:
        if any(hand.thread.is_alive() for hand in worker._crew._hands):
            refuse(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    worker._crew.fill()
    put(inbox, 1)
    wait_until(lambda: handled == [1])
    worker.stop()

    assert len(worker._crew._hands) == 1
    assert worker._crew.leave(30) == []


def test_a_worker_that_ends_by_itself_is_a_failed_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With status 0 nobody would start it again; the text is not shown."""
    worker = Worker(Inbox("memory://"), print)

    def fail() -> None:
        raise RuntimeError(SENTENCE)

    monkeypatch.setattr(worker, "run", fail)
    with Signals() as signals, capture_logs() as records:
        status = serve(worker, signals)

    assert status == 1
    assert "The worker ended: builtins.RuntimeError" in records[0].getMessage()
    assert find(*records) == []


def test_a_web_worker_that_ends_by_itself_begins_with_the_next_transmission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the puts would go on, and nobody would work."""
    handled = Handled()
    inbox = Inbox("memory://")
    web_worker = inbox.start_worker(handled)

    def fail(_: Worker) -> None:
        raise RuntimeError(SENTENCE)

    with monkeypatch.context() as patch, capture_logs() as records:
        patch.setattr(Worker, "run", fail)
        put(inbox, 1)
        wait_until(lambda: not web_worker._running)
    put(inbox, 2)
    wait_until(lambda: handled == [1, 2])
    web_worker.stop()

    assert "The worker ended" in records[0].getMessage()
    assert find(*records) == []


def test_a_process_that_cannot_be_forked_is_forked_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without memory for a second: what runs already is not killed."""
    fork, failures = os.fork, [OSError(errno.EAGAIN, "no more processes")] * 2
    monkeypatch.setenv("WORK_LOG", str(site.log))

    def fork_later() -> int:
        if failures:
            raise failures.pop()
        return fork()

    def handle(_: Transmission) -> None:
        os.kill(os.getppid(), signal.SIGTERM)

    put(site.inbox, 1)
    monkeypatch.setattr(os, "fork", fork_later)
    processes = Processes(build(site, handle), 1, backoff=Backoff(0.01, 0.01))
    with capture_logs() as records:
        assert processes.run() == 0

    assert site.inbox.stats().done == 1
    said = [record.getMessage() for record in records]
    assert [text[:29] for text in said] == ["No process can be started: bu"] * 2


def test_a_worker_says_what_is_wrong_with_its_inbox() -> None:
    """Its sentences name a setting; others are shown by class and place only."""
    outage = Outage()
    with capture_logs() as records:
        outage.report(ConfigurationError("The tables have version 999."))
        outage.end()
        outage.report(ValueError(SENTENCE))

    assert "The tables have version 999." in records[0].getMessage()
    assert find(*records) == []


def test_what_is_revived_is_not_given_up_without_a_try() -> None:
    """The last attempts of a newer entry were counted as its own."""
    inbox = Inbox("memory://")
    put(inbox, 1)
    put(inbox, 2)
    first = inbox.store.claim("first", 30)
    assert first is not None
    inbox.store.bury(first, "word")
    for number in range(3):
        # A worker that is killed says nothing, and its attempt counts.
        died = inbox.store.claim(f"died {number}", 0)
        assert died is not None
    put(inbox, 1)
    handled = Handled()
    Worker(inbox, handled, max_attempts=3, dead_letter=["*"]).drain()

    assert handled == [1, 2]
    assert inbox.stats().dead == 0
