"""Put: a large body first, then the row, together with whoever waits too."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.entry import UNANSWERED_QUERY, Arrival, Receipt, State
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.failures import OUTCOME_UNKNOWN, translated
from redox_wsgi.inbox.sqlite.gate import Deadline
from redox_wsgi.inbox.sqlite.grouping import Grouping, Member
from redox_wsgi.inbox.sqlite.moments import write_moment
from redox_wsgi.inbox.statements import load_statements

_SQL = load_statements("redox_wsgi.inbox.sqlite")


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
        deadline = self._database.start()
        digest = sha256(arrival.body).digest()
        if len(arrival.body) <= self._largest_row_bytes:
            return self._group().put(Member(arrival, digest, None), deadline)
        with translated():
            file = self._bodies.write(arrival.body)
        # What took its time was the disk, not others.
        deadline = self._database.start()
        try:
            receipt = self._group().put(Member(arrival, digest, file), deadline)
        except InboxUnavailable as error:
            # A row that names the file might come to life.
            if error.code != OUTCOME_UNKNOWN:
                self._bodies.remove(file)
            raise
        if receipt is not Receipt.STORED:
            self._bodies.remove(file)
        return receipt

    def _group(self) -> Grouping:
        if self._grouping.pid != os.getpid():
            # A thread of the parent's may have been leading.
            self._grouping = Grouping(self._commit)
        return self._grouping

    def _commit(self, group: Sequence[Member], deadline: Deadline) -> list[Receipt]:
        return self._database.write(
            lambda connection: [self._insert(connection, member) for member in group],
            deadline=deadline,
        )

    def _insert(self, connection: sqlite3.Connection, member: Member) -> Receipt:
        now = write_moment(self._now())
        lane = _wake_lane(connection, member.arrival.lane, now)
        entry = connection.execute(_SQL["put_entry"], self._describe(member, lane, now))
        if not entry.rowcount:
            return _repeat(connection, lane, member.arrival.identity)
        if member.body_file is None:
            connection.execute(
                _SQL["put_body"],
                {"entry": entry.lastrowid, "bytes": member.arrival.body},
            )
        elif not self._bodies.has(member.body_file):
            # Swept away, by a clock that jumped: a row without a file must not be.
            raise FileNotFoundError("The body was removed before its commit.")
        return Receipt.STORED

    def _describe(self, member: Member, lane: int, now: int) -> dict[str, object]:
        arrival = member.arrival
        return {
            "lane": lane,
            "identity": arrival.identity,
            "state": int(arrival.state),
            "received_at": write_moment(arrival.received_at),
            "finished_at": None if arrival.state is State.WAITING else now,
            "error": arrival.error,
            "body_bytes": len(arrival.body),
            "body_sha256": member.body_sha256,
            "body_file": member.body_file,
            "data_model": arrival.data_model,
            "event_type": arrival.event_type,
            "log_id": arrival.log_id,
            "head": arrival.head,
        }


def _wake_lane(connection: sqlite3.Connection, key: str, now: int) -> int:
    found = connection.execute(_SQL["find_lane"], {"key": key}).fetchall()
    # Mostly it is awake: a page less to write.
    if not found or not found[0][1]:
        found = connection.execute(
            _SQL["put_lane"], {"key": key, "now": now}
        ).fetchall()
    lane: int = found[0][0]
    return lane


def _repeat(connection: sqlite3.Connection, lane: int, identity: str) -> Receipt:
    which = {"lane": lane, "identity": identity, "unanswered": UNANSWERED_QUERY}
    if connection.execute(_SQL["revive"], which).rowcount:
        return Receipt.REVIVED
    connection.execute(_SQL["count_repeat"], which)
    return Receipt.REPEATED
