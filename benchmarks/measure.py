"""Time contenders against each other on a machine that others use too.

Neighbours slow a machine for seconds at a time. So no contender is timed alone: each
round times all of them, one short batch after the other, and what is compared are the
ratios within a round. A slow moment then slows both sides of a ratio, and the median
over many rounds forgets the moments that hit only one.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Takes a number of calls, makes that many, returns the seconds they took together.
Batch: TypeAlias = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure; ``--quick`` only shows that everything runs."""

    rounds: int = 101
    batch_seconds: float = 0.004
    slow_rounds: int = 15
    served_rounds: int = 20
    served_seconds: int = 1
    large_megabytes: int = 40
    timing_blocks: int = 4000
    puts: int = 50
    entries: int = 1_000_000


QUICK = Effort(
    rounds=3,
    batch_seconds=0.001,
    slow_rounds=2,
    served_rounds=1,
    served_seconds=1,
    large_megabytes=4,
    timing_blocks=30,
    puts=2,
    entries=2_000,
)


class Samples:
    """Seconds per call: one figure for each contender and round."""

    def __init__(self, names: Iterable[str]) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in names}

    def typical(self, name: str) -> float:
        """Return the median seconds of a call."""
        return median(self.seconds[name])

    def ratio(self, name: str, of: str) -> float:
        """Return the median over the rounds of ``name``'s time in that of ``of``."""
        pairs = zip(self.seconds[name], self.seconds[of], strict=True)
        return median(one / other for one, other in pairs)

    def difference(self, name: str, of: str) -> float:
        """Return the median over the rounds of ``name``'s seconds less those of ``of``.

        It may come out below zero where both take as long.
        """
        pairs = zip(self.seconds[name], self.seconds[of], strict=True)
        return median(one - other for one, other in pairs)


def interleave(batches: Mapping[str, Batch], effort: Effort) -> Samples:
    """Time every contender in every round, each round beginning with another one."""
    names = list(batches)
    calls = {
        name: _calls_in(effort.batch_seconds, batch) for name, batch in batches.items()
    }
    samples = Samples(names)
    for number in range(effort.rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            # Garbage of the contender before; during a batch the collector works as
            # in production, because what it costs is part of the cost.
            gc.collect()
            samples.seconds[name].append(batches[name](calls[name]) / calls[name])
    return samples


def _calls_in(seconds: float, batch: Batch) -> int:
    batch(20)
    fastest = min(batch(20) for _ in range(5)) / 20
    return max(5, min(20_000, round(seconds / fastest)))


def wsgi_batch(
    application: WSGIApplication, build_environ: Callable[[], WSGIEnvironment]
) -> Batch:
    """Make whole calls as a server does: start, iterate, close.

    Every call gets an environ of its own, built before the clock starts.
    """

    def batch(calls: int) -> float:
        environs = [build_environ() for _ in range(calls)]
        environs.reverse()
        started_at = time.perf_counter()
        while environs:
            chunks = application(environs.pop(), start_response)
            for _ in chunks:
                pass
            if hasattr(chunks, "close"):
                chunks.close()
        return time.perf_counter() - started_at

    return batch


def call_batch(
    application: WSGIApplication, build_environ: Callable[[], WSGIEnvironment]
) -> Batch:
    """Make bare calls, for middleware that only passes on: the loop costs next to it.

    Every call gets an environ of its own, built before the clock starts.
    """

    def batch(calls: int) -> float:
        environs = [build_environ() for _ in range(calls)]
        started_at = time.perf_counter()
        for environ in environs:
            application(environ, start_response)
        return time.perf_counter() - started_at

    return batch


@contextmanager
def logging_to_null_device() -> Iterator[None]:
    """Log as an application that configures nothing but a handler: from WARNING on."""
    root = logging.getLogger()
    with open(os.devnull, "w", encoding="utf-8") as null:
        handler = logging.StreamHandler(null)
        root.addHandler(handler)
        root.setLevel(logging.WARNING)
        try:
            yield
        finally:
            root.removeHandler(handler)


def _write(data: bytes) -> None:
    raise NotImplementedError("Nobody here uses PEP 3333's write().")


def _start_response(
    status: str, headers: list[tuple[str, str]], exc_info: object = None
) -> Callable[[bytes], object]:
    return _write


start_response: StartResponse = _start_response
