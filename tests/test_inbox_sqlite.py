"""What only the store in SQLite has: a schema, fixed words for errors, group commit."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
import threading
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi import ConfigurationError, InboxUnavailable
from redox_wsgi.inbox.entry import Receipt, Selection, State
from redox_wsgi.inbox.sqlite import SqliteStore, database, opening
from redox_wsgi.inbox.sqlite.failures import translate
from redox_wsgi.inbox.sqlite.gate import Deadline, Gate
from redox_wsgi.inbox.sqlite.grouping import Grouping, Member
from redox_wsgi.inbox.sqlite.transaction import execute_alone, transact
from redox_wsgi.inbox.statements import _split, load_migrations, load_statements
from tests.support.stores import utc_now
from tests.test_inbox_contract import LATER, arrival

PACKAGE = "redox_wsgi.inbox.sqlite"
FORCE = f"{PACKAGE}.access.force"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the database is."""
    return str(tmp_path / "inbox.db")


@pytest.fixture
def store(path: str):
    """Give a store in a new file."""
    store = SqliteStore(path, utc_now, timeout_seconds=2.0)
    yield store
    store.close()


def change(path: str, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement)


def test_nothing_is_opened_before_the_first_use(path: str) -> None:
    """A server forks after it has built its application."""
    SqliteStore(path, utc_now)

    assert not os.path.exists(path)


def test_a_link_to_the_file_is_followed(store, path: str, tmp_path: Path) -> None:
    """One file has one WAL and one gate, by whatever name it is opened."""
    link = tmp_path / "link.db"
    link.symlink_to(path)
    other = SqliteStore(str(link), utc_now)
    other.put(arrival(1))
    store.put(arrival(2))

    assert store.stats().waiting == 2
    assert [file.name for file in tmp_path.glob("link*")] == ["link.db"]
    other.close()


def test_nobody_else_may_read_the_files(store, tmp_path: Path) -> None:
    """They hold patients' data."""
    store.put(arrival())

    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()
    }
    assert modes == dict.fromkeys(
        ["inbox.db", "inbox.db-wal", "inbox.db-shm", "inbox.db.gate"], 0o600
    )


def test_the_migrations_are_numbered_without_a_gap() -> None:
    """Each leads from the schema before it."""
    numbers = [number for number, _ in load_migrations(PACKAGE)]

    assert numbers == list(range(1, opening.SCHEMA_VERSION + 1))


def test_a_newer_schema_is_refused(path: str) -> None:
    """An older program would not know what it writes into."""
    SqliteStore(path, utc_now).stats()
    change(path, "PRAGMA user_version = 99")

    with pytest.raises(ConfigurationError, match="schema 99"):
        SqliteStore(path, utc_now).put(arrival())


def test_a_migration_that_fails_leaves_nothing(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start finds what the last one found."""
    migrations = [*opening._MIGRATIONS, (2, "CREATE TABLE lane (id INTEGER);")]
    store = SqliteStore(path, utc_now)
    with monkeypatch.context() as patch:
        patch.setattr(opening, "_MIGRATIONS", migrations)
        with pytest.raises(InboxUnavailable) as refused:
            store.put(arrival())

    assert refused.value.code == "database-failed"
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT * FROM sqlite_master").fetchall() == []
    assert store.put(arrival()) is Receipt.STORED
    store.close()


def test_a_schema_that_another_process_made_meanwhile_is_taken_as_it_is(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is read again in the transaction."""
    SqliteStore(path, utc_now).stats()
    answers = [0]
    read = opening.read_pragma

    def read_late(connection: sqlite3.Connection, pragma: str) -> Any:
        if pragma == "user_version" and connection.in_transaction is False and answers:
            return answers.pop()
        return read(connection, pragma)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        monkeypatch.setattr(opening, "read_pragma", read_late)
        opening._migrate(connection)

    store = SqliteStore(path, utc_now)
    assert store.put(arrival()) is Receipt.STORED
    store.close()


def test_a_database_of_something_else_is_refused_and_left_alone(path: str) -> None:
    """Whoever names the wrong file must not find tables of ours in it."""
    change(path, "CREATE TABLE lane (id INTEGER)")
    store = SqliteStore(path, utc_now)

    with pytest.raises(ConfigurationError, match="something else"):
        store.put(arrival())
    with closing(sqlite3.connect(path)) as other:
        tables = other.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("lane",)]


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: str) -> None:
    """The same."""
    Path(path).write_bytes(b"not a database" * 100)

    with pytest.raises(ConfigurationError, match="not a database"):
        SqliteStore(path, utc_now).put(arrival())
    assert Path(path).read_bytes() == b"not a database" * 100


