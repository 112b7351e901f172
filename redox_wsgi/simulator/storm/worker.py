"""One process of a storm: a loop over connections that are never waited for.

Coordinated omission is what makes load tests lie: if a slow answer delays the next
request, the delay that the next one would have seen is never measured. With a rate, a
latency therefore begins when the transmission was *due*, however late it was sent:
while the subscription still had another one in flight, or while this loop was busy.
Without a rate, it begins with the first byte, as wrk and others have it.
"""

from __future__ import annotations

import math
import select
import selectors
import ssl
import time
from array import array
from collections import deque
from random import Random, SystemRandom
from typing import TYPE_CHECKING, BinaryIO

from redox_wsgi.simulator.storm.bodies import Identities, choose_templates
from redox_wsgi.simulator.storm.connection import Connection
from redox_wsgi.simulator.storm.task import Report, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from redox_wsgi.simulator.answer import ErrorWord

__all__ = ["Worker", "main"]

_TICK_SECONDS = 0.1
# After no answer, so that a dead destination is not asked ten thousand times a second.
_PAUSE_SECONDS = 0.1
# Small, so that writing a report does not delay an answer.
_REPORTED_VALUES = 1000
_LARGEST_MICROSECONDS = 2**32 - 1


class _Subscription:
    """A feed: at most one transmission in flight, the others wait their turn."""

    __slots__ = ("begun_at", "connection", "due", "is_free", "source_id", "waiting")

    def __init__(self, source_id: bytes) -> None:
        self.source_id = source_id
        self.connection: Connection
        #: When those that wait should have been sent.
        self.waiting: deque[float] = deque()
        self.is_free = True
        #: When the one in flight should have been sent; None: when it could be.
        self.due: float | None = None
        self.begun_at = 0.0


