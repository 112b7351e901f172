"""The entry that a handler is given, for as long as it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from redox_wsgi.errors import LostLease
from redox_wsgi.inbox.entry import Claim
from redox_wsgi.inbox.store import Store


class HandledEntry:
    """A claimed entry while it is handled; see ``redox_wsgi.Entry``.

    Args:
        store: Where it is kept.
        claim: The claim.
        lease_seconds: How long the claim was made for.
        claimed_at: When it was asked for, by ``timer``: the lease began no earlier.
        timer: A clock that never goes back, in seconds.
    """

    def __init__(
        self,
        store: Store,
        claim: Claim,
        *,
        lease_seconds: float,
        claimed_at: float,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.claim = claim
        #: When the claim was asked for, by the timer.
        self.claimed_at = claimed_at
        #: Whether the handler completed it itself; it commits when it likes.
        self.is_completed = False
        #: Whether the heartbeat gave it up: its handler runs for too long.
        self.is_overdue = False
        #: Whether the store said that it is another worker's.
        self.was_refused = False
        #: Whether the store is being told what became of it, which ends its lease.
        self.is_ending = False
        self._store = store
        self._lease_seconds = lease_seconds
        self._lease_ends_at = claimed_at + lease_seconds
        self._timer = timer
        # A renewal that waits for the handler's transaction would hold up all others.
        self._renewing = threading.Lock()

    def __repr__(self) -> str:
        return f"<HandledEntry {self.id}, attempt {self.attempt}>"

    @property
    def id(self) -> int:
        """Its number."""
        return self.claim.entry_id

    @property
    def lane(self) -> str:
        """The key of its lane."""
        return self.claim.lane

    @property
    def attempt(self) -> int:
        """How often it was given to a handler, this time included."""
        return self.claim.attempt

    @property
    def fence(self) -> int:
        """The number of this claim on its lane."""
        return self.claim.fence

    @property
    def is_lost(self) -> bool:
        """Whether the lease ended: another worker may have the entry by now."""
        return self.was_refused or self._timer() >= self._lease_ends_at

    def complete(self, connection: Any) -> None:
        """Complete the entry within a transaction of the handler's own.

        Args:
            connection: See ``redox_wsgi.Entry``. The caller commits.

        Raises:
            LostLease: The entry is another worker's; roll back.
            ConfigurationError: The inbox is not in PostgreSQL, or the isolation level
                is another.
            InboxUnavailable: The store cannot be used now; roll back.
        """
        with self._renewing:
            self._store.complete(self.claim, connection)
            self.is_completed = True

    def renew(self) -> None:
        """Extend the lease, unless the handler has completed the entry itself.

        Raises:
            LostLease: Another worker has the entry.
            InboxUnavailable: The store cannot be used now.
        """
        if not self._renewing.acquire(blocking=False):
            return
        try:
            if self.is_completed:
                return
            asked_at = self._timer()
            self._store.renew(self.claim, self._lease_seconds)
            self._lease_ends_at = asked_at + self._lease_seconds
        except LostLease:
            self.was_refused = True
            raise
        finally:
            self._renewing.release()

    def release(self) -> None:
        """Give the entry back as if this attempt had not been.

        Raises:
            LostLease: Another worker has the entry.
            InboxUnavailable: The store cannot be used now.
        """
        self.was_refused = True
        self._store.release(self.claim)
