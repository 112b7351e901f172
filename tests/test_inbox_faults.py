"""What goes wrong beneath a store: bodies, clocks, long lanes, hostile names."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi import LostLease, PermanentFailure, Transmission
from redox_wsgi.inbox import (
    BodyDamaged,
    Inbox,
    Receipt,
    Selection,
    State,
    Store,
    build_encryption_key,
)
from redox_wsgi.inbox.lane import build_label
from redox_wsgi.inbox.sqlite import SqliteStore
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.arrivals import build_arrival
from tests.support.builders import NOTIFICATION, build_payload, encode
from tests.support.clocks import Clock
from tests.support.postgresql import run_postgresql
from tests.support.stores import fresh_store
from tests.support.work import Handled, raising

HOUR_SECONDS = 3600
LEASE_SECONDS = 30
MANY = 40_000


def fail_the_second(store: Store, times: int) -> None:
    """Bury the first of two entries, and let the second fail some times."""
    store.put(build_arrival(1))
    store.put(build_arrival(2))
    first = store.claim("first", LEASE_SECONDS)
    assert first is not None
    store.bury(first, "word")
    for number in range(times):
        claim = store.claim(f"second {number}", LEASE_SECONDS)
        assert claim is not None
        store.retry(claim, "word", 0)


def test_what_is_revived_has_all_attempts_before_it(store: Store) -> None:
    """The lane counted those of a newer entry, which might have been the last ones."""
    fail_the_second(store, 5)
    assert store.put(build_arrival(1)) is Receipt.REVIVED
    claim = store.claim("revived", LEASE_SECONDS)

    assert claim is not None
    assert (claim.entry_id, claim.attempt) == (1, 1)


def test_what_is_revived_is_what_came_now(store: Store) -> None:
    """The kept body may be damaged: sent anew it would be dropped, though with 200."""
    store.put(build_arrival(1))
    first = store.claim("first", LEASE_SECONDS)
    assert first is not None
    store.bury(first, "body-changed: word")
    anew = build_arrival(1, body=b"sent anew", head='{"destination":"/anew"}')
    assert store.put(anew) is Receipt.REVIVED
    claim = store.claim("revived", LEASE_SECONDS)
    [record] = store.find_entries(Selection())

    assert claim is not None
    assert store.read_body(claim.entry_id) == b"sent anew"
    assert claim.head == '{"destination":"/anew"}'
    assert (record.body_bytes, record.repeats) == (9, 1)


def test_a_repeat_of_what_is_not_dead_changes_no_body(store: Store) -> None:
    """A second delivery may be under way while the first one is handled."""
    store.put(build_arrival(1, body=b"first"))
    claim = store.claim("token", LEASE_SECONDS)
    assert claim is not None
    store.put(build_arrival(1, body=b"again"))
    assert store.read_body(1) == b"first"
    store.complete(claim)
    store.put(build_arrival(1, body=b"again"))

    assert store.read_body(1) == b"first"
    assert store.stats().repeats == 2


def test_a_repeat_of_another_entry_leaves_the_attempts(store: Store) -> None:
    """Redox sends what it has no answer for again and again: no reason to try more."""
    fail_the_second(store, 3)
    store.put(build_arrival(2))
    store.put(build_arrival(3))
    claim = store.claim("token", LEASE_SECONDS)

    assert claim is not None
    assert (claim.entry_id, claim.attempt) == (2, 4)


def test_a_replayed_entry_has_all_attempts_before_it(store: Store) -> None:
    """It comes before the newer one that fails, whose attempts begin anew behind it."""
    fail_the_second(store, 3)
    assert store.replay(1)
    claim = store.claim("replayed", LEASE_SECONDS)
    assert claim is not None
    assert (claim.entry_id, claim.attempt) == (1, 1)
    store.complete(claim)
    claim = store.claim("second", LEASE_SECONDS)

    assert claim is not None
    assert (claim.entry_id, claim.attempt) == (2, 1)


@pytest.mark.parametrize("jump", [HOUR_SECONDS, -HOUR_SECONDS], ids=["on", "back"])
def test_a_clock_that_jumps_costs_one_more_delivery_at_most(
    tmp_path: Path, jump: int
) -> None:
    """SQLite's leases go by the machine's clock, which somebody sets by an hour."""
    clock = Clock()
    store = SqliteStore(str(tmp_path / "inbox.db"), clock.now)
    for number in (1, 2):
        store.put(build_arrival(number))
    held = store.claim("held", LEASE_SECONDS)
    assert held is not None
    clock.advance(jump)
    store.repair_clock(LEASE_SECONDS)
    again = store.claim("again", LEASE_SECONDS)

    assert again is not None
    assert (again.entry_id, again.fence) == (1, held.fence + 1)
    with pytest.raises(LostLease):
        store.complete(held)
    store.complete(again)
    clock.advance(-jump)
    store.repair_clock(LEASE_SECONDS)
    last = store.claim("last", LEASE_SECONDS)
    assert last is not None
    assert last.entry_id == 2
    store.complete(last)
    assert (store.stats().done, store.stats().waiting) == (2, 0)
    store.close()


def multiply(url: str, count: int) -> None:
    """Copy the last entry so often: a night's worth behind it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            names = [row[1] for row in connection.execute("PRAGMA table_info(entry)")]
            changed = {
                "id": "id + number",
                "identity": "CAST(identity || number AS BLOB)",
            }
            values = [changed.get(name, name) for name in names]
            connection.execute(
                f"INSERT INTO entry ({', '.join(names)}) "  # noqa: S608 - its own
                "WITH RECURSIVE numbers(number) AS "
                "(SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "
                f"SELECT {', '.join(values)} FROM entry, numbers "
                "WHERE id = (SELECT max(id) FROM entry)",
                [count],
            )
            connection.commit()
        return
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO redox_entry (lane_id, identity, state, received_at, "
            "data_model, head, body, body_bytes) SELECT lane_id, identity || number, "
            "state, received_at, data_model, head, body, body_bytes "
            "FROM redox_entry, generate_series(1, %s) AS number "
            "WHERE id = (SELECT max(id) FROM redox_entry)",
            [count],
        )


