"""What is said of an entry that was handled: one log line, and one ``HandledOutcome``.

Do not add anything of the transmission here, nor the text of an exception.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from redox_wsgi.inbox.worker.handled_entry import HandledEntry
from redox_wsgi.reporting import describe_exception, loggable
from redox_wsgi.transmission import Transmission

#: See ``HandledOutcome.word``.
HandledWord: TypeAlias = Literal[
    "handled", "failed", "halted", "dead", "lost", "released"
]

_LEVELS = {
    "failed": logging.WARNING,
    "halted": logging.ERROR,
    "dead": logging.ERROR,
    "lost": logging.WARNING,
}

_logger = logging.getLogger("redox_wsgi")


@dataclass(frozen=True, slots=True)
class HandledOutcome:
    """What one attempt to handle an entry came to.

    Attributes:
        word: ``handled``, it is done; ``failed``, it will be tried again; ``halted``,
            its lane waits for an operator; ``dead``, it was given up and its lane goes
            on; ``lost``, its lease ended first, so that it is handled again;
            ``released``, it could not be read now and was given back.
        lane: The key of its lane.
        entry_id: Its number.
        attempt: How often it was claimed, this time included.
        error: Why it was not handled, a class and a place or a fixed word; else None.
        data_model: As sent if harmless to log, else ``other``; None if absent, or if
            the entry was not read. The same holds for ``event_type`` and ``log_id``.
        event_type: See ``data_model``.
        log_id: See ``data_model``.
        seconds: The time from claim to end.
    """

    word: HandledWord
    lane: str
    entry_id: int
    attempt: int
    error: str | None
    data_model: str | None
    event_type: str | None
    log_id: str | None
    seconds: float


#: Called with the outcome of each attempt; what it raises is logged, not passed on.
HandledObserver: TypeAlias = Callable[[HandledOutcome], object]


class HandlingReporter:
    """Reports what became of each entry.

    Args:
        observer: Called with each outcome, or None.
        timer: A clock that never goes back, in seconds.
    """

    def __init__(
        self,
        observer: HandledObserver | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observer = observer
        self._timer = timer

    def report(
        self,
        entry: HandledEntry,
        transmission: Transmission | None,
        word: HandledWord,
        error: str | None,
    ) -> None:
        """Log one line, and tell the observer."""
        outcome = HandledOutcome(
            word=word,
            lane=entry.lane,
            entry_id=entry.id,
            attempt=entry.attempt,
            error=error,
            data_model=loggable(transmission.data_model) if transmission else None,
            event_type=loggable(transmission.event_type) if transmission else None,
            log_id=loggable(transmission.log_id) if transmission else None,
            seconds=self._timer() - entry.claimed_at,
        )
        _logger.log(_LEVELS.get(word, logging.INFO), "%s", _format_line(outcome))
        if self._observer is None:
            return
        try:
            self._observer(outcome)
        # An observer watches: whatever it does, the entry is finished.
        except Exception as raised:
            _logger.error("The observer raised %s", describe_exception(raised))


def _format_line(outcome: HandledOutcome) -> str:
    fields = {
        "lane": outcome.lane,
        "entry": outcome.entry_id,
        "data_model": outcome.data_model,
        "event_type": outcome.event_type,
        "log_id": outcome.log_id,
        "attempt": outcome.attempt,
        "milliseconds": round(outcome.seconds * 1000, 3),
        "error": outcome.error,
    }
    shown = (
        f"{name}={_quote(value)}" for name, value in fields.items() if value is not None
    )
    return " ".join([outcome.word, *shown])


def _quote(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
