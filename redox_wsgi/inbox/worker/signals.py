"""Signals, seen by a loop in the main thread and not in the midst of its work."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any


class Signals:
    """Counts the signals that ask a process to stop, and wakes whoever waits.

    A handler that is called between any two steps of the main thread may take no lock:
    ``threading.Event.set`` could then wait for ever. So it only counts, and writes to a
    pipe that ``wait`` reads. Use it in the main thread, as a context.

    Args:
        stopping: The signals that ask to stop.
        waking: The signals that only end a ``wait``.
        ignored: The signals that do nothing.
    """

    def __init__(
        self,
        stopping: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
        *,
        waking: Iterable[signal.Signals] = (),
        ignored: Iterable[signal.Signals] = (),
    ) -> None:
        #: How often the process was asked to stop.
        self.count = 0
        self._stopping = frozenset(stopping)
        self._waking = frozenset(waking)
        self._ignored = frozenset(ignored)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        for number in self._stopping | self._waking:
            self._before[number] = signal.signal(number, self._note)
        for number in self._ignored:
            self._before[number] = signal.signal(number, signal.SIG_IGN)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float) -> None:
        """Wait until a signal comes, or the time is over."""
        if select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 4096)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number in self._stopping:
            self.count += 1
        # Full of what was not read yet: then whoever waits is woken all the same.
        with suppress(BlockingIOError):
            os.write(self._writer, b"\0")
