"""Workers as processes: stopped, killed, frozen, and hanging."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import redox_wsgi.inbox.worker.processes
from redox_wsgi import ConfigurationError, Transmission
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.processes import Processes, Watched, _run_child
from redox_wsgi.inbox.worker.service import serve
from redox_wsgi.inbox.worker.signals import Signals
from redox_wsgi.inbox.worker.worker import Worker
from tests.support import worked
from tests.support.clocks import Clock
from tests.support.leaks import capture_logs, find
from tests.support.work import put, read_number, wait_until
from tests.support.working import Site, end

# Python 3.12 warns where a process with threads forks; those of other tests may be
# about to end.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

QUICK = ("--lease-seconds", "1", "--concurrency", "4")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder with an empty inbox."""
    site = Site(tmp_path)
    yield site
    site.inbox.close()


def test_a_worker_that_is_told_to_stop_finishes_what_it_has(site: Site) -> None:
    """A deployment in the middle of the day repeats no work."""
    put(site.inbox, 1, effect="wait")
    with site.working() as process:
        site.wait_for("begun", 1)
        process.terminate()
        site.let_go_on()

        assert process.wait(30) == 0
    assert site.numbers("done") == [1]
    assert (site.inbox.stats().done, site.inbox.stats().waiting) == (1, 0)


def test_what_does_not_finish_in_time_is_given_back(site: Site) -> None:
    """As if this attempt had not been; whoever comes next has it at once."""
    put(site.inbox, 1, effect="hang")
    with site.working("--grace-seconds", "0.1") as process:
        site.wait_for("begun", 1)

        assert end(process) == 0
    [lane] = site.inbox.stats().lanes
    assert (lane.attempts, lane.is_claimed, lane.waiting) == (0, False, 1)
    assert "given back while its handler runs" in site.output.read_text()


def test_a_second_signal_ends_at_once(site: Site) -> None:
    """Its lease ends by itself."""
    put(site.inbox, 1, effect="hang")
    with site.working() as process:
        site.wait_for("begun", 1)
        # Two of one kind that come together would count once.
        process.terminate()
        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 130
    assert site.inbox.stats().waiting == 1


def test_another_worker_takes_over_from_one_that_was_killed(site: Site) -> None:
    """Between claim and completion nothing is lost, and the attempt is counted."""
    put(site.inbox, 1, effect="wait")
    put(site.inbox, 2)
    with site.working(*QUICK) as killed:
        site.wait_for("begun", 1)
        killed.kill()
        killed.wait()
        with site.working(*QUICK):
            site.wait_for("done", 2)

    assert [note[:3] for note in site.notes] == [
        ("begun", 1, 1),
        ("begun", 1, 2),
        ("done", 1, 2),
        ("begun", 2, 1),
        ("done", 2, 1),
    ]


def test_a_worker_that_was_frozen_beyond_its_lease_is_refused(site: Site) -> None:
    """Its successor's word counts, and it goes on with what it may have."""
    put(site.inbox, 1, effect="wait")
    with site.working(*QUICK) as frozen:
        site.wait_for("begun", 1)
        site.freeze(frozen)
        successor = Worker(site.inbox, lambda _: None)
        wait_until(successor.run_once)
        assert site.inbox.stats().done == 1
        site.let_go_on()
        frozen.send_signal(signal.SIGCONT)
        wait_until(lambda: "lost lane=" in site.output.read_text())
        put(site.inbox, 2)
        site.wait_for("done", 2)

    assert site.numbers("begun") == [1, 2]
    assert site.inbox.stats().done == 2


@pytest.mark.parametrize("options", [QUICK, ("--processes", "1", *QUICK)], ids=str)
def test_no_handler_stops_the_others(site: Site, options: tuple[str, ...]) -> None:
    """Whatever one lane does, short of ending the process; its text is not shown."""
    for number, effect in enumerate(["exit", "interrupt", "fork", "raise", "hang"]):
        put(site.inbox, number, f"Model{effect}", effect)
    with site.working(*options, "--concurrency", "2", "--max-attempts", "1"):
        wait_until(lambda: set(site.numbers("begun")) == {0, 1, 2, 3, 4})
        for number in (5, 6, 7):
            put(site.inbox, number)
        site.wait_for("done", 7)
        site.let_go_on()

    words = {lane.key.rpartition("model")[2] for lane in site.inbox.stats().lanes}
    assert words == {"exit", "interrupt", "raise"}
    assert find(site.output.read_text()) == []
    assert find(*(lane.last_error for lane in site.inbox.stats().lanes)) == []


