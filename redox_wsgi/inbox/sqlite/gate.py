"""One at a time: who writes, checkpoints, opens or closes holds the gate.

SQLite before 3.51.3 may lose committed pages where two connections commit and
checkpoint at the same instant (see ``versions.py``), and its own waiting is unfair:
among four writers some wait five times longer than behind this gate.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.sqlite.failures import LOCKED
from redox_wsgi.inbox.sqlite.file_system import find_if_same

try:
    import fcntl
except ImportError:  # pragma: no cover - not POSIX: a rollback journal needs no gate
    fcntl = None  # type: ignore[assignment]

# Random, and not growing with the time waited: who came late would win else. About as
# long as a transaction takes.
_SHORTEST_PAUSE_SECONDS = 0.00005
_VARIATION_SECONDS = 0.0001

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW


class Deadline:
    """The moment when waiting ends; it passes the time cooperatively.

    Args:
        seconds: How long to wait at most, from now.
    """

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining_seconds(self) -> float:
        """How long there still is; 0.0 if it is over."""
        return max(0.0, self._end - time.monotonic())

    def pause(self) -> None:
        """Wait for an instant.

        Raises:
            InboxUnavailable: The time is over.
        """
        if time.monotonic() >= self._end:
            raise InboxUnavailable(LOCKED)
        pause = _SHORTEST_PAUSE_SECONDS + _VARIATION_SECONDS * random.random()  # noqa: S311 - no secret
        # Of the module, so that gevent's replacement is found.
        time.sleep(pause)


class Gate:
    """An exclusive lock on a file beside the database.

    Each has its own descriptor, and each connection its own gate: the lock belongs to
    the open file, so two threads with one descriptor would not exclude each other.

    Args:
        path: The file; it is made when first needed and never removed. It is empty
            unless somebody left a doubt.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._opened: os.stat_result | None = None
        #: Whether there was a doubt when the gate was entered.
        self.is_doubted = False

    @staticmethod
    def is_possible() -> bool:
        """Tell whether this system has such locks."""
        return fcntl is not None

    def enter(self, deadline: Deadline) -> None:
        """Wait for the gate and hold it, until ``leave``.

        Raises:
            InboxUnavailable: Others held it until the deadline.
            OSError: Its file cannot be opened.
        """
        while True:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, _FLAGS, 0o600)
                self._opened = os.fstat(self._descriptor)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                deadline.pause()
                continue
            found = find_if_same(self._path, self._opened)
            if found is not None:
                self.is_doubted = found.st_size > 0
                return
            # Somebody took the file away: others hold the gate on a new one.
            self.close()

    def leave(self) -> None:
        """Let the next one in."""
        # Not by closing: a child that was forked now has the descriptor too.
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def leave_doubt(self) -> None:
        """Tell all who enter from now on that the WAL could not be forced to the disk.

        It may be left from outside: whoever ends it at this moment has found in the WAL
        what it is about.
        """
        # A length takes no room, even where the disk is full. Where it cannot be
        # written, nothing else can.
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 1)

    def end_doubt(self) -> None:
        """Tell them, with the gate held, that all of it is on the disk."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
        self.is_doubted = False

    def give_to_owner_of(self, database: os.stat_result) -> None:
        """Let root's gate be that of the database's owner, as SQLite does with a WAL.

        Else a look into an inbox as root could lock out those who put.
        """
        if self._descriptor is None or os.geteuid() != 0:
            return
        found = os.fstat(self._descriptor)
        # And nothing else that somebody has put in its place by a second name.
        if found.st_nlink == 1 and not found.st_size:
            with suppress(OSError):
                os.fchown(self._descriptor, database.st_uid, database.st_gid)

    def close(self) -> None:
        """Close the descriptor; a parent's or child's hold on it is not ended."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class OpenGate(Gate):
    """No gate: for a rollback journal, where SQLite's own locks are enough."""

    def enter(self, deadline: Deadline) -> None:
        """Hold nothing."""
