"""An operator's side: lanes are halted and resumed, entries replayed and pruned."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from redox_wsgi.inbox.entry import State
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.failures import translated
from redox_wsgi.inbox.sqlite.moments import write_duration, write_moment
from redox_wsgi.inbox.sqlite.states import write_state
from redox_wsgi.inbox.statements import load_statements

_SQL = load_statements("redox_wsgi.inbox.sqlite")

# A put takes seconds from its file to its row.
_ORPHANED_AFTER = timedelta(hours=1)


class Operating:
    """Does what an operator decides, and keeps house.

    Args:
        database: The database.
        bodies: Where large bodies are.
        now: The clock.
    """

    def __init__(
        self, database: Database, bodies: Bodies, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._bodies = bodies
        self._now = now

    def repair_clock(self, longest_seconds: float) -> int:
        """See ``Store.repair_clock``."""
        values = {"now": self._read_clock(), "longest": write_duration(longest_seconds)}
        return self._change("repair_clock", values)

    def halt_lane(self, lane: str) -> bool:
        """See ``Store.halt_lane``."""
        return bool(self._change("halt_lane", {"key": lane}))

    def resume_lane(self, lane: str) -> bool:
        """See ``Store.resume_lane``."""
        values = {"key": lane, "now": self._read_clock()}
        return bool(self._change("resume_lane", values))

    def skip_head(self, lane: str) -> int | None:
        """See ``Store.skip_head``."""
        values = {"key": lane, "now": self._read_clock()}

        def skip(connection: sqlite3.Connection) -> int | None:
            skipped = connection.execute(_SQL["skip_head"], values).fetchall()
            if not skipped:
                return None
            connection.execute(_SQL["resume_lane"], values)
            number: int = skipped[0][0]
            return number

        return self._database.write(skip)

    def replay(self, entry_id: int) -> bool:
        """See ``Store.replay``."""

        def replay(connection: sqlite3.Connection) -> bool:
            lanes = connection.execute(
                _SQL["replay_entry"], {"entry": entry_id}
            ).fetchall()
            for (lane,) in lanes:
                connection.execute(_SQL["replay_lane"], {"lane": lane})
            return bool(lanes)

        return self._database.write(replay)

    def prune(self, state: State, before: datetime, limit: int) -> int:
        """See ``Store.prune``."""
        if state is State.WAITING:
            raise ValueError("What waits is not pruned.")
        values = {
            "state": write_state(state),
            "before": write_moment(before),
            "limit": limit,
        }
        # Only what was done is recognised for a while longer.
        step = "empty_entry" if state is State.DONE else "delete_entry"

        def prune(connection: sqlite3.Connection) -> list[tuple[int, str | None]]:
            old = connection.execute(_SQL["find_old"], values).fetchall()
            which = [{"entry": number} for number, _ in old]
            ((last,),) = connection.execute(_SQL["read_last_id"]).fetchall()
            connection.executemany(_SQL[step], which)
            connection.execute(_SQL["keep_last_id"], {"last": last})
            return old

        # The rows first, forced to the disk: no row may be left without its file.
        old = self._database.write(prune)
        for _, file in old:
            if file is not None:
                self._bodies.remove(file)
        return len(old)

    def sweep(self) -> int:
        """See ``Store.sweep``."""
        with translated():
            old = list(self._bodies.find_old(self._now() - _ORPHANED_AFTER))
        return sum(self._sweep(file) for file in old)

    def _sweep(self, file: str) -> bool:
        # In a transaction, and so not between a put's look for the file and its commit.
        def sweep(connection: sqlite3.Connection) -> bool:
            if connection.execute(_SQL["find_file"], {"file": file}).fetchall():
                return False
            self._bodies.remove(file)
            return True

        return self._database.write(sweep)

    def _change(self, name: str, values: Mapping[str, object]) -> int:
        return self._database.write(
            lambda connection: connection.execute(_SQL[name], values).rowcount
        )

    def _read_clock(self) -> int:
        return write_moment(self._now())
