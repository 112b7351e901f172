"""Moments and ages, as people type and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

__all__ = ["format_age", "now", "parse_age", "parse_moment"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# No inbox is older than a century; more digits would overflow a timedelta.
_AGE = re.compile(r"([0-9]{1,9}) ?([smhdw])")
_LONGEST = timedelta(days=36_525)

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def now() -> datetime:
    """Return the present moment: aware, in UTC."""
    return datetime.now(UTC)


def parse_age(text: str) -> timedelta:
    """Parse a length of time, such as ``90s``, ``15m``, ``2h``, ``3d`` or ``1w``.

    Raises:
        click.BadParameter: It is none; the sentence says how one is written.
    """
    age = _parse_age(text)
    if age is None:
        raise click.BadParameter(f"{text!r} is no age: write 90s, 15m, 2h, 3d or 1w.")
    return age


def parse_moment(text: str) -> datetime:
    """Parse an ISO date or date-time, or an age before the present moment.

    Returns:
        The moment: aware, in UTC. One that is written without an offset is of this
        machine's time zone.

    Raises:
        click.BadParameter: It is none; the sentence says how one is written.
    """
    age = _parse_age(text)
    if age is not None:
        return now() - age
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    # The year 1 in some time zones is before the first that can be told.
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no moment: write 2026-01-31, 2026-01-31T10:20:30Z, or an age "
            "such as 15m, 2h, 3d."
        ) from error


def _parse_age(text: str) -> timedelta | None:
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        return None
    age = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    return age if age <= _LONGEST else None


def format_age(seconds: float) -> str:
    """Write a length of time in its two largest units.

    Example:
        >>> format_age(59), format_age(3 * 3600 + 5 * 60), format_age(86_400)
        ('59 s', '3 h 5 min', '1 d')
    """
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return _join(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _join(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def _join(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large} {unit} {small} {small_unit}" if small else f"{large} {unit}"
