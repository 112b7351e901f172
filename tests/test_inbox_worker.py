"""The worker, in one process and on an inbox in memory."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redox_wsgi import (
    BodyNotJson,
    ConfigurationError,
    InboxUnavailable,
    LostLease,
    PermanentFailure,
    Response,
    Router,
    Transmission,
)
from redox_wsgi.inbox import Claim, Inbox, Selection, State
from redox_wsgi.inbox.store import BodyDamaged
from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.handling_report import HandledOutcome
from redox_wsgi.inbox.worker.housekeeping import Retention
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.clocks import Clock
from tests.support.leaks import build_patient, capture_logs, fail, find
from tests.support.work import (
    ORDERS,
    RESULTS,
    Handled,
    Running,
    build_clocked,
    put,
    raising,
    read_number,
    wait_until,
)

LEASE_SECONDS = 30


def lane(inbox: Inbox, key: str = ORDERS) -> Any:
    """Return one lane as an operator sees it."""
    [found] = [lane for lane in inbox.stats().lanes if lane.key == key]
    return found


def test_each_lane_is_handled_in_order_of_arrival() -> None:
    """Lanes take turns, so that a full one starves nobody."""
    handled = Handled(lambda _: clock.advance(1))
    inbox, worker, clock = build_clocked(handled)
    for number in range(4):
        put(inbox, number)
        put(inbox, 10 + number, "Results")

    assert worker.drain() == 8

    assert [number for number in handled if number < 10] == [0, 1, 2, 3]
    assert [number for number in handled if number >= 10] == [10, 11, 12, 13]
    assert {handled[0], handled[1]} == {0, 10}
    assert (inbox.stats().done, inbox.stats().waiting) == (8, 0)


def test_a_handler_gets_what_it_would_get_without_an_inbox() -> None:
    """And with it the entry, whose fence it may pass on."""
    seen: list[Transmission] = []
    inbox, worker, _ = build_clocked(seen.append)
    put(inbox, 7)
    assert worker.run_once()
    assert not worker.run_once()

    [transmission] = seen
    assert read_number(transmission) == 7
    assert transmission.attempt == 1
    entry = transmission.entry
    assert entry is not None
    assert (entry.id, entry.lane, entry.fence) == (1, ORDERS, 1)


def test_a_router_is_a_handler() -> None:
    """What answered Redox before may handle the inbox afterwards."""
    router = Router()
    handled = Handled()
    router.on("Order")(handled)
    inbox, worker, _ = build_clocked(router)
    put(inbox, 1)
    put(inbox, 2, "Results")
    worker.drain()

    assert handled == [1]
    assert inbox.stats().done == 2


def test_lanes_are_handled_at_once_and_one_lane_is_not() -> None:
    """A slow lane holds up no other; within it, one waits for the one before."""
    together = threading.Barrier(2)
    at_work: list[str] = []
    most = []

    def meet(transmission: Transmission) -> None:
        assert transmission.entry is not None
        at_work.append(transmission.entry.lane)
        most.append(at_work.count(transmission.entry.lane))
        together.wait(30)
        at_work.remove(transmission.entry.lane)

    inbox = Inbox("memory://")
    for number in range(5):
        put(inbox, number)
        put(inbox, 10 + number, "Results")
    with Running(Worker(inbox, meet, concurrency=3)):
        wait_until(lambda: inbox.stats().done == 10)

    assert set(most) == {1}


def test_what_comes_while_the_worker_sleeps_is_handled() -> None:
    """Nobody has to wake it."""
    handled = Handled()
    inbox = Inbox("memory://")
    with Running(Worker(inbox, handled)):
        for number in range(3):
            put(inbox, number)
            wait_until(lambda: len(handled) == number + 1)  # noqa: B023 - called now

    assert handled == [0, 1, 2]


def test_a_full_lane_does_not_wait_for_a_thread_that_sleeps() -> None:
    """Whoever has finished an entry asks for the next one at once."""
    asleep, go_on = threading.Event(), threading.Event()

    def effect(_: Transmission) -> None:
        assert asleep.wait(30)

    def sleep(_: float) -> None:
        asleep.set()
        assert go_on.wait(30)

    handled = Handled(effect)
    inbox = Inbox("memory://")
    store: Any = inbox.store
    store.wait = sleep
    for number in range(20):
        put(inbox, number)
    with Running(Worker(inbox, handled, concurrency=2)):
        wait_until(lambda: len(handled) == 20)
        go_on.set()

    assert handled == list(range(20))


def test_one_thread_looks_out_for_all() -> None:
    """Many that do nothing must not ask the store more often than one."""
    inbox = Inbox("memory://")
    store: Any = inbox.store
    at_once: list[int] = []
    asleep: list[int] = []
    wait = store.wait

    def sleep(seconds: float) -> None:
        asleep.append(1)
        at_once.append(len(asleep))
        wait(seconds)
        asleep.pop()

    store.wait = sleep
    worker = Worker(inbox, print, concurrency=4, random=lambda: 0.0)
    with Running(worker):
        wait_until(lambda: len(at_once) >= 4)

    assert set(at_once) == {1}


def test_a_failure_is_tried_again_later_and_holds_up_its_lane_only() -> None:
    """Order is kept: what is behind it waits."""
    broken = [True, True, False]

    def effect(transmission: Transmission) -> None:
        if transmission.data_model == "Order" and broken.pop(0):
            raise ValueError

    handled = Handled(effect)
    inbox, worker, clock = build_clocked(handled, backoff=Backoff(random=lambda: 0.0))
    put(inbox, 1)
    put(inbox, 2, "Results")
    assert worker.drain() == 2
    assert handled == [2]
    assert lane(inbox).attempts == 1
    clock.advance(0.9)
    assert worker.drain() == 0
    clock.advance(0.1)
    assert worker.drain() == 1
    clock.advance(1.9)
    assert worker.drain() == 0
    clock.advance(0.1)
    assert worker.drain() == 1

    assert handled == [2, 1]
    assert inbox.stats().waiting == 0


def test_a_lane_halts_after_the_last_attempt_and_goes_on_when_it_is_resumed() -> None:
    """It takes what comes, and is silent until a person decides."""
    handled = Handled(raising(ValueError()))
    inbox, worker, clock = build_clocked(handled, max_attempts=3)
    put(inbox, 1)
    with capture_logs() as records:
        for _ in range(5):
            worker.drain()
            clock.advance(1000)
    put(inbox, 2)
    assert worker.drain() == 0
    assert lane(inbox).is_halted
    assert lane(inbox).waiting == 2
    assert [record.levelname for record in records] == ["WARNING", "WARNING", "ERROR"]
    assert records[-1].getMessage().startswith(f"halted lane={ORDERS} entry=1 ")

    handled.effect = lambda _: None
    assert inbox.store.resume_lane(ORDERS)
    worker.drain()

    assert handled == [1, 2]


def test_in_a_lane_of_dead_letters_the_next_one_is_handled() -> None:
    """The entry is kept until an operator decides."""

    def effect(transmission: Transmission) -> None:
        if read_number(transmission) == 1:
            raise ValueError

    handled = Handled(effect)
    inbox, worker, _ = build_clocked(handled, max_attempts=1, dead_letter=["*|order"])
    for number in (1, 2):
        put(inbox, number)
        put(inbox, number, "Results")
    worker.drain()

    assert handled == [2]
    assert not lane(inbox).is_halted
    assert lane(inbox, RESULTS).is_halted
    [dead] = inbox.store.find_entries(Selection(states=frozenset({State.DEAD})))
    assert dead.id == 1
    assert (dead.error or "").startswith("builtins.ValueError < ")


def test_a_permanent_failure_is_not_tried_again() -> None:
    """Its word tells the operator why."""
    inbox, worker, _ = build_clocked(raising(PermanentFailure("no-such-bed")))
    put(inbox, 1)
    worker.drain()

    assert lane(inbox).is_halted
    assert lane(inbox).attempts == 1
    assert lane(inbox).last_error.startswith("no-such-bed: redox_wsgi.errors.Perm")


@pytest.mark.parametrize(
    "error",
    [
        PermanentFailure("Zoë has no bed"),
        BodyDamaged("Zoë"),
        BodyDamaged(),
        KeyError("Zoë"),
    ],
    ids=repr,
)
def test_no_other_text_of_an_error_is_kept(error: Exception) -> None:
    """A word is a word; whatever else was given could be a patient's."""
    inbox, worker, _ = build_clocked(raising(error))
    put(inbox, 1)
    with capture_logs() as records:
        worker.drain()

    assert "Zo" not in lane(inbox).last_error
    assert type(error).__name__ in lane(inbox).last_error
    assert all("Zo" not in record.getMessage() for record in records)


