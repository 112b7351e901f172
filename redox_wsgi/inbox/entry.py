"""The values that an inbox and its stores exchange; no text of a body is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum


class State(IntEnum):
    """Where an entry stands. Nothing marks "running": the lease of its lane does."""

    #: To be handled, in its turn.
    WAITING = 0
    #: Handled.
    DONE = 2
    #: Given up, or skipped by an operator; kept until an operator decides.
    DEAD = 3
    #: Done and pruned: only its identity is kept, to recognise a repeat.
    EMPTIED = 4


class Receipt(IntEnum):
    """What became of a transmission that was put; each means that it is kept."""

    #: It is new.
    STORED = 0
    #: It was there already, waiting, done or emptied, and was only counted.
    REPEATED = 1
    #: It was there, dead, and waits again as it came now: it was sent anew to be tried
    #: anew.
    REVIVED = 2


#: The error of an entry that no worker could answer: a repeat does not revive it.
UNANSWERED_QUERY = "unanswered query"


# Not frozen: at every put that would take three times as long.
@dataclass(slots=True)
class Arrival:
    """One transmission on its way into a store.

    Attributes:
        lane: The key of its lane, printable text of bounded length.
        identity: What a repeated delivery has in common with the first.
        received_at: When it was received: aware, in UTC.
        body: The bytes to keep, sealed already if they shall be.
        head: What else the handler shall be told, as JSON of ASCII characters.
        data_model: As sent if harmless to show, else ``other``; None if absent. The
            same holds for ``event_type`` and ``log_id``.
        event_type: See ``data_model``.
        log_id: See ``data_model``.
        state: ``WAITING``, or ``DEAD`` for what cannot be handled later.
        error: Why it is dead, a fixed word; None otherwise.
    """

    lane: str
    identity: str
    received_at: datetime
    body: bytes = field(repr=False)
    head: str = field(repr=False)
    data_model: str | None = None
    event_type: str | None = None
    log_id: str | None = None
    state: State = State.WAITING
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The oldest waiting entry of a lane, held by one worker until its lease ends.

    Attributes:
        lane_id: The store's number of the lane.
        lane: The key of the lane.
        fence: The number of this claim on the lane.
        token: The random text that proves this claim: after a crash a fence number may
            come again, this cannot.
        attempt: How often the entry was claimed, this time included. More than the
            worker allows means that the last ones died without a word.
        entry_id: The number of the entry.
        identity: The entry's identity.
        received_at: When the transmission was received: aware, in UTC.
        head: As it was put.
    """

    lane_id: int
    lane: str
    fence: int
    token: str = field(repr=False)
    attempt: int
    entry_id: int
    identity: str
    received_at: datetime
    head: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """One entry as an operator sees it, without its body.

    Attributes:
        id: Its number; lower means that it arrived earlier within its lane.
        lane: The key of its lane.
        identity: What a repeated delivery has in common with it.
        state: Where it stands.
        received_at: When it was received: aware, in UTC.
        finished_at: When it was done or died; None while it waits.
        error: Why it died: a class and a place, or a fixed word; never a text.
        repeats: How often it was delivered again.
        body_bytes: The length of the kept body; 0 once it is emptied.
        data_model: As in ``Arrival``.
        event_type: As in ``Arrival``.
        log_id: As in ``Arrival``.
        head: As it was put; empty once it is emptied.
    """

    id: int
    lane: str
    identity: str
    state: State
    received_at: datetime
    finished_at: datetime | None
    error: str | None
    repeats: int
    body_bytes: int
    data_model: str | None
    event_type: str | None
    log_id: str | None
    head: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """One lane as an operator sees it.

    Attributes:
        key: Destination, source ID and data model.
        is_halted: Whether it waits for an operator.
        is_claimed: Whether a worker holds it now.
        waiting: How many of its entries wait.
        dead: How many of its entries are dead.
        oldest_at: When the oldest waiting one was received; None if none waits.
        due_at: When the lane may be claimed next: its lease or backoff ends then.
        attempts: How often its head was claimed without success.
        last_error: Why the last attempt failed: a class and a place, never a text;
            None after a success.
    """

    key: str
    is_halted: bool
    is_claimed: bool
    waiting: int
    dead: int
    oldest_at: datetime | None
    due_at: datetime
    attempts: int
    last_error: str | None

    @property
    def is_failing(self) -> bool:
        """Whether its head failed; the attempt that is under way has not."""
        return self.attempts > self.is_claimed and self.last_error is not None


@dataclass(frozen=True, slots=True)
class Stats:
    """How an inbox stands.

    Attributes:
        at: When this was read, by the store's clock: aware, in UTC.
        waiting: Entries to be handled.
        done: Entries that were handled and are still kept.
        dead: Entries that were given up.
        emptied: Entries of which only the identity is kept.
        repeats: Deliveries that were only counted, of all entries that are kept.
        lanes: Every lane that has a waiting or dead entry, or is halted; the one whose
            head has waited longest comes first.
    """

    at: datetime
    waiting: int
    done: int
    dead: int
    emptied: int
    repeats: int
    lanes: tuple[LaneRecord, ...]

    @property
    def halted(self) -> int:
        """How many lanes wait for an operator."""
        return sum(lane.is_halted for lane in self.lanes)

    @property
    def oldest_waiting_seconds(self) -> float:
        """How long the oldest waiting entry has waited, in seconds; 0.0 if none."""
        moments = [lane.oldest_at for lane in self.lanes if lane.oldest_at is not None]
        if not moments:
            return 0.0
        return max(0.0, (self.at - min(moments)).total_seconds())


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries an operator means; what is None does not restrict.

    Attributes:
        lane: The key of one lane; ``*`` stands for any text.
        states: The states.
        data_model: The data model, compared without blanks and case.
        since: Received at this moment or later.
        before: Received before this moment.
    """

    lane: str | None = None
    states: frozenset[State] | None = None
    data_model: str | None = None
    since: datetime | None = None
    before: datetime | None = None
