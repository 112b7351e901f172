"""The thread that renews leases, and the entry that a handler sees."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from redox_wsgi import InboxUnavailable, LostLease
from redox_wsgi.inbox import Claim, Inbox
from redox_wsgi.inbox.worker.handled_entry import HandledEntry
from redox_wsgi.inbox.worker.heartbeat import Heartbeat
from redox_wsgi.inbox.worker.outage import Outage
from tests.support.clocks import Clock
from tests.support.leaks import capture_logs
from tests.support.work import put, wait_until

LEASE_SECONDS = 30.0


class Bench:
    """An inbox with one entry in hand, a heartbeat, and the clock of both."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.inbox = Inbox("memory://", now=self.clock.now)
        put(self.inbox, 1)
        self.watched: list[float | None] = []
        self.heartbeat = Heartbeat(
            LEASE_SECONDS,
            600.0,
            Outage(self.clock.timer),
            watch=self.watched.append,
            timer=self.clock.timer,
        )
        claim = self.claim("first")
        assert claim is not None
        self.entry = HandledEntry(
            settings.get("store", self.inbox.store),
            claim,
            lease_seconds=LEASE_SECONDS,
            claimed_at=self.clock.timer(),
            timer=self.clock.timer,
        )

    def claim(self, token: str) -> Claim | None:
        """Ask for an entry as another worker would."""
        return self.inbox.store.claim(token, LEASE_SECONDS)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Renew the lease by hand."""
        with self.heartbeat.keeping(self.entry):
            yield


def test_a_lease_lasts_as_long_as_it_is_renewed() -> None:
    """A handler may run for minutes; after its end nobody waits for long."""
    bench = Bench()
    with bench.keeping():
        for _ in range(5):
            bench.clock.advance(20)
            bench.heartbeat.beat()
            assert bench.claim("other") is None
            assert not bench.entry.is_lost
    bench.heartbeat.beat()
    bench.clock.advance(LEASE_SECONDS)

    assert bench.claim("other") is not None
    assert bench.entry.is_lost


def test_an_entry_knows_that_its_lease_ended_without_asking_anyone() -> None:
    """A worker that was stopped for an hour, or that has no network, must know."""
    bench = Bench()
    bench.clock.advance(LEASE_SECONDS - 1)
    assert not bench.entry.is_lost

    bench.clock.advance(1)

    assert bench.entry.is_lost


def test_a_lease_that_another_worker_has_is_said_once() -> None:
    """From then on nothing is written for this claim."""
    bench = Bench()
    bench.clock.advance(LEASE_SECONDS)
    successor = bench.claim("other")
    with bench.keeping(), capture_logs() as records:
        bench.heartbeat.beat()
        bench.heartbeat.beat()

    assert bench.entry.is_lost
    assert [record.levelname for record in records] == ["WARNING"]
    assert "Lost the lease of entry=1" in records[0].getMessage()
    assert successor is not None
    bench.inbox.store.complete(successor)


def test_a_handler_that_runs_too_long_loses_its_lease() -> None:
    """Else an entry that hangs would stop its lane for ever."""
    bench = Bench()
    with bench.keeping():
        bench.clock.advance(599)
        bench.heartbeat.beat()
        seen = [bench.entry.is_overdue]
        bench.clock.advance(1)
        bench.heartbeat.beat()
        seen.append(bench.entry.is_overdue)
        bench.clock.advance(LEASE_SECONDS - 1)
        bench.heartbeat.beat()

        assert seen == [False, True]
        assert bench.claim("other") is not None


def test_an_outage_ends_no_heartbeat() -> None:
    """It is said once a minute; when the store is back, the lease is renewed."""
    bench = Bench()
    store: Any = bench.inbox.store
    renew = store.renew

    def fail(*_: Any) -> None:
        raise InboxUnavailable("disk-full") from OSError("a text of the system's")

    store.renew = fail
    with bench.keeping(), capture_logs() as records:
        for _ in range(4):
            bench.heartbeat.beat()
            bench.clock.advance(5)
        store.renew = renew
        bench.heartbeat.beat()
        bench.clock.advance(20)

        assert not bench.entry.is_lost
    [line] = [record.getMessage() for record in records]
    assert "InboxUnavailable" in line
    assert "OSError" in line
    assert "a text of the system's" not in line


def test_an_outage_is_said_again_after_a_while_and_when_it_is_over() -> None:
    """An operator who looks at the last minutes of a log sees it."""
    clock = Clock()
    outage = Outage(clock.timer)
    with capture_logs() as records:
        outage.end()
        for _ in range(4):
            outage.report(InboxUnavailable("locked"))
            clock.advance(30)
        outage.end()
        outage.end()

    assert [record.levelname for record in records] == ["ERROR", "ERROR", "WARNING"]


def test_the_oldest_entry_in_hand_is_told() -> None:
    """So that another process can see that this one hangs."""
    bench = Bench()
    second = HandledEntry(
        bench.inbox.store,
        bench.entry.claim,
        lease_seconds=1,
        claimed_at=bench.clock.timer() + 5,
    )
    with bench.keeping(), bench.heartbeat.keeping(second):
        pass

    assert bench.watched == [1000.0, 1000.0, 1000.0, None]


def test_the_thread_beats_three_times_a_lease() -> None:
    """And ends with the worker."""
    inbox = Inbox("memory://")
    put(inbox, 1)
    claim = inbox.store.claim("first", 0.03)
    assert claim is not None
    beats: list[float] = []
    store: Any = inbox.store
    renew = store.renew

    def count(claim: Claim, seconds: float) -> None:
        beats.append(seconds)
        renew(claim, seconds)

    store.renew = count
    entry = HandledEntry(store, claim, lease_seconds=0.03, claimed_at=0.0)
    heartbeat = Heartbeat(0.03, 1e9, Outage())
    with heartbeat.running(), heartbeat.keeping(entry):
        wait_until(lambda: len(beats) >= 3)

    assert set(beats) == {0.03}
    assert not [t for t in threading.enumerate() if t.name == "redox-heartbeat"]


class _Transactional:
    """A store in which a handler's transaction can be left open."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def complete(self, claim: Claim, connection: Any) -> None:
        self.calls.append("complete")
        if connection == "lost":
            raise LostLease("The lease of this entry has ended.")

    def renew(self, claim: Claim, lease_seconds: float) -> None:
        self.calls.append("renew")


