"""What is wrong with a lane, and what an operator can do about it."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from redox_wsgi.cli.inbox.moments import format_age, parse_age
from redox_wsgi.inbox.entry import Selection, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from redox_wsgi.inbox.entry import EntryRecord, LaneRecord, Stats
    from redox_wsgi.inbox.store import Store

__all__ = [
    "advise",
    "describe",
    "find_head",
    "find_troubled",
    "is_late",
    "judge",
    "late_option",
    "name_event",
]

# The worst first.
_ORDER = ("halted", "failing", "late")


def late_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--late-after``."""
    return click.option(
        "--late-after",
        type=parse_age,
        default="5m",
        show_default=True,
        metavar="AGE",
        help="A lane is late whose oldest waiting entry is older.",
    )(command)


def judge(lane: LaneRecord, at: datetime, late_after: timedelta) -> str | None:
    """Say in a word what is wrong with a lane.

    Returns:
        ``halted``: it waits for an operator; ``failing``: its head failed and is tried
        again; ``late``: its head has waited long; None: nothing.
    """
    if lane.is_halted:
        return "halted"
    if lane.oldest_at is None:
        return None
    if lane.is_failing:
        return "failing"
    return "late" if is_late(lane, at, late_after) else None


def is_late(lane: LaneRecord, at: datetime, late_after: timedelta) -> bool:
    """Tell whether a lane's oldest waiting entry has waited for longer than it may."""
    return lane.oldest_at is not None and at - lane.oldest_at > late_after


def find_troubled(stats: Stats, late_after: timedelta) -> list[tuple[str, LaneRecord]]:
    """List the lanes with which something is wrong, and what; the worst first."""
    judged = [(judge(lane, stats.at, late_after), lane) for lane in stats.lanes]
    troubled = [(word, lane) for word, lane in judged if word is not None]
    return sorted(troubled, key=lambda pair: _ORDER.index(pair[0]))


def find_head(store: Store, lane: str) -> int | None:
    """Return the number of a lane's oldest waiting entry; None if none waits."""
    selection = Selection(lane=lane, states=frozenset({State.WAITING}))
    page = store.find_entries(selection, limit=1)
    return page[0].id if page else None


def describe(lane: LaneRecord, at: datetime) -> str:
    """Say how a lane stands, in one line."""
    parts = [f"{lane.waiting} waiting"]
    if lane.oldest_at is not None:
        parts.append(
            f"the oldest for {format_age((at - lane.oldest_at).total_seconds())}"
        )
    if lane.attempts:
        parts.append(f"attempts: {lane.attempts}")
    if lane.is_claimed:
        parts.append("being handled now")
    elif lane.waiting and not lane.is_halted and lane.due_at > at:
        parts.append(f"tried again in {format_age((lane.due_at - at).total_seconds())}")
    if lane.dead:
        parts.append(f"{lane.dead} dead")
    return ", ".join(parts)


def advise(word: str, lane: str, head: int | None) -> list[tuple[str, str]]:
    """List commands that help with a lane, and what each is for."""
    name = shlex.quote(lane)
    look = [("look at its head", f"redox-wsgi inbox show {head}")] if head else []
    if word == "halted":
        return [
            *look,
            ("try again, once it is mended", f"redox-wsgi inbox resume {name}"),
            ("bury its head and go on", f"redox-wsgi inbox skip {name}"),
        ]
    if word == "failing":
        return [*look, ("stop trying", f"redox-wsgi inbox halt {name}")]
    return [*look, ("see that a worker runs", "redox-wsgi inbox doctor")]


def name_event(entry: EntryRecord) -> str:
    """Write the event of an entry, as ``PatientAdmin:Arrival``."""
    return f"{entry.data_model or '-'}:{entry.event_type or '-'}"
