"""What is said of a request afterwards: one log line, and one ``Outcome``.

Do not add anything of the request here: no header, no query, no body, no text of an
exception. Names out of a body pass ``loggable`` first.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import dropwhile
from types import FrameType
from typing import Literal, TypeAlias

from redox_wsgi.errors import DeliveryFailed, RequestRejected
from redox_wsgi.principal import Principal
from redox_wsgi.transmission import Transmission

#: See ``Outcome.word``.
Word: TypeAlias = Literal[
    "verified", "received", "answered", "handed-on", "refused", "failed"
]

Error: TypeAlias = RequestRejected | DeliveryFailed

_LOGGABLE = re.compile(r"[A-Za-z0-9 ._:-]{1,64}")
_CODE = re.compile(r"[a-z0-9-]{1,64}")

# A stranger could fill the disk with refusals: one of a kind is a warning each so
# many seconds, the others are of level INFO.
_QUIET_SECONDS = 10.0

_MAX_KINDS = 100

# Enough to leave a framework and to name the handler.
_FRAMES = 10

_OURS = f"{__name__.partition('.')[0]}."

_logger = logging.getLogger("redox_wsgi")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request to a destination came to.

    Attributes:
        word: ``verified``, the challenge was answered; ``received``, a notification was
            kept; ``answered``, a query has its answer; ``handed-on``, the wrapped
            application has it; ``refused``, the sender erred; ``failed``, we erred, or
            the handler meant to refuse.
        status: The HTTP status; None if the wrapped application answers.
        destination: The destination's name.
        code: Why it was refused or failed, a fixed word; None otherwise.
        principal: Who sent it: ``scheme``, for a verification token ``scheme:label``.
        data_model: As sent if harmless to log, else ``other``; None if absent. The
            same holds for ``event_type``, ``source_id`` and ``log_id``.
        event_type: See ``data_model``.
        source_id: See ``data_model``.
        log_id: See ``data_model``.
        body_bytes: The length of the body; 0 if it was not read as a transmission.
        seconds: The time from request to answer.
    """

    word: Word
    status: int | None
    destination: str
    code: str | None
    principal: str | None
    data_model: str | None
    event_type: str | None
    source_id: str | None
    log_id: str | None
    body_bytes: int
    seconds: float


#: Called with the outcome of each request; what it raises is logged, not passed on.
Observer: TypeAlias = Callable[[Outcome], object]


def loggable(text: str | None) -> str | None:
    """Return a name out of a body if it is harmless in a log, else ``other``.

    Example:
        >>> loggable("Clinical Summary"), loggable("Zoë"), loggable(None)
        ('Clinical Summary', 'other', None)
    """
    if text is None or _LOGGABLE.fullmatch(text):
        return text
    return "other"


def describe_exception(error: BaseException) -> str:
    """Name the class of an exception and where it was raised, without its text.

    The text of an exception quotes what was wrong: in a handler, a patient's data.

    Returns:
        The class, then file, line and function of the innermost frames outwards. Those
        of this package that only called the failing code are left out.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    called = list(dropwhile(_is_ours, frames)) or frames
    places = [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
        for frame, line in reversed(called[-_FRAMES:])
    ]
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    return " < ".join([name, *places])


def _is_ours(place: tuple[FrameType, int]) -> bool:
    frame, _ = place
    return str(frame.f_globals.get("__name__")).startswith(_OURS)


class Progress:
    """What is known of a request so far; filled while it is decided."""

    __slots__ = ("principal", "started_at", "transmission", "word")

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.word: Word = "refused"
        self.principal: Principal | None = None
        self.transmission: Transmission | None = None


class Reporter:
    """Reports the requests of one destination.

    Args:
        destination: The destination's name.
        observer: Called with the outcome of each request, or None.
        timer: A clock that never goes back, in seconds.
    """

    def __init__(
        self,
        destination: str,
        observer: Observer | None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._destination = destination
        self._observer = observer
        self._timer = timer
        self._quiet_until: dict[str, float] = {}

    def begin(self) -> Progress:
        """Start to follow a request."""
        return Progress(self._timer())

    def end(
        self, progress: Progress, status: int | None, error: Error | None = None
    ) -> None:
        """Log one request and tell the observer.

        Args:
            progress: What became known of the request.
            status: The HTTP status; None if the wrapped application answers.
            error: Why it was refused, or what failed.
        """
        now = self._timer()
        level = self._level(progress, error, now)
        if self._observer is None and not _logger.isEnabledFor(level):
            return
        outcome = self._build_outcome(progress, status, error, now)
        if _logger.isEnabledFor(level):
            _logger.log(level, "%s", _format_line(outcome, error))
        if self._observer is not None:
            try:
                self._observer(outcome)
            # An observer watches: whatever it does, the answer stays.
            except Exception as raised:
                _logger.error("The observer raised %s", describe_exception(raised))

    def _level(self, progress: Progress, error: Error | None, now: float) -> int:
        if error is None:
            return logging.ERROR if progress.word == "failed" else logging.INFO
        if progress.principal is not None:
            return logging.ERROR if progress.word == "failed" else logging.WARNING
        # Nobody was proved, so a stranger may be at work, who must not be able to fill
        # the disk with warnings: one of each kind, then silence for a while.
        kind = str(error.code)
        if now < self._quiet_until.get(kind, now):
            return logging.INFO
        if len(self._quiet_until) >= _MAX_KINDS:
            self._quiet_until.clear()
        self._quiet_until[kind] = now + _QUIET_SECONDS
        return logging.WARNING

    def _build_outcome(
        self,
        progress: Progress,
        status: int | None,
        error: Error | None,
        now: float,
    ) -> Outcome:
        principal, transmission = progress.principal, progress.transmission
        return Outcome(
            word=progress.word,
            status=status,
            destination=self._destination,
            code=_loggable_code(error.code) if error else None,
            principal=_describe_principal(principal) if principal else None,
            data_model=loggable(transmission.data_model) if transmission else None,
            event_type=loggable(transmission.event_type) if transmission else None,
            source_id=loggable(transmission.source_id) if transmission else None,
            log_id=loggable(transmission.log_id) if transmission else None,
            body_bytes=len(transmission.body) if transmission else 0,
            seconds=now - progress.started_at,
        )


def _loggable_code(code: object) -> str:
    # A handler may raise a DeliveryFailed with any text in place of a word.
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "other"


def _describe_principal(principal: Principal) -> str:
    # The label of a verification token is an index of ours: it tells when the old one
    # is no longer used. Any other subject is text out of a credential.
    if principal.scheme == "verification-token":
        return f"{principal.scheme}:{principal.subject}"
    return principal.scheme


def _format_line(outcome: Outcome, error: Error | None) -> str:
    fields = {
        "destination": outcome.destination,
        "principal": outcome.principal,
        "data_model": outcome.data_model,
        "event_type": outcome.event_type,
        "source_id": outcome.source_id,
        "log_id": outcome.log_id,
        "body_bytes": outcome.body_bytes,
        "milliseconds": round(outcome.seconds * 1000, 3),
    }
    words = [outcome.word, outcome.status, outcome.code]
    if error is not None and error.__cause__ is not None:
        fields["raised"] = describe_exception(error.__cause__)
    return " ".join(
        [
            *(str(word) for word in words if word is not None),
            *(
                f"{name}={_quote(value)}"
                for name, value in fields.items()
                if value is not None
            ),
        ]
    )


def _quote(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