def test_a_process_that_a_handler_ends_is_replaced(site: Site) -> None:
    """The entry that does so runs out of attempts, and the others are handled."""
    put(site.inbox, 1, "Poison", "die")
    put(site.inbox, 2)
    put(site.inbox, 3, "Results", "die once")
    with site.working("--processes", "2", "--max-attempts", "2", *QUICK[:2]):
        site.wait_for("done", 3)
        wait_until(lambda: any(lane.is_halted for lane in site.inbox.stats().lanes))

    assert site.numbers("begun").count(1) == 2
    assert sorted(site.numbers("done")) == [2, 3]
    [lane] = site.inbox.stats().lanes
    assert lane.last_error == "attempts-unfinished"
    assert "ended with status 9." in site.output.read_text()
    assert "ended with status -9." in site.output.read_text()


def test_a_process_in_which_a_handler_hangs_is_killed_and_replaced(site: Site) -> None:
    """A thread cannot be ended; a process can, before anyone takes the lane over."""
    put(site.inbox, 1, effect="wait")
    options = ("--processes", "1", "--max-handling-seconds", "0.5")
    with site.working(*options, *QUICK[:2]):
        hanging = site.wait_for("begun", 1)
        site.wait_for("done", 1)
        with pytest.raises(ProcessLookupError):
            os.kill(hanging.pid, 0)

    assert site.notes[-1].pid != hanging.pid
    assert "is killed and replaced" in site.output.read_text()


def test_processes_are_told_to_stop_together(site: Site) -> None:
    """Each finishes what it has; asking all of them, as systemd does, is the same."""
    for number, model in enumerate(["Order", "Results"]):
        put(site.inbox, number, model, "wait")
    with site.working("--processes", "2") as parent:
        pids = [site.wait_for("begun", number).pid for number in (0, 1)]
        os.killpg(parent.pid, signal.SIGTERM)
        site.let_go_on()

        assert parent.wait(30) == 0
    assert len({*pids, parent.pid}) == 3
    assert sorted(site.numbers("done")) == [0, 1]


def test_processes_end_with_their_parent(site: Site) -> None:
    """Nobody else would stop them."""
    put(site.inbox, 1, effect="wait")
    with site.working("--processes", "1") as parent:
        child = site.wait_for("begun", 1).pid
        parent.kill()
        parent.wait()
        site.let_go_on()
        wait_until(lambda: not is_alive(child))

    assert site.numbers("done") == [1]
    assert site.inbox.stats().done == 1


def is_alive(pid: int) -> bool:
    """Tell whether a process that is not ours runs; one that ended may be unreaped."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


# What follows runs in the process of the tests.


def build(site: Site, handler: Callable[[Transmission], Any], **settings: Any) -> Any:
    """Build what builds the worker of a new process."""
    site.inbox.close()

    def build_worker(watch: Any) -> Worker:
        inbox = Inbox(site.url)
        settings_ = {"lease_seconds": 0.5, "concurrency": 1, "max_hanging": 0}
        return Worker(inbox, handler, watch=watch, **{**settings_, **settings})

    return build_worker


def tell_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Ask the process that runs the tests to stop."""
    os.kill(os.getppid(), number)


