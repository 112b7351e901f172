"""Decide which transmission may go when; it reads no clock and sends nothing.

1. Each subscription has one queue, first in, first out.
2. At most one transmission of a queue is under way.
3. One that failed stays at the head: its queue pauses, and the others do not.
4. A query that failed is not sent again; it leaves like one that succeeded.
5. With a rate, the n-th of all comes in after n / rate seconds, whatever the answers.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redox_wsgi.simulator.answer import Answer
    from redox_wsgi.simulator.delivery.outgoing import Outgoing
    from redox_wsgi.simulator.delivery.retries import Retries

__all__ = ["Queues", "Turn"]

_FIRST_FAILURE_STATUS = 400
# Sums of times, as floating numbers, need not meet: less than this is now.
_TICK_SECONDS = 1e-6


@dataclass(slots=True)
class Turn:
    """The transmission at the head of a queue, under way or paused."""

    outgoing: Outgoing
    position: int
    bodies: Iterator[bytes]
    queue: _Queue
    #: Attempts so far, the one under way included.
    number: int = 0


@dataclass(slots=True)
class _Queue:
    """What waits in one subscription; times are seconds since the beginning."""

    waiting: deque[tuple[float, int, Outgoing]] = field(default_factory=deque)
    #: The head, once it was taken out of ``waiting``.
    turn: Turn | None = None


class Queues:
    """All queues of a delivery.

    Args:
        outgoing: What is to be delivered, in the order in which it comes in.
        retries: When to send again.
        rate_per_second: How many come in per second; None: all at once.
    """

    def __init__(
        self,
        outgoing: Iterable[Outgoing],
        *,
        retries: Retries,
        rate_per_second: float | None = None,
    ) -> None:
        self._retries = retries
        # Queues with something to send, by the time from which they may.
        self._ready: list[tuple[float, int, _Queue]] = []
        queues: dict[str, _Queue] = {}
        for position, each in enumerate(outgoing):
            at = position / rate_per_second if rate_per_second else 0.0
            queue = queues.setdefault(each.envelope.subscription, _Queue())
            queue.waiting.append((at, position, each))
        for queue in queues.values():
            self._put_back(queue, 0.0)

    def take(self, now: float) -> Turn | None:
        """Return the next that may be sent at ``now``; it is under way from then on.

        Args:
            now: Seconds since the beginning.
        """
        if not self._ready or self._ready[0][0] > now + _TICK_SECONDS:
            return None
        _, _, queue = heapq.heappop(self._ready)
        if queue.turn is None:
            _, position, outgoing = queue.waiting.popleft()
            queue.turn = Turn(outgoing, position, outgoing.bodies(), queue)
        queue.turn.number += 1
        return queue.turn

    def seconds_until_next(self, now: float) -> float | None:
        """Return how long nothing more may be sent; None: until something settles."""
        return max(0.0, self._ready[0][0] - now) if self._ready else None

    def settle(self, turn: Turn, answer: Answer, now: float) -> float | None:
        """Take the answer to what was under way.

        Returns:
            The pause before the same is sent again, in seconds; None: it is done with.
        """
        pause = None
        if _is_failure(answer) and not turn.outgoing.envelope.is_query:
            pause = self._retries.pause_seconds(turn.number)
        if pause is None:
            turn.queue.turn = None
        self._put_back(turn.queue, now + (pause or 0.0))
        return pause

    # By the place of its head, so that what comes first goes first.
    def _put_back(self, queue: _Queue, not_before: float) -> None:
        if queue.turn is not None:
            entry = (not_before, queue.turn.position, queue)
        elif queue.waiting:
            comes_at, position, _ = queue.waiting[0]
            entry = (comes_at, position, queue)
        else:
            return
        heapq.heappush(self._ready, entry)


# A status of 201 ... 399 is undefined, and no failure: the queue goes on.
def _is_failure(answer: Answer) -> bool:
    if answer.is_right:
        # A refusal that was wanted.
        return False
    return answer.status is None or answer.status >= _FIRST_FAILURE_STATUS
