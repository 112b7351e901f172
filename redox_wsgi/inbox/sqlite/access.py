"""One connection, and the gate that it is used behind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.sqlite.failures import LOCKED, OUTCOME_UNKNOWN
from redox_wsgi.inbox.sqlite.file_system import find_if_same
from redox_wsgi.inbox.sqlite.gate import Deadline, Gate, OpenGate
from redox_wsgi.inbox.sqlite.opening import check_location, open_connection
from redox_wsgi.inbox.sqlite.transaction import persist, roll_back
from redox_wsgi.inbox.sqlite.wal import force, open_wal

Found = TypeVar("Found")
Action = Callable[[sqlite3.Connection], Found]
Step = Callable[[sqlite3.Connection, Deadline], Found]


class Access:
    """A connection that opens when it is needed, and again after an error.

    It belongs to one process, and to one thread at a time.

    Args:
        path: The database, an absolute path.
        has_gate: Whether writes wait at the gate; else there is no WAL.
    """

    def __init__(self, path: str, *, has_gate: bool) -> None:
        self._path = path
        self._has_gate = has_gate
        self._gate = (Gate if has_gate else OpenGate)(f"{path}.gate")
        self._connection: sqlite3.Connection | None = None
        self._opened: os.stat_result | None = None
        self._wal: int | None = None

    def write(self, step: Step[Found], deadline: Deadline, *, is_forced: bool) -> Found:
        """Run a step that writes, with the gate held; committed when this returns.

        Args:
            step: It makes its own transactions, such as ``transact``.
            deadline: How long to wait for others.
            is_forced: Whether it is on the disk then, or will be some time.

        Raises:
            InboxUnavailable: See ``transact``; or the deadline is over; or it is
                committed, but could not be forced to the disk: ``OUTCOME_UNKNOWN``.
            sqlite3.Error: Nothing has happened.
            OSError: The same.
        """
        self._gate.enter(deadline)
        try:
            connection = self._connection
            if connection is None or not self._is_in_place():
                connection = self._connect(deadline)
            if self._gate.is_doubted:
                self._end_doubt(connection)
            try:
                found = step(connection, deadline)
            except (sqlite3.Error, InboxUnavailable):
                # A new one finds out anew what is wrong, or mended.
                self._disconnect()
                raise
        finally:
            self._gate.leave()
        if is_forced and self._wal is not None:
            try:
                force(self._wal)
            except OSError as error:
                self._gate.leave_doubt()
                raise InboxUnavailable(OUTCOME_UNKNOWN) from error
        return found

    def read(self, action: Action[Found], deadline: Deadline) -> Found:
        """Run an action that writes nothing.

        It may begin a transaction, to see one moment of the database.

        Raises:
            InboxUnavailable: The deadline is over.
            sqlite3.Error: It cannot be read now.
            OSError: The same.
        """
        connection = self._connection
        if connection is None or not self._is_in_place():
            connection = self._behind_gate(lambda: self._connect(deadline), deadline)
        try:
            return persist(deadline, _look, connection, action)
        except sqlite3.Error:
            self._behind_gate(self._disconnect, deadline)
            raise

    def close(self, deadline: Deadline) -> None:
        """Close the connection, behind the gate: the last one checkpoints."""
        if self._connection is not None:
            self._behind_gate(self._disconnect, deadline)
        self._gate.close()

    def abandon(self) -> None:
        """Give up what a parent opened: its connection may not even be closed here.

        "Do not open an SQLite database connection, then fork(2), then try to use that
        database connection in the child process."
        -- https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_
        """
        self._gate.close()
        self._close_wal()

    def _behind_gate(self, step: Callable[[], Found], deadline: Deadline) -> Found:
        self._gate.enter(deadline)
        try:
            return step()
        finally:
            self._gate.leave()

    def _is_in_place(self) -> bool:
        # SQLite would go on writing into a file that was removed, and we would answer
        # 200 for it.
        return find_if_same(self._path, self._opened) is not None

    def _connect(self, deadline: Deadline) -> sqlite3.Connection:
        self._disconnect()
        check_location(self._path, has_gate=self._has_gate)
        open_here = partial(open_connection, has_gate=self._has_gate)
        connection = persist(deadline, open_here, self._path)
        try:
            self._opened = os.stat(self._path)
            self._gate.give_to_owner_of(self._opened)
            self._wal = open_wal(self._path) if self._has_gate else None
        except OSError:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _end_doubt(self, connection: sqlite3.Connection) -> None:
        """Bring into the database what could not be forced to the disk in the WAL.

        Whatever is committed behind it could not be found after a power cut.

        Raises:
            InboxUnavailable: Somebody reads what was before.
        """
        checkpoint = connection.execute("PRAGMA wal_checkpoint")
        ((is_busy, committed, saved),) = checkpoint.fetchall()
        if is_busy or saved < committed:
            raise InboxUnavailable(LOCKED)
        self._gate.end_doubt()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._close_wal()
        if connection is not None:
            connection.close()

    def _close_wal(self) -> None:
        wal, self._wal = self._wal, None
        if wal is not None:
            os.close(wal)


def _look(connection: sqlite3.Connection, action: Action[Found]) -> Found:
    try:
        return action(connection)
    finally:
        roll_back(connection)
