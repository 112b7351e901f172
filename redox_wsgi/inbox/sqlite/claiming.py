"""A worker's side: claim the head of a lane, and say what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from redox_wsgi.errors import InboxUnavailable, LostLease
from redox_wsgi.inbox.entry import Claim, State
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.failures import translated
from redox_wsgi.inbox.sqlite.moments import read_moment, write_duration, write_moment
from redox_wsgi.inbox.sqlite.states import write_state
from redox_wsgi.inbox.statements import load_statements
from redox_wsgi.inbox.store import BodyDamaged

_SQL = load_statements("redox_wsgi.inbox.sqlite")


class Claiming:
    """Claims entries and ends claims.

    These commits are not forced to the disk: a power cut that loses one brings an entry
    once more, and loses none. But an entry that is handed out is on the disk: whoever
    was told its number may refuse another one that has it.

    Args:
        database: Where the entries are.
        bodies: Where large bodies are.
        now: The clock.
    """

    def __init__(
        self, database: Database, bodies: Bodies, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._bodies = bodies
        self._now = now
        # Whether the last claim found one, and so the next one probably will.
        self._is_busy = False
        # The highest number that is known to be on the disk.
        self._forced_id = 0

    def look(self) -> bool:
        """Tell whether a lane seems due, without a lock."""
        values = {"now": self._read_clock()}
        return bool(
            self._database.read(
                lambda connection: connection.execute(_SQL["look"], values).fetchall()
            )
        )

    def claim(self, token: str, lease_seconds: float) -> Claim | None:
        """See ``Store.claim``."""
        if not self._is_busy and not self.look():
            return None
        values = {
            "now": self._read_clock(),
            "lease": write_duration(lease_seconds),
            "token": token,
        }
        claim = self._database.write(
            lambda connection: _claim(connection, values), is_forced=False
        )
        self._is_busy = claim is not None
        if claim is not None and claim.entry_id > self._forced_id:
            # The put may be about to force it. With it goes all that is committed, so
            # that of a backlog only the first one waits.
            self._forced_id = self._force_for(claim)
        return claim

    def _force_for(self, claim: Claim) -> int:
        try:
            return self._database.write(_read_last_id)
        except InboxUnavailable:
            # Nobody is told of this claim: else its lane waited until the lease ends.
            with suppress(InboxUnavailable, LostLease):
                self.release(claim)
            raise

    def read_body(self, entry_id: int) -> bytes:
        """See ``Store.read_body``."""
        rows = self._database.read(
            lambda connection: connection.execute(
                _SQL["read_body"], {"entry": entry_id}
            ).fetchall()
        )
        file, body = rows[0] if rows else (None, None)
        if file is not None:
            body = self._read_file(file)
        if body is None:
            raise BodyDamaged("body-missing")
        whole: bytes = body
        return whole

    def renew(self, claim: Claim, lease_seconds: float) -> None:
        """See ``Store.renew``."""
        self._end(claim, "renew", {"lease": write_duration(lease_seconds)})

    def finish(self, claim: Claim, state: State, error: str | None) -> None:
        """Mark the entry as done or dead and give the lane back."""
        values = self._prove(claim) | {
            "entry": claim.entry_id,
            "state": write_state(state),
            "error": error,
        }

        def finish(connection: sqlite3.Connection) -> None:
            connection.execute(_SQL["finish_entry"], values)
            _change_lane(connection, "finish_lane", values)

        self._database.write(finish, is_forced=False)

    def retry(self, claim: Claim, error: str, delay_seconds: float) -> None:
        """See ``Store.retry``."""
        delay = write_duration(delay_seconds)
        self._end(claim, "retry", {"error": error, "delay": delay})

    def halt(self, claim: Claim, error: str) -> None:
        """See ``Store.halt``."""
        self._end(claim, "halt", {"error": error, "entry": claim.entry_id})

    def release(self, claim: Claim) -> None:
        """See ``Store.release``."""
        self._end(claim, "release", {})

    def _end(self, claim: Claim, name: str, facts: dict[str, object]) -> None:
        values = self._prove(claim) | facts
        self._database.write(
            lambda connection: _change_lane(connection, name, values),
            is_forced=False,
        )

    def _prove(self, claim: Claim) -> dict[str, object]:
        return {
            "now": self._read_clock(),
            "lane": claim.lane_id,
            "fence": claim.fence,
            "token": claim.token,
        }

    def _read_clock(self) -> int:
        return write_moment(self._now())

    def _read_file(self, file: str) -> bytes | None:
        with translated():
            try:
                return self._bodies.read(file)
            except FileNotFoundError:
                return None


def _claim(
    connection: sqlite3.Connection, values: Mapping[str, object]
) -> Claim | None:
    while lanes := connection.execute(_SQL["claim_lane"], values).fetchall():
        ((lane_id, key, fence, attempts),) = lanes
        which = {"lane": lane_id, "now": values["now"]}
        for head in connection.execute(_SQL["claim_head"], which).fetchall():
            entry_id, identity, received_at, facts = head
            return Claim(
                lane_id=lane_id,
                lane=key,
                fence=fence,
                token=str(values["token"]),
                attempt=attempts,
                entry_id=entry_id,
                identity=identity.hex(),
                received_at=read_moment(received_at),
                head=facts,
            )
        connection.execute(_SQL["claim_empty"], which)
    return None


def _read_last_id(connection: sqlite3.Connection) -> int:
    ((last,),) = connection.execute(_SQL["read_last_id"]).fetchall()
    number: int = last
    return number


def _change_lane(
    connection: sqlite3.Connection, name: str, values: Mapping[str, object]
) -> None:
    if not connection.execute(_SQL[name], values).rowcount:
        raise LostLease("The lease of this entry has ended.")
