"""What an inbox needs now and then: old entries go, and wrong clocks are mended."""

from __future__ import annotations

import logging
import random as chance
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.inbox.entry import State
from redox_wsgi.inbox.store import Store
from redox_wsgi.inbox.worker.outage import Outage

_PAGE = 500
_CLOCK_SECONDS = 60.0
_PRUNE_SECONDS = 3600.0

# No inbox is older than a century; a moment before the year 1 cannot be told.
_MOST_DAYS = 36_525
_SECONDS_A_DAY = 86_400.0

_logger = logging.getLogger("redox_wsgi")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long is kept what was handled. What is dead stays until an operator decides.

    Attributes:
        body_days: How long the body of a handled entry is kept, in days.
        identity_days: How long its identity is kept, in days since it was handled: a
            repeat that comes later is taken for new. ``math.inf`` is for ever.

    Raises:
        ConfigurationError: A number of days is negative, or bodies are to outlive
            their identities.
    """

    body_days: float = 7
    identity_days: float = 90

    def __post_init__(self) -> None:
        if not 0 <= self.body_days <= self.identity_days:
            raise ConfigurationError(
                "Bodies are kept for 0 days or more, and identities no shorter."
            )


def prune(
    store: Store,
    now: datetime,
    retention: Retention,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Take away what is older than it is to be kept, in small pieces.

    Args:
        store: The store.
        now: The time: aware, in UTC.
        retention: How long what is kept.
        is_stopping: Asked between the pieces.

    Returns:
        How many bodies and identities went.

    Raises:
        InboxUnavailable: The store cannot be used now.
    """
    count = 0
    for state, days in (
        (State.DONE, retention.body_days),
        (State.EMPTIED, retention.identity_days),
    ):
        before = now - timedelta(days=min(days, _MOST_DAYS))
        pruned = _PAGE
        while pruned >= _PAGE and not is_stopping():
            pruned = store.prune(state, before, _PAGE)
            count += pruned
    return count


class Housekeeping:
    """Does the chores of a store whenever they are due.

    Several processes may do the same for one store: each at moments of its own, by
    chance, of which the first comes soon.

    Args:
        store: The store.
        retention: How long what is kept.
        longest_seconds: The longest lease or backoff there is.
        outage: Told when the store cannot be used.
        is_stopping: Asked between the pieces of a chore.
        now: The clock: aware, in UTC.
        timer: A clock that never goes back, in seconds.
        random: Returns a number from 0.0 to 1.0.
    """

    def __init__(
        self,
        store: Store,
        retention: Retention,
        longest_seconds: float,
        outage: Outage,
        is_stopping: Callable[[], bool],
        *,
        now: Callable[[], datetime],
        timer: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self._store = store
        self._retention = retention
        self._longest_seconds = min(longest_seconds, _MOST_DAYS * _SECONDS_A_DAY)
        self._outage = outage
        self._is_stopping = is_stopping
        self._now = now
        self._timer = timer
        self._random = random
        self._chores: list[tuple[Callable[[], object], float]] = [
            (self.mend_clock, _CLOCK_SECONDS),
            (self._clear, _PRUNE_SECONDS),
        ]
        started_at = timer()
        self._due_at = [started_at + period * random() for _, period in self._chores]

    def do_due(self) -> None:
        """Do what is due. Nothing is raised: the next time will do as well."""
        for number, chore, period in self._find_due():
            self._due_at[number] = self._timer() + period * (0.5 + self._random())
            try:
                chore()
            except Exception as error:
                self._outage.report(error)

    def _find_due(self) -> Iterator[tuple[int, Callable[[], object], float]]:
        for number, (chore, period) in enumerate(self._chores):
            if self._timer() >= self._due_at[number]:
                yield number, chore, period

    def mend_clock(self) -> bool:
        """Make due what only a clock that was set back lets wait.

        Returns:
            Whether there was any.

        Raises:
            InboxUnavailable: The store cannot be used now.
        """
        repaired = self._store.repair_clock(self._longest_seconds)
        if repaired:
            _logger.warning(
                "%d lanes were due too late, as after a clock that was set back; they "
                "are due now.",
                repaired,
            )
        return repaired > 0

    def _clear(self) -> None:
        pruned = prune(self._store, self._now(), self._retention, self._is_stopping)
        swept = self._store.sweep()
        if pruned or swept:
            _logger.info("Pruned %d, and swept %d left behind.", pruned, swept)
