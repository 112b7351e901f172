"""One JSON object a line, for machines; no body unless it is asked for."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from redox_wsgi.cli.inbox.selecting import WORDS

if TYPE_CHECKING:
    from redox_wsgi.inbox.entry import EntryRecord, LaneRecord, Stats

__all__ = [
    "build_body",
    "build_entry",
    "build_lane",
    "build_stats",
    "json_option",
    "print_line",
]

#: The option of every command that can speak to machines.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line, no table."
)


def print_line(line: dict[str, Any]) -> None:
    """Print one object."""
    click.echo(json.dumps(line))


def build_entry(entry: EntryRecord) -> dict[str, Any]:
    """Build the line of an entry, without its body."""
    return {
        "record": "entry",
        "id": entry.id,
        "lane": entry.lane,
        "identity": entry.identity,
        "state": WORDS[entry.state],
        "received_at": _format(entry.received_at),
        "finished_at": _format(entry.finished_at),
        "error": entry.error,
        "repeats": entry.repeats,
        "body_bytes": entry.body_bytes,
        "data_model": entry.data_model,
        "event_type": entry.event_type,
        "log_id": entry.log_id,
    }


def build_lane(lane: LaneRecord) -> dict[str, Any]:
    """Build the line of a lane."""
    return {
        "record": "lane",
        "lane": lane.key,
        "halted": lane.is_halted,
        "claimed": lane.is_claimed,
        "waiting": lane.waiting,
        "dead": lane.dead,
        "oldest_at": _format(lane.oldest_at),
        "due_at": _format(lane.due_at),
        "attempts": lane.attempts,
        "last_error": lane.last_error,
    }


def build_stats(stats: Stats) -> dict[str, Any]:
    """Build the line of the counts."""
    return {
        "record": "stats",
        "at": _format(stats.at),
        "waiting": stats.waiting,
        "done": stats.done,
        "dead": stats.dead,
        "emptied": stats.emptied,
        "repeats": stats.repeats,
        "halted_lanes": stats.halted,
        "oldest_waiting_seconds": round(stats.oldest_waiting_seconds, 3),
    }


def build_body(body: bytes) -> dict[str, str]:
    """Build the member that holds a body: as text if it is UTF-8, else in base64."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _format(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
