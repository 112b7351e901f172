"""Take entries out again: as fast with a million of them as with a thousand.

Both inboxes of a pair are asked in turns. The entries are written by one statement,
past the store, because a million puts would take minutes.
"""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.inbox.server import open_postgresql
from benchmarks.measure import Effort, Samples
from benchmarks.table import Row, milliseconds
from redox_wsgi.inbox.entry import State
from redox_wsgi.inbox.location import open_store
from redox_wsgi.inbox.sqlite.access import Action, Found
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.sqlite.claiming import Claiming
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.moments import write_moment
from redox_wsgi.inbox.store import Store

_FEW = 1_000
_LEASE_SECONDS = 60.0
_HEAD = '{"destination":"/redox"}'


@dataclass(frozen=True, slots=True)
class Shape:
    """What lies in an inbox.

    Attributes:
        name: For people.
        lanes: In how many lanes.
        is_half_halted: Whether half of all entries lie in one lane that is halted.
    """

    name: str
    lanes: int
    is_half_halted: bool = False


_SHAPES = (
    Shape("1 lane", 1),
    Shape("100 lanes", 100),
    Shape("10,000 lanes", 10_000),
    Shape("100 lanes, half behind a halted one", 100, is_half_halted=True),
)

_SQLITE_LANES = """
WITH RECURSIVE number (n) AS (
    SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :lanes)
INSERT INTO lane (id, key, has_work, halted, due_at)
SELECT n, '/redox|' || n || '|order', 1, n = :halted, 0 FROM number
"""
_SQLITE_ENTRIES = """
WITH RECURSIVE number (n) AS (
    SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :entries)
INSERT INTO entry (
    id, lane_id, identity, state, changed_at, received_at, body_bytes, head, body)
SELECT n, iif(:halted AND n % 2, :halted, n % :lanes + 1),
    CAST(printf('%032d', n) AS BLOB), 0, :now,
    :now, 2, :head, x'7b7d'
FROM number
"""

_POSTGRESQL_LANES = """
INSERT INTO redox_lane (key, has_work, halted)
SELECT '/redox|' || n || '|order', true, n = %(halted)s
FROM generate_series(1, %(lanes)s) AS n
"""
_POSTGRESQL_ENTRIES = """
INSERT INTO redox_entry (lane_id, identity, received_at, head, body, body_bytes)
SELECT CASE WHEN %(halted)s > 0 AND n %% 2 = 1 THEN %(halted)s
    ELSE n %% %(lanes)s + 1 END,
    lpad(to_hex(n), 64, '0'), clock_timestamp(), %(head)s, '{}', 2
FROM generate_series(1, %(entries)s) AS n
"""


def measure(effort: Effort) -> Iterator[Row]:
    """Measure a claim with its completion, in inboxes of several shapes."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _measure_rate(Path(folder), effort)
    for shape in _SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            yield from _measure_shape(
                f"SQLite, {shape.name}",
                partial(_fill_sqlite, Path(folder), shape),
                effort,
            )
    for shape in _SHAPES:
        with open_postgresql() as few, open_postgresql() as many:
            urls = {_FEW: few, effort.entries: many}
            yield from _measure_shape(
                f"PostgreSQL, {shape.name}",
                partial(_fill_postgresql, urls, shape),
                effort,
            )


class _Forced(Database):
    """A database that forces the commits of workers to the disk too."""

    def write(self, action: Action[Found], *, is_forced: bool = True) -> Found:
        """Run an action in a transaction, forced to the disk whatever is asked."""
        return super().write(action, is_forced=True)


def _measure_rate(folder: Path, effort: Effort) -> Iterator[Row]:
    forced, ours = "SQLite, every commit forced to the disk", "SQLite"
    kinds = {forced: _Forced, ours: Database}
    shape = Shape("rate", 100)
    rounds = effort.slow_rounds * 2
    samples = Samples(kinds)
    with ExitStack() as stack:
        claimings = {}
        for name, kind in kinds.items():
            own = folder / name
            own.mkdir()
            url = _fill_sqlite(own, shape, rounds * effort.puts)
            path = url.removeprefix("sqlite:///")
            database = kind(path, timeout_seconds=5.0, wal=True)
            stack.callback(database.close)
            claimings[name] = Claiming(database, Bodies(str(own / "bodies")), _now)
        for number in range(rounds):
            for name in list(kinds) if number % 2 else reversed(kinds):
                started_at = time.perf_counter()
                for _ in range(effort.puts):
                    _take_one(claimings[name])
                seconds = time.perf_counter() - started_at
                samples.seconds[name].append(seconds / effort.puts)
    for name in kinds:
        yield Row(
            name,
            f"{1 / samples.typical(name):.0f} /s",
            samples.ratio(forced, ours) if name == ours else None,
            forced if name == ours else "",
            at_least=2.5 if name == ours else None,
        )


def _take_one(claiming: Claiming) -> None:
    claim = claiming.claim(secrets.token_hex(8), _LEASE_SECONDS)
    if claim is None:
        raise SystemExit("The inbox is empty, so nothing is measured.")
    claiming.finish(claim, State.DONE, None)


def _measure_shape(
    name: str, fill: Callable[[int], str], effort: Effort
) -> Iterator[Row]:
    stores = {
        f"{entries:,}": open_store(fill(entries), _now)
        for entries in (_FEW, effort.entries)
    }
    samples = Samples(stores)
    for store in stores.values():
        _take(store)
    for number in range(effort.slow_rounds * 20):
        for entries in list(stores) if number % 2 else reversed(stores):
            started_at = time.perf_counter()
            _take(stores[entries])
            samples.seconds[entries].append(time.perf_counter() - started_at)
    for store in stores.values():
        store.close()
    few, many = stores
    yield Row(
        f"{name}: {many} entries",
        milliseconds(samples.typical(many)),
        samples.typical(many) / samples.typical(few),
        f"{few} entries",
        at_most=2.0,
    )


def _take(store: Store) -> None:
    claim = store.claim(secrets.token_hex(8), _LEASE_SECONDS)
    if claim is None:
        raise SystemExit("The inbox is empty, so nothing is measured.")
    store.complete(claim)


def _now() -> datetime:
    return datetime.now(UTC)


def _build_values(shape: Shape, entries: int) -> dict[str, int | str]:
    lanes = min(shape.lanes, entries // 2)
    halted = lanes if shape.is_half_halted else 0
    return {
        "lanes": lanes,
        "halted": halted,
        "entries": entries,
        "head": _HEAD,
        "now": write_moment(_now()),
    }


def _fill_sqlite(folder: Path, shape: Shape, entries: int) -> str:
    path = folder / f"{entries}.db"
    url = f"sqlite:///{path}"
    _make_tables(url)
    values = _build_values(shape, entries)
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in (_SQLITE_LANES, _SQLITE_ENTRIES):
            connection.execute(statement, values)
    return url


def _fill_postgresql(urls: Mapping[int, str], shape: Shape, entries: int) -> str:
    import psycopg  # noqa: PLC0415 - an extra

    url = urls[entries]
    _make_tables(url)
    values = _build_values(shape, entries)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (_POSTGRESQL_LANES, _POSTGRESQL_ENTRIES):
            connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")
    return url


def _make_tables(url: str) -> None:
    store = open_store(url, _now)
    store.stats()
    store.close()
