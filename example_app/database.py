"""The SQLite file that all workers share: one connection a use, none across a fork."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from redox_wsgi import DeliveryFailed

_SCHEMA = Path(__file__).with_name("schema.sql")
_PAUSE_SECONDS = 0.02


class Database:
    """Opens the file for each use, and makes it at the first one.

    Args:
        path: The file; it and what SQLite puts beside it are readable by us only.
        busy_seconds: The longest wait for another writer, in seconds.
    """

    def __init__(self, path: Path, busy_seconds: float = 5.0) -> None:
        self._path = path
        self._busy_seconds = busy_seconds

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all of the block or nothing; on the disk when it ends.

        Raises:
            DeliveryFailed: SQLite could not. Redox sees 503 and sends again.
        """
        try:
            with closing(self._open()) as connection:
                # At once for writing: a reader that becomes a writer cannot wait.
                connection.execute("BEGIN IMMEDIATE")
                # What an exception leaves uncommitted, closing takes back.
                yield connection
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise DeliveryFailed("ward-unavailable") from error

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read several times from one moment, beside whoever writes.

        Raises:
            DeliveryFailed: As ``transaction``.
        """
        try:
            with closing(self._open()) as connection:
                connection.execute("BEGIN")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise DeliveryFailed("ward-unavailable") from error

    def _open(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        connection = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            # "A 200 response indicates that your system has successfully processed the
            # most recent data received": so not before the disk has it.
            # -- https://developer.redoxengine.com/redox-json-api/processing-requests/receive/
            connection.execute("PRAGMA synchronous = FULL")
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._create(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _create(self, connection: sqlite3.Connection) -> None:
        # All workers may come first. The schema is one transaction and may be run
        # twice; but who switches to WAL beside another is refused without waiting.
        schema = _SCHEMA.read_text(encoding="utf-8")
        give_up_at = time.monotonic() + self._busy_seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(schema)
            except sqlite3.OperationalError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return
