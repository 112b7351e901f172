"""An entry and the effect of its handler, kept together in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redox_wsgi import ConfigurationError, Transmission
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.handling_report import HandledOutcome
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.work import Running, put, read_number, wait_until

pytestmark = pytest.mark.postgres
psycopg: Any = pytest.importorskip("psycopg")

AT_ONCE = Backoff(0.001, 0.001)


class Ward:
    """An inbox, and a table beside it that its handler writes to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.inbox = Inbox(url)
        self.outcomes: list[HandledOutcome] = []
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE effect (number integer)")

    @property
    def effects(self) -> list[int]:
        """What handlers have committed."""
        with psycopg.connect(self.url) as connection:
            return [row[0] for row in connection.execute("SELECT number FROM effect")]

    @property
    def words(self) -> list[str]:
        """What became of the attempts so far."""
        return [outcome.word for outcome in self.outcomes]

    def act(self, connection: Any, transmission: Transmission) -> None:
        """Write the effect, and complete the entry in the same transaction."""
        number = read_number(transmission)
        connection.execute("INSERT INTO effect VALUES (%s)", [number])
        assert transmission.entry is not None
        transmission.entry.complete(connection)

    def build_worker(
        self, handler: Callable[[Transmission], Any], **settings: Any
    ) -> Worker:
        """Build a worker that tries again at once."""
        settings = {"backoff": AT_ONCE, "observer": self.outcomes.append, **settings}
        return Worker(self.inbox, handler, **settings)


@pytest.fixture
def ward(postgresql_url: str) -> Iterator[Ward]:
    """Give an empty inbox in PostgreSQL, and the table."""
    ward = Ward(postgresql_url)
    yield ward
    ward.inbox.close()


@pytest.mark.parametrize("error", [None, ValueError()], ids=["returns", "raises"])
def test_an_effect_that_is_committed_with_its_entry_happens_once(
    ward: Ward, error: Exception | None
) -> None:
    """Whatever the handler does after its commit: the entry is done."""

    def handle(transmission: Transmission) -> None:
        with psycopg.connect(ward.url) as connection:
            ward.act(connection, transmission)
        if error:
            raise error

    for number in (1, 2):
        put(ward.inbox, number)
    ward.build_worker(handle).drain()

    assert ward.effects == [1, 2]
    assert ward.words == ["handled", "handled"]
    assert (ward.inbox.stats().done, ward.inbox.stats().waiting) == (2, 0)


def test_an_effect_that_is_rolled_back_leaves_its_entry_waiting(ward: Ward) -> None:
    """It is handled again, and then the effect is there once."""

    def handle(transmission: Transmission) -> None:
        with psycopg.connect(ward.url) as connection:
            ward.act(connection, transmission)
            if transmission.attempt == 1:
                raise ValueError
            if transmission.attempt == 2:
                # And says nothing of it.
                connection.rollback()

    put(ward.inbox, 1)
    worker = ward.build_worker(handle)
    wait_until(lambda: worker.drain() and not ward.inbox.stats().waiting)

    assert ward.effects == [1]
    assert ward.words == ["failed", "failed", "handled"]
    assert ward.outcomes[1].error == "completion-not-committed"


def test_a_long_transaction_holds_up_no_other_lane(ward: Ward) -> None:
    """It locks its own lane only, and the leases of the others are renewed."""
    begun, go_on = threading.Event(), threading.Event()

    def handle(transmission: Transmission) -> None:
        entry = transmission.entry
        assert entry is not None
        if transmission.data_model == "Results":
            # Longer than its lease lasts: the other's transaction is open meanwhile.
            assert begun.wait(30)
            for _ in range(3):
                due = due_at(ward, entry.lane)
                wait_until(lambda: due_at(ward, entry.lane) > due)  # noqa: B023
            assert not entry.is_lost
            go_on.set()
            return
        with psycopg.connect(ward.url) as connection:
            ward.act(connection, transmission)
            begun.set()
            assert go_on.wait(30)

    put(ward.inbox, 1)
    put(ward.inbox, 2, "Results")
    with Running(ward.build_worker(handle, lease_seconds=3)):
        wait_until(lambda: ward.inbox.stats().done == 2)

    assert sorted(ward.words) == ["handled", "handled"]
    assert ward.effects == [1]


def due_at(ward: Ward, key: str) -> Any:
    """Tell when the lease of a lane ends."""
    return next(lane.due_at for lane in ward.inbox.stats().lanes if lane.key == key)


def test_a_transaction_without_isolation_is_refused(ward: Ward) -> None:
    """Outside of one, the effect and the entry would not be kept together."""
    errors: list[Exception] = []

    def handle(transmission: Transmission) -> None:
        with psycopg.connect(ward.url, autocommit=True) as connection:
            try:
                assert transmission.entry is not None
                transmission.entry.complete(connection)
            except ConfigurationError as error:
                errors.append(error)

    put(ward.inbox, 1)
    ward.build_worker(handle).drain()

    assert len(errors) == 1
    # It was not completed by the handler, so that its return does.
    assert ward.inbox.stats().done == 1


def test_workers_share_the_lanes_of_one_inbox(ward: Ward) -> None:
    """Each entry is handled once, and each lane in order."""
    handled: list[tuple[str | None, int]] = []

    def handle(transmission: Transmission) -> None:
        handled.append((transmission.data_model, read_number(transmission)))

    expected = [(f"Model{number % 4}", number) for number in range(40)]
    for model, number in expected:
        put(ward.inbox, number, model)
    with Running(ward.build_worker(handle)), Running(ward.build_worker(handle)):
        wait_until(lambda: ward.inbox.stats().done == 40)

    # Sorted by lane only, which keeps the order within each.
    assert sorted(handled, key=lambda pair: pair[0] or "") == sorted(
        expected, key=lambda pair: pair[0]
    )
