"""What is delivered, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from redox_wsgi.simulator.answer import Answer
from redox_wsgi.simulator.delivery.envelope import Envelope

__all__ = ["Attempt", "Outgoing"]


class Outgoing(Protocol):
    """One transmission to come; its body is made only when its turn has come."""

    @property
    def name(self) -> str:
        """What to call it in a report."""
        ...

    @property
    def envelope(self) -> Envelope:
        """What it is, and which queue it stands in."""
        ...

    def bodies(self) -> Iterator[bytes]:
        """Yield the body for the first attempt, the second, and so on without end.

        It is asked in a thread, for one attempt at a time.
        """
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, answered or not."""

    outgoing: Outgoing
    #: Its place among all that is delivered, from 0.
    position: int
    #: 1 for the first attempt.
    number: int
    #: When it was sent, in seconds since the beginning of the delivery.
    at_seconds: float
    answer: Answer
    #: The pause of its subscription before the next attempt, in seconds; None if this
    #: was the last one.
    retry_after_seconds: float | None

    @property
    def is_last(self) -> bool:
        """Whether it is done with: it succeeded, or is not sent again."""
        return self.retry_after_seconds is None