@pytest.fixture
def log(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Let handlers in forked processes note what they do."""
    monkeypatch.setenv("WORK_LOG", str(site.log))
    return site


def test_what_ends_by_itself_is_replaced_too(log: Site) -> None:
    """Whatever its status: it was to work until it is told to stop."""

    def handle(transmission: Transmission) -> None:
        if transmission.attempt == 1:
            os._exit(0)
        tell_parent()

    put(log.inbox, 1)
    processes = Processes(build(log, handle), 1, backoff=Backoff(0.01, 0.01))
    with capture_logs() as records:
        assert processes.run() == 0

    assert "ended with status 0." in records[0].getMessage()
    assert log.inbox.stats().done == 1


def test_what_crashes_is_replaced_after_a_while(log: Site) -> None:
    """And stopping ends the loop."""

    def handle(transmission: Transmission) -> None:
        worked.handle(transmission)
        tell_parent()

    put(log.inbox, 1, effect="die once")
    processes = Processes(build(log, handle), 1, backoff=Backoff(0.01, 0.01))
    with capture_logs() as records:
        status = processes.run()

    assert status == 0
    assert log.numbers("begun") == [1, 1]
    assert log.inbox.stats().done == 1
    assert [r.getMessage().partition(" ended")[2] for r in records] == [
        " with status -9."
    ]


def test_what_hangs_is_killed(log: Site) -> None:
    """After the handling's time and a second, in which it may notice by itself."""

    def handle(transmission: Transmission) -> None:
        worked.handle(transmission)
        tell_parent()

    put(log.inbox, 1, effect="wait")
    processes = Processes(build(log, handle), 1, max_handling_seconds=0.1)
    with capture_logs() as records:
        assert processes.run() == 0

    assert "is killed and replaced" in records[0].getMessage()
    assert log.inbox.stats().done == 1


def test_what_does_not_stop_in_time_is_killed(log: Site) -> None:
    """The grace period is each worker's own; this is for one that cannot keep it."""

    def handle(transmission: Transmission) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        tell_parent()
        os.kill(os.getpid(), signal.SIGSTOP)

    put(log.inbox, 1)
    processes = Processes(build(log, handle), 1, grace_seconds=0)
    with capture_logs() as records:
        assert processes.run() == 0

    assert "what still runs is killed" in records[-1].getMessage()


def test_asking_twice_kills_all(log: Site) -> None:
    """And says so in the exit status."""

    def handle(transmission: Transmission) -> None:
        tell_parent()
        worked.handle(transmission)

    put(log.inbox, 1, effect="hang")
    parent = os.getpid()

    def ask_again() -> None:
        log.wait_for("begun", 1)
        os.kill(parent, signal.SIGINT)

    asking = threading.Thread(target=ask_again)
    processes = Processes(build(log, handle), 1)
    # Started by the first look, so that the fork finds one thread only.
    start = processes._start

    def start_and_ask(place: Any) -> None:
        start(place)
        asking.start()

    processes._start = start_and_ask  # type: ignore[method-assign]
    assert processes.run() == 130
    asking.join()

    assert log.inbox.stats().waiting == 1


def test_what_crashes_again_and_again_is_replaced_ever_later(log: Site) -> None:
    """Unless it worked for a while before; whoever was told to end does not count."""
    clock = Clock()
    processes = Processes(
        build(log, print), 1, timer=clock.timer, backoff=Backoff(4, 30, lambda: 0.0)
    )
    [place] = processes._places
    started: list[object] = []
    processes._start = started.append  # type: ignore[assignment]

    def measure_pause(lived_seconds: float = 0.0, *, was_told: bool = False) -> float:
        place.started_at = clock.timer() - lived_seconds
        place.was_told = was_told
        processes._judge(place, 1, 9)
        started.clear()
        before = clock.timer()
        while not started:
            processes._look()
            clock.advance(1)
        return clock.timer() - 1 - before

    pauses = [measure_pause(), measure_pause(), measure_pause(), measure_pause()]

    assert pauses == [4, 8, 16, 30]
    assert measure_pause(10) == 4
    assert measure_pause(was_told=True) == 0


def test_wrong_settings_end_all_processes(log: Site) -> None:
    """No other process would do better."""
    processes = Processes(build(log, print, concurrency=0), 2)

    assert processes.run() == 2


class _Ended(BaseException):
    """Stands for the end of a process."""


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Keep the statuses with which this process would have ended."""
    statuses: list[int] = []

    def leave(status: int) -> None:
        statuses.append(status)
        raise _Ended

    monkeypatch.setattr(os, "_exit", leave)
    return statuses


def test_a_process_works_until_it_is_told_to_stop(
    log: Site, statuses: list[int]
) -> None:
    """An interrupt from the terminal is its parent's business."""

    def handle(_: Transmission) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    put(log.inbox, 1)
    watched = Watched()
    with pytest.raises(_Ended):
        _run_child(build(log, handle), watched, os.getppid())

    assert statuses == [0]
    assert watched.read() is None
    assert log.inbox.stats().done == 1


def test_a_process_that_is_told_to_stop_twice_still_finishes(
    log: Site, statuses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service manager tells all processes, and the parent tells its children."""
    seen: list[Signals] = []
    looks: list[int] = []

    class Watching(Signals):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            seen.append(self)

        @property
        def count(self) -> int:
            looks.append(self.asked)
            return self.asked

        @count.setter
        def count(self, asked: int) -> None:
            self.asked = asked

    def handle(_: Transmission) -> None:
        for number in (1, 2):
            os.kill(os.getpid(), signal.SIGTERM)
            wait_until(lambda: looks.count(number) > 3)  # noqa: B023 - called now

    monkeypatch.setattr(redox_wsgi.inbox.worker.processes, "Signals", Watching)
    put(log.inbox, 1)
    with pytest.raises(_Ended):
        _run_child(build(log, handle, lease_seconds=30), Watched(), os.getppid())

    assert len(seen) == 1
    assert statuses == [0]
    assert log.inbox.stats().done == 1


def test_the_process_that_was_forked_never_returns(
    log: Site, statuses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on as a second parent."""
    processes = Processes(build(log, print, concurrency=0), 1)
    monkeypatch.setattr(os, "fork", lambda: 0)
    with pytest.raises(_Ended):
        processes._look()

    assert statuses == [2]


def test_an_orphan_stops(log: Site, statuses: list[int]) -> None:
    """Whoever was its parent would have told it to."""
    with pytest.raises(_Ended):
        _run_child(build(log, print), Watched(), -1)

    assert statuses == [0]


@pytest.mark.parametrize(
    ("error", "status"), [(ConfigurationError("A setting."), 2), (KeyError("Zoë"), 1)]
)
def test_a_process_that_cannot_work_says_why(
    error: Exception, status: int, statuses: list[int]
) -> None:
    """A setting in words that are ours; anything else without its text."""

    def fail(_: Any) -> Worker:
        raise error

    with capture_logs() as records, pytest.raises(_Ended):
        _run_child(fail, Watched(), os.getppid())

    assert statuses == [status]
    assert ("A setting." in records[0].getMessage()) == (status == 2)
    assert "Zo" not in records[0].getMessage()


def test_a_moment_is_shared_with_a_child() -> None:
    """It is all that a parent must know of it."""
    watched = Watched()
    pid = os.fork()
    if pid == 0:
        watched.write(12.5)
        os._exit(0)
    os.waitpid(pid, 0)

    assert watched.read() == 12.5
    watched.write(None)
    assert watched.read() is None
    watched.close()


def test_signals_are_counted_and_wake_whoever_waits() -> None:
    """Whatever was there before is there again afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    with Signals(waking=[signal.SIGUSR1], ignored=[signal.SIGUSR2]) as signals:
        signals.wait(0)
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)
        signals.wait(60)
        assert signals.count == 0
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        signals.wait(60)
        assert signals.count == 2

    assert signal.getsignal(signal.SIGTERM) is before


def test_no_number_of_signals_blocks_their_handler() -> None:
    """Its pipe is full at some time; then whoever waits is woken all the same."""
    with Signals() as signals:
        for _ in range(70_000):
            signals._note(signal.SIGTERM, None)
        signals.wait(60)

    assert signals.count == 70_000


def test_serving_ends_with_a_second_signal(site: Site) -> None:
    """Whoever presses twice does not want to wait."""
    go_on = threading.Event()

    def handle(transmission: Transmission) -> None:
        if read_number(transmission) == 1:
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
            assert go_on.wait(30)

    put(site.inbox, 1)
    worker = Worker(site.inbox, handle)
    with Signals() as signals:
        status = serve(worker, signals)
    assert not worker.has_left
    go_on.set()
    wait_until(lambda: worker.has_left)

    assert status == 130


def test_serving_closes_the_inbox_when_nobody_uses_it(site: Site) -> None:
    """Not under the feet of a handler that still runs."""
    closed: list[bool] = []
    go_on = threading.Event()
    close = site.inbox.store.close
    site.inbox.store.close = lambda: closed.append(True)  # type: ignore[method-assign]

    def handle(transmission: Transmission) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        if read_number(transmission) == 2:
            assert go_on.wait(30)

    statuses = []
    for number in (1, 2):
        put(site.inbox, number)
        worker = Worker(site.inbox, handle, grace_seconds=number % 2 * 30)
        with Signals() as signals:
            statuses.append(serve(worker, signals))
    go_on.set()
    wait_until(lambda: worker.has_left)
    close()

    assert statuses == [0, 0]
    assert closed == [True]