def test_no_patients_data_reach_the_log_or_the_store_with_a_failure() -> None:
    """Handlers quote what was wrong, in an error of an error."""
    inbox, worker, clock = build_clocked(fail, max_attempts=2, dead_letter=["*"])
    inbox(Transmission(build_patient(), received_at=datetime.now(UTC)))
    with capture_logs() as records:
        worker.drain()
        seen = lane(inbox, inbox.stats().lanes[0].key)
        clock.advance(1000)
        worker.drain()
    everything = Selection()

    assert len(records) == 2
    assert find(seen, seen.last_error) == []
    assert find(*records) == []
    assert find(*(e.error for e in inbox.store.find_entries(everything))) == []


@pytest.mark.parametrize(
    "error",
    [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("x")],
    ids=repr,
)
def test_nothing_that_a_handler_raises_ends_the_worker(error: BaseException) -> None:
    """sys.exit() in one lane is no reason to leave the others."""

    def effect(transmission: Transmission) -> None:
        if transmission.data_model == "Order":
            raise error

    handled = Handled(effect)
    inbox = Inbox("memory://")
    with Running(Worker(inbox, handled, concurrency=1)):
        put(inbox, 1)
        wait_until(lambda: lane(inbox).last_error)
        put(inbox, 2, "Results")
        wait_until(lambda: handled == [2])

    assert type(error).__name__ in lane(inbox).last_error


