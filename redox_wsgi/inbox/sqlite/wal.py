"""Force what was committed to the disk, when the gate is left already.

SQLite would do it within the COMMIT (``synchronous=FULL``), and so with the gate held,
where everybody waits for one disk in turn. Forced from outside, the next one writes
meanwhile. It is as durable: a commit stands in the WAL, as a whole and behind all those
before it, until a checkpoint has forced it into the database.
-- https://www.sqlite.org/wal.html#performance_considerations
"""

from __future__ import annotations

import os

#: Force a file to the disk; macOS has the slower one only.
force = getattr(os, "fdatasync", os.fsync)


def open_wal(path: str) -> int:
    """Open the WAL of a database that is open already, to force it to the disk.

    What was committed before ``force`` is durable after it. If that fails, it may not
    be: the kernel tells each who has the file open once, and does not try again what it
    could not write. A checkpoint must (see ``Gate.leave_doubt``).

    Returns:
        A descriptor. To close it ends no lock: SQLite's are on other files.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(f"{path}-wal", os.O_RDONLY | os.O_NOFOLLOW)
