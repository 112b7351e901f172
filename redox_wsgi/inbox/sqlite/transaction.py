"""One write transaction: begun, acted in, committed or rolled back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar, TypeVarTuple

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.sqlite.failures import (
    OUTCOME_UNKNOWN,
    has_surely_failed,
    is_busy,
)
from redox_wsgi.inbox.sqlite.gate import Deadline

Found = TypeVar("Found")
Given = TypeVarTuple("Given")


def transact(
    action: Callable[[sqlite3.Connection], Found],
    connection: sqlite3.Connection,
    deadline: Deadline,
) -> Found:
    """Run an action in a transaction and commit it.

    Args:
        action: It reads every ``RETURNING`` to its end: an open statement would stop
            the COMMIT. What it raises rolls the transaction back.
        connection: Without a transaction.
        deadline: How long to wait for a program that locks the file without the gate.

    Raises:
        InboxUnavailable: ``OUTCOME_UNKNOWN``.
        sqlite3.Error: Nothing has happened.
    """
    # A transaction that began by reading could not wait for its turn to write.
    persist(deadline, connection.execute, "BEGIN IMMEDIATE")
    try:
        found = action(connection)
        execute_alone("COMMIT", (), connection, deadline)
    except BaseException:
        roll_back(connection)
        raise
    return found


def execute_alone(
    statement: str,
    values: Sequence[object],
    connection: sqlite3.Connection,
    deadline: Deadline,
) -> None:
    """Run a statement that commits: COMMIT, or one that is its own transaction.

    Raises:
        InboxUnavailable: ``OUTCOME_UNKNOWN``.
        sqlite3.Error: Nothing has happened.
    """
    try:
        persist(deadline, connection.execute, statement, values)
    except sqlite3.Error as error:
        if has_surely_failed(error):
            raise
        raise InboxUnavailable(OUTCOME_UNKNOWN) from error


def persist(
    deadline: Deadline, step: Callable[[*Given], Found], *given: *Given
) -> Found:
    """Do a step, again and again while somebody outside of the gate is in its way.

    SQLite's own waiting is switched off: it would hold up every greenlet.
    """
    while True:
        try:
            return step(*given)
        except sqlite3.OperationalError as error:
            if not is_busy(error) or not deadline.remaining_seconds:
                raise
        deadline.pause()


def roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction if there is one: a full disk has rolled it back already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
