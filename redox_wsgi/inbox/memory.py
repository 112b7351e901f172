"""A store in memory, for tests: the same contract, and nothing of it lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from redox_wsgi.errors import ConfigurationError, LostLease
from redox_wsgi.inbox.entry import (
    UNANSWERED_QUERY,
    Arrival,
    Claim,
    EntryRecord,
    LaneRecord,
    Receipt,
    Selection,
    State,
    Stats,
)
from redox_wsgi.inbox.store import BodyDamaged
from redox_wsgi.transmission import fold_name


@dataclass(slots=True)
class _Entry:
    record: EntryRecord
    body: bytes | None = field(repr=False)


@dataclass(slots=True)
class _Lane:
    id: int
    key: str
    due_at: datetime
    is_halted: bool = False
    token: str | None = None
    fence: int = 0
    attempts: int = 0
    last_error: str | None = None


class MemoryStore:
    """Keeps entries in this process only.

    Do not use it for patients' data: a restart loses what was answered with 200.

    Args:
        now: The clock: aware, in UTC.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lanes: dict[str, _Lane] = {}
        self._entries: dict[int, _Entry] = {}
        self._by_identity: dict[tuple[str, str], int] = {}
        self._last_id = 0
        self._changed = threading.Condition()

    def put(self, arrival: Arrival) -> Receipt:
        """See ``Store.put``."""
        with self._changed:
            self._changed.notify_all()
            lane = self._lanes.setdefault(
                arrival.lane,
                _Lane(len(self._lanes) + 1, arrival.lane, self._now()),
            )
            known = self._by_identity.get((lane.key, arrival.identity))
            if known is not None:
                return self._repeat(lane, self._entries[known], arrival)
            self._last_id += 1
            self._by_identity[lane.key, arrival.identity] = self._last_id
            record = EntryRecord(
                id=self._last_id,
                lane=lane.key,
                identity=arrival.identity,
                state=arrival.state,
                received_at=arrival.received_at,
                finished_at=self._now() if arrival.state is State.DEAD else None,
                error=arrival.error,
                repeats=0,
                body_bytes=len(arrival.body),
                data_model=arrival.data_model,
                event_type=arrival.event_type,
                log_id=arrival.log_id,
                head=arrival.head,
            )
            self._entries[self._last_id] = _Entry(record, arrival.body)
            return Receipt.STORED

    def _repeat(self, lane: _Lane, entry: _Entry, arrival: Arrival) -> Receipt:
        record = replace(entry.record, repeats=entry.record.repeats + 1)
        entry.record = record
        if record.state is not State.DEAD or record.error == UNANSWERED_QUERY:
            return Receipt.REPEATED
        # As it was sent anew: what is kept may be damaged, and why it died.
        entry.body = arrival.body
        entry.record = replace(
            record,
            state=State.WAITING,
            error=None,
            finished_at=None,
            body_bytes=len(arrival.body),
            head=arrival.head,
        )
        lane.attempts = 0
        return Receipt.REVIVED

    def claim(self, token: str, lease_seconds: float) -> Claim | None:
        """See ``Store.claim``."""
        with self._changed:
            now = self._now()
            due = [
                lane
                for lane in self._lanes.values()
                if not lane.is_halted and lane.due_at <= now and self._head(lane)
            ]
            if not due:
                return None
            lane = min(due, key=lambda lane: lane.due_at)
            head = self._head(lane)
            assert head is not None  # noqa: S101 - just looked
            lane.due_at = now + timedelta(seconds=lease_seconds)
            lane.token = token
            lane.fence += 1
            lane.attempts += 1
            return Claim(
                lane_id=lane.id,
                lane=lane.key,
                fence=lane.fence,
                token=token,
                attempt=lane.attempts,
                entry_id=head.id,
                identity=head.identity,
                received_at=head.received_at,
                head=head.head,
            )

    def read_body(self, entry_id: int) -> bytes:
        """See ``Store.read_body``."""
        with self._changed:
            entry = self._entries.get(entry_id)
            if entry is None or entry.body is None:
                raise BodyDamaged("body-missing")
            return entry.body

    def renew(self, claim: Claim, lease_seconds: float) -> None:
        """See ``Store.renew``."""
        with self._changed:
            lane = self._held(claim)
            lane.due_at = self._now() + timedelta(seconds=lease_seconds)

    def complete(self, claim: Claim, connection: Any = None) -> None:
        """See ``Store.complete``."""
        if connection is not None:
            raise ConfigurationError(
                "Only an inbox in PostgreSQL can complete an entry within a "
                "transaction of the handler's own."
            )
        self._finish(claim, State.DONE, None)

    def bury(self, claim: Claim, error: str) -> None:
        """See ``Store.bury``."""
        self._finish(claim, State.DEAD, error)

    def _finish(self, claim: Claim, state: State, error: str | None) -> None:
        with self._changed:
            lane = self._held(claim)
            self._set_state(claim.entry_id, state, error)
            lane.token, lane.attempts, lane.last_error = None, 0, error
            lane.due_at = self._now()

    def retry(self, claim: Claim, error: str, delay_seconds: float) -> None:
        """See ``Store.retry``."""
        with self._changed:
            lane = self._held(claim)
            lane.token, lane.last_error, lane.due_at = None, error, self._now()
            # An operator may have set them to 0 meanwhile.
            if lane.attempts:
                lane.due_at += timedelta(seconds=delay_seconds)

    def halt(self, claim: Claim, error: str) -> None:
        """See ``Store.halt``."""
        with self._changed:
            lane = self._held(claim)
            lane.token, lane.last_error, lane.due_at = None, error, self._now()
            entry = self._entries.get(claim.entry_id)
            # Of one that an operator skipped meanwhile the lane goes on.
            if entry is not None and entry.record.state is State.WAITING:
                lane.is_halted = True

    def release(self, claim: Claim) -> None:
        """See ``Store.release``."""
        with self._changed:
            lane = self._held(claim)
            lane.token, lane.due_at = None, self._now()
            # An operator may have set it to 0 meanwhile.
            lane.attempts = max(0, lane.attempts - 1)

    def repair_clock(self, longest_seconds: float) -> int:
        """See ``Store.repair_clock``."""
        with self._changed:
            now = self._now()
            limit = now + timedelta(seconds=longest_seconds)
            late = [lane for lane in self._lanes.values() if lane.due_at > limit]
            for lane in late:
                lane.due_at = now
            return len(late)

    def wait(self, seconds: float) -> None:
        """See ``Store.wait``."""
        with self._changed:
            self._changed.wait(seconds)

    def stats(self) -> Stats:
        """See ``Store.stats``."""
        with self._changed:
            records = [entry.record for entry in self._entries.values()]
            count = dict.fromkeys(State, 0)
            for record in records:
                count[record.state] += 1
            lanes = [self._describe(lane) for lane in self._lanes.values()]
            now = self._now()
            return Stats(
                at=now,
                waiting=count[State.WAITING],
                done=count[State.DONE],
                dead=count[State.DEAD],
                emptied=count[State.EMPTIED],
                repeats=sum(record.repeats for record in records),
                lanes=tuple(
                    sorted(
                        (
                            lane
                            for lane in lanes
                            if lane.waiting or lane.dead or lane.is_halted
                        ),
                        key=lambda lane: (lane.oldest_at or now, lane.key),
                    )
                ),
            )

    def _describe(self, lane: _Lane) -> LaneRecord:
        mine = [
            entry.record
            for entry in self._entries.values()
            if entry.record.lane == lane.key
        ]
        waiting = [record for record in mine if record.state is State.WAITING]
        return LaneRecord(
            key=lane.key,
            is_halted=lane.is_halted,
            is_claimed=lane.token is not None and lane.due_at > self._now(),
            waiting=len(waiting),
            dead=sum(record.state is State.DEAD for record in mine),
            oldest_at=waiting[0].received_at if waiting else None,
            due_at=lane.due_at,
            attempts=lane.attempts,
            last_error=lane.last_error,
        )

    def find_entries(
        self, selection: Selection, *, after_id: int = 0, limit: int = 500
    ) -> list[EntryRecord]:
        """See ``Store.find_entries``."""
        with self._changed:
            found = [
                entry.record
                for entry in self._entries.values()
                if entry.record.id > after_id and _is_meant(entry.record, selection)
            ]
            return found[:limit]

    def find_entry(self, entry_id: int) -> EntryRecord | None:
        """See ``Store.find_entry``."""
        with self._changed:
            entry = self._entries.get(entry_id)
            return None if entry is None else entry.record

    def halt_lane(self, lane: str) -> bool:
        """See ``Store.halt_lane``."""
        with self._changed:
            found = self._lanes.get(lane)
            if found is None:
                return False
            found.is_halted = True
            return True

    def resume_lane(self, lane: str) -> bool:
        """See ``Store.resume_lane``."""
        with self._changed:
            found = self._lanes.get(lane)
            if found is None or not found.is_halted:
                return False
            self._resume(found)
            return True

    def skip_head(self, lane: str) -> int | None:
        """See ``Store.skip_head``."""
        with self._changed:
            found = self._lanes.get(lane)
            head = found and self._head(found)
            if found is None or head is None or not found.is_halted:
                return None
            self._set_state(head.id, State.DEAD, "skipped")
            self._resume(found)
            return head.id

    def _resume(self, lane: _Lane) -> None:
        lane.is_halted, lane.attempts = False, 0
        # A claim in flight keeps its lease.
        if lane.token is None:
            lane.due_at = self._now()
        self._changed.notify_all()

    def replay(self, entry_id: int) -> bool:
        """See ``Store.replay``."""
        with self._changed:
            entry = self._entries.get(entry_id)
            if entry is None or entry.record.state not in (State.DONE, State.DEAD):
                return False
            self._set_state(entry_id, State.WAITING, None)
            self._lanes[entry.record.lane].attempts = 0
            self._changed.notify_all()
            return True

    def prune(self, state: State, before: datetime, limit: int = 500) -> int:
        """See ``Store.prune``."""
        if state is State.WAITING:
            raise ValueError("What waits is not pruned.")
        with self._changed:
            old = [
                entry
                for entry in self._entries.values()
                if entry.record.state is state
                and entry.record.finished_at is not None
                and entry.record.finished_at < before
            ][:limit]
            for entry in old:
                record = entry.record
                if state is not State.DONE:
                    del self._entries[record.id]
                    del self._by_identity[record.lane, record.identity]
                else:
                    entry.body = None
                    entry.record = replace(
                        record, state=State.EMPTIED, body_bytes=0, head=""
                    )
            return len(old)

    def sweep(self) -> int:
        """See ``Store.sweep``: nothing is ever left behind."""
        return 0

    def diagnose(self) -> Iterable[tuple[str, str, str | None]]:
        """See ``Store.diagnose``."""
        return [
            (
                "durability",
                "in memory of one process",
                "For tests only: use sqlite:/// or postgresql:// where data matter.",
            )
        ]

    def close(self) -> None:
        """See ``Store.close``: nothing is open."""

    def _head(self, lane: _Lane) -> EntryRecord | None:
        for entry in self._entries.values():
            record = entry.record
            if record.lane == lane.key and record.state is State.WAITING:
                return record
        return None

    def _held(self, claim: Claim) -> _Lane:
        lane = self._lanes[claim.lane]
        if (lane.fence, lane.token) != (claim.fence, claim.token):
            raise LostLease("The lease of this entry has ended.")
        return lane

    def _set_state(self, entry_id: int, state: State, error: str | None) -> None:
        entry = self._entries.get(entry_id)
        # Skipped, replayed or pruned by an operator meanwhile: that stands.
        if entry is not None and State.WAITING in (state, entry.record.state):
            entry.record = replace(
                entry.record,
                state=state,
                error=error,
                finished_at=None if state is State.WAITING else self._now(),
            )


def _is_meant(record: EntryRecord, selection: Selection) -> bool:
    return (
        (selection.lane is None or _matches(record.lane, selection.lane))
        and (selection.states is None or record.state in selection.states)
        and (
            selection.data_model is None
            or fold_name(record.data_model) == fold_name(selection.data_model)
        )
        and (selection.since is None or record.received_at >= selection.since)
        and (selection.before is None or record.received_at < selection.before)
    )


def _matches(lane: str, pattern: str) -> bool:
    # Of the shell's signs only the star: a lane may hold brackets and question marks.
    return fnmatchcase(lane, pattern.replace("[", "[[]").replace("?", "[?]"))
