"""Put: a large body first, then the row, together with whoever waits too."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.entry import UNANSWERED_QUERY, Arrival, Receipt
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.failures import OUTCOME_UNKNOWN, translated
from redox_wsgi.inbox.sqlite.gate import Deadline
from redox_wsgi.inbox.sqlite.grouping import Grouping, Member
from redox_wsgi.inbox.sqlite.moments import write_moment
from redox_wsgi.inbox.sqlite.states import write_state
from redox_wsgi.inbox.statements import load_statements

_SQL = load_statements("redox_wsgi.inbox.sqlite")
_PUT_ENTRY = _SQL["put_entry"]


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
        if receipt is Receipt.REPEATED:
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
        arrival = member.arrival
        now = write_moment(self._now())
        entry = _describe(member, now)
        if not connection.execute(_PUT_ENTRY, entry).rowcount:
            # The lane sleeps or is new, or this is a repeat.
            lane = {"key": arrival.lane, "now": now}
            connection.execute(_SQL["wake_lane"], lane)
            if not connection.execute(_PUT_ENTRY, entry).rowcount:
                return self._repeat(connection, member)
        self._check_file(member)
        return Receipt.STORED

    def _repeat(self, connection: sqlite3.Connection, member: Member) -> Receipt:
        which = _describe_repeat(member)
        if connection.execute(_SQL["revive"], which).rowcount:
            connection.execute(_SQL["forget_attempts"], which)
            self._check_file(member)
            return Receipt.REVIVED
        if not connection.execute(_SQL["count_repeat"], which).rowcount:
            # Left out for another reason: never call kept what is not there.
            raise sqlite3.IntegrityError("The entry cannot be written.")
        return Receipt.REPEATED

    def _check_file(self, member: Member) -> None:
        file = member.body_file
        if file is not None and not self._bodies.has(file):
            # Swept away, by a clock that jumped: a row without a file must not be.
            raise FileNotFoundError("The body was removed before its commit.")


def _describe(member: Member, now: int) -> tuple[object, ...]:
    arrival = member.arrival
    return (
        arrival.lane,
        arrival.identity,
        write_state(arrival.state),
        now,
        write_moment(arrival.received_at),
        arrival.error,
        len(arrival.body),
        member.body_sha256,
        member.body_file,
        arrival.data_model,
        arrival.event_type,
        arrival.log_id,
        arrival.head,
        None if member.body_file else arrival.body,
    )


def _describe_repeat(member: Member) -> dict[str, object]:
    arrival = member.arrival
    return {
        "key": arrival.lane,
        "identity": arrival.identity,
        "unanswered": UNANSWERED_QUERY,
        "body_bytes": len(arrival.body),
        "body_sha256": member.body_sha256,
        "body_file": member.body_file,
        "head": arrival.head,
        "body": None if member.body_file else arrival.body,
    }