def test_a_network_file_system_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of a WAL is shared memory, of one machine."""
    monkeypatch.setattr(opening, "find_file_system", lambda _: "nfs4")

    with pytest.raises(ConfigurationError, match="nfs4"):
        SqliteStore(path, utc_now).put(arrival())


def test_a_sqlite_that_is_too_old_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a statement fails."""
    monkeypatch.setattr(opening, "is_new_enough", lambda: False)

    with pytest.raises(ConfigurationError, match=r"3\.35"):
        SqliteStore(path, utc_now).put(arrival())


@pytest.mark.parametrize("pragma", ["journal_mode = wal", "synchronous"])
def test_a_setting_that_does_not_hold_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch, pragma: str
) -> None:
    """200 would not mean what it says."""
    read = opening.read_pragma
    monkeypatch.setattr(
        opening,
        "read_pragma",
        lambda connection, name: 0 if name == pragma else read(connection, name),
    )

    with pytest.raises(ConfigurationError):
        SqliteStore(path, utc_now).put(arrival())


def test_puts_are_forced_and_workers_are_not(
    store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that is lost brings an entry once more; a put that is lost is lost."""
    forced: list[str] = []
    store.put(arrival(1))
    store.put(arrival(2))
    store.complete(store.claim("token", 60.0))

    def note(descriptor: int) -> None:
        forced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(FORCE, note)
    store.put(arrival(2))
    assert [Path(name).name for name in forced] == ["inbox.db-wal"]
    store.put(arrival(3))
    assert len(forced) == 2
    claimed = store.claim("token", 60.0)
    store.renew(claimed, 60.0)
    store.complete(claimed)
    assert len(forced) == 2
    store.replay(claimed.entry_id)
    assert len(forced) == 3


def test_what_is_handed_out_is_on_the_disk_before(
    store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could give its number to another, for a receiver to refuse."""
    claims: list[int] = []

    def claim_before_it_is_forced(descriptor: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(FORCE, lambda _: claims.append(0))
            claims.append(store.claim("token", 60.0).entry_id)

    store.stats()
    monkeypatch.setattr(FORCE, claim_before_it_is_forced)
    for number in range(1, 4):
        store.put(arrival(number, lane=f"{number}"))

    # 0: forced.
    assert claims == [0, 1, 0, 2, 0, 3]


def test_a_claim_that_cannot_be_handed_out_is_given_back(
    store, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows of it: its lane would wait for a lease, and lose an attempt."""
    other = SqliteStore(path, utc_now)
    other.put(arrival(1))
    other.close()
    with monkeypatch.context() as patch:
        patch.setattr(FORCE, fail_to_force)
        with pytest.raises(InboxUnavailable) as refused:
            store.claim("token", 60.0)
    claimed = store.claim("other", 60.0)

    assert refused.value.code == "outcome-unknown"
    assert (claimed.entry_id, claimed.attempt) == (1, 1)


def test_from_python_3_12_a_close_does_not_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever closes it then may be without the gate."""
    settings = []

    class Connection:
        """One that takes settings."""

        def setconfig(self, option: int, value: bool) -> None:
            """Note what is set."""
            settings.append((option, value))

    name = "SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE"
    monkeypatch.setattr(sqlite3, name, 1006, raising=False)
    opening._forbid_checkpoint_at_close(Connection())
    monkeypatch.delattr(sqlite3, name)
    opening._forbid_checkpoint_at_close(Connection())

    assert settings == [(1006, True)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, ""), "disk-full"),
        (OSError(errno.EROFS, ""), "database-read-only"),
        (OSError(errno.EACCES, ""), "no-permission"),
        (OSError(errno.ENOENT, ""), "database-missing"),
        (OSError(errno.EMFILE, ""), "database-failed"),
        (OSError("without a number"), "database-failed"),
        (sqlite3.ProgrammingError("of Python's own"), "database-failed"),
    ],
)
def test_an_error_becomes_a_fixed_word(error: Any, code: str) -> None:
    """Its text might quote what a patient's record says."""
    assert translate(error).code == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (5, "database-locked"),
        (8, "database-read-only"),
        (10 | 4 << 8, "disk-error"),
        (11, "database-damaged"),
        (13, "disk-full"),
        (14, "database-missing"),
        (26, "database-damaged"),
        (1, "database-failed"),
    ],
)
def test_a_result_code_becomes_a_fixed_word(number: int, code: str) -> None:
    """Extended codes say the same as their primary one."""
    error = sqlite3.OperationalError()
    error.sqlite_errorcode = number

    assert translate(error).code == code


