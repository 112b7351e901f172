"""What an inbox in SQLite stands on: its version, its settings, its file system."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator

from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.file_system import find_file_system
from redox_wsgi.inbox.sqlite.opening import read_pragma
from redox_wsgi.inbox.sqlite.versions import is_wal_reset_repaired

Finding = tuple[str, str, str | None]

# By PRAGMA synchronous; the settings of a connection let it be no other.
_DURABILITY = {1: "normal; puts are forced by themselves", 3: "extra"}

_LEAST_FREE_BYTES = 1024**3


def examine(database: Database) -> Iterator[Finding]:
    """Yield what stands where it should, and what does not; see ``Store.diagnose``."""
    yield _examine_version(database.has_gate)
    journal, level, schema = database.read(_read_settings)
    yield "journal mode", journal, None
    yield "synchronous", _DURABILITY[level], None
    yield "schema", str(schema), None
    yield "gate", f"{database.path}.gate" if database.has_gate else "none", None
    yield "file system", find_file_system(database.path), None
    yield _examine_room(database.path)
    yield _examine_mode(database.path)


def _examine_version(has_gate: bool) -> Finding:
    version = sqlite3.sqlite_version
    if is_wal_reset_repaired(sqlite3.sqlite_version_info) or not has_gate:
        return "SQLite", version, None
    # The gate is enough for all that writes through this package.
    return "SQLite", f"{version}, safe behind the gate", None


def _read_settings(connection: sqlite3.Connection) -> tuple[str, int, int]:
    return (
        read_pragma(connection, "journal_mode"),
        read_pragma(connection, "synchronous"),
        read_pragma(connection, "user_version"),
    )


def _examine_room(path: str) -> Finding:
    free = shutil.disk_usage(os.path.dirname(path)).free
    advice = "Make room: a full disk stops every subscription."
    found = f"{free // 1024**2} MiB free"
    return "room", found, advice if free < _LEAST_FREE_BYTES else None


def _examine_mode(path: str) -> Finding:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    is_private = not mode & (stat.S_IRWXG | stat.S_IRWXO)
    advice = "It holds patients' data: chmod 600, with its -wal and -shm."
    return "file mode", f"{mode:04o}", None if is_private else advice
