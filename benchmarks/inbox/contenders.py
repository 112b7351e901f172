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
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from benchmarks.traffic import build_body
from redox_wsgi import Transmission
from redox_wsgi.inbox import Inbox

#: Puts one transmission.
Put: TypeAlias = Callable[[], object]

#: Opens a contender: the folder, and the URL of a PostgreSQL database.
Open: TypeAlias = Callable[[Path, str], contextlib.AbstractContextManager[Put]]

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


@contextmanager
def bare_sqlite(folder: Path, _: str) -> Iterator[Put]:
    """The yardstick: one insert a transaction, WAL, synchronous=FULL."""
    with contextlib.closing(open_bare_sqlite(folder)) as connection:
        bodies = build_bodies()

        def put() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO bare (body) VALUES (?)", (next(bodies),))
            connection.execute("COMMIT")

        yield put


def open_bare_sqlite(folder: Path) -> sqlite3.Connection:
    """Open a database with one table of bodies."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None, timeout=60.0)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, body BLOB)"
    )
    return connection


@contextmanager
def bare_postgresql(_: Path, url: str) -> Iterator[Put]:
    """The other yardstick: one insert a transaction, synchronous_commit=on."""
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare ("
            "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea)"
        )
        bodies = build_bodies()

        def put() -> None:
            connection.execute("INSERT INTO bare (body) VALUES (%b)", (next(bodies),))

        yield put


@contextmanager
def inbox_sqlite(folder: Path, _: str) -> Iterator[Put]:
    """Ours, by default."""
    with _inbox(f"sqlite:///{folder / 'inbox.db'}") as put:
        yield put


@contextmanager
def inbox_postgresql(_: Path, url: str) -> Iterator[Put]:
    """Ours, on many machines."""
    with _inbox(url) as put:
        yield put


@contextmanager
def _inbox(url: str) -> Iterator[Put]:
    inbox = Inbox(url)
    bodies = build_bodies()
    try:
        # Everything that a destination does with it after it has read the body.
        yield lambda: inbox(Transmission(next(bodies), received_at=_NOW))
    finally:
        inbox.close()


@contextmanager
def huey(folder: Path, _: str) -> Iterator[Put]:
    """A queue in SQLite, told to write to the disk."""
    from huey import SqliteHuey  # noqa: PLC0415 - an extra

    queue = SqliteHuey(filename=str(folder / "huey.db"), fsync=True)

    @queue.task()
    def receive(body: bytes) -> None:
        """Never run here."""

    bodies = build_bodies()
    yield lambda: receive(next(bodies))


@contextmanager
def procrastinate(_: Path, url: str) -> Iterator[Put]:
    """A queue in PostgreSQL, with an order for each key."""
    from procrastinate import App, SyncPsycopgConnector  # noqa: PLC0415 - an extra

    app = App(connector=SyncPsycopgConnector(conninfo=url))

    @app.task(name="receive")
    def receive(body: str) -> None:
        """Never run here."""

    with app.open():
        if not app.check_connection():
            app.schema_manager.apply_schema()
        bodies = build_bodies()
        yield lambda: receive.configure(lock="subscription").defer(
            body=next(bodies).decode()
        )


@contextmanager
def celery(folder: Path, _: str) -> Iterator[Put]:
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

        bodies = build_bodies()
        yield lambda: receive.delay(next(bodies).decode())
        app.close()
    finally:
        server.terminate()
        server.wait()


@contextmanager
def dbos(folder: Path, _: str) -> Iterator[Put]:
    """A durable workflow engine, in SQLite."""
    from dbos import DBOS, DBOSClient  # noqa: PLC0415 - an extra

    url = f"sqlite:///{folder / 'dbos.sqlite'}"
    DBOS(config={"name": "benchmark", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    client = DBOSClient(system_database_url=url)
    bodies = build_bodies()
    try:
        yield lambda: client.enqueue(
            {"queue_name": "receive", "workflow_name": "receive"},
            next(bodies).decode(),
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