def test_a_lost_folder_is_a_503_until_it_is_back(store, tmp_path: Path, path) -> None:
    """SQLite would go on writing into the removed file, and we would answer 200."""
    store.put(arrival(1))
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    with pytest.raises(InboxUnavailable) as refused:
        store.put(arrival(2))
    with pytest.raises(InboxUnavailable):
        store.stats()
    moved.rename(tmp_path)

    assert refused.value.code == "database-missing"
    assert store.put(arrival(2)) is Receipt.STORED
    assert store.stats().waiting == 2


def test_a_database_that_was_removed_is_made_anew(store, path: str) -> None:
    """What is answered with 200 from now on must be found in it."""
    store.put(arrival(1))
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(FileNotFoundError):
            os.unlink(name)

    assert store.put(arrival(2)) is Receipt.STORED
    assert [record.identity for record in store.find_entries(Selection())] == [
        f"{2:064x}"
    ]


def test_a_damaged_file_is_a_503(store, path: str) -> None:
    """Redox keeps the transmission until an operator has mended it."""
    for number in range(50):
        store.put(arrival(number))
    store.close()
    change(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    whole = Path(path).read_bytes()
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (len(whole) - 4096))

    with pytest.raises(InboxUnavailable) as refused:
        store.put(arrival(99))
    with pytest.raises(InboxUnavailable):
        store.stats()
    store.close()
    Path(path).write_bytes(whole)
    for name in (f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)
    assert refused.value.code == "database-damaged"
    assert store.put(arrival(99)) is Receipt.STORED


class Failing:
    """A connection on which one statement fails."""

    def __init__(self, statement: str, number: int) -> None:
        self.statement = statement
        self.number = number
        self.in_transaction = False

    def execute(self, statement: str, values: object = ()) -> None:
        """Fail if it is that one."""
        if statement == self.statement:
            error = sqlite3.OperationalError()
            error.sqlite_errorcode = self.number
            raise error


# Of SQLite: full, a constraint, corrupt; an error of reading or writing, no memory.
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (13, None),
        (19, None),
        (11, None),
        (10, "outcome-unknown"),
        (7, "outcome-unknown"),
    ],
)
def test_an_error_in_commit_is_an_unknown_outcome_unless_nothing_was_written(
    number: int, code: str | None
) -> None:
    """What was written may come to life, or is there already."""
    connection: Any = Failing("COMMIT", number)
    with pytest.raises((InboxUnavailable, sqlite3.Error)) as committed:
        transact(lambda _: None, connection, Deadline(0.0))
    connection = Failing("INSERT", number)
    with pytest.raises((InboxUnavailable, sqlite3.Error)) as inserted:
        execute_alone("INSERT", (), connection, Deadline(0.0))

    assert getattr(committed.value, "code", None) == code
    assert getattr(inserted.value, "code", None) == code


def fail_to_force(descriptor: int) -> None:
    raise OSError(errno.EIO, "the disk")


def put_in_vain(store: SqliteStore, number: int, **change: Any) -> str:
    """Put what is refused; return the code."""
    with pytest.raises(InboxUnavailable) as refused:
        store.put(arrival(number, **change))
    return refused.value.code