def test_a_refusal_counts_as_a_failure() -> None:
    """Without an inbox Redox would send it again."""
    inbox, worker, _ = build_clocked(lambda _: Response(b"{}", 404))
    put(inbox, 1)
    worker.drain()

    assert lane(inbox).last_error == "refused-404"


@pytest.mark.parametrize("reply", [{"a": 1}, b"{}", 17, Response(b"", 200)], ids=repr)
def test_an_answer_is_dropped_with_one_hint(reply: object) -> None:
    """The work is done: to do it again for the sake of a return value would harm."""
    inbox, worker, _ = build_clocked(lambda _: reply)
    put(inbox, 1)
    put(inbox, 2)
    with capture_logs() as records:
        worker.drain()

    assert inbox.stats().done == 2
    assert [record.levelname for record in records] == ["WARNING", "INFO", "INFO"]
    assert type(reply).__name__ in records[0].getMessage()


def test_an_entry_that_kills_its_worker_runs_out_of_attempts_too() -> None:
    """Nobody reports the last attempt, so the next claim does; nothing is called."""
    handled = Handled()
    inbox, worker, clock = build_clocked(handled, max_attempts=2)
    put(inbox, 1)
    for token in ("a", "b"):
        assert inbox.store.claim(token, LEASE_SECONDS)
        clock.advance(LEASE_SECONDS)
    worker.drain()

    assert handled == []
    assert lane(inbox).is_halted
    assert lane(inbox).last_error == "attempts-unfinished"


def test_a_damaged_body_halts_its_lane_at_once() -> None:
    """It is never skipped, not even in a lane of dead letters."""
    handled = Handled()
    inbox, worker, _ = build_clocked(handled, dead_letter=["*"])
    put(inbox, 1)
    store: Any = inbox.store
    read_body = store.read_body

    def damage(_: int) -> bytes:
        raise BodyDamaged("body-changed")

    store.read_body = damage
    assert worker.drain() == 1
    assert lane(inbox).is_halted
    assert lane(inbox).last_error.startswith("body-changed: ")
    store.read_body = read_body
    inbox.store.resume_lane(ORDERS)
    worker.drain()

    assert handled == [1]


def test_what_cannot_be_read_for_another_reason_is_tried_again_and_kept() -> None:
    """Too little memory passes; a bug of ours does not, and a person looks."""
    handled = Handled()
    inbox, worker, clock = build_clocked(handled, max_attempts=2, dead_letter=["*"])
    put(inbox, 1)
    store: Any = inbox.store

    def fail_to_read(_: int) -> bytes:
        raise MemoryError

    store.read_body = fail_to_read
    worker.drain()
    assert not lane(inbox).is_halted
    clock.advance(10)
    worker.drain()

    assert lane(inbox).is_halted
    assert lane(inbox).last_error.startswith("builtins.MemoryError")


def break_store(inbox: Inbox, *names: str) -> Callable[[], None]:
    """Let methods of a store fail until what is returned is called."""
    store: Any = inbox.store
    before = {name: getattr(store, name) for name in names}

    def fail(*_: Any, **__: Any) -> Any:
        raise InboxUnavailable("disk-full")

    for name in names:
        setattr(store, name, fail)

    def mend() -> None:
        for name, method in before.items():
            setattr(store, name, method)

    return mend


def test_a_body_that_cannot_be_read_now_costs_no_attempt() -> None:
    """The store is ill, not the entry."""
    handled = Handled()
    outcomes: list[HandledOutcome] = []
    inbox, worker, _ = build_clocked(handled, observer=outcomes.append)
    put(inbox, 1)
    mend = break_store(inbox, "read_body")
    with pytest.raises(InboxUnavailable):
        worker.drain()
    assert lane(inbox).attempts == 0
    mend()
    worker.drain()

    assert handled == [1]
    assert [outcome.word for outcome in outcomes] == ["released", "handled"]


def test_if_it_cannot_be_given_back_its_lease_ends() -> None:
    """Nothing is lost with a store that is down."""
    outcomes: list[HandledOutcome] = []
    handled = Handled()
    inbox, worker, clock = build_clocked(handled, observer=outcomes.append)
    put(inbox, 1)
    mend = break_store(inbox, "read_body", "release")
    assert worker.drain() == 1
    mend()
    assert worker.drain() == 0
    clock.advance(LEASE_SECONDS)
    worker.drain()

    assert handled == [1]
    assert [outcome.word for outcome in outcomes] == ["lost", "handled"]


