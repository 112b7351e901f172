"""A store in one SQLite file, for any number of processes on one machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.inbox.entry import (
    Arrival,
    Claim,
    EntryRecord,
    Receipt,
    Selection,
    State,
    Stats,
)
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.sqlite.claiming import Claiming
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.examining import examine
from redox_wsgi.inbox.sqlite.failures import translated
from redox_wsgi.inbox.sqlite.operating import Operating
from redox_wsgi.inbox.sqlite.putting import Putting
from redox_wsgi.inbox.sqlite.reading import Reading

# Between two looks while waiting: soon at first, then seldom enough to cost nothing.
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.02


class SqliteStore:
    """Keeps entries in a file of SQLite, and large bodies in a folder beside it.

    Do not put it on a network file system; on several machines use PostgreSQL.

    Args:
        path: The database; ``<path>.gate`` and ``<path>.bodies`` lie beside it. Its
            folder must exist.
        now: The clock: aware, in UTC.
        timeout_seconds: How long a call may wait for others before it raises
            ``InboxUnavailable``.
        largest_row_bytes: A larger body goes to a file of its own.
        wal: Whether to keep a WAL behind the gate. A rollback journal is three times
            slower; take it beside a backup that checkpoints on its own, as long as
            SQLite has its WAL-reset bug.
    """

    def __init__(
        self,
        path: str,
        now: Callable[[], datetime],
        *,
        timeout_seconds: float = 5.0,
        largest_row_bytes: int = 1024 * 1024,
        wal: bool = True,
    ) -> None:
        database = Database(path, timeout_seconds=timeout_seconds, wal=wal)
        bodies = Bodies(f"{database.path}.bodies")
        self._database = database
        self._putting = Putting(
            database, bodies, largest_row_bytes=largest_row_bytes, now=now
        )
        self._claiming = Claiming(database, bodies, now)
        self._operating = Operating(database, bodies, now)
        self._reading = Reading(database, now)

    def put(self, arrival: Arrival) -> Receipt:
        """See ``Store.put``."""
        return self._putting.put(arrival)

    def claim(self, token: str, lease_seconds: float) -> Claim | None:
        """See ``Store.claim``."""
        return self._claiming.claim(token, lease_seconds)

    def read_body(self, entry_id: int) -> bytes:
        """See ``Store.read_body``."""
        return self._claiming.read_body(entry_id)

    def renew(self, claim: Claim, lease_seconds: float) -> None:
        """See ``Store.renew``."""
        self._claiming.renew(claim, lease_seconds)

    def complete(self, claim: Claim, connection: Any = None) -> None:
        """See ``Store.complete``."""
        if connection is not None:
            raise ConfigurationError(
                "Only an inbox in PostgreSQL can complete an entry within a "
                "transaction of the handler's own."
            )
        self._claiming.finish(claim, State.DONE, None)

    def bury(self, claim: Claim, error: str) -> None:
        """See ``Store.bury``."""
        self._claiming.finish(claim, State.DEAD, error)

    def retry(self, claim: Claim, error: str, delay_seconds: float) -> None:
        """See ``Store.retry``."""
        self._claiming.retry(claim, error, delay_seconds)

    def halt(self, claim: Claim, error: str) -> None:
        """See ``Store.halt``."""
        self._claiming.halt(claim, error)

    def release(self, claim: Claim) -> None:
        """See ``Store.release``."""
        self._claiming.release(claim)

    def repair_clock(self, longest_seconds: float) -> int:
        """See ``Store.repair_clock``."""
        return self._operating.repair_clock(longest_seconds)

    def wait(self, seconds: float) -> None:
        """See ``Store.wait``; a backoff or a lease that ends counts too."""
        end = time.monotonic() + seconds
        pause = _FIRST_PAUSE_SECONDS
        while not self._claiming.look():
            rest = end - time.monotonic()
            if rest <= 0:
                return
            time.sleep(min(pause, rest))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def stats(self) -> Stats:
        """See ``Store.stats``."""
        return self._reading.stats()

    def find_entries(
        self, selection: Selection, *, after_id: int = 0, limit: int = 500
    ) -> list[EntryRecord]:
        """See ``Store.find_entries``."""
        return self._reading.find_entries(selection, after_id, limit)

    def find_entry(self, entry_id: int) -> EntryRecord | None:
        """See ``Store.find_entry``."""
        return self._reading.find_entry(entry_id)

    def halt_lane(self, lane: str) -> bool:
        """See ``Store.halt_lane``."""
        return self._operating.halt_lane(lane)

    def resume_lane(self, lane: str) -> bool:
        """See ``Store.resume_lane``."""
        return self._operating.resume_lane(lane)

    def skip_head(self, lane: str) -> int | None:
        """See ``Store.skip_head``."""
        return self._operating.skip_head(lane)

    def replay(self, entry_id: int) -> bool:
        """See ``Store.replay``."""
        return self._operating.replay(entry_id)

    def prune(self, state: State, before: datetime, limit: int = 500) -> int:
        """See ``Store.prune``."""
        return self._operating.prune(state, before, limit)

    def sweep(self) -> int:
        """See ``Store.sweep``."""
        return self._operating.sweep()

    def diagnose(self) -> Iterable[tuple[str, str, str | None]]:
        """See ``Store.diagnose``."""
        with translated():
            return list(examine(self._database))

    def close(self) -> None:
        """See ``Store.close``."""
        self._database.close()
