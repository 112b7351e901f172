"""When a transmission that failed is sent again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from redox_wsgi.simulator.errors import SimulatorError

__all__ = ["NO_RETRIES", "Retries"]

# At once, then after these pauses; the last one repeats until it succeeds.
# -- https://developer.redoxengine.com/redox-json-api/processing-requests/receive/
_PAUSES_SECONDS = (0, 10, 10, 20, 30, 50, 80, 120)


@dataclass(frozen=True, slots=True)
class Retries:
    """Redox's schedule in production: again and again until it succeeds.

    Raises:
        SimulatorError: ``time_scale`` is not above 0 or not finite, or
            ``give_up_after`` is below 1.

    Example:
        >>> [Retries().pause_seconds(failures) for failures in range(1, 10)]
        [0.0, 10.0, 10.0, 20.0, 30.0, 50.0, 80.0, 120.0, 120.0]
    """

    #: Every pause is multiplied by it: 0.01 makes an hour of them 36 seconds.
    time_scale: float = 1.0
    #: Attempts after which a transmission is left, as when a person skips it, and the
    #: next one goes; None: never, as Redox.
    give_up_after: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be waited for, or counted."""
        if not 0 < self.time_scale < math.inf:
            raise SimulatorError("time_scale must be above 0, and finite.")
        if self.give_up_after is not None and self.give_up_after < 1:
            raise SimulatorError("give_up_after must be at least 1.")

    def pause_seconds(self, failures: int) -> float | None:
        """Return the pause after so many failed attempts; None: give up."""
        if self.give_up_after is not None and failures >= self.give_up_after:
            return None
        place = min(failures, len(_PAUSES_SECONDS)) - 1
        return _PAUSES_SECONDS[place] * self.time_scale


# "Retries happen in production": elsewhere what failed is not sent again.
#: What Redox does in development and staging.
NO_RETRIES = Retries(give_up_after=1)
