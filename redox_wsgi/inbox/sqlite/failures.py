"""From an error of SQLite or of the file system to ``InboxUnavailable``."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from redox_wsgi.errors import InboxUnavailable

#: The commit was tried and nobody knows whether it happened: a repeat will tell.
OUTCOME_UNKNOWN = "outcome-unknown"
#: Others wrote all the time that may be waited.
LOCKED = "database-locked"

_DISK_FULL = "disk-full"
_READ_ONLY = "database-read-only"
_NO_PERMISSION = "no-permission"
_MISSING = "database-missing"
_FAILED = "database-failed"

# The primary result codes: https://www.sqlite.org/rescode.html
_SQLITE_CODES = {
    3: _NO_PERMISSION,
    5: LOCKED,
    6: LOCKED,
    7: "out-of-memory",
    8: _READ_ONLY,
    10: "disk-error",
    11: "database-damaged",
    13: _DISK_FULL,
    14: _MISSING,
    26: "database-damaged",
}
_BUSY = 5
_OUT_OF_MEMORY = 7
_DISK_ERROR = 10
_NOT_A_DATABASE = 26

_OS_CODES = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.ENOENT: _MISSING,
    errno.ENOTDIR: _MISSING,
    errno.EIO: "disk-error",
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise what SQLite and the file system raise as ``InboxUnavailable``."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise translate(error) from error


def translate(error: sqlite3.Error | OSError) -> InboxUnavailable:
    """Return the error that says the same in a fixed word."""
    if isinstance(error, OSError):
        return InboxUnavailable(_OS_CODES.get(error.errno or 0, _FAILED))
    return InboxUnavailable(_SQLITE_CODES.get(_read_primary_code(error), _FAILED))


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether somebody else holds a lock that ends soon."""
    return _read_primary_code(error) == _BUSY


def is_not_a_database(error: sqlite3.Error) -> bool:
    """Tell whether the file is of another kind."""
    return _read_primary_code(error) == _NOT_A_DATABASE


def has_surely_failed(error: sqlite3.Error) -> bool:
    """Tell of an error at a commit whether nothing of it can be found later.

    What fails to be read or written, or for want of memory, may fail when the frame
    that makes a transaction whole stands in the file already. Every other error comes
    before it; a full disk has no room for it.
    """
    return _read_primary_code(error) not in (_OUT_OF_MEMORY, _DISK_ERROR)


def _read_primary_code(error: sqlite3.Error) -> int:
    # Python's own complaints, such as of a text that is no text, have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
