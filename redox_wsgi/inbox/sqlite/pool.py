"""The connections of one process: lent to one thread at a time, never inherited."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.sqlite.access import Access
from redox_wsgi.inbox.sqlite.failures import translated
from redox_wsgi.inbox.sqlite.gate import Deadline

# As many as write or read at once are open; of these, so many stay open.
_MOST_IDLE = 8


class Pool:
    """The connections that one process has to one database.

    A thread or a greenlet borrows one for one action: what is bound to threads would
    grow with every thread that a server starts, and greenlets share one.

    Args:
        build: Makes an access that is not open yet.
        close_seconds: How long closing may wait.
    """

    def __init__(self, build: Callable[[], Access], close_seconds: float) -> None:
        self.pid = os.getpid()
        self._build = build
        self._close_seconds = close_seconds
        self._idle: list[Access] = []
        # All of them: none is left to the garbage collector.
        self._accesses: set[Access] = set()
        self._is_closed = False

    def take(self) -> Access:
        """Lend an access to one thread, until it gives it back."""
        try:
            return self._idle.pop()
        except IndexError:
            access = self._build()
            self._accesses.add(access)
            return access

    def give(self, access: Access) -> None:
        """Take an access back."""
        if self._is_closed or len(self._idle) >= _MOST_IDLE:
            self._close(access)
        else:
            self._idle.append(access)

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back.

        What cannot be closed, since others hold the gate all the time, stays open.
        """
        if self.pid != os.getpid():
            self.abandon()
            return
        self._is_closed = True
        while self._idle:
            self._close(self._idle.pop())

    def abandon(self) -> None:
        """Give up what was inherited by a fork, and keep it for ever.

        SQLite forbids even to close it in the child, which the interpreter would do at
        its end; so it never learns that nobody refers to it.
        """
        for access in self._accesses:
            access.abandon()
        _keep_for_ever(self)

    def _close(self, access: Access) -> None:
        self._accesses.discard(access)
        try:
            with translated():
                access.close(Deadline(self._close_seconds))
        except InboxUnavailable:
            _keep_for_ever(access)


def _keep_for_ever(thing: object) -> None:
    # Even the end of the interpreter would close a connection otherwise.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
