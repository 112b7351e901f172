"""The connections of one process to PostgreSQL, each lent to one caller at a time.

A connection is neither a thread's nor a greenlet's: whoever has borrowed one has it
alone, whatever runs beside it in the same thread.
"""

from __future__ import annotations

import os
import queue
import select
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from redox_wsgi.errors import ConfigurationError, InboxUnavailable

if TYPE_CHECKING:
    import psycopg

#: The ``code`` of an ``InboxUnavailable`` whose call may be repeated at once.
CONNECTION_LOST = "connection-lost"

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"

# One for each fork down to this process: a child may get the number of a dead ancestor.
_forks: list[None] = []
os.register_at_fork(after_in_child=partial(_forks.append, None))


def import_psycopg() -> Any:
    """Import the driver.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            'An inbox in PostgreSQL needs a package: pip install "redox_wsgi'
            '[postgresql]".'
        ) from error
    return psycopg


@dataclass(frozen=True, slots=True)
class Session:
    """One connection, and what it can keep.

    Attributes:
        connection: In autocommit mode: transactions are begun in SQL.
        is_pooled: Whether a pooler such as pgbouncer may give each transaction another
            session of the server: then no setting outlives a transaction.
        limits: What each transaction has to set for itself.
        poll: Watches what the server sends.
        cursor: For statements with a small result, which it keeps until the next one.
    """

    connection: psycopg.Connection[Any]
    is_pooled: bool
    limits: str
    poll: select.poll
    cursor: psycopg.Cursor[Any]

    def execute(
        self, statement: str, values: Mapping[str, Any], *, binary: bool = False
    ) -> psycopg.Cursor[Any]:
        """Run one statement, which is its own transaction."""
        if not self.is_pooled:
            return self.connection.execute(statement, values, binary=binary)
        with self.transact() as connection:
            return connection.execute(statement, values, binary=binary)

    def fetch_row(self, statement: str, values: Mapping[str, Any]) -> Any:
        """Run one statement that gives one small row or none; return it.

        Each put does. To make a cursor takes nearly as long as to use it.
        """
        if not self.is_pooled:
            return self.cursor.execute(statement, values).fetchone()
        with self.transact():
            return self.cursor.execute(statement, values).fetchone()

    @contextmanager
    def transact(self, *settings: str) -> Iterator[psycopg.Connection[Any]]:
        """Run a transaction, READ COMMITTED whatever the default of the role is."""
        # Sent together, since each answer that is waited for costs a round trip.
        words = [_BEGIN, *([self.limits] if self.is_pooled else []), *settings]
        self.connection.execute("; ".join(words).encode(), prepare=False)
        try:
            yield self.connection
        except BaseException:
            self._roll_back()
            raise
        self.connection.execute("COMMIT", prepare=False)

    def _roll_back(self) -> None:
        import psycopg  # noqa: PLC0415 - an extra

        try:
            self.connection.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            # The first error says more; the server rolls back what was lost.
            self.connection.close()

    @property
    def is_idle(self) -> bool:
        """Whether the next caller finds nothing of the last one's."""
        # PQTRANS_IDLE; a closed connection has another.
        # -- https://www.postgresql.org/docs/current/libpq-status.html
        return self.connection.pgconn.transaction_status == 0

    @property
    def is_silent(self) -> bool:
        """Whether the server has sent nothing unasked: it would say that it ends."""
        return not self.poll.poll(0)


class _Pool:
    def __init__(self, max_connections: int) -> None:
        # One for each connection that may be lent. A semaphore of Python's is slower.
        self.permits: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(max_connections):
            self.permits.put(None)
        self.idle: deque[Session] = deque()
        self.is_prepared = False
        self.is_closed = False

    def take_idle(self) -> Session | None:
        # Taken and not looked for: another thread may take the last one in between.
        try:
            while True:
                # The one used last: the others may end when they are needed no more.
                session = self.idle.pop()
                if session.is_silent:
                    return session
                session.connection.close()
        except IndexError:
            return None

    def give_back(self, session: Session) -> None:
        if session.is_idle and not self.is_closed:
            self.idle.append(session)
            return
        was_lost = session.connection.broken
        session.connection.close()
        if was_lost:
            # What ended this one has ended its neighbours too.
            self.close_idle()

    def close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self.idle.pop().connection.close()


