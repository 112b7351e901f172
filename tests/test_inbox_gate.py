"""The gate of an inbox in SQLite: one process at a time writes and checkpoints."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from redox_wsgi import InboxUnavailable
from redox_wsgi.inbox.entry import Receipt
from redox_wsgi.inbox.sqlite import SqliteStore
from redox_wsgi.inbox.sqlite.file_system import find_file_system, is_of_network
from redox_wsgi.inbox.sqlite.gate import Deadline, Gate, OpenGate
from redox_wsgi.inbox.sqlite.versions import is_new_enough, is_wal_reset_repaired
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the database is."""
    return str(tmp_path / "inbox.db")


@pytest.mark.parametrize(
    ("version", "is_repaired"),
    [
        ((3, 7, 0), False),
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 44, 9), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_the_versions_that_have_the_repair_are_known(
    version: tuple[int, int, int], is_repaired: bool
) -> None:
    """As SQLite's page on the WAL lists them."""
    assert is_wal_reset_repaired(version) is is_repaired


def test_a_version_without_returning_is_too_old() -> None:
    """The statements need 3.35."""
    assert not is_new_enough((3, 34, 9))
    assert is_new_enough((3, 35, 0))
    assert is_new_enough()


@pytest.mark.parametrize(
    ("user", "is_linked", "is_given"),
    [(0, False, True), (1000, False, False), (0, True, False)],
    ids=["root", "another", "root, to a file with two names"],
)
def test_a_gate_that_root_makes_is_the_database_owners(
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    user: int,
    is_linked: bool,
    is_given: bool,
) -> None:
    """A look into a restored inbox locked out those who put: 503 to everything."""
    given: list[tuple[str, tuple[int, ...]]] = []
    if is_linked:
        Path(f"{path}.other").touch()
        os.link(f"{path}.other", f"{path}.gate")

    def give(descriptor: int, *owner: int) -> None:
        given.append((os.readlink(f"/proc/self/fd/{descriptor}"), owner))
        raise PermissionError("as root without that capability")

    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "fchown", give)
    with closing(SqliteStore(path, utc_now)) as store:
        store.put(arrival())
    owner = os.stat(path)

    expected = [(f"{path}.gate", (owner.st_uid, owner.st_gid))]
    assert given == (expected if is_given else [])


