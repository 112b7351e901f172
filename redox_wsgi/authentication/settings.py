"""Times and clocks among the settings, checked while building."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from redox_wsgi.errors import ConfigurationError

#: The largest ``leeway`` for clocks that disagree, in seconds.
MAX_LEEWAY_SECONDS = 300


def check_seconds(name: str, value: object, least: float, most: float) -> None:
    """Raise ``ConfigurationError`` unless a setting is a number of seconds in range."""
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not least <= value <= most
    ):
        raise ConfigurationError(f"{name} is a number of seconds, {least} to {most}.")


def check_clock(now: Callable[[], datetime]) -> None:
    """Raise ``ConfigurationError`` unless ``now`` tells an aware time."""
    # A naive time would be taken for that of this machine's zone, hours off.
    if not callable(now) or getattr(now(), "tzinfo", None) is None:
        raise ConfigurationError("now must be callable and tell the time, aware.")
