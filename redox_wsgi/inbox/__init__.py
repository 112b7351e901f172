"""Keep a transmission durably, answer 200, process it afterwards."""

from __future__ import annotations

from redox_wsgi.inbox.encryption import build_encryption_key
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
from redox_wsgi.inbox.store import BodyDamaged, Store
from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.handling_report import (
    HandledObserver,
    HandledOutcome,
    HandledWord,
)
from redox_wsgi.inbox.worker.housekeeping import Retention
from redox_wsgi.inbox.worker.web_worker import WebWorker
from redox_wsgi.inbox.worker.worker import Worker

__all__ = [
    "Backoff",
    "BodyDamaged",
    "Claim",
    "EntryRecord",
    "HandledObserver",
    "HandledOutcome",
    "HandledWord",
    "Inbox",
    "LaneRecord",
    "Receipt",
    "Retention",
    "Selection",
    "State",
    "Stats",
    "Store",
    "WebWorker",
    "Worker",
    "build_encryption_key",
]
