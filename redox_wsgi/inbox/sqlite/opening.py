"""Open a database: the settings of a connection, and the schema."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.inbox.sqlite.failures import is_not_a_database
from redox_wsgi.inbox.sqlite.file_system import (
    find_file_system,
    is_of_network,
    sync_folder,
)
from redox_wsgi.inbox.sqlite.transaction import roll_back
from redox_wsgi.inbox.sqlite.versions import is_new_enough
from redox_wsgi.inbox.statements import load_migrations

#: "RDXI" in the header of the file says that it is an inbox.
APPLICATION_ID = 0x52445849

_MIGRATIONS = load_migrations("redox_wsgi.inbox.sqlite")
#: The schema that this code works with.
SCHEMA_VERSION = _MIGRATIONS[-1][0]

# In pages of 4 KiB, as SQLite has it: a short WAL is written over and over, and a
# forced write into a file that does not grow is a quick one.
_PAGES_TO_CHECKPOINT = 2000
_LARGEST_WAL_BYTES = 64 * 1024 * 1024


def check_location(path: str, *, has_gate: bool) -> None:
    """Refuse what would lose transmissions now and then.

    Raises:
        ConfigurationError: The file system is a network's, or SQLite is too old.
    """
    if not is_new_enough():
        raise ConfigurationError(
            f"SQLite {sqlite3.sqlite_version} is too old for an inbox: 3.35 is needed."
        )
    kind = find_file_system(path)
    if has_gate and is_of_network(kind):
        raise ConfigurationError(
            f"The file system of the inbox is {kind}: SQLite's WAL is not safe on a "
            "network. Use a local disk, or postgresql://."
        )


def open_connection(path: str, *, has_gate: bool) -> sqlite3.Connection:
    """Open a connection, with the gate held; make the file and its schema if needed.

    Args:
        path: The database.
        has_gate: Whether there is a gate, so that a WAL is safe.

    Raises:
        ConfigurationError: The file is no inbox, or a newer one.
        sqlite3.Error: It cannot be opened now.
        OSError: The same.
    """
    _create(path)
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode=rw",
        uri=True,
        # No statement begins a transaction unasked.
        isolation_level=None,
        timeout=0,
        # It is lent to one thread at a time.
        check_same_thread=False,
    )
    try:
        _recognise(connection)
        _set_up(connection, has_gate)
        _migrate(connection)
        # What another connection could not force to the disk is forced now.
        connection.execute("PRAGMA wal_checkpoint").fetchall()
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and is_not_a_database(error):
            raise ConfigurationError(
                "The file of the inbox is not a database of SQLite."
            ) from error
        raise
    return connection


def _create(path: str) -> None:
    # Before SQLite would: so that nobody else may read it. Its WAL gets the same mode.
    # Never open what exists: closing it again would end the locks of this process.
    # -- https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        sync_folder(os.path.dirname(path))


def _recognise(connection: sqlite3.Connection) -> None:
    version = read_pragma(connection, "user_version")
    if read_pragma(connection, "application_id") == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise ConfigurationError(
                f"The inbox has schema {version}, and this redox_wsgi knows "
                f"{SCHEMA_VERSION}: install the newer redox_wsgi that wrote it."
            )
        return
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    if tables != [(0,)]:
        raise ConfigurationError(
            "The file of the inbox is a database of something else: name another file."
        )


def _set_up(connection: sqlite3.Connection, has_gate: bool) -> None:
    _forbid_checkpoint_at_close(connection)
    journal = "wal" if has_gate else "delete"
    if read_pragma(connection, f"journal_mode = {journal}") != journal:
        raise ConfigurationError(
            f"SQLite cannot keep the inbox with journal_mode {journal} here: "
            "use a local disk."
        )
    # NORMAL (1): after a power cut a commit in a WAL is there wholly or not at all, and
    # who wants it there forces the WAL (see wal.py). With a rollback journal the commit
    # is the removal of a file, and only EXTRA (3) forces that.
    # -- https://www.sqlite.org/pragma.html#pragma_synchronous
    level = 1 if has_gate else 3
    connection.execute(f"PRAGMA synchronous = {level}")
    if read_pragma(connection, "synchronous") != level:
        raise ConfigurationError("SQLite does not force its writes here.")
    # Within the COMMIT, and so with the gate held.
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_TO_CHECKPOINT}")
    connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_WAL_BYTES}")


def read_pragma(connection: sqlite3.Connection, pragma: str) -> Any:
    """Return the one value that a pragma answers."""
    ((value,),) = connection.execute(f"PRAGMA {pragma}").fetchall()
    return value


def _forbid_checkpoint_at_close(connection: Any) -> None:
    # From Python 3.12: whatever closes it may then do so without the gate.
    option = getattr(sqlite3, "SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE", None)
    if option is not None:
        connection.setconfig(option, True)


def _migrate(connection: sqlite3.Connection) -> None:
    if read_pragma(connection, "user_version") == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Again, now that nobody else can change it.
        version = read_pragma(connection, "user_version")
        for number, script in _MIGRATIONS:
            if number > version:
                for statement in _split(script):
                    connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def _split(script: str) -> list[str]:
    # executescript would commit before it begins.
    statements, rest = [], ""
    for line in script.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    return statements