def test_a_halted_lane_with_a_long_tail_is_mended(lasting_inbox_url: str) -> None:
    """40,000 came in the night: others go on, and each step finds the right head."""
    with fresh_store(lasting_inbox_url) as store:
        store.put(build_arrival(1, "halted"))
        store.put(build_arrival(2, "halted"))
        poison = store.claim("poison", LEASE_SECONDS)
        assert poison is not None
        store.halt(poison, "word")
        multiply(lasting_inbox_url, MANY)
        store.put(build_arrival(3, "other"))
        other = store.claim("other", LEASE_SECONDS)
        assert other is not None
        store.complete(other)
        assert other.lane == "other"
        assert store.claim("none", LEASE_SECONDS) is None
        [lane] = store.stats().lanes
        assert (lane.waiting, lane.is_halted) == (MANY + 2, True)
        assert store.skip_head("halted") == poison.entry_id
        handled = []
        for number in range(3):
            claim = store.claim(f"{number}", LEASE_SECONDS)
            assert claim is not None
            handled.append(claim.entry_id)
            store.complete(claim)
        assert store.halt_lane("halted")
        assert store.claim("none", LEASE_SECONDS) is None
        waiting = Selection(lane="halted", states=frozenset({State.WAITING}))

        assert handled == sorted(handled)
        assert handled[0] > poison.entry_id
        assert store.find_entries(waiting, limit=1)[0].id > handled[-1]
        assert store.stats().waiting == MANY - 2