@pytest.mark.parametrize("word", ["handled", "failed"])
def test_a_lease_that_ends_with_its_entry_is_not_called_lost(word: str) -> None:
    """A heartbeat in that instant alarmed somebody in vain: two at work on one lane."""
    outcomes: list[HandledOutcome] = []
    handler = raising(ValueError()) if word == "failed" else Handled()
    inbox, worker, _ = build_clocked(handler, observer=outcomes.append)
    put(inbox, 1)
    store: Any = inbox.store
    beat = worker._heartbeat.beat
    for name in ("complete", "retry"):
        end = getattr(store, name)
        setattr(store, name, lambda *facts, end=end: (end(*facts), beat()))
    with capture_logs() as records:
        worker.drain()

    assert [outcome.word for outcome in outcomes] == [word]
    assert not [record for record in records if "Lost" in record.getMessage()]


AGAIN = "The inbox can be used again."


def test_a_worker_outlives_its_store() -> None:
    """Database restarts are nobody's business; it is said once, and that it is over."""
    handled = Handled()
    inbox = Inbox("memory://")
    put(inbox, 1)
    mend = break_store(inbox, "claim", "repair_clock")
    worker = Worker(inbox, handled, random=lambda: 0.0)
    worker._unavailable = Backoff(0.001, 0.001)
    with capture_logs() as records, Running(worker):
        wait_until(lambda: records)
        mend()
        wait_until(lambda: handled)
        wait_until(lambda: AGAIN in [record.getMessage() for record in records])

    texts = [record.getMessage() for record in records]
    assert "cannot be used now" in texts[0]
    assert texts.count(AGAIN) == 1


def test_what_was_handled_is_completed_when_the_store_is_back() -> None:
    """As long as the lease lasts, it need not be handled again."""
    handled = Handled()
    inbox, worker, _ = build_clocked(handled)
    put(inbox, 1)
    mend = break_store(inbox, "complete")
    pauses: list[object] = []

    def pause() -> bool:
        pauses.append(None)
        if len(pauses) == 2:
            mend()
        return False

    worker._handling._pause = pause
    worker.drain()

    assert handled == [1]
    assert inbox.stats().done == 1
    assert len(pauses) == 2


def test_what_could_not_be_completed_within_its_lease_is_handled_again() -> None:
    """At least once: that is why a handler must be idempotent."""
    handled = Handled()
    outcomes: list[HandledOutcome] = []
    inbox, worker, clock = build_clocked(handled, observer=outcomes.append)
    put(inbox, 1)
    mend = break_store(inbox, "complete")

    def pause() -> bool:
        clock.advance(LEASE_SECONDS)
        return False

    worker._handling._pause = pause
    worker.run_once()
    mend()
    worker.drain()

    assert handled == [1, 1]
    assert [outcome.word for outcome in outcomes] == ["lost", "handled"]


def test_a_late_completion_is_refused() -> None:
    """Another worker has the entry by then, and its word counts."""
    outcomes: list[HandledOutcome] = []
    claims: list[Claim | None] = []

    def effect(transmission: Transmission) -> None:
        assert transmission.entry is not None
        clock.advance(LEASE_SECONDS)
        claims.append(inbox.store.claim("successor", LEASE_SECONDS))
        assert transmission.entry.is_lost

    inbox, worker, clock = build_clocked(effect, observer=outcomes.append)
    put(inbox, 1)
    with capture_logs() as records:
        worker.drain()

    [successor] = claims
    assert successor is not None
    assert (successor.entry_id, successor.fence, successor.attempt) == (1, 2, 2)
    assert [outcome.word for outcome in outcomes] == ["lost"]
    assert records[-1].getMessage().startswith("lost lane=")
    inbox.store.complete(successor)


def test_a_worker_that_was_stopped_before_the_handler_does_not_call_it() -> None:
    """Else it would run beside its successor, which nothing can prevent later."""
    handled = Handled()
    inbox, worker, clock = build_clocked(handled)
    put(inbox, 1)
    store: Any = inbox.store
    read_body = store.read_body

    def read_slowly(entry_id: int) -> Any:
        clock.advance(LEASE_SECONDS)
        return read_body(entry_id)

    store.read_body = read_slowly
    assert worker.run_once()

    assert handled == []


class _Committing:
    """Completes entries in transactions, as a store in PostgreSQL does."""

    def __init__(self, inbox: Inbox) -> None:
        store: Any = inbox.store
        complete = store.complete

        def note(claim: Claim, connection: Any = None) -> None:
            if connection is None:
                complete(claim)
            else:
                connection.append(lambda: complete(claim))

        store.complete = note