class Worker:
    """Sends one worker's share, and reports.

    Args:
        task: What to send, and where.
        selector: Watches the connections; its own file number must be a small one.
        report: Takes a report; called about ten times a second.
        clock: Seconds from any origin.
    """

    def __init__(
        self,
        task: Task,
        *,
        selector: selectors.DefaultSelector,
        report: Callable[[Report], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task = task
        self._selector = selector
        self._tell = report
        self._clock = clock
        self._report = Report()
        self._identities = Identities(SystemRandom())
        self._templates = choose_templates(task.sizes, Random(task.worker))  # noqa: S311 - sizes
        self._heads: dict[int, bytes] = {}
        tls = (ssl.create_default_context(), task.tls_name) if task.tls_name else None
        self._subscriptions = [
            _Subscription(self._identities.take()) for _ in range(task.subscriptions)
        ]
        for one in self._subscriptions:
            one.connection = Connection(
                selector, task.place, tls, self._on_end_of(one), clock
            )
        #: Those that got no answer and wait for a moment, the first one first.
        self._paused: deque[tuple[float, _Subscription]] = deque()
        self._begun = self._admitted = 0
        self._in_flight = self._waiting = 0
        self._idle_seconds = self._busy = 0.0
        self._is_stopped = False

    def stop(self) -> None:
        """Send no more, and wait for no answer."""
        self._is_stopped = True

    def run(self, start_at: float) -> None:
        """Send until count or time is over, and the last answer is there.

        Args:
            start_at: When to begin, by the clock.
        """
        self._start_at = start_at
        self._end_at = start_at + self._task.seconds
        while self._clock() < start_at and not self._is_stopped:
            for key, mask in self._wait_until(start_at):
                key.data(mask)
        self._idle_seconds = 0.0
        if self._task.rate is None:
            for one in self._subscriptions:
                self._begin_another(one)
        next_tick = start_at + _TICK_SECONDS
        while not self._is_over(self._clock()):
            now = self._clock()
            self._admit_due(now)
            self._resume_paused(now)
            events = self._selector.select(0)
            if not events:
                moments = (next_tick, self._next_due(), self._next_resumed())
                events = self._wait_until(min(moments))
            for key, mask in events:
                key.data(mask)
            now = self._clock()
            if now >= next_tick:
                next_tick = max(next_tick + _TICK_SECONDS, now)
                self._give_up_late_ones(now)
                self._send_report(now)
            elif len(self._report.latencies) >= _REPORTED_VALUES:
                self._send_report(now)
        for one in self._subscriptions:
            one.connection.close()
        self._report.is_last = True
        self._send_report(self._clock())

    def _is_over(self, now: float) -> bool:
        if self._is_stopped:
            return True
        if self._in_flight:
            return False
        done = self._task.own_count - self._begun
        return done <= 0 or now >= self._end_at

    def _wait_until(self, moment: float) -> list[tuple[selectors.SelectorKey, int]]:
        now = self._clock()
        left = max(0.0, moment - now)
        if self._task.rate is None:
            events = self._selector.select(left)
        else:
            # A selector counts in milliseconds, which is late; select(2), in
            # microseconds.
            select.select([self._selector], [], [], left)
            events = self._selector.select(0)
        self._idle_seconds += self._clock() - now
        return events

    # The open loop: what is due goes out, or waits where one is in flight already.

    def _next_due(self) -> float:
        if self._task.rate is None or self._admitted >= self._task.own_count:
            return math.inf
        number = self._admitted * self._task.workers + self._task.worker
        due = self._start_at + number / self._task.rate
        return due if due < self._end_at else math.inf

    def _admit_due(self, now: float) -> None:
        while (due := self._next_due()) <= now:
            one = self._subscriptions[self._admitted % len(self._subscriptions)]
            self._admitted += 1
            if one.is_free:
                self._note(self._report.lags, self._clock() - due)
                self._begin(one, due)
            else:
                one.waiting.append(due)
                self._waiting += 1

    # Both loops.

    def _begin(self, one: _Subscription, due: float | None) -> None:
        template = next(self._templates)
        head = self._heads.get(template.size_bytes)
        if head is None:
            head = self._heads[template.size_bytes] = self._build_head(
                template.size_bytes
            )
        pieces = template.fill(
            one.source_id, self._identities.take(), self._identities.take()
        )
        one.is_free = False
        self._begun += 1
        self._in_flight += 1
        self._report.sent += 1
        one.begun_at = self._clock()
        one.due = due
        one.connection.begin([head, *pieces])

    def _begin_another(self, one: _Subscription) -> None:
        if self._clock() >= self._end_at or self._is_stopped:
            return
        if one.waiting:
            self._waiting -= 1
            self._begin(one, one.waiting.popleft())
        elif self._task.rate is None and self._begun < self._task.own_count:
            self._begin(one, None)

    def _on_end_of(
        self, one: _Subscription
    ) -> Callable[[int | None, ErrorWord | None], None]:
        def on_end(status: int | None, word: ErrorWord | None) -> None:
            now = self._clock()
            self._in_flight -= 1
            if word is not None:
                self._report.errors[word] += 1
                self._paused.append((now + _PAUSE_SECONDS, one))
                return
            self._report.statuses[str(status)] += 1
            begins = one.connection.sending_at if one.due is None else one.due
            self._note(self._report.latencies, now - begins)
            one.is_free = True
            self._begin_another(one)

        return on_end

    def _next_resumed(self) -> float:
        return self._paused[0][0] if self._paused else math.inf

    def _resume_paused(self, now: float) -> None:
        while self._paused and self._paused[0][0] <= now:
            _, one = self._paused.popleft()
            one.is_free = True
            self._begin_another(one)

    def _give_up_late_ones(self, now: float) -> None:
        for one in self._subscriptions:
            is_late = now - one.begun_at > self._task.timeout_seconds
            if is_late and not one.is_free and one.connection.is_waiting:
                one.connection.give_up("timed-out")

    def _build_head(self, size_bytes: int) -> bytes:
        headers = (*self._task.headers, ("content-length", str(size_bytes)))
        lines = [
            f"POST {self._task.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def _note(self, values: array[int], seconds: float) -> None:
        microseconds = max(0, round(seconds * 1e6))
        values.append(min(microseconds, _LARGEST_MICROSECONDS))

    def _send_report(self, now: float) -> None:
        report, self._report = self._report, Report()
        report.at = now - self._start_at
        report.in_flight, report.waiting = self._in_flight, self._waiting
        report.opened = sum(one.connection.opened for one in self._subscriptions)
        # Not while the last answers come: that says nothing.
        if now <= self._end_at:
            self._busy = 1 - self._idle_seconds / max(report.at, 1e-9)
        report.busy = self._busy
        self._tell(report)


def main(reads: BinaryIO, writes: BinaryIO) -> None:
    """Be a worker: read a task, say that it is understood, wait for the start.

    Args:
        reads: The task, a line; then the moment to start, another; its end means to
            stop.
        writes: An empty line when ready; then the reports.
    """
    # First, so that its file number is a small one.
    with selectors.DefaultSelector() as selector:

        def write(line: str) -> None:
            writes.write(line.encode())
            writes.flush()

        line = reads.readline()
        if not line:
            return
        task = Task.from_line(line.decode())
        worker = Worker(
            task, selector=selector, report=lambda report: write(report.to_line())
        )
        write("\n")
        start_at = reads.readline()
        if start_at:
            selector.register(reads, selectors.EVENT_READ, lambda _: worker.stop())
            worker.run(float(start_at))
