"""All that a payload depends on: who, when, and where chance comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from random import Random

    from redox_wsgi.simulator.payloads.cast import Patient

__all__ = ["JsonObject", "Occasion", "write_time"]

JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Occasion:
    """All that a payload depends on: the same occasion gives the same payload."""

    patient: Patient
    now: datetime
    random: Random
    file_bytes: int

    @property
    def arrival(self) -> datetime:
        """When the visit began: the full hour before, so that it is stable in it."""
        return self.now.replace(minute=0, second=0, microsecond=0)

    def new_id(self) -> str:
        """Return a fresh UUID."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def time(self, *, days: int = 0, hours: int = 0) -> str:
        """Return now, or so much later, as Redox writes times."""
        return write_time(self.now + timedelta(days=days, hours=hours))


def write_time(moment: datetime) -> str:
    """Write a time as Redox does: UTC, milliseconds, ``Z``.

    Example:
        >>> write_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        '2026-01-02T03:04:05.000Z'
    """
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
