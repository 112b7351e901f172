"""Count latencies, and tell their quantiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["Latencies"]

# Two digits more than anybody reads: so many values at most per power of ten.
_KEPT_DIGITS = 3
_MICROSECONDS = 1_000_000
# 0.07 * 100 is a little more than 7.
_FUZZ = 1e-6


class Latencies:
    """A histogram of durations in whole microseconds, to three digits.

    Its size does not grow with the number of values: 900 for each power of ten.

    Example:
        >>> latencies = Latencies()
        >>> latencies.add([1000, 2000, 4000])
        >>> latencies.quantile(0.5)
        0.002
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._count = 0
        self._total = 0
        self._most = 0

    def __len__(self) -> int:
        """Return how many values were counted."""
        return self._count

    def add(self, microseconds: Iterable[int]) -> None:
        """Count values."""
        for value, times in Counter(microseconds).items():
            self._counts[_round(value)] += times
            self._count += times
            self._total += value * times
            self._most = max(self._most, value)

    @property
    def mean(self) -> float | None:
        """The mean in seconds; None without values."""
        return self._total / self._count / _MICROSECONDS if self._count else None

    @property
    def largest(self) -> float | None:
        """The largest value in seconds, exact; None without values."""
        return self._most / _MICROSECONDS if self._count else None

    def quantile(self, share: float) -> float | None:
        """Return the value in seconds that this share of all values does not exceed.

        Returns:
            None without values.
        """
        return self.quantiles([share])[0]

    def quantiles(self, shares: Iterable[float]) -> list[float | None]:
        """Return several quantiles; the shares must rise."""
        found: list[float | None] = []
        left = iter(sorted(self._counts.items()))
        value, passed = 0, 0
        for share in shares:
            while passed < share * self._count - _FUZZ:
                value, times = next(left)
                passed += times
            value = min(value, self._most)
            found.append(value / _MICROSECONDS if self._count else None)
        return found


# Upwards, so that a quantile is never below the truth.
def _round(value: int) -> int:
    excess = len(str(value)) - _KEPT_DIGITS
    if excess <= 0:
        return value
    step = int(10**excess)
    return -(-value // step) * step
