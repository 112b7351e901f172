"""Between the values of an inbox and the rows of its tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from redox_wsgi.inbox.entry import (
    UNANSWERED_QUERY,
    Arrival,
    Claim,
    EntryRecord,
    LaneRecord,
    Selection,
    State,
)
from redox_wsgi.transmission import fold_name

#: A row as the driver gives it.
Row = tuple[Any, ...]


def write_arrival(arrival: Arrival) -> dict[str, Any]:
    """Build the parameters of ``put`` and ``put_again``."""
    return {
        "lane": arrival.lane,
        "identity": arrival.identity,
        "state": int(arrival.state),
        "received_at": arrival.received_at,
        "error": arrival.error,
        "final_error": UNANSWERED_QUERY,
        "data_model": arrival.data_model,
        "event_type": arrival.event_type,
        "log_id": arrival.log_id,
        "head": arrival.head,
        "body": arrival.body,
    }


def write_claim(claim: Claim) -> dict[str, Any]:
    """Build the parameters that prove a claim."""
    return {
        "lane_id": claim.lane_id,
        "fence": claim.fence,
        "token": claim.token,
        "entry_id": claim.entry_id,
    }


def write_selection(selection: Selection) -> dict[str, Any]:
    """Build the parameters of ``find_entries`` that restrict."""
    lane, states, data_model = selection.lane, selection.states, selection.data_model
    return {
        "lane": None if lane is None else _build_pattern(lane),
        "states": None if states is None else [int(state) for state in states],
        "data_model": None if data_model is None else fold_name(data_model),
        "since": selection.since,
        "before": selection.before,
    }


def _build_pattern(lane: str) -> str:
    # Of LIKE's own signs none is meant: a lane may hold an underscore.
    for sign in r"\%_":
        lane = lane.replace(sign, f"\\{sign}")
    return lane.replace("*", "%")


def read_claim(token: str, lane: Row, head: Row) -> Claim:
    """Build a claim of the rows of ``claim_lane`` and ``claim_head``."""
    lane_id, key, fence, attempts = lane
    entry_id, identity, received_at, entry_head = head
    return Claim(
        lane_id=lane_id,
        lane=key,
        fence=fence,
        token=token,
        attempt=attempts,
        entry_id=entry_id,
        identity=identity,
        received_at=read_moment(received_at),
        head=entry_head,
    )


def read_entry(row: Row) -> EntryRecord:
    """Build a record of a row of ``find_entries``."""
    number, lane, identity, state, received_at, finished_at, *rest = row
    return EntryRecord(
        number,
        lane,
        identity,
        State(state),
        read_moment(received_at),
        finished_at and read_moment(finished_at),
        *rest,
    )


def read_lane(row: Row) -> LaneRecord:
    """Build a record of a row of ``list_lanes``."""
    key, halted, claimed, waiting, dead, oldest_at, due_at, *rest = row
    return LaneRecord(
        key,
        halted,
        claimed,
        waiting,
        dead,
        oldest_at and read_moment(oldest_at),
        read_moment(due_at),
        *rest,
    )


def read_moment(moment: datetime) -> datetime:
    """Return a moment in UTC; the driver gives it in the session's time zone."""
    return moment.astimezone(UTC)
