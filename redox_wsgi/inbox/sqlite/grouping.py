"""Group commit: who waits for the disk together is written together."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox.entry import Arrival, Receipt
from redox_wsgi.inbox.sqlite.failures import LOCKED, OUTCOME_UNKNOWN
from redox_wsgi.inbox.sqlite.gate import Deadline

# One transaction of the leader's; its members wait for all of it.
_LARGEST_GROUP_BYTES = 4 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Member:
    """One transmission that waits to be committed, and what became of it.

    Attributes:
        arrival: The transmission.
        body_sha256: Of its body.
        body_file: The file that its body was written to; None if the row takes it.
        receipt: What the commit brought.
        error: Why there was none.
        is_taken: Whether a leader has it, or had it.
        is_appointed: Whether the leader before left the lead to it.
        turn: Free when the member is committed or appointed.
    """

    arrival: Arrival
    body_sha256: bytes
    body_file: str | None
    receipt: Receipt | None = None
    error: BaseException | None = None
    is_taken: bool = False
    is_appointed: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.turn.acquire()

    @property
    def row_bytes(self) -> int:
        """How much its row takes."""
        return 0 if self.body_file else len(self.arrival.body)


class Grouping:
    """Lets the threads of one process commit together.

    There is no thread of its own: whoever finds nobody leading leads, for itself and
    all who came meanwhile, and then leaves the lead to the first who came since. Each
    gets its own receipt or error, and waits for no group but its own.

    Args:
        commit: Puts members in one transaction; raises if nothing of it happened.
    """

    def __init__(
        self, commit: Callable[[Sequence[Member], Deadline], list[Receipt]]
    ) -> None:
        self.pid = os.getpid()
        self._commit = commit
        self._waiting: deque[Member] = deque()
        # Held for an instant by who changes what waits.
        self._queue = threading.Lock()
        # Held by who leads, through all appointments.
        self._leading = threading.Lock()

    def put(self, member: Member, deadline: Deadline) -> Receipt:
        """Commit a member, with others if there are any.

        Raises:
            InboxUnavailable: It was not committed; or ``OUTCOME_UNKNOWN``.
        """
        self._waiting.append(member)
        try:
            if self._await_turn(member, deadline):
                # A group may be full before it is this one's turn.
                while member.is_appointed and not member.is_taken:
                    self._lead(self._take_group(), deadline)
        finally:
            self._withdraw(member)
        if member.error is not None:
            raise member.error
        if member.receipt is None:
            raise InboxUnavailable(OUTCOME_UNKNOWN if member.is_taken else LOCKED)
        return member.receipt

    def _await_turn(self, member: Member, deadline: Deadline) -> bool:
        if self._leading.acquire(blocking=False):
            member.is_appointed = True
            return True
        return member.turn.acquire(timeout=deadline.remaining_seconds)

    def _take_group(self) -> list[Member]:
        """Take who waits, in order of arrival."""
        with self._queue:
            group = [self._waiting.popleft()]
            size = group[0].row_bytes
            while self._waiting and size < _LARGEST_GROUP_BYTES:
                group.append(self._waiting.popleft())
                size += group[-1].row_bytes
            for member in group:
                member.is_taken = True
        return group

    def _withdraw(self, member: Member) -> None:
        with self._queue:
            if not member.is_taken:
                self._waiting.remove(member)
        if member.is_appointed:
            self._appoint()

    def _appoint(self) -> None:
        """Leave the lead to the first who waits, or to whoever comes."""
        while True:
            with self._queue:
                if self._waiting:
                    self._waiting[0].is_appointed = True
                    self._waiting[0].turn.release()
                    return
            self._leading.release()
            # Who came between these lines found somebody leading, and waits.
            if not self._waiting or not self._leading.acquire(blocking=False):
                return

    def _lead(self, group: list[Member], deadline: Deadline) -> None:
        try:
            self._commit_group(group, deadline)
        finally:
            for member in group:
                if not member.is_appointed:
                    member.turn.release()

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


def _is_unknown(error: Exception) -> bool:
    return isinstance(error, InboxUnavailable) and error.code == OUTCOME_UNKNOWN
