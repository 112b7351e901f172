"""Waiting for a notification of a put; to miss one does no harm."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from redox_wsgi.errors import InboxUnavailable

if TYPE_CHECKING:
    from redox_wsgi.inbox.postgresql.connections import Connections, Session

#: What a put notifies.
CHANNEL = "redox_inbox"


class Listener:
    """Listens on a connection of its own, since what is sent between waits must last.

    Args:
        connections: Where it gets its connection.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._lock = threading.Lock()
        self._owner = 0
        self._session: Session | None = None
        # What a fork inherited: never used, closed or collected.
        self._inherited: list[object] = []

    def wait(self, seconds: float) -> None:
        """Wait for a notification; beside one who does already, only wait.

        Raises:
            InboxUnavailable: No connection can be opened.
        """
        self._notice_fork()
        if not self._lock.acquire(blocking=False):
            time.sleep(seconds)
            return
        try:
            self._listen(seconds)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection of this process."""
        self._notice_fork()
        if self._session is not None:
            self._session.connection.close()
            self._session = None

    def _notice_fork(self) -> None:
        if self._owner != os.getpid():
            self._inherited.append((self._lock, self._session))
            self._lock, self._session = threading.Lock(), None
            self._owner = os.getpid()

    def _listen(self, seconds: float) -> None:
        import psycopg  # noqa: PLC0415 - an extra

        try:
            if self._session is None:
                self._session = self._connections.open_alone()
                if not self._session.is_pooled:
                    self._session.connection.execute(f"LISTEN {CHANNEL}".encode())
            if self._session.is_pooled:
                # A pooler gives the session that listens to somebody else.
                time.sleep(seconds)
                return
            notices = self._session.connection.notifies(timeout=seconds, stop_after=1)
            for _ in notices:
                return
        except psycopg.Error as error:
            self.close()
            raise InboxUnavailable("connection-lost") from error
