"""Keep a transmission durably, answer 200, process it afterwards."""

from __future__ import annotations

from redox_wsgi.inbox.entry import (
    Claim,
    EntryRecord,
    LaneRecord,
    Receipt,
    Selection,
    State,
    Stats,
)
from redox_wsgi.inbox.inbox import Inbox

__all__ = [
    "Claim",
    "EntryRecord",
    "Inbox",
    "LaneRecord",
    "Receipt",
    "Selection",
    "State",
    "Stats",
]
