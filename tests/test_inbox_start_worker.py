"""A worker in the web process, alone and under gunicorn."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi import ConfigurationError, Transmission
from redox_wsgi.inbox import Inbox
from tests.support.builders import TOKEN, build_payload, encode
from tests.support.leaks import capture_logs
from tests.support.servers import build_raw_request, exchange, run_server
from tests.support.work import Handled, put, wait_until
from tests.support.working import Site

HEADERS = [("verification-token", TOKEN)]
HOOKS = "python:tests.support.gunicorn_hooks"
SERVERS = ["gunicorn sync", "gunicorn preloaded", "gunicorn gthread"]


def count_threads() -> int:
    """Count the threads of workers."""
    return sum(thread.name.startswith("redox-") for thread in threading.enumerate())


def test_nothing_starts_before_the_first_transmission() -> None:
    """The process that builds the application may only fork those that serve it."""
    handled = Handled()
    inbox = Inbox("memory://")
    web_worker = inbox.start_worker(handled)
    before = count_threads()
    put(inbox, 1)
    put(inbox, 2)
    wait_until(lambda: handled == [1, 2])
    during = count_threads()
    web_worker.stop()
    web_worker.stop()

    assert before == count_threads() == 0
    assert during > 0


def test_begin_handles_what_a_restart_left_behind() -> None:
    """Without waiting for the next transmission."""
    handled = Handled()
    inbox = Inbox("memory://")
    put(inbox, 1)
    web_worker = inbox.start_worker(handled, concurrency=1)
    web_worker.begin()
    web_worker.begin()
    wait_until(lambda: handled == [1])
    threads = count_threads()
    web_worker.stop()

    # One that works, one that renews leases, one that watches both.
    assert threads == 3


def test_stopping_what_never_began_is_nothing() -> None:
    """A process that kept nothing ends as ever."""
    web_worker = Inbox("memory://").start_worker(print)

    web_worker.stop()

    assert count_threads() == 0


def test_a_forked_process_has_a_worker_of_its_own_or_none() -> None:
    """A child inherits what its parent began, but not the thread."""
    inbox = Inbox("memory://")
    web_worker = inbox.start_worker(Handled())
    # As inherited from a parent that had begun.
    parent = object()
    web_worker._running[os.getppid()] = parent  # type: ignore[assignment]
    web_worker.stop()
    put(inbox, 1)
    wait_until(lambda: inbox.stats().done == 1)
    web_worker.stop()

    assert web_worker._running[os.getppid()] is parent
    assert count_threads() == 0


def test_two_threads_begin_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two first transmissions may come at once."""
    web_worker = Inbox("memory://").start_worker(print)
    build = web_worker._build_worker

    def build_late() -> Any:
        # Another thread was quicker, while this one built its worker.
        monkeypatch.setattr(web_worker, "_build_worker", build)
        web_worker.begin()
        return build()

    monkeypatch.setattr(web_worker, "_build_worker", build_late)
    web_worker.begin()
    [running] = web_worker._running.values()
    assert running.thread.is_alive()
    web_worker.stop()

    assert count_threads() == 0


def test_a_process_without_a_thread_to_spare_keeps_what_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kept is kept: the answer stays 200, and the next transmission tries again."""
    handled = Handled()
    inbox = Inbox("memory://")
    web_worker = inbox.start_worker(handled)

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch, capture_logs() as records:
        patch.setattr(threading.Thread, "start", fail)
        put(inbox, 1)
    put(inbox, 2)
    wait_until(lambda: handled == [1, 2])
    web_worker.stop()

    assert "No thread" in records[0].getMessage()


def test_an_inbox_has_one_worker() -> None:
    """Two handlers would share its entries by chance."""
    inbox = Inbox("memory://")
    inbox.start_worker(print)

    with pytest.raises(ConfigurationError):
        inbox.start_worker(print)


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"max_attempts": 0}], ids=str)
def test_a_wrong_setting_is_found_while_building(settings: dict[str, Any]) -> None:
    """Not with the first transmission."""
    inbox = Inbox("memory://")

    with pytest.raises(ConfigurationError):
        inbox.start_worker(print, **settings)
    inbox(Transmission(b"{}", received_at=datetime.now(UTC)))
    assert count_threads() == 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder with an empty inbox."""
    site = Site(tmp_path)
    yield site
    site.inbox.close()


