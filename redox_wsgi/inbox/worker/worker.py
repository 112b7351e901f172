"""The worker: it claims what is due, calls the handler, and says what came of it."""

from __future__ import annotations

import logging
import random as chance
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from redox_wsgi.clock import utc_now
from redox_wsgi.errors import ConfigurationError, InboxUnavailable
from redox_wsgi.handler import Handler, check_is_handler
from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.crew import Crew, Hand
from redox_wsgi.inbox.worker.failure_policy import FailurePolicy
from redox_wsgi.inbox.worker.handled_entry import HandledEntry
from redox_wsgi.inbox.worker.handling import Handling
from redox_wsgi.inbox.worker.handling_report import (
    HandledObserver,
    HandlingReporter,
)
from redox_wsgi.inbox.worker.heartbeat import Heartbeat
from redox_wsgi.inbox.worker.housekeeping import Housekeeping, Retention
from redox_wsgi.inbox.worker.outage import Outage

if TYPE_CHECKING:
    from redox_wsgi.inbox.inbox import Inbox

# How often the worker looks whether a handler hangs, or a chore is due.
_WATCH_SECONDS = 1.0

_logger = logging.getLogger("redox_wsgi")


class Worker:
    """Handles the entries of an inbox: each lane in order, several lanes at once.

    Many workers may work for one inbox, in many processes. A handler is called at least
    once for each entry, sometimes again after it has done its work: it must not matter.
    It runs in a thread of this worker, and gets the ``Transmission`` that it would get
    without an inbox.

    Args:
        inbox: The inbox.
        handler: Called with each transmission; a ``Router`` is one. What it returns is
            dropped. What it raises is a failure of that entry alone, and so is a
            ``Response`` with a status of 400 or more.
        concurrency: How many lanes are handled at once, each in a thread.
        lease_seconds: How long after a crash another worker waits before it takes over.
            It is renewed while the handler runs. All workers of an inbox take the same,
            and the same longest backoff: what is due later than these allow is taken
            for the mistake of a clock, and made due at once.
        max_attempts: How often an entry is tried. Then its lane is halted.
        max_handling_seconds: How long a handler may run. Then its lease is not renewed
            any more, another worker takes over, and a new thread takes its place.
        max_hanging: How many threads are replaced so; None for ``concurrency``.
        grace_seconds: How long ``stop`` waits for handlers before their entries are
            given back.
        dead_letter: The lanes whose entries are given up after the last attempt while
            the lane goes on; ``*`` stands for any text.
        backoff: How long a lane waits after a failure.
        retention: How long what was handled is kept.
        observer: Called with the ``HandledOutcome`` of each attempt.
        watch: Called with the moment at which the oldest entry in hand was claimed, by
            ``timer``, or None; for a process that watches this one.
        now: The clock: aware, in UTC.
        timer: A clock that never goes back, in seconds.
        random: Returns a number from 0.0 to 1.0.

    Raises:
        ConfigurationError: A setting is wrong.

    Example:
        >>> from redox_wsgi.inbox import Inbox
        >>> Worker(Inbox("memory://"), print).drain()
        0
    """

    def __init__(
        self,
        inbox: Inbox,
        handler: Handler,
        *,
        concurrency: int = 4,
        lease_seconds: float = 30.0,
        max_attempts: int = 20,
        max_handling_seconds: float = 600.0,
        max_hanging: int | None = None,
        grace_seconds: float = 20.0,
        dead_letter: Iterable[str] = (),
        backoff: Backoff | None = None,
        retention: Retention | None = None,
        observer: HandledObserver | None = None,
        watch: Callable[[float | None], object] = lambda _: None,
        now: Callable[[], datetime] = utc_now,
        timer: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = chance.random,
    ) -> None:
        check_is_handler(handler)
        _check_positive("concurrency", concurrency)
        _check_positive("lease_seconds", lease_seconds)
        _check_positive("max_attempts", max_attempts)
        _check_positive("max_handling_seconds", max_handling_seconds)
        if isinstance(dead_letter, str):
            raise ConfigurationError("dead_letter is a list of patterns, not a text.")
        #: The inbox that it works for.
        self.inbox = inbox
        self._lease_seconds = lease_seconds
        self._grace_seconds = grace_seconds
        self._timer = timer
        self._stopping = threading.Event()
        self._looking = threading.Lock()
        self._idle = Backoff(0.05, 1.0, random)
        self._unavailable = Backoff(1.0, 30.0, random)
        backoff = backoff or Backoff(random=random)
        self._outage = Outage(timer)
        self._heartbeat = Heartbeat(
            lease_seconds, max_handling_seconds, self._outage, watch=watch, timer=timer
        )
        self._handling = Handling(
            inbox,
            handler,
            policy=FailurePolicy(max_attempts, backoff, dead_letter),
            reporter=HandlingReporter(observer, timer),
            outage=self._outage,
            pause=lambda: self._stopping.wait(self._unavailable.delay_seconds(1)),
        )
        self._housekeeping = Housekeeping(
            inbox.store,
            retention or Retention(),
            max(lease_seconds, backoff.longest_seconds),
            self._outage,
            self._stopping.is_set,
            now=now,
            timer=timer,
            random=random,
        )
        self._crew = Crew(
            self._work, concurrency, concurrency if max_hanging is None else max_hanging
        )

    def __repr__(self) -> str:
        return f"<Worker for {self.inbox!r}>"

    def run(self) -> None:
        """Handle entries until ``stop`` is called, whatever handlers and store do.

        Call it once. When it returns, no handler runs any more but those that have
        not ended within the grace period: their entries were given back.

        Raises:
            RuntimeError: The system has no thread left to renew leases in.
        """
        with self._heartbeat.running():
            self._crew.fill()
            while not self._stopping.wait(_WATCH_SECONDS):
                self._crew.fill()
                self._housekeeping.do_due()
            for entry in self._crew.leave(self._grace_seconds):
                _logger.warning(
                    "The grace period is over; given back while its handler runs: "
                    "entry=%d lane=%s",
                    entry.id,
                    entry.lane,
                )
                self._handling.give_back(entry)

    @property
    def has_left(self) -> bool:
        """Whether no thread of it uses the inbox any more, or not yet."""
        return self._crew.has_left

    def stop(self) -> None:
        """Claim no more; from any thread, but not from a signal handler."""
        self._stopping.set()

    def drain(self) -> int:
        """Handle all that is due in this thread, then return: for tests and for cron.

        Returns:
            How many attempts it took.

        Raises:
            InboxUnavailable: The store cannot be used now.
        """
        count = 0
        with self._heartbeat.running():
            while self._handle_next():
                count += 1
        return count

    def run_once(self) -> bool:
        """Handle one entry in this thread, if one is due.

        Returns:
            Whether one was.

        Raises:
            InboxUnavailable: The store cannot be used now.
        """
        with self._heartbeat.running():
            return self._handle_next()

    def _handle_next(self) -> bool:
        entry = self._claim()
        # Nobody else does this chore where there is no worker but the one of cron.
        if entry is None and self._housekeeping.mend_clock():
            entry = self._claim()
        if entry is None:
            return False
        with self._heartbeat.keeping(entry):
            if self._handling.handle(entry) == "released":
                raise InboxUnavailable("body-not-read")
        return True

    def _work(self, hand: Hand) -> None:
        """Handle entries in a thread of the crew."""
        failures = 0
        while not hand.has_hung:
            entry = self._find()
            if entry is None:
                return
            with self._heartbeat.keeping(entry), hand.holding(entry):
                is_read = self._handling.handle(entry) != "released"
            failures = 0 if is_read else failures + 1
            if failures:
                self._stopping.wait(self._unavailable.delay_seconds(failures))

    def _find(self) -> HandledEntry | None:
        """Return the next entry that is due; None if the worker is to stop."""
        # By itself, and at once: the entry behind the one that was just finished is
        # due now, and the thread that looks out for all may be asleep.
        try:
            entry = None if self._stopping.is_set() else self._claim()
        except Exception as error:
            self._outage.report(error)
        else:
            if entry is not None:
                return self._unless_stopping(entry)
        return self._look_out()

    def _look_out(self) -> HandledEntry | None:
        """Wait until something is due, one thread for all; None if it is to stop."""
        misses = failures = 0
        with self._looking:
            while not self._stopping.is_set():
                try:
                    entry = self._claim()
                    if entry is not None:
                        return self._unless_stopping(entry)
                    self._outage.end()
                    misses, failures = misses + 1, 0
                    self.inbox.store.wait(self._idle.delay_seconds(misses))
                # Whatever the store raises: what it keeps will still be there.
                except Exception as error:
                    self._outage.report(error)
                    failures += 1
                    self._stopping.wait(self._unavailable.delay_seconds(failures))
        return None

    def _unless_stopping(self, entry: HandledEntry) -> HandledEntry | None:
        if not self._stopping.is_set():
            return entry
        self._handling.give_back(entry)
        return None

    def _claim(self) -> HandledEntry | None:
        claimed_at = self._timer()
        claim = self.inbox.store.claim(secrets.token_hex(16), self._lease_seconds)
        if claim is None:
            return None
        return HandledEntry(
            self.inbox.store,
            claim,
            lease_seconds=self._lease_seconds,
            claimed_at=claimed_at,
            timer=self._timer,
        )


def _check_positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not value > 0:
        raise ConfigurationError(f"{name} is a number above 0.")
