"""Who stores a transmission durably: the inbox, a bare insert, and other queues.

Each contender is opened in a folder of its own, of the same disk, and puts one body of
4 KB at each call, on the disk when the call returns.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.traffic import build_body
from redox_wsgi import Transmission
from redox_wsgi.inbox import Inbox

_BODY_BYTES = 4096
_NOW = datetime(2026, 1, 31, tzinfo=UTC)


def build_bodies() -> Iterator[bytes]:
    """Build bodies of 4 KB without end, no two the same; threads may share them.

    They are of a subscription of their own: of one, Redox sends one after the other, so
    those who write at the same time are of several.
    """
    # So that processes and runs do not repeat each other.
    name = secrets.token_hex(16)
    payload = json.loads(build_body())
    payload["Meta"]["Source"]["ID"] = name
    start = json.dumps(payload, separators=(",", ":"))[:-1] + ',"Extra":"'

    def build(number: int) -> bytes:
        return f"{start}{name}-{number}".ljust(_BODY_BYTES - 2, "x").encode() + b'"}'

    # A generator could not be asked by two threads at once.
    return map(build, itertools.count())


@dataclass(frozen=True, slots=True)
class Contender:
    """Who keeps what it is given.

    Attributes:
        put: Puts one thing.
        prepare: Makes of a body what it puts, before the clock starts.
    """

    put: Callable[[Any], object]
    prepare: Callable[[bytes], Any] = bytes
    _bodies: Iterator[bytes] = field(default_factory=build_bodies)

    def build(self, count: int) -> list[Any]:
        """Build so many things to put."""
        return [self.prepare(body) for body in islice(self._bodies, count)]

    def time(self, things: list[Any]) -> float:
        """Put them; return the seconds that it took."""
        started_at = time.perf_counter()
        for thing in things:
            self.put(thing)
        return time.perf_counter() - started_at


#: Opens a contender: the folder, and the URL of a PostgreSQL database.
Open: TypeAlias = Callable[[Path, str], contextlib.AbstractContextManager[Contender]]


@contextmanager
def bare_sqlite(folder: Path, _: str) -> Iterator[Contender]:
    """The yardstick: one insert a transaction, WAL, synchronous=FULL."""
    with contextlib.closing(open_bare_sqlite(folder)) as connection:
        yield Contender(partial(insert_bare, connection))


def open_bare_sqlite(folder: Path) -> sqlite3.Connection:
    """Open a database with one table of bodies."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None, timeout=60.0)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, body BLOB)"
    )
    return connection


def insert_bare(connection: sqlite3.Connection, body: bytes) -> None:
    """Insert one body in a transaction of its own."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO bare (body) VALUES (?)", (body,))
    connection.execute("COMMIT")


@contextmanager
def bare_postgresql(_: Path, url: str) -> Iterator[Contender]:
    """The other yardstick: one insert a transaction, synchronous_commit=on."""
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare ("
            "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea)"
        )

        def put(body: bytes) -> None:
            connection.execute("INSERT INTO bare (body) VALUES (%b)", (body,))

        yield Contender(put)


@contextmanager
def inbox_sqlite(folder: Path, _: str) -> Iterator[Contender]:
    """Ours, by default."""
    with _inbox(f"sqlite:///{folder / 'inbox.db'}") as contender:
        yield contender


@contextmanager
def inbox_postgresql(_: Path, url: str) -> Iterator[Contender]:
    """Ours, on many machines."""
    with _inbox(url) as contender:
        yield contender


@contextmanager
def _inbox(url: str) -> Iterator[Contender]:
    inbox = Inbox(url)
    try:
        # A destination has read the envelope, whatever its handler is.
        yield Contender(inbox, partial(Transmission, received_at=_NOW))
    finally:
        inbox.close()


@contextmanager
def huey(folder: Path, _: str) -> Iterator[Contender]:
    """A queue in SQLite, told to write to the disk."""
    from huey import SqliteHuey  # noqa: PLC0415 - an extra

    queue = SqliteHuey(filename=str(folder / "huey.db"), fsync=True)

    @queue.task()
    def receive(body: bytes) -> None:
        """Never run here."""

    yield Contender(receive)


@contextmanager
def procrastinate(_: Path, url: str) -> Iterator[Contender]:
    """A queue in PostgreSQL, with an order for each key."""
    from procrastinate import App, SyncPsycopgConnector  # noqa: PLC0415 - an extra

    app = App(connector=SyncPsycopgConnector(conninfo=url))

    @app.task(name="receive")
    def receive(body: str) -> None:
        """Never run here."""

    with app.open():
        if not app.check_connection():
            app.schema_manager.apply_schema()
        yield Contender(
            lambda body: receive.configure(lock="subscription").defer(body=body),
            bytes.decode,
        )


@contextmanager
def celery(folder: Path, _: str) -> Iterator[Contender]:
    """Celery with a Redis that writes to the disk before it confirms."""
    from celery import Celery  # noqa: PLC0415 - an extra

    socket = folder / "redis.sock"
    program = shutil.which("redis-server")
    assert program is not None  # noqa: S101 - looked up by who chose this contender
    server = subprocess.Popen(  # noqa: S603 - as above
        [
            *(program, "--port", "0", "--unixsocket", str(socket)),
            *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not socket.exists():
            time.sleep(0.01)
        app = Celery("benchmark", broker=f"redis+socket://{socket}")

        @app.task(name="receive")
        def receive(body: str) -> None:
            """Never run here."""

        yield Contender(receive.delay, bytes.decode)
        app.close()
    finally:
        server.terminate()
        server.wait()


@contextmanager
def dbos(folder: Path, _: str) -> Iterator[Contender]:
    """A durable workflow engine, in SQLite."""
    from dbos import DBOS, DBOSClient  # noqa: PLC0415 - an extra

    url = f"sqlite:///{folder / 'dbos.sqlite'}"
    DBOS(config={"name": "benchmark", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    client = DBOSClient(system_database_url=url)
    try:
        yield Contender(
            lambda body: client.enqueue(
                {"queue_name": "receive", "workflow_name": "receive"}, body
            ),
            bytes.decode,
        )
    finally:
        client.destroy()
        DBOS.destroy()


def find_others() -> dict[str, Open]:
    """List the other queues that are installed."""
    others: dict[str, Open] = {}
    if find_spec("huey"):
        others["huey, SQLite"] = huey
    if find_spec("dbos"):
        others["DBOS, SQLite"] = dbos
    if find_spec("procrastinate"):
        others["procrastinate, PostgreSQL"] = procrastinate
    if find_spec("celery") and shutil.which("redis-server"):
        others["Celery, Redis"] = celery
    return others
