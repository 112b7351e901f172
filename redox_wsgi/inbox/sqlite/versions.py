"""Which versions of SQLite keep a WAL safe without help."""

from __future__ import annotations

import sqlite3

# "The WAL-reset bug": two connections that commit and checkpoint at the same instant
# may lose pages that were committed. It came with 3.7.0 and went with 3.51.3; 3.50.7
# and 3.44.6 have the repair too.
# -- https://www.sqlite.org/wal.html#walresetbug
_REPAIRED = (3, 51, 3)
_REPAIRED_BRANCHES = ((3, 50, 7), (3, 44, 6))

# The first with RETURNING.
_OLDEST = (3, 35, 0)


def is_wal_reset_repaired(version: tuple[int, int, int]) -> bool:
    """Tell whether this SQLite has the repair of its WAL-reset bug.

    The gate is held whatever the answer is; who checkpoints beside it, such as a
    backup that follows the WAL, needs a repaired one.

    Example:
        >>> is_wal_reset_repaired((3, 40, 1)), is_wal_reset_repaired((3, 50, 7))
        (False, True)
    """
    return version >= _REPAIRED or any(
        branch <= version < (branch[0], branch[1] + 1, 0)
        for branch in _REPAIRED_BRANCHES
    )


def is_new_enough(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Tell whether this SQLite has all that the statements use."""
    return version >= _OLDEST
