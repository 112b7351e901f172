"""Moments and durations as the database keeps them: whole microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def write_moment(moment: datetime) -> int:
    """Return the microseconds since 1970.

    Example:
        >>> write_moment(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
        1000005
    """
    return (moment - _EPOCH) // _MICROSECOND


def read_moment(microseconds: int) -> datetime:
    """Return the moment, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def read_optional_moment(microseconds: int | None) -> datetime | None:
    """Return the moment, or None for none."""
    return None if microseconds is None else read_moment(microseconds)


def write_duration(seconds: float) -> int:
    """Return a duration of seconds in microseconds."""
    return round(seconds * 1_000_000)