HOSTILE = [
    "a|b|order",
    "~c6a12698582fc1104ea24107a2d72681",
    "\0",
    "x" * 1_000_000,
    "*",
    "%_\\",
    "'; DROP TABLE entry; --",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\x1b[2J",
    "\ud800",
]


@pytest.mark.parametrize(
    "source", HOSTILE, ids=lambda source: ascii(source)[:24].strip("'")
)
def test_a_hostile_source_has_a_lane_of_its_own(
    lasting_inbox_url: str, source: str
) -> None:
    """Whatever it calls itself: short, printable, and nobody else's."""
    payload = build_payload("Order", "New")
    payload["Meta"]["Source"]["ID"] = source
    inbox = Inbox(lasting_inbox_url)
    body = ascii_json(payload)
    inbox(Transmission(body, received_at=datetime.now(UTC)))
    inbox(Transmission(encode(build_payload("Order", "New")), received_at=utc()))
    lanes = {lane.key: lane.waiting for lane in inbox.stats().lanes}
    [lane] = [key for key in lanes if "~" in key]

    assert sorted(lanes.values()) == [1, 1]
    assert lane.isprintable()
    assert lane.isascii()
    assert lane.count("|") == 2
    assert len(lane) < 400
    assert inbox.store.halt_lane(lane)
    assert [found.lane for found in inbox.store.find_entries(Selection(lane=lane))] == [
        lane
    ]
    inbox.close()


def test_no_two_sources_share_the_lane_of_a_hash() -> None:
    """A source that is named like the hash of another is hashed itself."""
    keys = set()
    names = ["Zoë"]
    for _ in range(3):
        payload = build_payload("Order", "New")
        payload["Meta"]["Source"]["ID"] = names[-1]
        received = Transmission(ascii_json(payload), received_at=utc())
        key = build_label(received.destination, received.meta).lane
        keys.add(key)
        names.append(key.split("|")[1])

    assert len(keys) == 3


def ascii_json(payload: Any) -> bytes:
    """Encode a payload with whatever is no ASCII as an escape."""
    return json.dumps(payload).encode()


def utc() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


@pytest.mark.postgres
def test_no_file_of_postgresql_shows_what_is_sealed() -> None:
    """Neither the table nor the WAL, however long the body is; its name is seen."""
    with run_postgresql() as server:
        sealed = Inbox(server.url, encryption_keys=[build_encryption_key()])
        for number in range(3):
            payload = build_payload("Order", "New", Number=number)
            payload["Patient"] = "Kanarienvogel" * (1 + number * 10_000)
            sealed(Transmission(encode(payload), received_at=utc()))
        worker = Worker(sealed, lambda _: None)
        assert worker.drain() == 3
        sealed.close()
        server.stop()
        found = b"".join(
            file.read_bytes()
            for file in (server.folder / "data").rglob("*")
            if file.is_file()
        )

    assert b"Kanarienvogel" not in found
    assert b"redox_lane" in found
    assert b"|order" in found


def test_no_file_of_sqlite_shows_what_is_sealed(tmp_path: Path) -> None:
    """Neither the database nor its WAL nor the files of large bodies."""
    sealed = Inbox(
        f"sqlite:///{tmp_path / 'inbox.db'}", encryption_keys=[build_encryption_key()]
    )
    for number in range(3):
        payload = build_payload("Order", "New", Number=number)
        payload["Patient"] = "Kanarienvogel" * (1 + number * 100_000)
        sealed(Transmission(encode(payload), received_at=utc()))
    files = {file.name: file for file in tmp_path.rglob("*") if file.is_file()}
    found = b"".join(file.read_bytes() for file in files.values())
    sealed.close()

    assert "inbox.db-wal" in files
    assert any(file.parent.name == "inbox.db.bodies" for file in files.values())
    assert b"Kanarienvogel" not in found
    assert b"|order" in found


def test_a_lost_file_is_mended_by_sending_anew(tmp_path: Path) -> None:
    """The lane halts; skipped and sent anew, it is handled with what came now."""
    inbox = Inbox(f"sqlite:///{tmp_path / 'inbox.db'}")
    handled = Handled()
    body = encode(build_payload("Order", "New", Number=1, More="x" * 2_000_000))
    inbox(Transmission(body, received_at=utc()))
    [file] = (tmp_path / "inbox.db.bodies").iterdir()
    file.unlink()
    worker = Worker(inbox, handled)
    worker.drain()
    [lane] = inbox.stats().lanes
    assert (lane.is_halted, (lane.last_error or "")[:13]) == (True, "body-missing:")
    assert handled == []
    inbox.store.skip_head(lane.key)
    inbox(Transmission(body, received_at=utc()))
    worker.drain()

    assert handled == [1]
    assert inbox.stats().done == 1
    assert len([*(tmp_path / "inbox.db.bodies").iterdir()]) == 1
    inbox.close()


def test_the_old_file_of_what_is_revived_is_swept(tmp_path: Path) -> None:
    """As whatever no row names; the one that came now stays."""
    inbox = Inbox(f"sqlite:///{tmp_path / 'inbox.db'}")
    body = encode(build_payload("Order", "New", Number=1, More="x" * 2_000_000))
    inbox(Transmission(body, received_at=utc()))
    failing = raising(PermanentFailure("no-such-bed"))
    Worker(inbox, failing, dead_letter=["*"]).drain()
    inbox(Transmission(body, received_at=utc()))
    handled = Handled()
    Worker(inbox, handled).drain()

    files = [*(tmp_path / "inbox.db.bodies").iterdir()]
    for file in files:
        os.utime(file, (0, 0))

    assert handled == [1]
    assert (len(files), inbox.store.sweep()) == (2, 1)
    [record] = inbox.store.find_entries(Selection())
    assert inbox.read(record).body == body
    inbox.close()


def flip_a_bit(url: str, folder: Path) -> None:
    """Change one bit of the only large body, where it lies."""
    if url.startswith("sqlite"):
        [file] = (folder / "inbox.db.bodies").iterdir()
        content = bytearray(file.read_bytes())
        content[1_000_000] ^= 1
        file.write_bytes(content)
        return
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE redox_entry SET body = "
            "set_byte(body, 1000000, get_byte(body, 1000000) # 1)"
        )