def try_lock(path: str) -> bool:
    """Try, as another process would, to hold the gate at once."""
    code = (
        "import fcntl, sys\n"
        "try: fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: print('held')\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    ).stdout
    return output == ""


class Watched(sqlite3.Connection):
    """A connection that asks at each step whether the gate is held."""

    gate = ""
    seen: list[tuple[str, bool]]

    def execute(self, sql, *values):
        word = sql.split()[0]
        if word in ("BEGIN", "COMMIT", "INSERT", "UPDATE", "CREATE", "PRAGMA"):
            self.note(" ".join(sql.split()[:2]))
        return super().execute(sql, *values)

    def close(self) -> None:
        self.note("close")
        super().close()

    def note(self, what: str) -> None:
        with open(self.gate) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                type(self).seen.append((what, True))
            else:
                type(self).seen.append((what, False))


def test_the_gate_is_held_at_every_write_and_at_open_and_close(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit and a checkpoint at the same instant may lose pages."""
    Watched.gate, Watched.seen = f"{path}.gate", []
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: connect(*a, factory=Watched, **k)
    )
    store = SqliteStore(path, utc_now)
    store.put(arrival())
    claimed = store.claim("token", 60.0)
    assert claimed is not None
    store.renew(claimed, 60.0)
    store.complete(claimed)
    store.replay(claimed.entry_id)
    store.close()

    done = [what for what, _ in Watched.seen]
    assert {"BEGIN IMMEDIATE", "COMMIT", "close", "PRAGMA journal_mode"} <= set(done)
    assert done.count("INSERT INTO") >= 2
    assert done.count("close") == 1
    assert [what for what, is_held in Watched.seen if not is_held] == []


def test_nobody_puts_claims_or_checkpoints_while_another_process_has_the_gate(
    path: str,
) -> None:
    """It is waited for until the deadline; then Redox keeps the transmission."""
    store = SqliteStore(path, utc_now, timeout_seconds=0.05)
    store.put(arrival(1))
    store.stats()
    holder = Gate(f"{path}.gate")
    holder.enter(Deadline(1.0))
    assert not try_lock(f"{path}.gate")

    with pytest.raises(InboxUnavailable) as put:
        store.put(arrival(2))
    with pytest.raises(InboxUnavailable) as claim:
        store.claim("token", 60.0)
    waiting = store.stats().waiting
    holder.leave()
    holder.close()

    assert (put.value.code, claim.value.code) == ("database-locked", "database-locked")
    assert waiting == 1
    assert try_lock(f"{path}.gate")
    assert store.put(arrival(2)) is Receipt.STORED
    store.close()


def test_two_threads_exclude_each_other(path: str) -> None:
    """Each has a descriptor of its own, and to that the lock belongs."""
    inside, most = 0, 0
    counting = threading.Lock()

    def run() -> None:
        nonlocal inside, most
        gate = Gate(path)
        for _ in range(50):
            gate.enter(Deadline(30.0))
            with counting:
                inside += 1
                most = max(most, inside)
            os.stat(path)
            with counting:
                inside -= 1
            gate.leave()
        gate.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (inside, most) == (0, 1)


@pytest.mark.parametrize("is_moved", [False, True], ids=["removed", "moved"])
def test_a_gate_whose_file_was_taken_away_is_made_anew(
    path: str, is_moved: bool
) -> None:
    """Else those who came before and after it would not exclude each other."""
    first, second = Gate(path), Gate(path)
    first.enter(Deadline(1.0))
    first.leave()
    if is_moved:
        os.rename(path, f"{path}.moved")
    else:
        os.unlink(path)
    second.enter(Deadline(1.0))

    with pytest.raises(InboxUnavailable):
        first.enter(Deadline(0.0))
    second.leave()
    first.enter(Deadline(1.0))
    first.leave()
    first.close()
    second.close()
    first.leave()

    assert os.stat(path).st_mode & 0o777 == 0o600


def finds_doubt(gate: Gate) -> bool:
    """Enter, look, and leave."""
    gate.enter(Deadline(1.0))
    gate.leave()
    return gate.is_doubted


def test_who_enters_learns_of_a_doubt_until_it_ends(path: str) -> None:
    """Whoever left it, and whenever the descriptor was opened."""
    first, second, third = Gate(path), Gate(path), Gate(path)
    # Nobody could have left it without a descriptor.
    first.leave_doubt()
    first.end_doubt()
    assert not finds_doubt(first)
    assert not finds_doubt(second)
    first.leave_doubt()
    assert finds_doubt(second)
    assert finds_doubt(third)
    second.end_doubt()

    assert not second.is_doubted
    assert not finds_doubt(first)
    for gate in (first, second, third):
        gate.close()


def test_a_doubt_that_cannot_be_left_hides_no_other_error(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its length cannot be written, no put can write either."""
    gate = Gate(path)
    gate.enter(Deadline(1.0))

    def fail(*_: int) -> None:
        raise OSError(errno.EROFS, "the disk")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        gate.leave_doubt()
    gate.close()


def test_an_open_gate_holds_nothing_up(path: str) -> None:
    """It stands for the gate where a rollback journal needs none."""
    gate = OpenGate(path)
    gate.enter(Deadline(0.0))
    gate.leave()
    gate.close()

    assert Gate.is_possible()
    assert not os.path.exists(path)


def test_without_a_wal_there_is_a_rollback_journal_and_no_gate(path: str) -> None:
    """For a backup that checkpoints beside a SQLite with the WAL-reset bug."""
    store = SqliteStore(path, utc_now, wal=False)
    store.put(arrival())
    findings = {name: found for name, found, _ in store.diagnose()}
    store.close()

    assert findings["journal mode"] == "delete"
    assert (findings["synchronous"], findings["gate"]) == ("extra", "none")
    assert not os.path.exists(f"{path}.gate")


def can_read(connection: sqlite3.Connection) -> bool:
    """Read a moment later, as another program does that does not wait."""
    threading.Event().wait(0.0002)
    try:
        connection.execute("SELECT count(*) FROM entry").fetchall()
    except sqlite3.OperationalError:
        return False
    return True


def test_with_a_rollback_journal_no_reader_overtakes_a_put_that_waits(
    path: str,
) -> None:
    """One after the other they would keep it waiting for ever."""
    store = SqliteStore(path, utc_now, timeout_seconds=30.0, wal=False)
    store.put(arrival(1))
    receipts: list[Receipt] = []
    putting = threading.Thread(target=lambda: receipts.append(store.put(arrival(2))))
    with (
        closing(sqlite3.connect(path, timeout=0)) as first,
        closing(sqlite3.connect(path, timeout=0)) as second,
    ):
        first.execute("BEGIN")
        assert can_read(first)
        putting.start()
        while can_read(second):
            pass
        overtaken = sum(can_read(second) for _ in range(200))
        first.execute("ROLLBACK")
        putting.join()

    assert (overtaken, receipts) == (0, [Receipt.STORED])
    store.close()


@pytest.mark.parametrize("wal", [True, False], ids=["gate", "rollback journal"])
def test_a_program_that_locks_the_file_without_the_gate_is_waited_for(
    path: str, wal: bool
) -> None:
    """Such as a shell of SQLite's: past the deadline Redox sees 503."""
    store = SqliteStore(path, utc_now, timeout_seconds=0.05, wal=wal)
    store.put(arrival(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InboxUnavailable) as refused:
            store.put(arrival(2))

    assert refused.value.code == "database-locked"
    assert store.put(arrival(2)) is Receipt.STORED
    store.close()


def test_a_lock_that_ends_in_time_is_not_noticed(path: str) -> None:
    """The transaction is begun again until it is let in."""
    store = SqliteStore(path, utc_now, timeout_seconds=30.0)
    store.put(arrival(1))
    with closing(
        sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.02, other.execute, ["ROLLBACK"])
        timer.start()
        assert store.put(arrival(2)) is Receipt.STORED
        timer.join()
    store.close()


MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
server:/x /srv/in\040box nfs4 rw 0 0
tmpfs /srv/in\040box/local tmpfs rw 0 0
//server/y /srv/in cifs rw 0 0
""".lstrip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/in box/inbox.db", "nfs4"),
        ("/srv/in box/local/inbox.db", "tmpfs"),
        ("/srv/in/inbox.db", "cifs"),
        ("/srv/inner/inbox.db", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_the_one_mounted_nearest(
    tmp_path: Path, path: str, kind: str
) -> None:
    """A path is judged by whole names, and a blank in it is escaped."""
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)

    assert find_file_system(path, str(mounts)) == kind
    assert is_of_network(kind) is (kind in ("nfs4", "cifs"))


def test_without_a_list_of_mounts_the_file_system_is_unknown(tmp_path: Path) -> None:
    """It is Linux that has one."""
    assert find_file_system("/", str(tmp_path / "none")) == "unknown"
    assert not is_of_network("unknown")


def test_the_lock_ends_with_its_process(path: str) -> None:
    """A kill leaves nothing to clean up."""
    code = (
        "import fcntl, os, signal, sys\n"
        "file = open(sys.argv[1], 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with suppress(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", code, path], check=True)

    assert try_lock(path)
