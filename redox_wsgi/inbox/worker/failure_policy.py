"""What is done with an entry whose handling failed; a decision without a store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from redox_wsgi.inbox.worker.backoff import Backoff


class Consequence(Enum):
    """What follows from a failure."""

    #: The lane waits, then the entry is tried again.
    RETRY = "failed"
    #: The lane waits for an operator: its order is kept.
    HALT = "halted"
    #: The entry goes to the dead letters, and the lane goes on without it.
    BURY = "dead"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an entry was not handled.

    Attributes:
        error: A class and a place, or a fixed word; never the text of an exception.
        is_permanent: Whether another attempt is useless.
        keeps_order: Whether the entry may not be buried, whatever its lane: it could
            not even be read, which says nothing of its content.
    """

    error: str
    is_permanent: bool = False
    keeps_order: bool = False


class FailurePolicy:
    """Decides what follows from a failure.

    Args:
        max_attempts: How often an entry is tried.
        backoff: How long its lane waits in between.
        dead_letter: The lanes whose entries are buried after the last attempt, in place
            of halting the lane; ``*`` stands for any text.

    Example:
        >>> policy = FailurePolicy(2, Backoff(), ["*|inventory"])
        >>> broken = Failure("builtins.ValueError")
        >>> policy.decide("/redox|s|order", 1, broken).name
        'RETRY'
        >>> policy.decide("/redox|s|order", 2, broken).name
        'HALT'
        >>> policy.decide("/redox|s|inventory", 2, broken).name
        'BURY'
    """

    def __init__(
        self, max_attempts: int, backoff: Backoff, dead_letter: Iterable[str] = ()
    ) -> None:
        self.max_attempts = max_attempts
        self.backoff = backoff
        self._dead_letter = [_compile(pattern) for pattern in dead_letter]

    def decide(self, lane: str, attempt: int, failure: Failure) -> Consequence:
        """Decide what follows from a failure in an attempt, the first being 1."""
        if attempt < self.max_attempts and not failure.is_permanent:
            return Consequence.RETRY
        if failure.keeps_order:
            return Consequence.HALT
        is_buried = any(pattern.fullmatch(lane) for pattern in self._dead_letter)
        return Consequence.BURY if is_buried else Consequence.HALT


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
