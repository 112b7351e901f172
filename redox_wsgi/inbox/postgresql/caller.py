"""A transaction of the caller's own, in which an entry is completed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redox_wsgi.errors import ConfigurationError, InboxUnavailable
from redox_wsgi.inbox.postgresql.connections import import_psycopg

if TYPE_CHECKING:
    import psycopg


@contextmanager
def lend_by_caller(connection: object) -> Iterator[psycopg.Cursor[Any]]:
    """Take a cursor in a caller's transaction, which stays the caller's to end.

    Raises:
        ConfigurationError: It is no psycopg connection in a transaction that is READ
            COMMITTED.
        InboxUnavailable: A statement failed.
    """
    driver = import_psycopg()
    if not isinstance(connection, driver.Connection):
        raise ConfigurationError(
            "connection= takes a psycopg 3 connection: below Django it is "
            "connection.connection, below SQLAlchemy "
            "session.connection().connection.driver_connection."
        )
    idle = driver.pq.TransactionStatus.IDLE
    if connection.autocommit and connection.info.transaction_status == idle:
        raise ConfigurationError(
            "connection= takes a connection in a transaction, and none is open: begin "
            "it, or the entry and the handler's own changes are not kept together."
        )
    # Not the caller's kind of cursor and row, whatever they are.
    with driver.Cursor(connection, row_factory=driver.rows.tuple_row) as cursor:
        try:
            _check_isolation(cursor)
            yield cursor
        except driver.Error as error:
            code = f"sqlstate-{(error.sqlstate or 'none').lower()}"
            raise InboxUnavailable(code) from error


def _check_isolation(cursor: psycopg.Cursor[Any]) -> None:
    level = cursor.execute("SHOW transaction_isolation").fetchall()[0][0]
    if level != "read committed":
        # Each renewal of its lease changes the row of the lane, and such a transaction
        # fails to lock a row that has changed since it began.
        # -- https://www.postgresql.org/docs/current/transaction-iso.html
        raise ConfigurationError(
            f"The transaction of connection= is {level.upper()}: an entry is completed "
            "in one that is READ COMMITTED."
        )
