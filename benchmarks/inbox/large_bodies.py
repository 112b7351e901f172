"""Bodies of 40 MB beside small ones: nobody waits for somebody else's file."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles

from benchmarks.inbox.contenders import build_bodies
from benchmarks.inbox.server import open_postgresql
from benchmarks.measure import Effort
from benchmarks.table import Row, milliseconds
from redox_wsgi import Transmission
from redox_wsgi.inbox import Inbox

_NOW = datetime(2026, 1, 31, tzinfo=UTC)
_LONGEST_SECONDS = 0.050


def measure(effort: Effort) -> Iterator[Row]:
    """Measure small puts, alone and while another process puts large bodies."""
    with tempfile.TemporaryDirectory() as folder, open_postgresql() as postgresql:
        urls = {
            "SQLite": f"sqlite:///{Path(folder) / 'inbox.db'}",
            "PostgreSQL": postgresql,
        }
        for name, url in urls.items():
            seconds = effort.slow_rounds
            alone = _put_for(url, seconds)
            with _large_puts(url, effort.large_megabytes):
                beside = _put_for(url, seconds)
            yield Row(f"{name}, alone: p50", milliseconds(median(alone)))
            yield Row(f"{name}, alone: p99", milliseconds(_p99(alone)))
            yield Row(f"{name}, beside large ones: p50", milliseconds(median(beside)))
            yield Row(
                f"{name}, beside large ones: p99",
                milliseconds(_p99(beside)),
                _p99(beside) / _LONGEST_SECONDS,
                f"{_LONGEST_SECONDS * 1000:.0f} ms",
                at_most=1.0 if name == "SQLite" else None,
            )


def _put_for(url: str, seconds: float) -> list[float]:
    inbox = Inbox(url)
    bodies = build_bodies()
    taken = []
    give_up_at = time.perf_counter() + seconds
    while (started_at := time.perf_counter()) < give_up_at:
        inbox(Transmission(next(bodies), received_at=_NOW))
        taken.append(time.perf_counter() - started_at)
        # Not as many as there can be, but now and then, as a hospital sends.
        time.sleep(0.002)
    inbox.close()
    return taken


def _p99(taken: list[float]) -> float:
    return quantiles(taken, n=100)[-1]


@contextmanager
def _large_puts(url: str, megabytes: int) -> Iterator[None]:
    spawn = multiprocessing.get_context("spawn")
    begun, stopping = spawn.Event(), spawn.Event()
    process = spawn.Process(
        target=_put_large, args=(url, megabytes, begun, stopping), daemon=True
    )
    process.start()
    begun.wait()
    yield
    stopping.set()
    process.join()


def _put_large(url: str, megabytes: int, begun: Event, stopping: Event) -> None:
    inbox = Inbox(url)
    filling = b"x" * (megabytes << 20)
    for small in build_bodies():
        inbox(Transmission(small[:-2] + filling + b'"}', received_at=_NOW))
        begun.set()
        if stopping.is_set():
            break
    inbox.close()
