"""Count answers, and keep of them what a summary shows, however many there are."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redox_wsgi.simulator import Answer

__all__ = ["MOST_ROWS", "Group", "Row", "Tally"]

#: Up to here each has a row of its own; beyond, each group has one.
MOST_ROWS = 100
#: Of those that went wrong in a long run, so many are shown.
_MOST_WRONG = 20
# "in production a person is alerted after the third"
_ALERTING_ATTEMPT = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One request and its last answer so far."""

    #: Its place in the run, from 0.
    position: int
    name: str
    #: What it is counted under in a long run.
    group: str
    answer: Answer
    #: How often it was sent so far.
    attempts: int = 1
    #: Whether it waits to be sent again.
    is_paused: bool = False


@dataclass(slots=True)
class Group:
    """What became of all requests of one group."""

    sent: int = 0
    right: int = 0
    attempts: int = 0
    seconds: array[float] = field(default_factory=lambda: array("d"))

    @property
    def median_seconds(self) -> float:
        """The time of the answer in the middle."""
        return median(self.seconds)


@dataclass(slots=True)
class Tally:
    """The sum of a run."""

    finished: int = 0
    right: int = 0
    #: How many failed three times: then Redox alerts a person, in production.
    alerts: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    #: Those that wait to be sent again, by position.
    paused: dict[int, Row] = field(default_factory=dict)
    _first: list[Row] = field(default_factory=list)
    _wrong: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Count one answer."""
        # Millions of bodies would not fit.
        row = replace(row, answer=replace(row.answer, headers=(), body=b""))
        is_right = row.answer.is_right
        self.alerts += row.attempts == _ALERTING_ATTEMPT and not is_right
        if row.is_paused:
            self.paused[row.position] = row
            return
        self.paused.pop(row.position, None)
        self.finished += 1
        self.right += is_right
        group = self.groups.setdefault(row.group, Group())
        group.sent += 1
        group.right += is_right
        group.attempts += row.attempts
        group.seconds.append(row.answer.seconds)
        if len(self._first) < MOST_ROWS:
            self._first.append(row)
        if not is_right and len(self._wrong) < _MOST_WRONG:
            self._wrong.append(row)

    @property
    def is_long(self) -> bool:
        """Whether there are too many for a row each."""
        return self.finished + len(self.paused) > MOST_ROWS

    @property
    def rows(self) -> list[Row]:
        """All of a short run, what went wrong first in a long one; by position."""
        rows = [*(self._wrong if self.is_long else self._first), *self.paused.values()]
        return sorted(rows, key=lambda row: row.position)[:MOST_ROWS]
