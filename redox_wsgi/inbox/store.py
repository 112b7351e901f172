"""What every store of an inbox does, whatever it keeps the entries in.

The contract is ``tests/test_inbox_contract.py``. A store is safe to use from many
threads, and after a fork; it opens nothing before it is first used.

Times are the store's own: leases and backoffs must not depend on which worker's clock
is right. Durations are seconds. Each method raises ``InboxUnavailable`` where the store
cannot be used now; then nothing happened, or for ``put`` nothing that a repeat of the
same call would not find.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from redox_wsgi.inbox.entry import (
    Arrival,
    Claim,
    EntryRecord,
    Receipt,
    Selection,
    State,
    Stats,
)


class Store(Protocol):
    """Keeps entries in lanes."""

    def put(self, arrival: Arrival) -> Receipt:
        """Commit a transmission durably; only then return.

        One that is there already is only counted. If it is dead, unless as an
        unanswered query, it waits again with the body and head that came now, since
        those that are kept may be damaged, and with all attempts before it.

        Raises:
            InboxUnavailable: It is not known to be kept, so Redox shall send it again.
        """
        ...

    def claim(self, token: str, lease_seconds: float) -> Claim | None:
        """Take the lane that has been due longest, and its oldest waiting entry.

        Args:
            token: A text that no other claim ever has.
            lease_seconds: How long nobody else gets this lane.

        Returns:
            None if no lane is due: none has a waiting entry, or all that have are
            claimed, halted or in their backoff.
        """
        ...

    def read_body(self, entry_id: int) -> bytes:
        """Return the body of an entry, outside of any transaction.

        Raises:
            BodyDamaged: It is missing, or not what was put.
        """
        ...

    def renew(self, claim: Claim, lease_seconds: float) -> None:
        """Extend the lease.

        Raises:
            LostLease: It ended and somebody else has the lane, or it was finished.
        """
        ...

    def complete(self, claim: Claim, connection: Any = None) -> None:
        """Mark the entry as done and give the lane back.

        Args:
            claim: The claim.
            connection: The caller's own connection, in whose transaction this is to
                happen; only for a store in PostgreSQL.

        Raises:
            LostLease: As ``renew``; nothing is written.
            ConfigurationError: This store has no such connections, or its isolation
                level is not READ COMMITTED.
        """
        ...

    def bury(self, claim: Claim, error: str) -> None:
        """Mark the entry as dead and give the lane back: its next one is due at once.

        Raises:
            LostLease: As ``renew``; nothing is written.
        """
        ...

    def retry(self, claim: Claim, error: str, delay_seconds: float) -> None:
        """Give the lane back; it is due again, with the same entry, after a while.

        Unless an operator resumed the lane or skipped the entry meanwhile: then the
        lane goes on at once.

        Raises:
            LostLease: As ``renew``; nothing is written.
        """
        ...

    def halt(self, claim: Claim, error: str) -> None:
        """Give the lane back and halt it: it takes entries and is not claimed.

        Unless an operator skipped the entry meanwhile: then the lane goes on.

        Raises:
            LostLease: As ``renew``; nothing is written.
        """
        ...

    def release(self, claim: Claim) -> None:
        """Give the lane back at once, as if this attempt had not been.

        Raises:
            LostLease: As ``renew``; nothing is written.
        """
        ...

    def repair_clock(self, longest_seconds: float) -> int:
        """Make due what is due later than any lease or backoff can be.

        Only a wall clock that was set back leaves such lanes; a store whose server
        keeps the time has none.

        Returns:
            How many lanes were repaired.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Wait until something was put, by whatever process, or the time is over.

        It may return early or late: asking ``claim`` is the only truth.
        """
        ...

    def stats(self) -> Stats:
        """Count."""
        ...

    def find_entries(
        self, selection: Selection, *, after_id: int = 0, limit: int = 500
    ) -> list[EntryRecord]:
        """List entries by their number, a page at a time.

        Args:
            selection: Which ones.
            after_id: The last number of the page before.
            limit: How many at most.
        """
        ...

    def find_entry(self, entry_id: int) -> EntryRecord | None:
        """Return one entry, or None."""
        ...

    def halt_lane(self, lane: str) -> bool:
        """Halt a lane; a claim in flight ends normally.

        Returns:
            False: there is no such lane.
        """
        ...

    def resume_lane(self, lane: str) -> bool:
        """Let a halted lane try its head again, with all attempts before it.

        Returns:
            False: it is not halted.
        """
        ...

    def skip_head(self, lane: str) -> int | None:
        """Bury the head of a halted lane and resume the lane.

        Returns:
            The entry's number; None if the lane is not halted or nothing waits.
        """
        ...

    def replay(self, entry_id: int) -> bool:
        """Let a done or dead entry wait again, in its old place: before newer ones.

        Returns:
            False: it waits already, or its body is gone.
        """
        ...

    def prune(self, state: State, before: datetime, limit: int = 500) -> int:
        """Take away what was finished before a moment; at most ``limit`` at a time.

        Args:
            state: ``DONE``: their bodies go, their identities stay. ``EMPTIED`` and
                ``DEAD``: they go wholly; sent again, they are new.
            before: The moment.
            limit: How many at most, so that nobody waits long.

        Returns:
            How many there were: fewer than ``limit`` means that none is left.

        Raises:
            ValueError: ``state`` is ``WAITING``.
        """
        ...

    def sweep(self) -> int:
        """Remove what an interrupted put left behind; return how many pieces."""
        ...

    def diagnose(self) -> Iterable[tuple[str, str, str | None]]:
        """Examine what the store stands on.

        Returns:
            For each thing examined its name, what was found, and what to do about it:
            None if it is as it should be.
        """
        ...

    def close(self) -> None:
        """Close the connections of this process; the store may be used again."""
        ...


class BodyDamaged(Exception):
    """The body of an entry is missing or not what was put; its lane must halt."""
