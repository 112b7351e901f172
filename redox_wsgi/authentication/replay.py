"""Where used signatures and identifiers are kept, so that each counts once.

Do not keep a ``SqliteReplayStore`` on a network file system, nor give hosts one each:
there write a store of your own over what all of them share, such as Redis's ``SET NX``.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from redox_wsgi.clock import utc_now
from redox_wsgi.errors import AuthenticatorUnavailable, ConfigurationError

if TYPE_CHECKING:
    from sqlite3 import Connection

# Keys are kept this long after they expired: a clock that goes an hour forward and is
# put back would otherwise have let go of keys that count again.
_GRACE = timedelta(hours=1)
_PURGE_SECONDS = 30

# In seconds. The worker does nothing else meanwhile, and gunicorn ends it after 30.
_LONGEST_BUSY = 25

_RETRY_SECONDS = 0.01

# With a write-ahead log a commit is one append. NORMAL survives a crash of the process;
# after one of the machine the last keys may come again.
_PREPARATION = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "CREATE TABLE IF NOT EXISTS used "
    "(digest BLOB PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS used_expires_at ON used (expires_at)",
)

_SERVERS_WITH_WORKERS = ("gunicorn", "uwsgi", "mod_wsgi")

_logger = logging.getLogger("redox_wsgi")


class ReplayStore(Protocol):
    """Remembers keys until they expire; shared by all workers."""

    def add(self, key: str, expires_at: datetime) -> bool:
        """Keep a key, and say whether it is new: of many at once, one gets True.

        Args:
            key: What must not come twice.
            expires_at: Until when it is refused if it comes again: aware.

        Raises:
            AuthenticatorUnavailable: Nobody can tell; Redox shall send again.
        """


def check_is_replay_store(candidate: object) -> None:
    """Raise ``ConfigurationError`` unless ``candidate`` has ``add``."""
    if isinstance(candidate, type) or not callable(getattr(candidate, "add", None)):
        raise ConfigurationError(
            "A replay store needs a method add(key, expires_at); give an object such "
            'as SqliteReplayStore("replay.db").'
        )


def use_once(store: ReplayStore, key: str, expires_at: datetime) -> bool:
    """Keep a key in a store of anybody's making, and say whether it is new.

    Raises:
        AuthenticatorUnavailable: The store raised, whatever that was.
    """
    try:
        return bool(store.add(key, expires_at))
    except AuthenticatorUnavailable:
        raise
    except Exception as error:
        raise AuthenticatorUnavailable("replay-store-unavailable") from error


def _hash(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


class MemoryReplayStore:
    """Keeps keys in the memory of one process: for tests, or one worker.

    Several workers would accept a key once each; it warns where it can tell.

    Args:
        max_keys: How many keys are kept at most. A store full of keys that have not
            expired is unavailable: to forget one would let it come again.
        now: The clock: aware.

    Raises:
        ConfigurationError: ``max_keys`` is no positive number.
    """

    def __init__(
        self, *, max_keys: int = 100_000, now: Callable[[], datetime] = utc_now
    ) -> None:
        if isinstance(max_keys, bool) or not (
            isinstance(max_keys, int) and max_keys > 0
        ):
            raise ConfigurationError("max_keys is a positive number.")
        self._max_keys = max_keys
        self._now = now
        self._known: set[bytes] = set()
        self._by_expiry: list[tuple[datetime, bytes]] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        if any(server in sys.modules for server in _SERVERS_WITH_WORKERS):
            self._warn()

    def add(self, key: str, expires_at: datetime) -> bool:
        """Keep a key, and say whether it is new.

        Raises:
            AuthenticatorUnavailable: The store is full.
        """
        digest = _hash(key)
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._warn()
            now = self._now()
            self._forget_expired(now - _GRACE)
            if digest in self._known:
                return False
            if len(self._known) >= self._max_keys:
                self._forget_expired(now)
            if len(self._known) >= self._max_keys:
                raise AuthenticatorUnavailable("replay-store-full")
            self._known.add(digest)
            heapq.heappush(self._by_expiry, (expires_at, digest))
        return True

    def _forget_expired(self, before: datetime) -> None:
        while self._by_expiry and self._by_expiry[0][0] < before:
            self._known.discard(heapq.heappop(self._by_expiry)[1])

    def _warn(self) -> None:
        _logger.warning(
            "A MemoryReplayStore keeps keys for one process only: several workers "
            "accept a key once each. Use a SqliteReplayStore."
        )


class SqliteReplayStore:
    """Keeps keys in a SQLite file, for all processes and threads of one host.

    Only SHA-256 digests of keys are stored, and no longer than needed. The file is
    opened at the first use, in each process anew.

    Args:
        path: The file, made if it does not exist; its folder must.
        busy_seconds: How long to wait for another process, in seconds.
        now: The clock that tells which keys have expired: aware.

    Raises:
        ConfigurationError: The folder does not exist, the path names no file, or
            ``busy_seconds`` is no number from 0 to 25.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        busy_seconds: float = 5.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        import sqlite3  # noqa: PLC0415 - who has no such store does not load it

        self._sqlite3 = sqlite3
        self._path = _read_path(path)
        if isinstance(busy_seconds, bool) or not (
            isinstance(busy_seconds, int | float) and 0 <= busy_seconds <= _LONGEST_BUSY
        ):
            raise ConfigurationError(
                f"busy_seconds is a number from 0 to {_LONGEST_BUSY}."
            )
        self._busy_seconds = busy_seconds
        self._now = now
        self._purge_at = float("-inf")
        self._pid = os.getpid()
        self._idle: list[Connection] = []
        # Closing a connection that another process opened would end that one's locks.
        # Those of a parent stay here, unused, until the process ends.
        self._opened: set[Connection] = set()

    def add(self, key: str, expires_at: datetime) -> bool:
        """Keep a key, and say whether it is new.

        Raises:
            AuthenticatorUnavailable: The file is locked for too long, read-only, full
                or damaged.
        """
        try:
            connection = self._take()
            try:
                is_new = self._insert(connection, _hash(key), expires_at.timestamp())
            except BaseException:
                self._opened.discard(connection)
                connection.close()
                raise
        except self._sqlite3.Error as error:
            raise AuthenticatorUnavailable("replay-store-unavailable") from error
        self._idle.append(connection)
        return is_new

    def close(self) -> None:
        """Close what this process has opened; the next use opens it again."""
        self._leave_to_parent()
        idle, self._idle = self._idle, []
        for connection in idle:
            self._opened.discard(connection)
            connection.close()

    def __del__(self) -> None:
        # Since 3.13 Python warns of a connection that nobody closed.
        with contextlib.suppress(Exception):
            self.close()

    def _leave_to_parent(self) -> None:
        if self._pid != os.getpid():
            self._idle = []
            self._pid = os.getpid()

    def _take(self) -> Connection:
        """Take a connection that no thread of this process uses."""
        self._leave_to_parent()
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._open()
        self._opened.add(connection)
        return connection

    def _open(self) -> Connection:
        connection = self._sqlite3.connect(
            self._path, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
            milliseconds = round(self._busy_seconds * 1000)
            connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                for statement in _PREPARATION:
                    connection.execute(statement)
                return
            except self._sqlite3.OperationalError as error:
                # SQLite does not wait by itself where two processes turn a new file
                # into one with a write-ahead log.
                is_busy = error.sqlite_errorcode & 0xFF == self._sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() >= deadline:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _insert(self, connection: Connection, digest: bytes, expires_at: float) -> bool:
        now = self._now().timestamp()
        if now >= self._purge_at:
            self._purge_at = now + _PURGE_SECONDS
            before = now - _GRACE.total_seconds()
            connection.execute("DELETE FROM used WHERE expires_at < ?", (before,))
        inserted = connection.execute(
            "INSERT OR IGNORE INTO used VALUES (?, ?)", (digest, expires_at)
        )
        return inserted.rowcount == 1


def _read_path(path: object) -> str:
    if not isinstance(path, str | os.PathLike) or os.fspath(path) in ("", ":memory:"):
        raise ConfigurationError(
            "A SqliteReplayStore needs the path of a file that all workers share."
        )
    resolved = Path(os.fspath(path)).absolute()
    if not resolved.parent.is_dir():
        raise ConfigurationError(
            "The folder of a SqliteReplayStore's file does not exist: make it first."
        )
    return str(resolved)
