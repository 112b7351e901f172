"""The whole way of a transmission: the documented proxy, gunicorn, the commit, the 200.

The proxy opens a connection for each request. When clients keep theirs, one of the
workers of gunicorn may end up with all of them, so that single rounds differ by half.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

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
from tests.support.proxy import run_proxy
from tests.support.servers import find_free_port

if TYPE_CHECKING:
    import sqlite3
    from wsgiref.types import WSGIApplication

    from redox_wsgi import Handler

_EMPTY = "an empty handler"
_FORCED = "a forced write, no database"
_BARE = "a bare insert, SQLite"
_INBOX = "Inbox, SQLite"
_ASKED_DIRECTLY = (_EMPTY, _FORCED, _INBOX)
_DIRECTLY = ", no proxy"
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
    build: dict[str, Callable[[], Handler]] = {
        _FORCED: lambda: _Forced(folder),
        _BARE: lambda: _Bare(folder),
        _INBOX: lambda: Inbox(f"sqlite:///{folder}/inbox.db"),
    }
    handler = build[name]()
    destination = Destination(handler, verification_token=TOKEN)
    return RedoxMiddleware(NotFound(), {PATH: destination})


class _Forced(threading.local):
    """The least that brings a body to the disk: over the one before, in a file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file: int | None = None

    def __call__(self, transmission: Transmission) -> None:
        if self._file is None:
            self._file, _ = tempfile.mkstemp(dir=self._folder)
        os.pwrite(self._file, transmission.body, 0)
        os.fdatasync(self._file)


class _Bare(threading.local):
    """The least that keeps a transmission; each thread has a connection of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._connection: sqlite3.Connection | None = None

    def __call__(self, transmission: Transmission) -> None:
        if self._connection is None:
            self._connection = open_bare_sqlite(self._folder)
        insert_bare(self._connection, transmission.body)


class _Way(NamedTuple):
    """An address to send to, and the certificate that is shown there."""

    url: str
    certificate: Path | None = None


def measure(effort: Effort) -> Iterator[Row]:
    """Measure the top rates, then how long answers take at half of ours."""
    missing = [name for name in ("nginx", "openssl") if not shutil.which(name)]
    if missing:
        yield Row(f"skipped, not installed: {', '.join(missing)}", at_least=0.7)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ways = {}
        for name in (_EMPTY, _FORCED, _BARE, _INBOX):
            server = run_gunicorn(
                f"{__name__}:build_application()",
                workers=_WORKERS,
                threads=_THREADS,
                env={"BENCHMARK_HANDLER": name, "BENCHMARK_FOLDER": folder},
            )
            directly = stack.enter_context(server).port
            ways[name] = stack.enter_context(_proxy(Path(folder), directly))
            if name in _ASKED_DIRECTLY:
                ways[name + _DIRECTLY] = _Way(f"http://127.0.0.1:{directly}{PATH}")
        samples = Samples(ways)
        for number in range(effort.served_rounds):
            for name in list(ways) if number % 2 else reversed(ways):
                rate, _ = _storm(ways[name], effort.served_seconds)
                samples.seconds[name].append(1 / rate)
        half = 1 / samples.typical(_INBOX) / 2
        # In one piece: of a second, too many would be the first of their connection.
        seconds = effort.served_rounds * effort.served_seconds
        _, p99 = _storm(ways[_INBOX], seconds, half)
    for name in (_EMPTY, _FORCED, _BARE, _INBOX):
        yield _build_row(name, samples, _EMPTY, 0.7 if name == _INBOX else None)
    yield Row(
        f"{_INBOX}, p99 at {half:.0f} /s",
        milliseconds(p99),
        p99 / _LONGEST_SECONDS,
        f"{_LONGEST_SECONDS * 1000:.0f} ms",
        at_most=1.0,
    )
    for name in _ASKED_DIRECTLY:
        yield _build_row(name + _DIRECTLY, samples, _EMPTY + _DIRECTLY)


def _build_row(
    name: str, samples: Samples, of: str, at_least: float | None = None
) -> Row:
    return Row(
        name,
        f"{1 / samples.typical(name):.0f} /s",
        None if name == of else samples.ratio(of, name),
        "" if name == of else of,
        at_least=at_least,
    )


@contextmanager
def _proxy(folder: Path, backend: int) -> Iterator[_Way]:
    """Put the documented proxy before a server; it ends TLS."""
    port = find_free_port()
    own = folder / f"proxy-{port}"
    own.mkdir()
    with run_proxy(own, port, backend) as certificate:
        yield _Way(f"https://127.0.0.1:{port}{PATH}", certificate)


def _storm(way: _Way, seconds: int, rate: float | None = None) -> tuple[float, float]:
    """Return how many were answered a second, and the 99 % latency in seconds."""
    plan = StormPlan(
        url=way.url,
        verification_token=TOKEN,
        subscriptions=_SUBSCRIPTIONS,
        count=10_000_000,
        seconds=seconds,
        rate=rate,
    )
    trusted = {"SSL_CERT_FILE": str(way.certificate)} if way.certificate else {}
    with patch.dict(os.environ, trusted), Storm(plan) as storm:
        for _ in storm.watch():
            pass
    tally = storm.tally
    if not tally.is_right:
        raise SystemExit("Not every transmission was answered 200.")
    [p99] = tally.latencies.quantiles([0.99])
    return tally.rate, p99 or 0.0