@pytest.mark.parametrize(
    ("commits", "error", "word", "done"),
    [
        (True, None, "handled", 1),
        (True, ValueError(), "handled", 1),
        (False, None, "failed", 0),
        (False, ValueError(), "failed", 0),
    ],
)
def test_the_handlers_own_transaction_decides_what_it_completed(
    commits: bool, error: Exception | None, word: str, done: int
) -> None:
    """Committed with its effect: done once, whatever follows. Rolled back: not done."""
    outcomes: list[HandledOutcome] = []

    def effect(transmission: Transmission) -> None:
        assert transmission.entry is not None
        transaction: list[Callable[[], None]] = []
        transmission.entry.complete(transaction)
        if commits:
            transaction[0]()
        if error:
            raise error

    inbox, worker, _ = build_clocked(effect, observer=outcomes.append)
    _Committing(inbox)
    put(inbox, 1)
    worker.drain()

    assert [outcome.word for outcome in outcomes] == [word]
    assert (outcomes[0].error is None) is commits
    assert inbox.stats().done == done


def test_a_completion_that_the_store_refuses_fails_the_entry() -> None:
    """The handler rolls back: what another worker has is not its own."""

    def effect(transmission: Transmission) -> None:
        assert transmission.entry is not None
        clock.advance(LEASE_SECONDS)
        inbox.store.claim("successor", LEASE_SECONDS)
        transmission.entry.complete([])

    outcomes: list[HandledOutcome] = []
    inbox, worker, clock = build_clocked(effect, observer=outcomes.append)
    store: Any = inbox.store
    complete = store.complete
    store.complete = lambda claim, _=None: complete(claim)
    put(inbox, 1)
    worker.drain()

    assert [outcome.word for outcome in outcomes] == ["lost"]


# Python 3.12 warns where a process with threads forks: that is what is tested.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_a_handler_forked_does_not_work_on() -> None:
    """It would complete what its parent handles, and share its connections."""
    statuses: list[int] = []

    def effect(transmission: Transmission) -> None:
        number = read_number(transmission)
        pid = os.fork()
        if pid == 0:
            if number == 1:
                return
            raise {2: SystemExit(7), 3: SystemExit("text"), 4: ValueError()}[number]
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    inbox, worker, _ = build_clocked(effect)
    for number in (1, 2, 3, 4):
        put(inbox, number)
    assert worker.drain() == 4

    assert statuses == [0, 7, 1, 1]
    assert inbox.stats().done == 4