@contextmanager
def serving(site: Site, server: str, *, begins: bool = False) -> Iterator[int]:
    """Run the application in two processes; yield the port."""
    variables = {"REDOX_INBOX": site.url, "WORK_LOG": str(site.log)}
    if begins:
        variables["WEB_BEGIN"] = "1"
    with run_server(
        server,
        "tests.support.web_worker_app:application",
        site.output,
        *("-c", HOOKS, "--workers", "2", "--pid", f"{site.output}.pid"),
        env=variables,
    ) as port:
        yield port


def send(port: int, number: int, data_model: str, effect: str | None = None) -> None:
    """Send a transmission as Redox does; it must be kept."""
    body = encode(build_payload(data_model, "New", Number=number, Effect=effect))
    reply = exchange(port, build_raw_request("POST", "/redox", HEADERS, body))
    assert reply is not None
    assert reply.status == 200


def read_master(site: Site) -> int:
    """Return the number of gunicorn's first process."""
    return int(Path(f"{site.output}.pid").read_text())


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("server", SERVERS)
def test_only_processes_that_serve_handle_what_is_kept(
    site: Site, server: str, begins: bool
) -> None:
    """Preloaded or not; the first process, which only forks, handles nothing."""
    with serving(site, server, begins=begins) as port:
        master = read_master(site)
        for number in range(12):
            send(port, number, f"Model{number % 3}")
        wait_until(lambda: len(site.numbers("done")) == 12)
    threads = Path(f"{site.log}.first").read_text()

    assert sorted(site.numbers("done")) == list(range(12))
    assert master not in {note.pid for note in site.notes}
    assert "MainThread" in threads
    assert "redox-" not in threads
    assert site.inbox.stats().done == 12
    assert "Traceback" not in site.output.read_text()


@pytest.mark.parametrize("server", SERVERS[:2])
def test_with_the_hook_nothing_waits_for_the_first_transmission(
    site: Site, server: str
) -> None:
    """What a restart left behind is handled at once."""
    put(site.inbox, 1)
    with serving(site, server, begins=True):
        site.wait_for("done", 1)

    assert site.inbox.stats().done == 1


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_stops_finishes_or_gives_back(site: Site, server: str) -> None:
    """Nothing waits for a lease after a deployment."""
    with serving(site, server) as port:
        send(port, 1, "Order", "hang")
        site.wait_for("begun", 1)
    [lane] = site.inbox.stats().lanes

    assert (lane.attempts, lane.is_claimed, lane.waiting) == (0, False, 1)
    assert "given back while its handler runs" in site.output.read_text()
    assert "Traceback" not in site.output.read_text()


@pytest.mark.parametrize("server", SERVERS[:2])
def test_a_server_that_reloads_goes_on_in_new_processes(
    site: Site, server: str
) -> None:
    """The old ones finish what they have."""
    with serving(site, server, begins=True) as port:
        send(port, 1, "Order", "wait")
        old = site.wait_for("begun", 1).pid
        os.kill(read_master(site), signal.SIGHUP)
        send(port, 2, "Results")
        site.let_go_on()
        site.wait_for("done", 1)
        wait_until(lambda: not Path(f"/proc/{old}").exists())
        send(port, 3, "Order")
        new = site.wait_for("done", 3).pid

    assert new != old
    assert site.inbox.stats().done == 3
    assert [note for note in site.notes if note.number == 1][-1].attempt == 1
