"""The rows of an inbox in SQLite: few pages at each step, and never a put in vain."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from redox_wsgi import InboxUnavailable
from redox_wsgi.inbox.entry import Receipt, State
from redox_wsgi.inbox.sqlite import SqliteStore
from redox_wsgi.inbox.sqlite.states import read_state, write_state
from tests.support.stores import utc_now
from tests.test_inbox_contract import LATER, arrival, claim

# A page, and what the WAL says of it: https://www.sqlite.org/fileformat2.html#walformat
FRAME_BYTES = 4096 + 24


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the database is."""
    return str(tmp_path / "inbox.db")


@pytest.fixture
def store(path: str):
    """Give a store for which 1 MB is small."""
    store = SqliteStore(path, utc_now)
    yield store
    store.close()


def count_pages(path: str) -> int:
    """Return how many pages were ever written; there was no checkpoint yet."""
    return os.path.getsize(f"{path}-wal") // FRAME_BYTES


def test_a_put_writes_one_row_and_two_indexes(store, path: str) -> None:
    """With each page more the disk has more to force: here a body takes one."""
    store.put(arrival(0))
    before = count_pages(path)
    for number in range(1, 21):
        store.put(arrival(number, body=b"x" * 4096))

    # The row's two pages, an index each, and the first one of the file, which counts
    # all pages; now and then a page is full.
    assert count_pages(path) - before <= 20 * 5 + 5


def test_to_complete_an_entry_does_not_write_its_body_anew(store, path: str) -> None:
    """It may have a megabyte, and all who put would wait for it."""
    store.put(arrival(body=b"x" * 500_000))
    claimed = claim(store)
    before = count_pages(path)
    store.complete(claimed)

    assert count_pages(path) - before < 10
    assert store.read_body(claimed.entry_id) == b"x" * 500_000


def test_every_state_is_kept_as_a_number_of_its_own() -> None:
    """What is written is read again."""
    assert [read_state(write_state(state)) for state in State] == list(State)
    assert [write_state(State.WAITING), write_state(State.DONE)] == [0, 1]


def test_what_is_left_out_for_any_other_reason_is_no_repeat(store) -> None:
    """Nothing is called kept that is not there."""
    with pytest.raises(InboxUnavailable) as refused:
        store.put(arrival(head=None))

    assert refused.value.code == "database-failed"
    assert store.stats().waiting == 0
    assert store.put(arrival()) is Receipt.STORED


def test_what_is_revived_has_the_body_that_came_now(tmp_path: Path) -> None:
    """What is kept may be damaged, and why it died; its file is swept away."""
    path = str(tmp_path / "inbox.db")
    store = SqliteStore(path, utc_now, largest_row_bytes=10)
    store.put(arrival(body=b"x" * 20))
    store.bury(claim(store), "BodyDamaged")
    (file,) = (tmp_path / "inbox.db.bodies").iterdir()
    file.write_bytes(b"damaged")
    os.utime(file, (0, 0))

    assert store.put(arrival(body=b"y" * 20, head="{}")) is Receipt.REVIVED
    claimed = claim(store)
    assert store.read_body(claimed.entry_id) == b"y" * 20
    assert (claimed.head, claimed.attempt) == ("{}", 1)
    assert store.sweep() == 1
    assert not file.exists()
    store.close()


def test_what_is_revived_has_all_attempts_before_it(store) -> None:
    """Those that its lane has counted were of the entry that stood in its place."""
    store.put(arrival(1))
    store.bury(claim(store), "error")
    store.put(arrival(2))
    store.retry(claim(store), "error", 0.0)
    store.put(arrival(1))
    claimed = claim(store)

    assert (claimed.entry_id, claimed.attempt) == (1, 1)


def test_a_lane_that_is_awake_is_not_written(store, path: str) -> None:
    """Each put would write a page more, and more than one where lanes are many."""
    store.put(arrival(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER watch AFTER UPDATE ON lane"
            " BEGIN SELECT raise(ABORT, 'written'); END"
        )
        assert store.put(arrival(2)) is Receipt.STORED
        assert store.put(arrival(2)) is Receipt.REPEATED
        other.execute("DROP TRIGGER watch")
    store.complete(claim(store))
    store.complete(claim(store))
    assert store.put(arrival(3)) is Receipt.STORED

    assert claim(store).entry_id == 3


def test_a_done_entry_is_emptied_with_its_body(store, path: str) -> None:
    """Only its identity is kept, so that a repeat is recognised."""
    store.put(arrival(body=b"x" * 5000))
    store.complete(claim(store))
    assert store.prune(State.DONE, LATER) == 1

    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT state, body FROM entry").fetchall()
    assert rows == [(4, None)]