def test_a_database_whose_wal_cannot_be_opened_is_closed_again(
    store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no descriptor left, each try would take two more."""

    def fail(path: str) -> int:
        raise OSError(errno.EMFILE, "")

    with monkeypatch.context() as patch:
        patch.setattr(f"{PACKAGE}.access.open_wal", fail)
        assert put_in_vain(store, 1) == "database-failed"
        first = set(os.listdir("/proc/self/fd"))
        assert put_in_vain(store, 1) == "database-failed"

    assert set(os.listdir("/proc/self/fd")) == first
    assert store.put(arrival(1)) is Receipt.STORED


def test_what_cannot_be_forced_to_the_disk_is_an_unknown_outcome(
    store, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redox sends it again; it is brought into the database first, by a checkpoint."""
    store.put(arrival(1))
    with monkeypatch.context() as patch:
        patch.setattr(FORCE, fail_to_force)
        assert put_in_vain(store, 2) == "outcome-unknown"
    other = SqliteStore(path, utc_now)
    statements: list[str] = []
    other.stats()
    (access,) = other._database._pool._accesses
    assert access._connection is not None
    access._connection.set_trace_callback(statements.append)

    assert other.put(arrival(2)) is Receipt.REPEATED
    assert statements[0] == "PRAGMA wal_checkpoint"
    statements.clear()
    assert other.put(arrival(3)) is Receipt.STORED
    assert statements[0].startswith("INSERT")
    other.close()


def test_nothing_is_confirmed_behind_what_is_not_on_the_disk(
    store, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WAL is read up to its first hole; an old reader holds up the checkpoint."""
    store.put(arrival(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchall()
        with monkeypatch.context() as patch:
            patch.setattr(FORCE, fail_to_force)
            put_in_vain(store, 2)
        assert put_in_vain(store, 3) == "database-locked"
        reader.execute("ROLLBACK")

        assert store.put(arrival(3)) is Receipt.STORED


def test_an_unknown_outcome_stays_one_while_others_hold_the_gate(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called a failure, the row that may be there would lose its file."""
    store = SqliteStore(path, utc_now, timeout_seconds=0.05, largest_row_bytes=10)
    store.put(arrival(1, body=b"1"))
    gate = Gate(f"{path}.gate")

    def fail_behind_others(descriptor: int) -> None:
        gate.enter(Deadline(1.0))
        fail_to_force(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(FORCE, fail_behind_others)
        assert put_in_vain(store, 2, body=b"x" * 20) == "outcome-unknown"
    gate.close()
    for record in store.find_entries(Selection()):
        store.read_body(record.id)

    assert store.stats().waiting == 2
    store.close()


def test_a_statement_without_a_name_or_with_one_twice_is_refused(tmp_path) -> None:
    """It would be lost silently."""
    with pytest.raises(ValueError, match="before the first name"):
        list(_split("SELECT 1;\n-- name: one\nSELECT 2;"))
    assert list(_split("-- comment\n-- name: one\n-- 50 %\nSELECT 2;\n")) == [
        ("one", "SELECT 2")
    ]


def test_two_statements_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them would be lost."""
    (tmp_path / "twice.sql").write_text("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;")
    monkeypatch.setattr("redox_wsgi.inbox.statements.files", lambda _: tmp_path)

    with pytest.raises(ValueError, match="named a"):
        load_statements("anything", "twice.sql")


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("look", "lane_ready"),
        ("claim_lane", "lane_ready"),
        ("claim_head", "entry_head"),
        ("finish_lane", "entry_head"),
        ("find_old", "entry_finished"),
        ("find_file", "entry_file"),
        ("count_finished", "COVERING INDEX entry_finished"),
        ("count_repeats", "COVERING INDEX entry_repeated"),
    ],
)
def test_a_statement_uses_its_index(store, path: str, name: str, index: str) -> None:
    """So its time does not grow with the backlog."""
    store.stats()
    with closing(sqlite3.connect(path)) as other:
        statement = load_statements(PACKAGE)[name]
        names = re.findall(r":([a-z_]+)", statement)
        values = dict.fromkeys(names, 2)
        rows = other.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    plan = " / ".join(row[3] for row in rows)

    assert index in plan
    assert "SCAN lane" not in plan.replace("SCAN lane USING", "")
    assert "TEMP B-TREE" not in plan


def test_dead_entries_are_found_by_their_index(store, path: str) -> None:
    """They are few among many."""
    store.stats()
    with closing(sqlite3.connect(path)) as other:
        sql = load_statements(PACKAGE)
        statement = f"{sql['find_entries']} AND entry.state = 3 {sql['order_entries']}"
        rows = other.execute(
            f"EXPLAIN QUERY PLAN {statement}", {"after": 0, "limit": 5}
        ).fetchall()
    plan = " / ".join(row[3] for row in rows)

    assert "entry_dead" in plan
    assert "TEMP B-TREE" not in plan


def test_a_number_never_comes_again(store) -> None:
    """Order by number is order of arrival, also after the last one was pruned."""
    for number in range(3):
        store.put(arrival(number))
    for _ in range(3):
        claimed = store.claim("token", 60.0)
        store.bury(claimed, "error")
    assert store.prune(State.DEAD, LATER) == 3
    assert store.find_entries(Selection()) == []
    store.put(arrival(9))

    assert [record.id for record in store.find_entries(Selection())] == [4]


def test_a_lane_that_seemed_to_have_work_is_passed_over(store, path: str) -> None:
    """A repeat may leave such a lane behind; the next one is claimed at once."""
    store.put(arrival(1, lane="a"))
    store.complete(store.claim("token", 60.0))
    store.put(arrival(2, lane="b"))
    change(path, "UPDATE lane SET has_work = 1, due_at = 0 WHERE key = 'a'")
    claimed = store.claim("token", 60.0)
    assert claimed.lane == "b"
    change(path, "UPDATE lane SET has_work = 1, due_at = 0 WHERE key = 'a'")

    assert store.claim("token", 60.0) is None
    with closing(sqlite3.connect(path)) as other:
        assert other.execute(
            "SELECT has_work FROM lane WHERE key = 'a'"
        ).fetchall() == [(0,)]


def test_a_clock_that_was_set_back_is_repaired(path: str) -> None:
    """Else the lane would wait until the old time comes again."""
    offset = timedelta(hours=5)
    store = SqliteStore(path, lambda: utc_now() + offset)
    store.put(arrival(1))
    first = store.claim("first", 60.0)
    offset = timedelta(0)

    assert store.claim("second", 60.0) is None
    assert store.repair_clock(3600.0) == 1
    second = store.claim("second", 60.0)
    assert first is not None
    assert second is not None
    assert (first.entry_id, second.fence) == (second.entry_id, first.fence + 1)
    store.close()


def test_wait_returns_when_a_lane_is_due_or_the_time_is_over(store, path) -> None:
    """Whichever process has put it."""
    store.wait(0.0)
    store.wait(0.005)
    other = SqliteStore(path, utc_now)
    timer = threading.Timer(0.02, other.put, [arrival()])
    timer.start()
    store.wait(3600.0)
    timer.join()
    other.close()

    assert store.claim("token", 60.0) is not None


def test_the_examination_names_what_the_store_stands_on(
    store, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With advice only where something is not as it should be."""
    store.put(arrival())
    os.chmod(path, 0o644)
    monkeypatch.setattr("redox_wsgi.inbox.sqlite.examining._LEAST_FREE_BYTES", 1 << 60)
    findings = {name: (found, advice) for name, found, advice in store.diagnose()}

    assert findings["journal mode"] == ("wal", None)
    assert findings["schema"] == (str(opening.SCHEMA_VERSION), None)
    assert findings["gate"] == (f"{path}.gate", None)
    assert findings["file mode"][0] == "0644"
    assert "chmod 600" in findings["file mode"][1]
    assert "room" in findings["room"][1]


@pytest.mark.parametrize("is_repaired", [True, False])
def test_the_examination_tells_of_the_wal_reset_bug(
    store, monkeypatch: pytest.MonkeyPatch, is_repaired: bool
) -> None:
    """The gate is enough for what writes through this package."""
    name = "redox_wsgi.inbox.sqlite.examining.is_wal_reset_repaired"
    monkeypatch.setattr(name, lambda _: is_repaired)
    found = {name: found for name, found, _ in store.diagnose()}["SQLite"]

    assert ("behind the gate" in found) is not is_repaired


def test_more_connections_than_are_kept_are_closed(
    store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst of readers leaves few behind; what is lent at a close is closed late."""
    monkeypatch.setattr("redox_wsgi.inbox.sqlite.pool._MOST_IDLE", 1)
    store.put(arrival())
    pool = store._database._pool
    lent = [pool.take() for _ in range(3)]
    for access in lent[:2]:
        access.read(lambda connection: connection.execute("SELECT 1"), Deadline(1.0))
        pool.give(access)
    assert len(pool._idle) == 1
    store.close()
    pool.give(lent[2])

    assert pool._accesses == set()
    assert store.stats().waiting == 1


def test_what_cannot_be_closed_behind_the_gate_stays_open(path: str) -> None:
    """Without the gate its checkpoint might meet another's commit."""
    store = SqliteStore(path, utc_now, timeout_seconds=0.02)
    store.put(arrival())
    access = next(iter(store._database._pool._accesses))
    gate = Gate(f"{path}.gate")
    gate.enter(Deadline(1.0))
    store.close()
    gate.leave()
    gate.close()

    assert access._connection is not None
    access.close(Deadline(1.0))
    assert access._connection is None


def test_stores_elsewhere_are_left_alone_by_the_fork_of_none(store) -> None:
    """The hook after a fork changes nothing in the process that has opened."""
    store.put(arrival())
    pool = store._database._pool
    database._leave_parents()

    assert store._database._pool is pool


class Committed:
    """A commit of members that notes its groups, and waits for a sign."""

    def __init__(self, *errors: Exception | None) -> None:
        self.groups: list[list[str]] = []
        self.errors = list(errors)
        self.started = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, group, deadline):
        """Commit."""
        self.groups.append([member.arrival.identity[-2:] for member in group])
        self.started.set()
        assert self.go_on.wait(30)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return [Receipt.STORED] * len(group)


def put_together(commit: Committed, count: int) -> list[Any]:
    """Put so many while a first one is being committed; return what each got."""
    grouping = Grouping(commit)
    outcomes: list[Any] = [None] * count

    def put(number: int) -> None:
        member = Member(arrival(number), (), None)
        try:
            outcomes[number] = grouping.put(member, Deadline(30.0))
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=put, args=(number,)) for number in range(count)]
    threads[0].start()
    assert commit.started.wait(30)
    for number, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(grouping._waiting) < number and thread.is_alive():
            threading.Event().wait(0.001)
    commit.go_on.set()
    for thread in threads:
        thread.join()
    assert not grouping._waiting
    return outcomes


def test_who_waits_is_committed_together() -> None:
    """One forced write for all of them, in order of arrival."""
    commit = Committed()

    assert put_together(commit, 5) == [Receipt.STORED] * 5
    assert commit.groups == [["00"], ["01", "02", "03", "04"]]


def test_one_that_cannot_be_written_is_no_loss_of_the_others() -> None:
    """Each is tried alone then, and gets its own error."""
    bad = InboxUnavailable("database-failed")
    commit = Committed(None, bad, None, bad, None)
    outcomes = put_together(commit, 4)

    assert outcomes == [Receipt.STORED, Receipt.STORED, bad, Receipt.STORED]
    assert commit.groups == [["00"], ["01", "02", "03"], ["01"], ["02"], ["03"]]


def test_a_group_whose_outcome_is_unknown_is_not_tried_again() -> None:
    """A repeat would find the row, and take away the file that it names."""
    commit = Committed(None, InboxUnavailable("outcome-unknown"))
    outcomes = put_together(commit, 3)

    assert commit.groups == [["00"], ["01", "02"]]
    assert [getattr(outcome, "code", outcome) for outcome in outcomes] == [
        Receipt.STORED,
        "outcome-unknown",
        "outcome-unknown",
    ]


def test_a_group_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """All members wait for all of it."""
    name = "redox_wsgi.inbox.sqlite.grouping._LARGEST_GROUP_BYTES"
    monkeypatch.setattr(name, 20)
    commit = Committed()

    assert put_together(commit, 6) == [Receipt.STORED] * 6
    assert [len(group) for group in commit.groups] == [1, 2, 2, 1]


def test_who_waits_too_long_is_not_committed_later() -> None:
    """Redox is told 503, and sends it again; nothing waits for nobody."""
    grouping = Grouping(Committed())
    with grouping._leading, pytest.raises(InboxUnavailable) as refused:
        grouping.put(Member(arrival(), (), None), Deadline(0.0))

    assert refused.value.code == "database-locked"
    assert not grouping._waiting


def test_who_is_taken_and_gives_up_does_not_know_the_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The leader may be about to commit it."""
    grouping = Grouping(Committed())

    class Leading:
        """A lock that another holds, who takes the member in this instant."""

        def acquire(self, blocking: bool) -> bool:
            """Take the member, and hold on."""
            if grouping._waiting:
                grouping._take_group()
            return blocking

    monkeypatch.setattr(grouping, "_leading", Leading())
    with pytest.raises(InboxUnavailable) as refused:
        grouping.put(Member(arrival(), (), None), Deadline(0.0))

    assert refused.value.code == "outcome-unknown"


def test_one_of_a_group_that_is_no_text_fails_alone(store) -> None:
    """Half of a surrogate pair cannot be written."""
    with pytest.raises(UnicodeEncodeError):
        store.put(arrival(1, head="\ud800"))

    assert store.put(arrival(2)) is Receipt.STORED


def test_many_threads_put_and_each_gets_its_own_receipt(store) -> None:
    """Of two that put the same, one is told so."""
    receipts: list[list[Receipt]] = [[], []]

    def put(mine: list[Receipt]) -> None:
        mine.extend(store.put(arrival(number)) for number in range(200))

    threads = [threading.Thread(target=put, args=(mine,)) for mine in receipts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for pair in zip(*receipts, strict=True):
        assert sorted(pair) == [Receipt.STORED, Receipt.REPEATED]
    assert store.stats().repeats == 200
