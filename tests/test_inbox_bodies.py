"""Large bodies of an inbox in SQLite: files beside it, and no row without its file."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from redox_wsgi import InboxUnavailable
from redox_wsgi.inbox.entry import Receipt, State
from redox_wsgi.inbox.sqlite import SqliteStore
from redox_wsgi.inbox.sqlite.bodies import Bodies
from redox_wsgi.inbox.store import BodyDamaged
from tests.support.stores import utc_now
from tests.test_inbox_contract import LATER, arrival

LARGE = b"x" * 3000


@pytest.fixture
def store(tmp_path: Path):
    """Give a store for which 1 kB is large."""
    store = SqliteStore(str(tmp_path / "inbox.db"), utc_now, largest_row_bytes=1000)
    yield store
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where large bodies are."""
    return tmp_path / "inbox.db.bodies"


def put_large(store: SqliteStore, number: int = 1) -> int:
    assert store.put(arrival(number, body=LARGE)) is Receipt.STORED
    claimed = store.claim(f"token-{number}", 0.0)
    assert claimed is not None
    return claimed.entry_id


def make_old(file: Path) -> None:
    moment = (utc_now() - timedelta(hours=2)).timestamp()
    os.utime(file, (moment, moment))


def test_only_a_body_above_the_limit_gets_a_file(store, folder: Path) -> None:
    """A row is quicker for small ones."""
    store.put(arrival(1, body=b"y" * 1000))
    assert not folder.exists()
    entry = put_large(store, 2)

    (file,) = folder.iterdir()
    assert file.read_bytes() == LARGE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert store.read_body(entry) == b"y" * 1000
    assert store.read_body(entry + 1) == LARGE


def test_the_limit_is_one_mebibyte(tmp_path: Path, folder: Path) -> None:
    """Above it a row would hold up the small ones beside it."""
    store = SqliteStore(str(tmp_path / "inbox.db"), utc_now)
    store.put(arrival(1, body=b"x" * 1024**2))
    assert not folder.exists()
    store.put(arrival(2, body=b"x" * (1024**2 + 1)))
    store.close()

    assert len(list(folder.iterdir())) == 1


def test_a_body_whose_file_is_gone_is_damaged(store, folder: Path) -> None:
    """The lane must halt, not skip it."""
    entry = put_large(store)
    for file in folder.iterdir():
        file.unlink()

    with pytest.raises(BodyDamaged):
        store.read_body(entry)


def test_a_body_that_cannot_be_read_now_is_not_damaged(store, folder: Path) -> None:
    """It is the disk's fault; a halted lane would need an operator."""
    entry = put_large(store)
    (file,) = folder.iterdir()
    file.unlink()
    file.mkdir()

    with pytest.raises(InboxUnavailable):
        store.read_body(entry)


def test_a_repeat_leaves_no_second_file(store, folder: Path) -> None:
    """The first one is what the row names."""
    entry = put_large(store)
    assert store.put(arrival(1, body=LARGE)) is Receipt.REPEATED

    assert len(list(folder.iterdir())) == 1
    assert store.read_body(entry) == LARGE


