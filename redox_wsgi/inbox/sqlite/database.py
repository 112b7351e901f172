"""A database file: run actions on it, in whatever process and thread."""

from __future__ import annotations

import os
import sqlite3
import weakref
from functools import partial

from redox_wsgi.inbox.sqlite.access import Access, Action, Found, Step
from redox_wsgi.inbox.sqlite.failures import translate
from redox_wsgi.inbox.sqlite.gate import Deadline, Gate
from redox_wsgi.inbox.sqlite.pool import Pool
from redox_wsgi.inbox.sqlite.transaction import transact


class Database:
    """Runs actions on a database file; nothing is opened before the first.

    Args:
        path: The file; a path below the current folder is made absolute now, and a
            link is followed.
        timeout_seconds: How long an action may wait for others.
        wal: Whether to keep a WAL behind a gate. Without, there is a rollback journal:
            three times slower, and safe beside programs that checkpoint on their own.
    """

    def __init__(self, path: str, *, timeout_seconds: float, wal: bool) -> None:
        # As SQLite does for its WAL: so must whoever else names a file beside it.
        self.path = os.path.realpath(path)
        self.has_gate = wal and Gate.is_possible()
        self._timeout_seconds = timeout_seconds
        self._open_pool()
        _databases.add(self)

    def start(self) -> Deadline:
        """Start the time that one call may wait."""
        return Deadline(self._timeout_seconds)

    def write(self, action: Action[Found], *, is_forced: bool = True) -> Found:
        """Run an action in a transaction; committed when this returns.

        Args:
            action: See ``transact``.
            is_forced: Whether a power cut may not undo it.

        Raises:
            InboxUnavailable: It failed; unless its code is ``OUTCOME_UNKNOWN``, nothing
                has happened.
        """
        step = partial(transact, action)
        return self.run(step, self.start(), is_forced=is_forced)

    def run(
        self, step: Step[Found], deadline: Deadline, *, is_forced: bool = True
    ) -> Found:
        """Run a step that writes; see ``Access.write``.

        Raises:
            InboxUnavailable: As ``write``.
        """
        pool = self._pool
        access = pool.take()
        try:
            return access.write(step, deadline, is_forced=is_forced)
        except (sqlite3.Error, OSError) as error:
            raise translate(error) from error
        finally:
            pool.give(access)

    def read(self, action: Action[Found]) -> Found:
        """Run an action that writes nothing.

        Raises:
            InboxUnavailable: The database cannot be read now.
        """
        pool = self._pool
        access = pool.take()
        try:
            return access.read(action, self.start())
        except (sqlite3.Error, OSError) as error:
            raise translate(error) from error
        finally:
            pool.give(access)

    def close(self) -> None:
        """Close the connections of this process; the next action opens new ones."""
        close_pool = self._close_pool
        self._open_pool()
        close_pool()

    def leave_parent(self) -> None:
        """Begin anew in a process that was forked."""
        if self._pool.pid != os.getpid():
            self.close()

    def _open_pool(self) -> None:
        self._pool = Pool(
            partial(Access, self.path, has_gate=self.has_gate), self._timeout_seconds
        )
        # Closed with the gate held, at the latest when the interpreter ends.
        self._close_pool = weakref.finalize(self, self._pool.close)


_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _leave_parents() -> None:
    # At once: were a parent killed while it holds a gate, we would go on holding it.
    for database in _databases:
        database.leave_parent()


os.register_at_fork(after_in_child=_leave_parents)
