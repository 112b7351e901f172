"""A store in PostgreSQL: many web processes and many workers, on many machines.

Do not complete an entry early in a long transaction of your own: until that ends, the
lane stays locked and Redox's next transmission for it waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from redox_wsgi.errors import InboxUnavailable, LostLease
from redox_wsgi.inbox.entry import (
    Arrival,
    Claim,
    EntryRecord,
    Receipt,
    Selection,
    State,
    Stats,
)
from redox_wsgi.inbox.postgresql.caller import lend_by_caller
from redox_wsgi.inbox.postgresql.connections import CONNECTION_LOST, Connections
from redox_wsgi.inbox.postgresql.diagnosis import examine
from redox_wsgi.inbox.postgresql.listener import CHANNEL, Listener
from redox_wsgi.inbox.postgresql.rows import (
    read_claim,
    read_entry,
    read_lane,
    read_moment,
    write_arrival,
    write_claim,
    write_selection,
)
from redox_wsgi.inbox.postgresql.schema import bring_up_to_date, read_version
from redox_wsgi.inbox.statements import load_statements
from redox_wsgi.inbox.store import BodyDamaged

if TYPE_CHECKING:
    import psycopg

    from redox_wsgi.inbox.postgresql.connections import Session

_SQL = load_statements(__package__)

# What a claim or its end loses in a crash is one more delivery, never an entry. Within
# a caller's own transaction it is never set: the caller's effects must last.
_MAY_BE_LOST = "SET LOCAL synchronous_commit = off"

# How long a claim waits behind puts into the only lane that is due.
_BE_PATIENT = "SET LOCAL lock_timeout = '250ms'"

# To open a connection again is nothing beside sending or fetching more than that.
_LARGEST_KEPT_BYTES = 1024 * 1024


class PostgresqlStore:
    """Keeps entries in a database; the tables are made when it is first used.

    Args:
        url: As libpq reads it, ``postgresql://user@host/database``. Any parameter of
            libpq may follow, such as ``?sslmode=verify-full``.
        max_connections: How many connections one process opens at most.
        timeout_seconds: How long a statement, or the wait for a connection, may last.
            Not its commit: where a standby is synchronous, that waits for it.
        notify: Whether a put wakes the workers. Notifications put all commits in one
            row, so for many puts a second the workers had better look by themselves.

    Raises:
        ConfigurationError: The URL is malformed, or the extra is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 10,
        timeout_seconds: float = 10.0,
        notify: bool = False,
    ) -> None:
        self._connections = Connections(
            url,
            max_connections=max_connections,
            timeout_seconds=timeout_seconds,
            prepare=bring_up_to_date,
        )
        self._listener = Listener(self._connections) if notify else None
        more = f", pg_notify('{CHANNEL}', '')" if notify else ""
        self._sql_of_put = _SQL["put"] + more
        self._sql_of_put_again = _SQL["put_again"] + more

    def put(self, arrival: Arrival) -> Receipt:
        """See ``Store.put``."""
        try:
            return self._put(arrival)
        except InboxUnavailable as error:
            if error.code != CONNECTION_LOST:
                raise
        # If the lost one was committed after all, this one is only counted.
        return self._put(arrival)

    def _put(self, arrival: Arrival) -> Receipt:
        values = write_arrival(arrival)
        with self._connections.borrow() as session:
            is_new = (
                arrival.state is State.WAITING
                and session.fetch_row(self._sql_of_put, values) is not None
            )
            row = None if is_new else session.fetch_row(self._sql_of_put_again, values)
            _free_room(session, arrival.body)
        if is_new:
            return Receipt.STORED
        if row is None:
            # The server would forget at a power cut what we are about to confirm.
            raise InboxUnavailable("fsync-is-off")
        is_repeated, is_revived, *_ = row
        if not is_repeated:
            return Receipt.STORED
        return Receipt.REVIVED if is_revived else Receipt.REPEATED

    def claim(self, token: str, lease_seconds: float) -> Claim | None:
        """See ``Store.claim``."""
        named = {"token": token, "lease_seconds": lease_seconds}
        try:
            while True:
                begin = self._connections.transaction(_MAY_BE_LOST, _BE_PATIENT)
                with begin as connection:
                    lane = (
                        connection.execute(_SQL["claim_lane"], named).fetchone()
                        or connection.execute(_SQL["claim_busy_lane"], named).fetchone()
                    )
                    if lane is None:
                        return None
                    found = {"lane_id": lane[0]}
                    head = connection.execute(_SQL["claim_head"], found).fetchone()
                    if head is not None:
                        return read_claim(token, lane, head)
                    connection.execute(_SQL["claim_empty"], found)
        except InboxUnavailable as error:
            if error.code != "sqlstate-55p03":
                raise
            return None

    def read_body(self, entry_id: int) -> bytes:
        """See ``Store.read_body``."""
        try:
            with self._connections.borrow() as session:
                row = session.execute(
                    _SQL["read_body"], {"entry_id": entry_id}, binary=True
                ).fetchone()
                _free_room(session, row and row[0])
        except InboxUnavailable as error:
            # Class XX: "data_corrupted", "index_corrupted", "internal_error".
            # -- https://www.postgresql.org/docs/current/errcodes-appendix.html
            if not error.code.startswith("sqlstate-xx"):
                raise
            raise BodyDamaged("body-unreadable") from error
        if row is None or row[0] is None:
            raise BodyDamaged("body-missing")
        body: bytes = row[0]
        if len(body) != row[1]:
            raise BodyDamaged("body-shortened")
        return body

    def renew(self, claim: Claim, lease_seconds: float) -> None:
        """See ``Store.renew``."""
        self._change_lane("renew", claim, lease_seconds=lease_seconds)

    def complete(self, claim: Claim, connection: Any = None) -> None:
        """See ``Store.complete``.

        Args:
            claim: The claim.
            connection: The psycopg connection of the handler's own transaction; below
                Django it is ``connection.connection``, below SQLAlchemy
                ``session.connection().connection.driver_connection``. Roll back after
                any exception, ``LostLease`` too: the entry is somebody else's.
        """
        if connection is None:
            self._finish(claim, State.DONE, None)
            return
        with lend_by_caller(connection) as cursor:
            _finish_with(cursor, claim, State.DONE, None)

    def bury(self, claim: Claim, error: str) -> None:
        """See ``Store.bury``."""
        self._finish(claim, State.DEAD, error)

    def _finish(self, claim: Claim, state: State, error: str | None) -> None:
        with (
            self._connections.transaction(_MAY_BE_LOST) as connection,
            connection.cursor() as cursor,
        ):
            _finish_with(cursor, claim, state, error)

    def retry(self, claim: Claim, error: str, delay_seconds: float) -> None:
        """See ``Store.retry``."""
        self._change_lane("retry", claim, error=error, delay_seconds=delay_seconds)

    def halt(self, claim: Claim, error: str) -> None:
        """See ``Store.halt``."""
        named = {**write_claim(claim), "error": error}
        with self._connections.transaction(_MAY_BE_LOST) as connection:
            connection.execute(_SQL["lock_lane_of_entry"], named)
            if connection.execute(_SQL["halt"], named).rowcount == 0:
                raise LostLease("The lease of this entry has ended.")

    def release(self, claim: Claim) -> None:
        """See ``Store.release``."""
        self._change_lane("release", claim)

    def _change_lane(self, name: str, claim: Claim, **named: object) -> None:
        if self._execute(name, **write_claim(claim), **named) == 0:
            raise LostLease("The lease of this entry has ended.")

    def repair_clock(self, longest_seconds: float) -> int:
        """See ``Store.repair_clock``: the clock of a standby that took over differs."""
        return self._execute("repair_clock", longest_seconds=longest_seconds)

    def wait(self, seconds: float) -> None:
        """See ``Store.wait``: without ``notify`` it returns when the time is over."""
        if self._listener is None:
            time.sleep(seconds)
        else:
            self._listener.wait(seconds)

    def stats(self) -> Stats:
        """See ``Store.stats``."""
        with self._connections.transaction() as connection:
            counted = connection.execute(_SQL["count_entries"]).fetchall()
            listed = connection.execute(_SQL["list_lanes"]).fetchall()
        lanes = tuple(map(read_lane, listed))
        at, done, emptied, repeats = counted[0]
        return Stats(
            at=read_moment(at),
            waiting=sum(lane.waiting for lane in lanes),
            done=done,
            dead=sum(lane.dead for lane in lanes),
            emptied=emptied,
            repeats=repeats,
            lanes=lanes,
        )

    def find_entries(
        self, selection: Selection, *, after_id: int = 0, limit: int = 500
    ) -> list[EntryRecord]:
        """See ``Store.find_entries``."""
        return self._find(selection, after_id=after_id, limit=limit)

    def find_entry(self, entry_id: int) -> EntryRecord | None:
        """See ``Store.find_entry``."""
        found = self._find(Selection(), entry_id=entry_id)
        return found[0] if found else None

    def _find(
        self,
        selection: Selection,
        *,
        after_id: int = 0,
        limit: int = 1,
        entry_id: int | None = None,
    ) -> list[EntryRecord]:
        named = {"after_id": after_id, "limit": limit, "entry_id": entry_id}
        with self._connections.borrow() as session:
            rows = session.execute(
                _SQL["find_entries"], {**write_selection(selection), **named}
            ).fetchall()
        return [read_entry(row) for row in rows]

    def halt_lane(self, lane: str) -> bool:
        """See ``Store.halt_lane``."""
        return self._execute("halt_lane", lane=lane) > 0

    def resume_lane(self, lane: str) -> bool:
        """See ``Store.resume_lane``."""
        return self._execute("resume_lane", lane=lane) > 0

    def skip_head(self, lane: str) -> int | None:
        """See ``Store.skip_head``."""
        named = {"lane": lane}
        with self._connections.transaction() as connection:
            held = connection.execute(_SQL["lock_halted_lane"], named).fetchone()
            if held is None:
                return None
            found = {"lane_id": held[0]}
            head = connection.execute(_SQL["skip_head"], found).fetchone()
            if head is None:
                return None
            connection.execute(_SQL["resume_lane"], named)
            number: int = head[0]
            return number

    def replay(self, entry_id: int) -> bool:
        """See ``Store.replay``."""
        named = {"entry_id": entry_id}
        with self._connections.transaction() as connection:
            connection.execute(_SQL["lock_lane_of_entry"], named)
            found = connection.execute(_SQL["replay_entry"], named).fetchone()
            if found is not None:
                connection.execute(_SQL["replay_lane"], {"lane_id": found[0]})
            return found is not None

    def prune(self, state: State, before: datetime, limit: int = 500) -> int:
        """See ``Store.prune``."""
        if state is State.WAITING:
            raise ValueError("What waits is not pruned.")
        name = "empty_old" if state is State.DONE else "delete_old"
        return self._execute(name, state=int(state), before=before, limit=limit)

    def sweep(self) -> int:
        """See ``Store.sweep``: a transaction leaves nothing behind."""
        return 0

    def diagnose(self) -> Iterable[tuple[str, str, str | None]]:
        """See ``Store.diagnose``."""
        with self._connections.borrow() as session:
            return examine(session, notify=self._listener is not None)

    def has_tables(self) -> bool:
        """Tell whether the tables are there, and make none.

        Raises:
            ConfigurationError: They were made by a newer release.
            InboxUnavailable: The server cannot be asked now.
        """
        with self._connections.borrow(unprepared=True) as session:
            return read_version(session.connection) > 0

    def close(self) -> None:
        """See ``Store.close``."""
        if self._listener is not None:
            self._listener.close()
        self._connections.close()

    def _execute(self, name: str, **named: object) -> int:
        with self._connections.borrow() as session:
            return session.execute(_SQL[name], named).rowcount


def _free_room(session: Session, body: bytes | None) -> None:
    """Close a connection through which a large body went.

    Its buffer has become as large and never shrinks, and its cursor holds the body.
    """
    if body is not None and len(body) > _LARGEST_KEPT_BYTES:
        session.connection.close()


def _finish_with(
    cursor: psycopg.Cursor[Any], claim: Claim, state: State, error: str | None
) -> None:
    named = {**write_claim(claim), "state": int(state), "error": error}
    cursor.execute(_SQL["finish_entry"], named)
    # A row, and not a count of them: in a pipeline of the caller's that comes later.
    if cursor.execute(_SQL["finish_lane"], named).fetchone() is None:
        raise LostLease("The lease of this entry has ended.")