def test_a_flipped_bit_of_an_unsealed_body_halts_the_lane_too(
    lasting_inbox_url: str, tmp_path: Path
) -> None:
    """The identity is a hash of the content: what has another one was not put."""
    inbox = Inbox(lasting_inbox_url)
    body = encode(build_payload("Order", "New", Number=1, More="x" * 2_000_000))
    inbox(Transmission(body, received_at=utc()))
    flip_a_bit(lasting_inbox_url, tmp_path)
    handled = Handled()
    Worker(inbox, handled).drain()
    [lane] = inbox.stats().lanes
    assert (handled, lane.is_halted) == ([], True)
    assert lane.last_error is not None
    assert lane.last_error.startswith("body-changed: redox_wsgi.inbox.store.BodyD")
    flip_a_bit(lasting_inbox_url, tmp_path)
    inbox.store.resume_lane(lane.key)
    Worker(inbox, handled).drain()
    inbox.close()

    assert handled == [1]


def test_a_small_body_that_changed_in_its_row_is_damaged(tmp_path: Path) -> None:
    """It is checked as a large one is, whatever the file system promises."""
    inbox = Inbox(f"sqlite:///{tmp_path / 'inbox.db'}")
    inbox(Transmission(NOTIFICATION, received_at=utc()))
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as other, other:
        other.execute("UPDATE entry SET body = x'00'")

    with pytest.raises(BodyDamaged, match="body-changed"):
        inbox.read_entry(1)
    inbox.close()


def test_a_flipped_bit_halts_the_lane_and_a_key_can_be_replaced(
    lasting_inbox_url: str, tmp_path: Path
) -> None:
    """Nothing is handled that was not put; mended, the old key still opens it."""
    old, new = build_encryption_key(), build_encryption_key()
    inbox = Inbox(lasting_inbox_url, encryption_keys=[old])
    body = encode(build_payload("Order", "New", Number=1, More="x" * 2_000_000))
    inbox(Transmission(body, received_at=utc()))
    flip_a_bit(lasting_inbox_url, tmp_path)
    handled = Handled()
    Worker(inbox, handled).drain()
    [lane] = inbox.stats().lanes
    assert (handled, lane.is_halted, lane.attempts) == ([], True, 1)
    assert lane.last_error is not None
    assert lane.last_error.startswith("body-changed: redox_wsgi.inbox.store.BodyD")
    flip_a_bit(lasting_inbox_url, tmp_path)
    inbox.close()
    inbox = Inbox(lasting_inbox_url, encryption_keys=[new])
    inbox.store.resume_lane(lane.key)
    Worker(inbox, handled).drain()
    assert handled == []
    inbox.close()
    inbox = Inbox(lasting_inbox_url, encryption_keys=[new, old])
    inbox.store.resume_lane(lane.key)
    Worker(inbox, handled).drain()
    inbox.close()

    assert handled == [1]
