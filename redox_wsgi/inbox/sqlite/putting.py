"""Put: a large body first, then the row, together with whoever waits too."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import chain

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.entry import UNANSWERED_QUERY, Arrival, Receipt
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.failures import OUTCOME_UNKNOWN, translated
from redox_wsgi.inbox.sqlite.gate import Deadline
from redox_wsgi.inbox.sqlite.grouping import Grouping, Member
from redox_wsgi.inbox.sqlite.moments import write_moment
from redox_wsgi.inbox.sqlite.states import write_state
from redox_wsgi.inbox.sqlite.transaction import execute_alone, transact
from redox_wsgi.inbox.statements import load_statements

_SQL = load_statements("redox_wsgi.inbox.sqlite")


@cache
def _write_put(rows: int) -> str:
    """Write the statement that puts so many, all or none of them."""
    return f"INSERT INTO {_SQL['put_columns']} {', '.join([_SQL['put_row']] * rows)}"


_PUT_IF_NEW = f"INSERT OR IGNORE INTO {_SQL['put_columns']} {_SQL['put_row']}"


class Putting:
    """Puts transmissions into a database.

    Args:
        database: Where to put them.
        bodies: Where large bodies go.
        largest_row_bytes: What is larger is a large body.
        now: The clock.
    """

    def __init__(
        self,
        database: Database,
        bodies: Bodies,
        *,
        largest_row_bytes: int,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._bodies = bodies
        self._largest_row_bytes = largest_row_bytes
        self._now = now
        self._grouping = Grouping(self._commit)

    def put(self, arrival: Arrival) -> Receipt:
        """See ``Store.put``."""
        if len(arrival.body) <= self._largest_row_bytes:
            return self._put(arrival, None)
        with translated():
            file = self._bodies.write(arrival.body)
        try:
            receipt = self._put(arrival, file)
        except InboxUnavailable as error:
            # A row that names the file might come to life.
            if error.code != OUTCOME_UNKNOWN:
                self._bodies.remove(file)
            raise
        if receipt is Receipt.REPEATED:
            self._bodies.remove(file)
        return receipt

    def _put(self, arrival: Arrival, file: str | None) -> Receipt:
        member = Member(arrival, _build_row(arrival, file), file)
        return self._grouping.put(member, self._database.start())

    def _commit(self, group: Sequence[Member], deadline: Deadline) -> list[Receipt]:
        return self._database.run(partial(self._insert_all, group), deadline)

    def _insert_all(
        self,
        group: Sequence[Member],
        connection: sqlite3.Connection,
        deadline: Deadline,
    ) -> list[Receipt]:
        """Insert all at once if each is new, of a lane that is awake; else in turn."""
        rows = [member.row for member in group if member.body_file is None]
        # With a rollback journal one reader after the other could keep a statement that
        # is its own transaction waiting. A COMMIT that waits lets no new one in.
        if len(rows) == len(group) and self._database.has_gate:
            values = rows[0] if len(rows) == 1 else tuple(chain.from_iterable(rows))
            try:
                execute_alone(_write_put(len(rows)), values, connection, deadline)
            except sqlite3.IntegrityError:
                pass
            else:
                return [Receipt.STORED] * len(group)
        return transact(partial(self._insert_each, group), connection, deadline)

    def _insert_each(
        self, group: Sequence[Member], connection: sqlite3.Connection
    ) -> list[Receipt]:
        return [self._insert(member, connection) for member in group]

    def _insert(self, member: Member, connection: sqlite3.Connection) -> Receipt:
        self._wake(connection, member.arrival.lane)
        if not connection.execute(_PUT_IF_NEW, member.row).rowcount:
            return self._repeat(connection, member)
        if member.body_file is not None:
            self._check_file(member.body_file)
        return Receipt.STORED

    def _wake(self, connection: sqlite3.Connection, lane: str) -> None:
        values = {"key": lane, "now": write_moment(self._now())}
        connection.execute(_SQL["wake_lane"], values)

    def _repeat(self, connection: sqlite3.Connection, member: Member) -> Receipt:
        which = _describe_repeat(member)
        if connection.execute(_SQL["revive"], which).rowcount:
            connection.execute(_SQL["forget_attempts"], which)
            if member.body_file is not None:
                self._check_file(member.body_file)
            return Receipt.REVIVED
        if not connection.execute(_SQL["count_repeat"], which).rowcount:
            # Left out for another reason: never call kept what is not there.
            raise sqlite3.IntegrityError("The entry cannot be written.")
        return Receipt.REPEATED

    def _check_file(self, file: str) -> None:
        if not self._bodies.has(file):
            # Swept away, by a clock that jumped: a row without a file must not be.
            raise FileNotFoundError("The body was removed before its commit.")


def _build_row(arrival: Arrival, file: str | None) -> tuple[object, ...]:
    received_at = write_moment(arrival.received_at)
    return (
        arrival.lane,
        bytes.fromhex(arrival.identity),
        write_state(arrival.state),
        received_at,
        received_at,
        arrival.error,
        len(arrival.body),
        file,
        arrival.data_model,
        arrival.event_type,
        arrival.log_id,
        arrival.head,
        None if file else arrival.body,
    )


def _describe_repeat(member: Member) -> dict[str, object]:
    lane, identity, _, _, _, _, body_bytes, body_file, _, _, _, head, body = member.row
    return {
        "key": lane,
        "identity": identity,
        "unanswered": UNANSWERED_QUERY,
        "body_bytes": body_bytes,
        "body_file": body_file,
        "head": head,
        "body": body,
    }
