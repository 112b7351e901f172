"""How long to wait before the next try: twice as long each time, to a limit."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

# Up to so much of a pause is left out, so that what failed together does not come
# again together.
_JITTER = 0.2

# 2.0 to a power above 1023 is an OverflowError; no pause doubles so often.
_MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double, each up to a fifth shorter by chance.

    Attributes:
        first_seconds: The pause after the first attempt.
        longest_seconds: No pause is longer.
        random: Returns a number from 0.0 to 1.0.

    Example:
        >>> [Backoff(random=lambda: 0.0).delay_seconds(n) for n in (1, 2, 3, 20)]
        [1.0, 2.0, 4.0, 300.0]
    """

    first_seconds: float = 1.0
    longest_seconds: float = 300.0
    random: Callable[[], float] = field(default=random.random, repr=False)

    def delay_seconds(self, attempt: int) -> float:
        """Return the pause after an attempt, of which the first is number 1."""
        doublings = min(max(attempt, 1) - 1, _MOST_DOUBLINGS)
        delay = min(self.longest_seconds, self.first_seconds * 2.0**doublings)
        return delay * (1.0 - _JITTER * self.random())
