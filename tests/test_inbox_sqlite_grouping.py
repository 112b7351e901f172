"""Who leads a group commit in SQLite, and how the lead passes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from redox_wsgi import InboxUnavailable
from redox_wsgi.inbox.entry import Receipt
from redox_wsgi.inbox.sqlite.gate import Deadline
from redox_wsgi.inbox.sqlite.grouping import Grouping, Member, _leave_parents
from tests.test_inbox_contract import arrival


def build_member(number: int = 1) -> Member:
    return Member(arrival(number), (), None)


def store_all(group: Sequence[Member], deadline: Deadline) -> list[Receipt]:
    return [Receipt.STORED] * len(group)


class SlowCommit:
    """Commits, each group when it is told to."""

    def __init__(self) -> None:
        self.started = [threading.Event() for _ in range(3)]
        self.go_on = [threading.Event() for _ in range(3)]
        self.sizes: list[int] = []

    def __call__(self, group: Sequence[Member], deadline: Deadline) -> list[Receipt]:
        """Commit."""
        place = len(self.sizes)
        self.sizes.append(len(group))
        self.started[place].set()
        assert self.go_on[place].wait(30)
        return store_all(group, deadline)


def start(grouping: Grouping, number: int, waiting: int) -> threading.Thread:
    """Put in a thread; return when so many wait, or one that does not wait leads."""
    thread = threading.Thread(
        target=grouping.put, args=(build_member(number), Deadline(30.0))
    )
    thread.start()
    while len(grouping._waiting) < waiting:
        threading.Event().wait(0.001)
    return thread


def test_a_member_shows_nothing_of_its_body() -> None:
    """What reports a crash likes to show the variables of each frame."""
    member = Member(arrival(), ("lane", b"Lovelace"), None)

    assert "Lovelace" not in repr(member)


def test_who_is_committed_does_not_wait_for_the_next_group() -> None:
    """Redox has its 200 as soon as the disk has the transmission."""
    commit = SlowCommit()
    grouping = Grouping(commit)
    first = start(grouping, 0, 0)
    assert commit.started[0].wait(30)
    second, third = start(grouping, 1, 1), start(grouping, 2, 2)
    commit.go_on[0].set()
    assert commit.started[1].wait(30)
    fourth = start(grouping, 3, 1)
    commit.go_on[1].set()
    assert commit.started[2].wait(30)
    for thread in (first, second, third):
        thread.join(30)

    assert commit.sizes == [1, 2, 1]
    assert not any(thread.is_alive() for thread in (first, second, third))
    assert fourth.is_alive()
    commit.go_on[2].set()
    fourth.join(30)
    assert not grouping._leading.locked()


class LateTurn:
    """A turn that comes in the instant in which the wait for it ends."""

    def __init__(self, grouping: Grouping) -> None:
        self.grouping = grouping

    def acquire(self, timeout: float) -> bool:
        """Wait in vain, and be appointed then."""
        self.grouping._appoint()
        return False

    def release(self) -> None:
        """Nobody waits for it."""


def test_an_heir_whose_time_is_over_leaves_the_lead_to_the_next() -> None:
    """Else nobody would lead, and all who wait would wait in vain."""
    grouping = Grouping(store_all)
    late, next_one = build_member(1), build_member(2)
    late.turn = LateTurn(grouping)  # type: ignore[assignment]
    grouping._leading.acquire()

    def put_late() -> None:
        with pytest.raises(InboxUnavailable) as refused:
            grouping.put(late, Deadline(30.0))
        assert refused.value.code == "database-locked"

    put_late()
    assert not grouping._waiting
    assert not grouping._leading.locked()
    assert grouping.put(next_one, Deadline(0.0)) is Receipt.STORED


class Handed:
    """A lock that somebody finds held just before it is released."""

    def __init__(self, grouping: Grouping, came: Member, *, is_free: bool) -> None:
        self.grouping = grouping
        self.came = came
        self.is_free = is_free

    def release(self) -> None:
        """Let it go, too late for who came."""
        self.grouping._waiting.append(self.came)

    def acquire(self, blocking: bool) -> bool:
        """Take it again, unless yet another has it."""
        assert not blocking
        return self.is_free


@pytest.mark.parametrize("is_free", [True, False], ids=["free again", "taken again"])
def test_who_comes_while_the_lead_is_given_up_is_not_forgotten(is_free: bool) -> None:
    """It found somebody leading: so it is appointed, unless another leads already."""
    grouping = Grouping(store_all)
    came = build_member()
    grouping._leading = Handed(grouping, came, is_free=is_free)  # type: ignore[assignment]
    grouping._appoint()

    assert came.leads is is_free
    assert came.turn.acquire(blocking=False) is is_free


def test_a_leader_that_is_interrupted_keeps_nobody_waiting() -> None:
    """Those it had taken do not know the outcome; the lead is free."""

    def interrupt(group: Sequence[Member], deadline: Deadline) -> list[Receipt]:
        raise KeyboardInterrupt

    grouping = Grouping(interrupt)
    first, taken_along = build_member(1), build_member(2)
    grouping._leading.acquire()
    grouping._waiting.extend([first, taken_along])
    first.leads = True
    with pytest.raises(KeyboardInterrupt):
        grouping._lead(first, Deadline(1.0))

    assert taken_along.is_taken
    assert taken_along.turn.acquire(blocking=False)
    assert taken_along.receipt is None
    assert not grouping._leading.locked()


def test_one_that_is_interrupted_alone_leaves_the_lead() -> None:
    """It never waited, and nobody waits for it."""

    def interrupt(group: Sequence[Member], deadline: Deadline) -> list[Receipt]:
        raise KeyboardInterrupt

    grouping = Grouping(interrupt)
    with pytest.raises(KeyboardInterrupt):
        grouping.put(build_member(1), Deadline(1.0))

    assert not grouping._leading.locked()


def test_who_is_interrupted_before_the_lead_is_left_leaves_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A greenlet may be killed in its sleep: else nobody would ever lead again."""
    grouping = Grouping(store_all)
    grouping._is_crowded = True

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("redox_wsgi.inbox.sqlite.grouping.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            grouping.put(build_member(1), Deadline(1.0))

    assert not grouping._waiting
    assert grouping.put(build_member(2), Deadline(1.0)) is Receipt.STORED


def test_who_finds_that_the_leader_has_just_left_leads() -> None:
    """Between its two looks the lead became free, and nobody is about to come."""
    grouping = Grouping(store_all)
    member = build_member()
    grouping._wait(member, Deadline(1.0))

    assert member.receipt is Receipt.STORED
    assert not grouping._leading.locked()


class LateQueue:
    """A lock that is got when a member was taken already."""

    def __init__(self, member: Member) -> None:
        self.member = member

    def __enter__(self) -> None:
        self.member.is_taken = True

    def __exit__(self, *_: object) -> None:
        """Let it go."""


def test_who_is_taken_while_it_gives_up_is_left_to_its_leader() -> None:
    """It waits no more, so that there is nothing to withdraw."""
    grouping = Grouping(store_all)
    waiting, taken = build_member(1), build_member(2)
    grouping._waiting.append(waiting)
    grouping._queue = LateQueue(taken)  # type: ignore[assignment]
    grouping._withdraw(taken)

    assert list(grouping._waiting) == [waiting]


def test_a_forked_process_has_no_leader_yet() -> None:
    """The thread of its parent that led is not there to leave the lead."""
    grouping = Grouping(store_all)
    grouping._leading.acquire()
    _leave_parents()

    assert grouping.put(build_member(), Deadline(0.0)) is Receipt.STORED