class Connections:
    """Lends connections; opens them when they are needed, and again after a fork.

    Args:
        url: As libpq reads it.
        max_connections: How many at once in one process.
        timeout_seconds: How long a statement, or the wait for a connection, may last.
        prepare: Called once in each process with its first connection.

    Raises:
        ConfigurationError: The URL is malformed, or the extra is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int,
        timeout_seconds: float,
        prepare: Callable[[Session], None],
    ) -> None:
        self._psycopg = import_psycopg()
        self._max_connections = max_connections
        self._timeout_seconds = timeout_seconds
        self._prepare = prepare
        self._given = self._parse(url)
        # A child of a fork finds its own, and keeps its parent's: to close or collect
        # an inherited connection would end the parent's session.
        self._pools: dict[tuple[int, int], _Pool] = {}

    def _parse(self, url: str) -> dict[str, Any]:
        try:
            return dict(self._psycopg.conninfo.conninfo_to_dict(url))
        except self._psycopg.ProgrammingError:
            # Without the original error: it can quote a password.
            raise ConfigurationError(
                "The URL of an inbox in PostgreSQL is "
                "postgresql://user:password@host:port/database, with signs such as @ "
                "in its parts written as %40."
            ) from None

    @contextmanager
    def borrow(self, *, unprepared: bool = False) -> Iterator[Session]:
        """Lend a connection until the block ends.

        Args:
            unprepared: Whether the database may be as it was found.

        Raises:
            InboxUnavailable: There is none, or what was done with it failed.
        """
        pool = self._find_pool()
        try:
            pool.permits.get(timeout=self._timeout_seconds)
        except queue.Empty:
            raise InboxUnavailable("no-free-connection") from None
        session = None
        try:
            session = pool.take_idle() or self._open()
            if not (pool.is_prepared or unprepared):
                self._prepare(session)
                pool.is_prepared = True
            yield session
        except self._psycopg.Error as error:
            raise InboxUnavailable(_name_failure(error, session)) from error
        finally:
            if session is not None:
                pool.give_back(session)
            pool.permits.put(None)

    @contextmanager
    def transaction(self, *settings: str) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection for one transaction.

        Args:
            *settings: Statements that begin it, such as ``SET LOCAL``.
        """
        with self.borrow() as session, session.transact(*settings) as connection:
            yield connection

    def close(self) -> None:
        """Close those of this process: what is lent out, when it comes back."""
        pool = self._pools.pop((os.getpid(), len(_forks)), None)
        if pool is not None:
            pool.is_closed = True
            pool.close_idle()

    def open_alone(self) -> Session:
        """Open a connection beside those that are lent; the caller closes it.

        Raises:
            InboxUnavailable: It cannot be opened.
        """
        try:
            return self._open()
        except self._psycopg.Error as error:
            raise InboxUnavailable(_name_failure(error, None)) from error

    def _find_pool(self) -> _Pool:
        key = (os.getpid(), len(_forks))
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools.setdefault(key, _Pool(self._max_connections))
        return pool

    def _open(self) -> Session:
        try:
            return self._connect(is_pooled=False)
        except self._psycopg.OperationalError as error:
            # pgbouncer's words for the settings that it cannot keep.
            if "startup parameter" not in str(error):
                raise
        return self._connect(is_pooled=True)

    def _connect(self, *, is_pooled: bool) -> Session:
        milliseconds = int(self._timeout_seconds * 1000)
        limits = {
            "statement_timeout": milliseconds,
            # A stopped process must not hold the lock of a lane for ever.
            "idle_in_transaction_session_timeout": 2 * milliseconds,
        }
        arguments = {
            "connect_timeout": max(2, round(self._timeout_seconds / 2)),
            "application_name": "redox_wsgi",
            "client_encoding": "UTF8",
            # A server that vanished without a word is noticed in about a minute, and
            # within the timeout if it owes an answer to what was sent.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": milliseconds,
            **self._given,
        }
        if not is_pooled:
            words = [f"-c {name}={value}" for name, value in limits.items()]
            words += [
                r"-c default_transaction_isolation=read\ committed",
                "-c redox_wsgi.is_direct=on",
                self._given.get("options", ""),
            ]
            arguments["options"] = " ".join(words).strip()
        connection = self._psycopg.connect(**arguments, autocommit=True)
        # A pooler may have been told to ignore settings that it cannot keep.
        asked = "SELECT current_setting('redox_wsgi.is_direct', true)"
        try:
            is_pooled = connection.execute(asked, prepare=False).fetchone()[0] != "on"
        except BaseException:
            connection.close()
            raise
        if is_pooled:
            # A prepared statement belongs to a session, too.
            connection.prepare_threshold = None
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return Session(
            connection,
            is_pooled,
            "; ".join(f"SET LOCAL {name} = {value}" for name, value in limits.items()),
            poll,
            connection.cursor(),
        )


def _name_failure(error: psycopg.Error, session: Session | None) -> str:
    """Name a failure by a fixed word: the text of an error may quote what was sent."""
    if session is None:
        return "cannot-connect"
    if session.connection.closed:
        return CONNECTION_LOST
    return f"sqlstate-{(error.sqlstate or 'none').lower()}"
