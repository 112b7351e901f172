"""Group commit: who waits for the disk together is written together."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.entry import Arrival, Receipt
from redox_wsgi.inbox.sqlite.failures import LOCKED, OUTCOME_UNKNOWN
from redox_wsgi.inbox.sqlite.gate import Deadline

# One transaction of the leader's; its members wait for all of it.
_LARGEST_GROUP_BYTES = 4 * 1024 * 1024
# SQLite takes 32,766 values in one statement: https://www.sqlite.org/limits.html
_MOST_MEMBERS = 100

# Those of the group before are about to come again: who finds nobody leading then waits
# for them, much shorter than the disk takes.
_PAUSE_SECONDS = 0.00005


def _build_turn() -> threading.Lock:
    turn = threading.Lock()
    turn.acquire()
    return turn


@dataclass(slots=True, eq=False)
class Member:
    """One transmission that waits to be committed, and what became of it.

    Attributes:
        arrival: The transmission.
        row: The values of its row, as the statement takes them.
        body_file: The file that its body was written to; None if the row takes it.
        receipt: What the commit brought.
        error: Why there was none.
        is_taken: Whether a leader has it, or had it.
        leads: Whether the lead was left to it.
        turn: Free when the member is committed or leads.
    """

    arrival: Arrival
    row: tuple[object, ...] = field(repr=False)
    body_file: str | None
    receipt: Receipt | None = None
    error: BaseException | None = None
    is_taken: bool = False
    leads: bool = False
    turn: threading.Lock = field(default_factory=_build_turn)

    @property
    def row_bytes(self) -> int:
        """How much its row takes."""
        return 0 if self.body_file else len(self.arrival.body)


class Grouping:
    """Lets the threads of one process commit together.

    There is no thread of its own: whoever finds nobody leading commits, and leaves the
    lead to the first who came meanwhile, who commits for all of them. Each gets its own
    receipt or error, and waits for no group but its own.

    Args:
        commit: Puts members in one transaction; raises if nothing of it happened.
    """

    def __init__(
        self, commit: Callable[[Sequence[Member], Deadline], list[Receipt]]
    ) -> None:
        self._commit = commit
        self._begin()
        _groupings.add(self)

    def _begin(self) -> None:
        self._waiting: deque[Member] = deque()
        # Whether the last group had several members.
        self._is_crowded = False
        # Held for an instant by who changes what waits.
        self._queue = threading.Lock()
        # Held by who leads, from one leader to the next.
        self._leading = threading.Lock()

    def put(self, member: Member, deadline: Deadline) -> Receipt:
        """Commit a member, with others if there are any.

        Raises:
            InboxUnavailable: It was not committed; or ``OUTCOME_UNKNOWN``.
        """
        if not self._is_crowded and self._leading.acquire(blocking=False):
            try:
                return self._commit([member], deadline)[0]
            finally:
                self._appoint()
        self._wait(member, deadline)
        if member.error is not None:
            raise member.error
        if member.receipt is None:
            raise InboxUnavailable(OUTCOME_UNKNOWN if member.is_taken else LOCKED)
        return member.receipt

    def _wait(self, member: Member, deadline: Deadline) -> None:
        self._waiting.append(member)
        try:
            # Nobody leads; or who led until now has not seen it.
            if self._leading.acquire(blocking=False):
                self._appoint_soon()
            if member.turn.acquire(timeout=deadline.remaining_seconds) and member.leads:
                self._lead(member, deadline)
        finally:
            self._withdraw(member)

    def _lead(self, leader: Member, deadline: Deadline) -> None:
        # The leader is the first of it: the lead is left to the first who waits.
        group = self._take_group()
        try:
            self._commit_group(group, deadline)
        finally:
            # Before the others wake up: the disk shall not wait for their answers.
            self._pass_on(leader)
            for member in group:
                if member is not leader:
                    member.turn.release()

    def _take_group(self) -> list[Member]:
        """Take who waits, in order of arrival."""
        with self._queue:
            group = [self._waiting.popleft()]
            size = group[0].row_bytes
            while (
                self._waiting
                and size < _LARGEST_GROUP_BYTES
                and len(group) < _MOST_MEMBERS
            ):
                group.append(self._waiting.popleft())
                size += group[-1].row_bytes
            for member in group:
                member.is_taken = True
        self._is_crowded = len(group) > 1
        return group

    def _commit_group(self, group: list[Member], deadline: Deadline) -> None:
        try:
            receipts = self._commit(group, deadline)
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
            elif not _is_unknown(error):
                # One that cannot be written shall not be the loss of the others.
                for member in group:
                    self._commit_group([member], deadline)
        else:
            for member, receipt in zip(group, receipts, strict=True):
                member.receipt = receipt

    def _withdraw(self, member: Member) -> None:
        if not member.is_taken:
            with self._queue:
                if not member.is_taken:
                    self._waiting.remove(member)
        self._pass_on(member)

    def _pass_on(self, leader: Member) -> None:
        if leader.leads:
            leader.leads = False
            self._appoint()

    def _appoint_soon(self) -> None:
        try:
            if self._is_crowded:
                time.sleep(_PAUSE_SECONDS)
        finally:
            # Also if a greenlet is killed in its sleep: else nobody would ever lead.
            self._appoint()

    def _appoint(self) -> None:
        """Leave the lead to the first who waits, or to whoever comes."""
        while True:
            with self._queue:
                if self._waiting:
                    self._waiting[0].leads = True
                    self._waiting[0].turn.release()
                    return
            self._leading.release()
            # Who came between these lines found somebody leading, and waits.
            if not self._waiting or not self._leading.acquire(blocking=False):
                return


_groupings: weakref.WeakSet[Grouping] = weakref.WeakSet()


def _leave_parents() -> None:
    # A thread of the parent's may have been leading, and is not here.
    for grouping in _groupings:
        grouping._begin()


os.register_at_fork(after_in_child=_leave_parents)


def _is_unknown(error: Exception) -> bool:
    return isinstance(error, InboxUnavailable) and error.code == OUTCOME_UNKNOWN
