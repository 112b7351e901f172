"""The whole way under gunicorn: from the request of Redox to the commit and the 200."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound

from benchmarks.contenders import build_ours
from benchmarks.inbox.contenders import insert_bare, open_bare_sqlite
from benchmarks.measure import Effort, Samples
from benchmarks.served import run_gunicorn
from benchmarks.table import Row, milliseconds
from benchmarks.traffic import PATH, TOKEN
from redox_wsgi import Destination, RedoxMiddleware, Transmission
from redox_wsgi.inbox import Inbox
from redox_wsgi.simulator.storm import Storm, StormPlan

if TYPE_CHECKING:
    import sqlite3
    from wsgiref.types import WSGIApplication

    from redox_wsgi import Handler

_EMPTY = "an empty handler"
_BARE = "a bare insert, SQLite"
_INBOX = "Inbox, SQLite"
# As example_app/gunicorn.conf.py has it.
_WORKERS = 2
_THREADS = 8
_SUBSCRIPTIONS = 16
_LONGEST_SECONDS = 0.025


def build_application() -> WSGIApplication:
    """Build what gunicorn serves, in the worker, around the handler that is named."""
    name, folder = os.environ["BENCHMARK_HANDLER"], os.environ["BENCHMARK_FOLDER"]
    if name == _EMPTY:
        return build_ours(NotFound())
    handler: Handler = (
        Inbox(f"sqlite:///{folder}/inbox.db") if name == _INBOX else _Bare(folder)
    )
    destination = Destination(handler, verification_token=TOKEN)
    return RedoxMiddleware(NotFound(), {PATH: destination})


class _Bare(threading.local):
    """The least that keeps a transmission; each thread has a connection of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._connection: sqlite3.Connection | None = None

    def __call__(self, transmission: Transmission) -> None:
        if self._connection is None:
            self._connection = open_bare_sqlite(self._folder)
        insert_bare(self._connection, transmission.body)


def measure(effort: Effort) -> Iterator[Row]:
    """Measure the top rates, then how long answers take at half of ours."""
    samples = Samples([_EMPTY, _BARE, _INBOX])
    latencies = []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ports = {
            name: stack.enter_context(
                run_gunicorn(
                    f"{__name__}:build_application()",
                    workers=_WORKERS,
                    threads=_THREADS,
                    env={"BENCHMARK_HANDLER": name, "BENCHMARK_FOLDER": folder},
                )
            ).port
            for name in samples.seconds
        }
        for number in range(effort.served_rounds):
            for name in list(ports) if number % 2 else reversed(ports):
                rate, _ = _storm(ports[name], effort.served_seconds)
                samples.seconds[name].append(1 / rate)
        half = 1 / samples.typical(_INBOX) / 2
        for _ in range(effort.served_rounds):
            _, p99 = _storm(ports[_INBOX], effort.served_seconds, half)
            latencies.append(p99)
    for name in ports:
        yield Row(
            name,
            f"{1 / samples.typical(name):.0f} /s",
            None if name == _EMPTY else samples.ratio(_EMPTY, name),
            "" if name == _EMPTY else _EMPTY,
            at_least=0.7 if name == _INBOX else None,
        )
    yield Row(
        f"{_INBOX}, p99 at {half:.0f} /s",
        milliseconds(median(latencies)),
        median(latencies) / _LONGEST_SECONDS,
        f"{_LONGEST_SECONDS * 1000:.0f} ms",
        at_most=1.0,
    )


def _storm(port: int, seconds: int, rate: float | None = None) -> tuple[float, float]:
    """Return how many were answered a second, and the 99 % latency in seconds."""
    plan = StormPlan(
        url=f"http://127.0.0.1:{port}{PATH}",
        verification_token=TOKEN,
        subscriptions=_SUBSCRIPTIONS,
        count=10_000_000,
        seconds=seconds,
        rate=rate,
    )
    with Storm(plan) as storm:
        for _ in storm.watch():
            pass
    tally = storm.tally
    if not tally.is_right:
        raise SystemExit("Not every transmission was answered 200.")
    [p99] = tally.latencies.quantiles([0.99])
    return tally.rate, p99 or 0.0