class _Ended(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 0),
        (ValueError(), 1),
        (SystemExit(), 0),
        (SystemExit(7), 7),
        (SystemExit(-1), 255),
        (SystemExit("text"), 1),
    ],
    ids=repr,
)
def test_a_forked_process_ends_with_the_status_that_it_meant(
    error: BaseException | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent may wait for it; the store is not touched."""
    statuses: list[int] = []

    def end(status: int) -> None:
        statuses.append(status)
        raise _Ended

    def effect(_: Transmission) -> None:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        if error is not None:
            raise error

    inbox, worker, _ = build_clocked(effect)
    put(inbox, 1)
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(_Ended):
        worker.drain()

    assert statuses == [status]
    assert lane(inbox).is_claimed


def test_hanging_handlers_are_replaced_up_to_a_bound() -> None:
    """Loudly, with the place where each hangs; what comes late is refused."""
    go_on = threading.Event()

    def effect(transmission: Transmission) -> None:
        if read_number(transmission) < 2 and transmission.attempt == 1:
            assert go_on.wait(30)

    handled = Handled(effect)
    outcomes: list[HandledOutcome] = []
    inbox = Inbox("memory://")
    worker = Worker(
        inbox,
        handled,
        concurrency=1,
        max_hanging=1,
        lease_seconds=0.3,
        max_handling_seconds=0.1,
        observer=outcomes.append,
    )
    put(inbox, 0)
    put(inbox, 2, "Results")
    with capture_logs() as records, Running(worker):
        wait_until(lambda: sorted(handled) == [0, 2])
        assert not worker.has_left
        put(inbox, 1)
        wait_until(
            lambda: (
                sum(r.getMessage().startswith("A handler takes") for r in records) == 2
            )
        )
        assert len(worker._crew._hands) == 2
        go_on.set()
        wait_until(lambda: 1 in handled)
    wait_until(lambda: worker.has_left)

    complaints = [r.getMessage() for r in records if "takes too long" in r.getMessage()]
    assert "hanging=1 of at most 1" in complaints[0]
    assert "hanging=2 of at most 1" in complaints[1]
    assert all("test_inbox_worker.py" in text for text in complaints)
    assert "lost" in [outcome.word for outcome in outcomes]
    assert inbox.stats().done == 3


def test_a_thread_that_ends_by_itself_is_replaced() -> None:
    """Whatever the reason, its text is not shown."""
    inbox = Inbox("memory://")
    handled = Handled()
    worker = Worker(inbox, handled, concurrency=1)
    handle = worker._handling.handle
    broken = [True]

    def break_once(entry: Any) -> Any:
        if broken:
            broken.clear()
            raise RuntimeError("Zoë")
        return handle(entry)

    worker._handling.handle = break_once  # type: ignore[method-assign]
    put(inbox, 1)
    with capture_logs() as records, Running(worker):
        put(inbox, 2, "Results")
        wait_until(lambda: handled == [2])

    [line] = [r.getMessage() for r in records if r.levelname == "CRITICAL"]
    assert "builtins.RuntimeError" in line
    assert "Zo" not in line


def test_stopping_lets_handlers_finish() -> None:
    """And claims nothing more."""
    begun = threading.Event()

    def effect(_: Transmission) -> None:
        begun.set()
        # Stopped, and the only one that still works.
        wait_until(worker._stopping.is_set)
        wait_until(lambda: sum(h.thread.is_alive() for h in worker._crew._hands) == 1)

    handled = Handled(effect)
    outcomes: list[HandledOutcome] = []
    inbox = Inbox("memory://")
    put(inbox, 1)
    put(inbox, 2)
    worker = Worker(inbox, handled, concurrency=2, observer=outcomes.append)
    with Running(worker):
        assert begun.wait(30)

    assert handled == [1]
    assert [outcome.word for outcome in outcomes] == ["handled"]
    assert worker.has_left
    assert (inbox.stats().done, inbox.stats().waiting) == (1, 1)
    assert lane(inbox).attempts == 0


@contextmanager
def stuck(inbox: Inbox, **settings: Any) -> Iterator[Worker]:
    """Run a worker whose handler does not finish within the grace period."""
    begun, go_on = threading.Event(), threading.Event()

    def effect(_: Transmission) -> None:
        begun.set()
        assert go_on.wait(30)

    worker = Worker(inbox, effect, grace_seconds=0, **settings)
    running = Running(worker)
    with running:
        assert begun.wait(30)
        running.stop()
        yield worker
        go_on.set()
    wait_until(lambda: worker.has_left)


def test_what_does_not_finish_in_time_is_given_back() -> None:
    """Another worker has it at once, and this attempt does not count."""
    inbox = Inbox("memory://")
    put(inbox, 1)
    with capture_logs() as records, stuck(inbox) as worker:
        assert not worker.has_left
        claim = inbox.store.claim("other", LEASE_SECONDS)

    assert claim is not None
    assert claim.attempt == 1
    texts = [record.getMessage() for record in records]
    assert texts[0].startswith("The grace period is over; given back")
    assert texts[1].startswith("lost lane=")


def test_what_cannot_be_given_back_waits_for_its_lease() -> None:
    """A worker that is told to stop does stop."""
    inbox = Inbox("memory://")
    put(inbox, 1)
    mend = break_store(inbox, "release")
    with capture_logs() as records, stuck(inbox):
        assert inbox.store.claim("other", LEASE_SECONDS) is None
    mend()

    assert any("cannot be used now" in record.getMessage() for record in records)


def test_what_is_claimed_while_the_worker_stops_is_given_back() -> None:
    """Stopping means that nothing begins any more."""
    handled = Handled()
    inbox, worker, _ = build_clocked(handled)
    put(inbox, 1)
    store: Any = inbox.store
    claim = store.claim

    claims: list[Claim | None] = []

    def claim_late(*arguments: Any) -> Any:
        worker.stop()
        claims.append(claim(*arguments))
        return claims[-1]

    store.claim = claim_late
    with Running(worker) as running:
        running.thread.join(30)

    assert worker.has_left
    assert claims[0] is not None
    assert handled == []
    assert (lane(inbox).attempts, lane(inbox).is_claimed) == (0, False)


def test_a_body_that_cannot_be_read_pauses_the_worker() -> None:
    """Else it would claim and give back as fast as it can."""
    handled = Handled()
    inbox = Inbox("memory://")
    outcomes: list[HandledOutcome] = []
    worker = Worker(inbox, handled, observer=outcomes.append, concurrency=1)
    pauses: list[int] = []

    class Paused:
        def delay_seconds(self, attempt: int) -> float:
            pauses.append(attempt)
            if len(pauses) == 2:
                mend()
            return 0.001

    worker._unavailable = Paused()  # type: ignore[assignment]
    put(inbox, 1)
    mend = break_store(inbox, "read_body")
    with Running(worker):
        wait_until(lambda: handled)

    assert pauses == [1, 2]


def test_an_outcome_says_what_a_metric_needs() -> None:
    """And the log has one line of it."""
    outcomes: list[HandledOutcome] = []
    inbox, worker, clock = build_clocked(
        lambda _: clock.advance(0.25), observer=outcomes.append
    )
    put(inbox, 1, "Clinical Summary")
    with capture_logs() as records:
        worker.drain()

    [outcome] = outcomes
    assert outcome == HandledOutcome(
        word="handled",
        lane=ORDERS.replace("order", "clinicalsummary"),
        entry_id=1,
        attempt=1,
        error=None,
        data_model="Clinical Summary",
        event_type="New",
        log_id="0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        seconds=0.25,
    )
    [record] = records
    assert record.levelname == "INFO"
    assert record.getMessage() == (
        f"handled lane={outcome.lane} entry=1 "
        'data_model="Clinical Summary" event_type=New '
        f"log_id={outcome.log_id} attempt=1 milliseconds=250.0"
    )


def test_an_observer_that_fails_fails_nothing_else() -> None:
    """It watches."""

    def observe(_: HandledOutcome) -> None:
        raise ValueError("Zoë")

    inbox, worker, _ = build_clocked(lambda _: None, observer=observe)
    put(inbox, 1)
    with capture_logs() as records:
        worker.drain()

    assert inbox.stats().done == 1
    assert "The observer raised builtins.ValueError" in records[-1].getMessage()
    assert "Zo" not in records[-1].getMessage()


def test_names_that_are_no_plain_words_are_not_logged() -> None:
    """A sender could write anything there."""
    inbox, worker, _ = build_clocked(lambda _: None)
    put(inbox, 1, "Zoë Kanarienvogel")
    with capture_logs() as records:
        worker.drain()

    assert "data_model=other" in records[0].getMessage()
    assert find(*records) == []


def test_what_is_no_json_is_handed_on_as_it_came() -> None:
    """The handler decides what it makes of it."""
    errors: list[type[Exception]] = []

    def effect(transmission: Transmission) -> None:
        try:
            transmission.json()
        except BodyNotJson as error:
            errors.append(type(error))

    inbox, worker, _ = build_clocked(effect)
    inbox(Transmission(b"no json", received_at=datetime.now(UTC)))
    worker.drain()

    assert errors == [BodyNotJson]
    assert inbox.stats().done == 1


def test_queries_never_reach_a_worker() -> None:
    """Their asker has gone."""
    handled = Handled()
    inbox, worker, _ = build_clocked(handled)
    body = b'{"Meta": {"DataModel": "PatientSearch", "EventType": "Query"}}'
    inbox(Transmission(body, received_at=datetime.now(UTC)))

    assert worker.drain() == 0
    assert handled == []


def age(inbox: Inbox) -> dict[State, int]:
    """Count the entries by state."""
    stats = inbox.stats()
    return {State.DONE: stats.done, State.EMPTIED: stats.emptied}


def test_old_bodies_go_first_and_identities_much_later() -> None:
    """A repeat is recognised as long as its identity is kept."""
    inbox, worker, clock = build_clocked(lambda _: None)
    for number in range(3):
        put(inbox, number)
    worker.drain()
    day = timedelta(days=1).total_seconds()
    clock.advance(6.9 * day)
    assert inbox.prune() == 0
    clock.advance(0.2 * day)
    assert inbox.prune() == 3
    assert age(inbox) == {State.DONE: 0, State.EMPTIED: 3}
    put(inbox, 0)
    assert inbox.stats().waiting == 0
    clock.advance(83 * day)
    assert inbox.prune(Retention(7, 90)) == 3
    put(inbox, 0)

    assert inbox.stats().waiting == 1
    assert age(inbox) == {State.DONE: 0, State.EMPTIED: 0}


def test_a_backoff_without_a_limit_stops_no_look_for_wrong_clocks() -> None:
    """What is due in more than a century is a mistake all the same."""
    handled = Handled()
    inbox, worker, clock = build_clocked(handled, backoff=Backoff(1.0, math.inf))
    clock.advance(timedelta(days=40_000).total_seconds())
    put(inbox, 1)
    clock.advance(-timedelta(days=40_000).total_seconds())
    worker.drain()

    assert handled == [1]


@pytest.mark.parametrize("days", [999_999, math.inf])
def test_what_is_kept_for_ever_stops_no_pruning(days: float) -> None:
    """That moment is before any that can be told; the bodies go all the same."""
    inbox, worker, clock = build_clocked(lambda _: None)
    put(inbox, 1)
    worker.drain()
    clock.advance(timedelta(days=8).total_seconds())

    assert inbox.prune(Retention(7, days)) == 1
    assert age(inbox) == {State.DONE: 0, State.EMPTIED: 1}


def test_pruning_goes_in_pieces_until_nothing_is_left() -> None:
    """So that nobody waits long for the store."""
    inbox, _, _ = build_clocked(lambda _: None)
    store: Any = inbox.store
    answers = {State.DONE: [500, 500, 3], State.EMPTIED: [500, 0]}
    store.prune = lambda state, *_: answers[state].pop(0)

    assert inbox.prune() == 2003 - 500
    assert answers == {State.DONE: [], State.EMPTIED: []}


def test_a_worker_prunes_by_the_time_of_day() -> None:
    """Its other clock only tells when to do so."""
    clock = Clock()
    inbox = Inbox("memory://")
    befores: list[datetime] = []
    store: Any = inbox.store

    def prune(_: State, before: datetime, __: int) -> int:
        befores.append(before)
        return 0

    store.prune = prune
    worker = Worker(inbox, print, timer=clock.timer, random=lambda: 0.0)
    worker._housekeeping.do_due()

    [done, emptied] = befores
    assert timedelta(days=7) <= datetime.now(UTC) - done < timedelta(days=8)
    assert timedelta(days=90) <= datetime.now(UTC) - emptied < timedelta(days=91)


@pytest.mark.parametrize("days", [(-1, 90), (8, 7)])
def test_a_retention_that_makes_no_sense_is_refused(days: tuple[int, int]) -> None:
    """An identity is what recognises a repeat of a body."""
    with pytest.raises(ConfigurationError):
        Retention(*days)


def test_the_worker_keeps_the_house() -> None:
    """Clocks about once a minute, old entries about once an hour, by chance."""
    inbox, worker, clock = build_clocked(lambda _: None, random=lambda: 0.5)
    store: Any = inbox.store
    calls: list[str] = []

    def repair_clock(seconds: float) -> int:
        calls.append(f"clock {seconds:g}")
        return 2

    def sweep() -> int:
        calls.append("sweep")
        return 1

    store.repair_clock, store.sweep = repair_clock, sweep
    with capture_logs() as records:
        for _ in range(121):
            worker._housekeeping.do_due()
            clock.advance(30)

    assert calls.count("clock 300") == 60
    assert calls.count("sweep") == 1
    assert calls.index("sweep") == 30
    texts = {record.getMessage() for record in records}
    assert "Pruned 0, and swept 1 left behind." in texts
    assert any(text.startswith("2 lanes were due too late") for text in texts)


def test_a_chore_that_fails_is_done_the_next_time() -> None:
    """And fails nothing else."""
    inbox, worker, clock = build_clocked(lambda _: None)
    mend = break_store(inbox, "repair_clock", "sweep")
    with capture_logs() as records:
        worker._housekeeping.do_due()
        mend()
        clock.advance(4000)
        worker._housekeeping.do_due()

    assert [record.levelname for record in records] == ["ERROR"]


def test_a_clock_that_was_set_back_stops_no_lane() -> None:
    """A lease of tomorrow would last until tomorrow."""
    inbox, worker, clock = build_clocked(lambda _: None)
    put(inbox, 1)
    clock.advance(3600)
    assert inbox.store.claim("before", LEASE_SECONDS)
    clock.advance(-3600)
    assert inbox.store.claim("after", LEASE_SECONDS) is None

    worker._housekeeping.do_due()

    assert inbox.store.claim("repaired", LEASE_SECONDS)


def test_a_clock_that_was_set_back_stops_no_lane_of_a_worker_that_drains() -> None:
    """Where only cron starts one, nobody else would ever repair it."""
    handled = Handled()
    inbox, worker, clock = build_clocked(handled)
    clock.advance(3600)
    put(inbox, 1)
    clock.advance(-3600)
    with capture_logs() as records:
        attempts = [worker.drain(), worker.drain()]

    assert (handled, attempts) == ([1], [1, 0])
    assert len([it for it in records if "set back" in it.getMessage()]) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"concurrency": 0},
        {"concurrency": True},
        {"lease_seconds": 0},
        {"max_attempts": -1},
        {"max_handling_seconds": float("nan")},
        {"dead_letter": "*|order"},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    """While building, not at three in the morning."""
    with pytest.raises(ConfigurationError):
        Worker(Inbox("memory://"), print, **settings)


def test_a_worker_needs_a_handler() -> None:
    """One that can be called, and that is not async."""

    async def handle(_: Transmission) -> None:
        """Never run."""

    for handler in (None, handle):
        with pytest.raises(ConfigurationError):
            Worker(Inbox("memory://"), handler)  # type: ignore[arg-type]


def test_a_worker_shows_its_inbox_and_no_more() -> None:
    """A handler could be anything."""
    worker = Worker(Inbox("memory://"), Handled())

    assert repr(worker) == "<Worker for <Inbox in MemoryStore>>"
    assert worker.has_left


def test_a_lost_lease_is_an_error_of_its_own() -> None:
    """A handler that gets it must roll back, and may tell it from all others."""
    assert not issubclass(LostLease, InboxUnavailable)
    assert PermanentFailure().code == "permanent-failure"
