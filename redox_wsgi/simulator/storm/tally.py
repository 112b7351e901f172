"""Add up what the workers report, and say what may be concluded from it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redox_wsgi.simulator.storm.latencies import Latencies

if TYPE_CHECKING:
    from redox_wsgi.simulator.storm.plan import StormPlan
    from redox_wsgi.simulator.storm.task import Report

__all__ = ["QUANTILES", "Slot", "Tally"]

#: The shares whose quantiles are told.
QUANTILES = (0.5, 0.9, 0.99, 0.999)

# A worker that has so little rest keeps answers waiting before it looks at them. With
# few connections, its own work shows earlier: it is a part of each one's turn.
_BUSY = 0.9
_BUSY_A_CONNECTION = 0.1
# A shorter run is over before anything has settled.
_SHORT_SECONDS = 0.5
# A worker's own delay must be small, by itself or compared to what is measured.
_LAG_SECONDS = 0.001
_LAG_SHARE = 0.1
# What the live view tells of.
_RECENT_SECONDS = 1.0


@dataclass(slots=True)
class Slot:
    """What happened in a slot of time."""

    #: Where it begins, in seconds since the start.
    begins: float
    seconds: float
    latencies: Latencies = field(default_factory=Latencies)
    #: Answers with a wrong status, and none at all.
    failed: int = 0
    in_flight: int = 0


class Tally:
    """The sum of all reports so far.

    Args:
        plan: What was asked for.
    """

    def __init__(self, plan: StormPlan) -> None:
        self.plan = plan
        self.latencies = Latencies()
        self.lags = Latencies()
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.sent = 0
        #: Seconds since the start until the last answer or failure.
        self.elapsed = 0.0
        self.slots: list[Slot] = []
        self._last: list[Report | None] = [None] * plan.processes
        self._recent: deque[Report] = deque()

    def add(self, worker: int, report: Report) -> None:
        """Take one report of one worker."""
        before = self._last[worker]
        self._last[worker] = report
        self._recent.append(report)
        while self._recent[0].at <= report.at - _RECENT_SECONDS:
            self._recent.popleft()
        self.latencies.add(report.latencies)
        self.lags.add(report.lags)
        self.statuses += report.statuses
        self.errors += report.errors
        self.sent += report.sent
        failed = self._failures_in(report)
        if report.latencies or failed:
            self.elapsed = max(self.elapsed, report.at)
            # The middle of the time that it tells of.
            slot = self._slot_at(((before.at if before else 0.0) + report.at) / 2)
            slot.latencies.add(report.latencies)
            slot.failed += failed
            slot.in_flight = self.in_flight

    def has_ended(self, worker: int) -> bool:
        """Tell whether a worker has sent its last report."""
        last = self._last[worker]
        return last is not None and last.is_last

    @property
    def is_over(self) -> bool:
        """Whether every worker has sent its last report."""
        return all(map(self.has_ended, range(len(self._last))))

    @property
    def answered(self) -> int:
        """How many answers came, of whatever status."""
        return len(self.latencies)

    @property
    def failed(self) -> int:
        """How many answers had a wrong status, or did not come."""
        right = self.statuses[str(self.plan.expected_status)]
        return self.answered - right + self.errors.total()

    @property
    def in_flight(self) -> int:
        """How many are sent and not answered; after the end: were abandoned."""
        return sum(last.in_flight for last in self._last if last is not None)

    @property
    def waiting(self) -> int:
        """How many are due and not sent; after the end: never were."""
        return sum(last.waiting for last in self._last if last is not None)

    @property
    def opened(self) -> int:
        """How many connections were opened."""
        return sum(last.opened for last in self._last if last is not None)

    @property
    def busy(self) -> float:
        """The share of time in which the busiest worker had something to do."""
        return max((last.busy for last in self._last if last is not None), default=0.0)

    @property
    def rate(self) -> float:
        """Answers a second, over all the time."""
        return self.answered / self.elapsed if self.elapsed else 0.0

    @property
    def is_right(self) -> bool:
        """Whether everything that was sent was answered as it should be."""
        return self.statuses[str(self.plan.expected_status)] == self.sent

    @property
    def at(self) -> float:
        """Seconds since the start, as of the last report."""
        return max((last.at for last in self._last if last is not None), default=0.0)

    @property
    def recent_rate(self) -> float:
        """Answers a second, in about the last second."""
        count = sum(len(report.latencies) for report in self._recent)
        seconds = min(self.at, _RECENT_SECONDS)
        return count / seconds if seconds else 0.0

    @property
    def recent(self) -> Latencies:
        """The latencies of about the last second."""
        latencies = Latencies()
        for report in self._recent:
            latencies.add(report.latencies)
        return latencies

    @property
    def client_limit(self) -> str | None:
        """Why these numbers may be the client's and not the destination's, if so."""
        if self.elapsed < _SHORT_SECONDS:
            return None
        if self.busy >= self._most_busy:
            return (
                f"a sending process was busy {self.busy:.0%} of the time. The "
                f"destination may be faster than this: {self._cure_of_business}"
            )
        if self.opened * 2 > self.answered and self.busy >= _BUSY_A_CONNECTION:
            return (
                "the destination ends each connection after its answer, and a server "
                f"with few workers waits for this client (busy {self.busy:.0%} of the "
                "time) to do so, too"
            )
        lag, latency = self.lags.quantile(0.99), self.latencies.quantile(0.99)
        if lag and latency and lag > max(_LAG_SECONDS, latency * _LAG_SHARE):
            return (
                f"1 % of the transmissions were sent {lag * 1000:.1f} ms late or more, "
                "and their latencies include that: use more --processes, or a lower "
                "--rate"
            )
        return None

    @property
    def _most_busy(self) -> float:
        if self.plan.rate is not None:
            return _BUSY
        connections = self.plan.subscriptions / self.plan.processes
        return min(_BUSY, connections * _BUSY_A_CONNECTION)

    @property
    def _cure_of_business(self) -> str:
        if self.plan.rate is None and self._most_busy < _BUSY:
            return "use more --connections"
        return "use more --processes"

    def _failures_in(self, report: Report) -> int:
        right = report.statuses[str(self.plan.expected_status)]
        return report.statuses.total() - right + report.errors.total()

    def _slot_at(self, at: float) -> Slot:
        width = self.plan.slot_seconds
        while len(self.slots) <= at // width:
            self.slots.append(Slot(len(self.slots) * width, width))
        return self.slots[int(at // width)]
