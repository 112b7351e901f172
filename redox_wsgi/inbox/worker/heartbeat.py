"""One thread that renews the leases of all entries that are being handled."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redox_wsgi.errors import LostLease
from redox_wsgi.inbox.worker.handled_entry import HandledEntry
from redox_wsgi.inbox.worker.outage import Outage

# A renewal may fail twice before the lease ends.
_BEATS_PER_LEASE = 3

_logger = logging.getLogger("redox_wsgi")


class Heartbeat:
    """Renews leases until an entry is finished, or its handler takes too long.

    Args:
        lease_seconds: How long a lease lasts; it is renewed three times as often.
        max_handling_seconds: How long a handler may run. Its entry is then left to
            another worker.
        outage: Told when the store cannot be used.
        watch: Called with the moment at which the oldest entry was claimed, by the
            timer, or None if there is none; whenever that may have changed.
        timer: A clock that never goes back, in seconds.
    """

    def __init__(
        self,
        lease_seconds: float,
        max_handling_seconds: float,
        outage: Outage,
        *,
        watch: Callable[[float | None], object] = lambda _: None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_seconds = lease_seconds / _BEATS_PER_LEASE
        self._max_handling_seconds = max_handling_seconds
        self._outage = outage
        self._watch = watch
        self._timer = timer
        self._lock = threading.Lock()
        self._entries: list[HandledEntry] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Beat in a thread of its own until the block ends."""
        stopping = threading.Event()
        thread = threading.Thread(
            target=self._run, args=[stopping], name="redox-heartbeat", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    @contextmanager
    def keeping(self, entry: HandledEntry) -> Iterator[None]:
        """Renew the lease of an entry until the block ends."""
        self._change(self._entries.append, entry)
        try:
            yield
        finally:
            self._change(self._entries.remove, entry)

    def beat(self) -> None:
        """Renew every lease once."""
        with self._lock:
            entries = list(self._entries)
        for entry in entries:
            if not (entry.is_overdue or entry.was_refused):
                self._keep(entry)

    def _keep(self, entry: HandledEntry) -> None:
        if self._timer() - entry.claimed_at >= self._max_handling_seconds:
            entry.is_overdue = True
            return
        try:
            entry.renew()
        except LostLease:
            # Of one that was finished meanwhile that is no news: its outcome is said.
            if not entry.is_ending:
                _logger.warning(
                    "Lost the lease of entry=%d lane=%s attempt=%d: another worker may "
                    "handle it at the same time.",
                    entry.id,
                    entry.lane,
                    entry.attempt,
                )
        # Whatever the store raises: the leases of the others still need renewing.
        except Exception as error:
            self._outage.report(error)

    def _change(
        self, change: Callable[[HandledEntry], object], entry: HandledEntry
    ) -> None:
        with self._lock:
            change(entry)
            oldest = min((entry.claimed_at for entry in self._entries), default=None)
            self._watch(oldest)

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._interval_seconds):
            self.beat()
