"""What an operator reads: counts, lanes, entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from redox_wsgi.inbox.entry import EntryRecord, LaneRecord, Selection, State, Stats
from redox_wsgi.inbox.sqlite.database import Database
from redox_wsgi.inbox.sqlite.moments import (
    read_moment,
    read_optional_moment,
    write_moment,
)
from redox_wsgi.inbox.sqlite.states import read_state, write_state
from redox_wsgi.inbox.statements import load_statements
from redox_wsgi.transmission import fold_name

_SQL = load_statements("redox_wsgi.inbox.sqlite")


class Reading:
    """Counts and lists what a database holds; writes nothing.

    Args:
        database: The database.
        now: The clock.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def stats(self) -> Stats:
        """See ``Store.stats``."""
        lanes, finished, repeats = self._database.read(_count)
        now = self._now()
        records = [_read_lane(row, now) for row in lanes]
        count = {read_state(state): number for state, number in finished}
        return Stats(
            at=now,
            waiting=sum(record.waiting for record in records),
            done=count.get(State.DONE, 0),
            dead=count.get(State.DEAD, 0),
            emptied=count.get(State.EMPTIED, 0),
            repeats=repeats,
            lanes=tuple(
                sorted(records, key=lambda lane: (lane.oldest_at or now, lane.key))
            ),
        )

    def find_entries(
        self, selection: Selection, after_id: int, limit: int
    ) -> list[EntryRecord]:
        """See ``Store.find_entries``."""
        values: dict[str, object] = {"after": after_id, "limit": limit}
        parts = [_SQL["find_entries"]]
        for condition, facts in _restrict(selection):
            parts.append(f"AND {condition}")
            values |= facts
        return self._list(" ".join([*parts, _SQL["order_entries"]]), values)

    def find_entry(self, entry_id: int) -> EntryRecord | None:
        """See ``Store.find_entry``."""
        statement = _SQL["find_entries"] + " AND entry.id = :after + 1"
        found = self._list(statement, {"after": entry_id - 1})
        return found[0] if found else None

    def _list(self, statement: str, values: dict[str, object]) -> list[EntryRecord]:
        rows = self._database.read(
            lambda connection: connection.execute(statement, values).fetchall()
        )
        return [_read_entry(row) for row in rows]


def _count(connection: sqlite3.Connection) -> tuple[list[Any], list[Any], int]:
    # All of them at one moment; whoever runs this ends the transaction.
    connection.execute("BEGIN")
    lanes = connection.execute(_SQL["count_lanes"]).fetchall()
    finished = connection.execute(_SQL["count_finished"]).fetchall()
    ((repeats,),) = connection.execute(_SQL["count_repeats"]).fetchall()
    return lanes, finished, repeats


def _read_lane(row: tuple[Any, ...], now: datetime) -> LaneRecord:
    key, halted, has_owner, due_at, attempts, error, waiting, dead, oldest_at = row
    due = read_moment(due_at)
    return LaneRecord(
        key=key,
        is_halted=bool(halted),
        is_claimed=bool(has_owner) and due > now,
        waiting=waiting,
        dead=dead,
        oldest_at=read_optional_moment(oldest_at),
        due_at=due,
        attempts=attempts,
        last_error=error,
    )


def _read_entry(row: tuple[Any, ...]) -> EntryRecord:
    number, lane, identity, state, received_at, finished_at, *others = row
    return EntryRecord(
        number,
        lane,
        identity.hex(),
        read_state(state),
        read_moment(received_at),
        read_optional_moment(finished_at),
        *others,
    )


def _restrict(selection: Selection) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield conditions, made of fixed text and numbers, and their values."""
    if selection.lane is not None:
        # Of GLOB's signs only the star: a lane may hold brackets and question marks.
        pattern = selection.lane.replace("[", "[[]").replace("?", "[?]")
        yield "lane.key GLOB :pattern", {"pattern": pattern}
    if selection.states is not None:
        # As numbers and not as values: a partial index is used for those it names.
        states = sorted(write_state(state) for state in selection.states)
        yield _write_states(states), {}
    if selection.data_model is not None:
        yield (
            "lower(replace(coalesce(entry.data_model, ''), ' ', '')) = :data_model",
            {"data_model": fold_name(selection.data_model)},
        )
    if selection.since is not None:
        yield "entry.received_at >= :since", {"since": write_moment(selection.since)}
    if selection.before is not None:
        yield "entry.received_at < :before", {"before": write_moment(selection.before)}


def _write_states(states: list[int]) -> str:
    if len(states) == 1:
        return f"entry.state = {states[0]}"
    return f"entry.state IN ({', '.join(map(str, states))})"