@pytest.mark.parametrize("step", ["fdatasync", "fsync", "rename"])
def test_a_file_that_cannot_be_written_is_removed(
    store, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Redox keeps the transmission, and a full disk does not get fuller."""

    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    store.put(arrival(9))
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(InboxUnavailable) as refused:
            store.put(arrival(1, body=LARGE))

    assert refused.value.code == "disk-full"
    assert list(folder.iterdir()) == []
    assert store.put(arrival(1, body=LARGE)) is Receipt.STORED


def test_a_put_that_surely_failed_removes_its_file(
    tmp_path: Path, folder: Path
) -> None:
    """Redox sends it again, and again a file would be written."""
    path = str(tmp_path / "inbox.db")
    store = SqliteStore(path, utc_now, largest_row_bytes=1000, timeout_seconds=0.05)
    store.put(arrival(9))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InboxUnavailable):
            store.put(arrival(1, body=LARGE))
    store.close()

    assert list(folder.iterdir()) == []


def test_a_put_whose_outcome_is_unknown_keeps_its_file(
    store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row may come to life after a power cut; without a file it would be a loss."""

    def fail(*_):
        raise InboxUnavailable("outcome-unknown")

    store.put(arrival(9))
    with monkeypatch.context() as patch:
        patch.setattr("redox_wsgi.inbox.sqlite.putting.transact", fail)
        with pytest.raises(InboxUnavailable):
            store.put(arrival(1, body=LARGE))

    assert len(list(folder.iterdir())) == 1


def test_a_row_is_not_written_when_its_file_is_gone(
    store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep with a clock that jumped may have taken it."""
    write = Bodies.write

    def lose(self, body):
        name = write(self, body)
        self.remove(name)
        return name

    with monkeypatch.context() as patch:
        patch.setattr(Bodies, "write", lose)
        with pytest.raises(InboxUnavailable):
            store.put(arrival(1, body=LARGE))

    assert store.stats().waiting == 0
    assert store.put(arrival(1, body=LARGE)) is Receipt.STORED


def test_prune_takes_the_files_of_what_it_prunes(store, folder: Path) -> None:
    """Each file belongs to one entry."""
    put_large(store, 1)
    claimed = store.claim("token", 60.0)
    store.complete(claimed)
    put_large(store, 2)

    assert len(list(folder.iterdir())) == 2
    assert store.prune(State.DONE, LATER) == 1
    assert len(list(folder.iterdir())) == 1
    assert store.read_body(claimed.entry_id + 1) == LARGE


def test_sweep_removes_old_files_without_a_row(store, folder: Path) -> None:
    """A put between its file and its row is left alone, and so is what a row names."""
    assert store.sweep() == 0
    entry = put_large(store)
    (named,) = folder.iterdir()
    orphan, hidden, new = (folder / name for name in ("00", ".11", "22"))
    for file in (orphan, hidden, new):
        file.write_bytes(b"")
    for file in (named, orphan, hidden):
        make_old(file)

    assert store.sweep() == 2
    assert set(folder.iterdir()) == {named, new}
    assert store.read_body(entry) == LARGE


KILLED = """
import os, signal, sys
from redox_wsgi.inbox.sqlite import SqliteStore
from redox_wsgi.inbox.entry import State
from tests.support.stores import utc_now
from tests.test_inbox_contract import LATER, arrival

path, step = sys.argv[1:]
store = SqliteStore(path, utc_now, largest_row_bytes=1000)
store.put(arrival(1, body=b"x" * 3000))
claimed = store.claim("token", 60.0)
store.complete(claimed)

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if step == "commit":
    import redox_wsgi.inbox.sqlite.transaction as transaction
    transaction.execute_alone = kill
elif step == "force":
    import redox_wsgi.inbox.sqlite.access as access
    access.force = kill
else:
    setattr(os, step, kill)
if step == "unlink":
    store.prune(State.DONE, LATER)
else:
    store.put(arrival(2, body=b"x" * 3000))
"""


@pytest.mark.parametrize(
    ("step", "orphans"),
    [
        ("fdatasync", 1),
        ("fsync", 1),
        ("rename", 1),
        ("commit", 1),
        ("force", 0),
        ("unlink", 1),
    ],
)
def test_a_kill_at_any_step_leaves_no_row_without_its_file(
    tmp_path: Path, folder: Path, step: str, orphans: int
) -> None:
    """What it leaves is an orphan, and that is swept."""
    path = str(tmp_path / "inbox.db")
    killed = subprocess.run([sys.executable, "-c", KILLED, path, step], check=False)
    store = SqliteStore(path, utc_now, largest_row_bytes=1000)
    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT body_file FROM entry").fetchall()
    named = {file for (file,) in rows if file is not None}

    assert killed.returncode == -signal.SIGKILL
    files = set(folder.iterdir())
    assert named <= {file.name for file in files}
    assert len(files) == len(named) + orphans
    for file in files:
        make_old(file)
    assert store.sweep() == orphans
    assert {file.name for file in folder.iterdir()} == named
    store.close()
