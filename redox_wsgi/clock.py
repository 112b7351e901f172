"""The clock that everything uses unless it is given another."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Tell the time: aware, in UTC."""
    return datetime.now(UTC)
