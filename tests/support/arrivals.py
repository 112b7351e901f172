"""Transmissions on their way into a store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from redox_wsgi.inbox.entry import Arrival

RECEIVED_AT = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


def build_arrival(number: int = 1, lane: str = "lane", **change: Any) -> Arrival:
    """Build an arrival; those of one lane differ by their number."""
    facts: dict[str, Any] = {
        "lane": lane,
        "identity": f"{number:064x}",
        "received_at": RECEIVED_AT,
        "body": b'{"number": %d}' % number,
        "head": '{"destination":"/redox"}',
        "data_model": "Order",
    }
    return Arrival(**{**facts, **change})