def test_what_the_handler_completed_itself_is_not_renewed() -> None:
    """Its transaction locks the lane: a renewal would wait, and hold up all others."""
    store = _Transactional()
    bench = Bench(store=store)

    bench.entry.complete("connection")
    bench.entry.renew()

    assert bench.entry.is_completed
    assert store.calls == ["complete"]


def test_a_completion_that_was_refused_leaves_the_entry_as_it_was() -> None:
    """The handler rolls back, and fails."""
    store = _Transactional()
    bench = Bench(store=store)

    with pytest.raises(LostLease):
        bench.entry.complete("lost")
    bench.entry.renew()

    assert not bench.entry.is_completed
    assert store.calls == ["complete", "renew"]


def test_a_renewal_does_not_wait_for_a_completion() -> None:
    """One handler's transaction must not end the leases of the others."""
    store = _Transactional()
    bench = Bench(store=store)
    begun, go_on = threading.Event(), threading.Event()

    def hold(claim: Claim, connection: Any) -> None:
        begun.set()
        assert go_on.wait(30)

    store.complete = hold  # type: ignore[method-assign]
    thread = threading.Thread(target=bench.entry.complete, args=["connection"])
    thread.start()
    assert begun.wait(30)
    bench.entry.renew()
    go_on.set()
    thread.join()

    assert store.calls == []


def test_an_entry_shows_what_a_handler_needs() -> None:
    """And nothing of its head or token when it is printed."""
    entry = Bench().entry

    assert (entry.id, entry.attempt, entry.fence) == (1, 1, 1)
    assert entry.lane.endswith("|order")
    assert repr(entry) == "<HandledEntry 1, attempt 1>"
