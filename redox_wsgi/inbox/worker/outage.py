"""Say that a store cannot be used, without filling the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.reporting import describe_exception

_QUIET_SECONDS = 60.0

_logger = logging.getLogger("redox_wsgi")


class Outage:
    """Tells of an outage at once, then once a minute, and when it is over.

    Args:
        timer: A clock that never goes back, in seconds.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._lock = threading.Lock()
        self._told_at: float | None = None

    def report(self, error: BaseException) -> None:
        """Log why the store could not be used, unless that was said just now."""
        now = self._timer()
        with self._lock:
            if self._told_at is not None and now - self._told_at < _QUIET_SECONDS:
                return
            self._told_at = now
        cause = error.__cause__
        _logger.error(
            "The inbox cannot be used now; the worker goes on trying: %s",
            " from ".join(map(_describe, [error, cause] if cause else [error])),
        )

    def end(self) -> None:
        """Note that the store was used."""
        if self._told_at is None:
            return
        with self._lock:
            self._told_at = None
        _logger.warning("The inbox can be used again.")


def _describe(error: BaseException) -> str:
    # These sentences are ours, name a setting and hold nothing of a transmission.
    said = f": {error}" if isinstance(error, ConfigurationError) else ""
    return describe_exception(error) + said
