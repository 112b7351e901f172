"""Read from a payload what decides about its delivery."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from redox_wsgi.simulator.answer import is_query

__all__ = ["Envelope", "read_envelope", "read_json"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a transmission is, where it queues, and who waits for its answer."""

    #: ``data model:event type`` as sent; ``-`` if there is no such pair.
    event: str
    #: ``<source ID or ->|<data model without blanks, in lower case, or ->``. The
    #: destination, which belongs to it, is the same for a whole delivery.
    subscription: str
    #: Whether somebody waits for an answer; then it is not sent again.
    is_query: bool


def read_envelope(payload: Any) -> Envelope:
    """Read the envelope of a decoded body, whatever it is."""
    meta = _object(_object(payload).get("Meta"))
    source_id = _object(meta.get("Source")).get("ID")
    # A boolean is a number to Python, and none to JSON.
    if not isinstance(source_id, (str, int, float)) or isinstance(source_id, bool):
        source_id = "-"
    names = meta.get("DataModel"), meta.get("EventType")
    data_model, event_type = map(_fold, names)
    has_both = all(isinstance(name, str) for name in names)
    return Envelope(
        f"{names[0]}:{names[1]}" if has_both else "-",
        f"{source_id}|{data_model or '-'}",
        has_both and is_query((data_model, event_type)),
    )


def read_json(body: bytes) -> Any:
    """Decode a body; None if it is no JSON."""
    try:
        return json.loads(body)
    # Deep nesting is a RecursionError; bytes that are no UTF are a ValueError.
    except (ValueError, RecursionError):
        return None


def _fold(name: Any) -> str:
    return name.replace(" ", "").lower() if isinstance(name, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
