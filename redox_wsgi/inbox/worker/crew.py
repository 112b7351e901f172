"""The threads of a worker: replaced when they hang, waited for at the end."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redox_wsgi.inbox.worker.handled_entry import HandledEntry
from redox_wsgi.reporting import describe_exception

# Enough to leave a library and to name the handler.
_FRAMES = 10

_logger = logging.getLogger("redox_wsgi")


class Hand:
    """One thread of a crew, and the entry that it holds."""

    def __init__(self, work: Callable[[Hand], None]) -> None:
        #: What it handles now; None between two entries.
        self.entry: HandledEntry | None = None
        #: Whether it hung once: it has been replaced, so it ends after its entry.
        self.has_hung = False
        # A thread that hangs must not keep the process from ending.
        self.thread = threading.Thread(
            target=self._run, args=[work], name="redox-worker", daemon=True
        )

    @property
    def is_hanging(self) -> bool:
        """Whether its handler runs for too long."""
        entry = self.entry
        return entry is not None and entry.is_overdue

    @contextmanager
    def holding(self, entry: HandledEntry) -> Iterator[None]:
        """Hold an entry until the block ends."""
        self.entry = entry
        try:
            yield
        finally:
            self.entry = None

    def find_place(self) -> str:
        """Name the innermost places of its stack, without any value."""
        frame = sys._current_frames().get(self.thread.ident or 0)
        places: list[str] = []
        while frame is not None and len(places) < _FRAMES:
            code = frame.f_code
            places.append(f"{code.co_filename}:{frame.f_lineno} {code.co_name}")
            frame = frame.f_back
        return " < ".join(places)

    def _run(self, work: Callable[[Hand], None]) -> None:
        try:
            work(self)
        # Python would print the text of the exception.
        except BaseException as error:
            _logger.critical(
                "A thread of the worker ended: %s", describe_exception(error)
            )


class Crew:
    """A number of threads that do the same work.

    Args:
        work: What each thread does, until it returns.
        size: How many threads there are.
        max_hanging: How many there may be in addition, while others hang.
    """

    def __init__(
        self, work: Callable[[Hand], None], size: int, max_hanging: int
    ) -> None:
        self._work = work
        self._size = size
        self._max_hanging = max_hanging
        self._hands: list[Hand] = []
        self._has_all = True

    def fill(self) -> None:
        """Start the threads that are missing; one that hangs counts as missing.

        Where the system gives no more of them, those that there are go on.
        """
        self._hands = [hand for hand in self._hands if hand.thread.is_alive()]
        hanging = [hand for hand in self._hands if hand.is_hanging or hand.has_hung]
        for hand in hanging:
            if not hand.has_hung:
                hand.has_hung = True
                self._complain(hand, len(hanging))
        at_work = len(self._hands) - len(hanging)
        room = self._size + self._max_hanging - len(self._hands)
        for _ in range(min(self._size - at_work, room)):
            hand = Hand(self._work)
            # Before it starts: it may handle an entry before ``start`` returns.
            self._hands.append(hand)
            try:
                hand.thread.start()
            except RuntimeError:
                self._hands.remove(hand)
                # Said once: it is tried again every second.
                if self._has_all:
                    _logger.error("No further thread can be started in this process.")
                self._has_all = False
                return
        self._has_all = True

    def leave(self, grace_seconds: float) -> list[HandledEntry]:
        """Wait until the threads have ended.

        Returns:
            What is held by those that have not ended in time, and do not hang.
        """
        deadline = time.monotonic() + grace_seconds
        for hand in self._hands:
            while hand.thread.is_alive() and not hand.is_hanging:
                left_seconds = deadline - time.monotonic()
                if left_seconds <= 0:
                    break
                hand.thread.join(min(left_seconds, 1.0))
        held = [hand.entry for hand in self._hands if not hand.is_hanging]
        return [entry for entry in held if entry is not None]

    @property
    def has_left(self) -> bool:
        """Whether none of the threads runs."""
        return not any(hand.thread.is_alive() for hand in self._hands)

    def _complain(self, hand: Hand, hanging: int) -> None:
        entry = hand.entry
        _logger.error(
            "A handler takes too long and is left to itself; another worker takes its "
            "lane over. hanging=%d of at most %d before this worker does less. "
            "lane=%s entry=%s at %s",
            hanging,
            self._max_hanging,
            entry and entry.lane,
            entry and entry.id,
            hand.find_place(),
        )
