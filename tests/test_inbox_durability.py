"""200 means kept: through a power cut, a kill, and a full disk."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from redox_wsgi import InboxUnavailable
from redox_wsgi.inbox.entry import Receipt, Selection
from redox_wsgi.inbox.sqlite import SqliteStore
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival

TRACED = """
import os, sys
from redox_wsgi.inbox.sqlite import SqliteStore
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival

store = SqliteStore(sys.argv[1], utc_now, largest_row_bytes=1000)
store.put(arrival(1, body=b"x" * 3000))
os.write(2, b"BEGIN")
store.put(arrival(2, body=b"x" * int(sys.argv[2])))
os.write(2, b"ANSWER")
"""


def trace(path: Path, body_bytes: int) -> list[str]:
    """Put one body under strace; return the system calls before the answer."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    log = path.with_suffix(".strace")
    calls = "trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2"
    arguments = [strace, "-f", "-y", "-qq", "-e", calls, "-o", str(log)]
    traced = subprocess.run(
        [*arguments, sys.executable, "-c", TRACED, str(path), str(body_bytes)],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
    )
    if "ptrace" in traced.stderr:
        pytest.skip("strace may not trace here")
    assert traced.returncode == 0, traced.stderr
    _, _, rest = log.read_text().partition('"BEGIN"')
    before, mark, _ = rest.partition('"ANSWER"')
    assert mark
    return before.splitlines()


def find(calls: list[str], pattern: str) -> list[int]:
    """Return at which places such calls stand."""
    return [place for place, call in enumerate(calls) if re.search(pattern, call)]


def test_a_put_returns_after_the_wal_was_forced_to_the_disk(tmp_path: Path) -> None:
    """A power cut after the 200 loses nothing."""
    calls = trace(tmp_path / "inbox.db", 100)
    written = find(calls, r"pwrite64\(.*inbox\.db-wal>")
    forced = find(calls, r"(fdatasync|fsync)\(.*inbox\.db-wal>\) += 0")

    assert written
    assert forced
    assert max(written) < max(forced)


def test_a_large_body_is_forced_with_its_name_before_its_row(tmp_path: Path) -> None:
    """File, rename, folder, row: at no moment does a row name what may be lost."""
    calls = trace(tmp_path / "inbox.db", 3000)
    (file,) = find(calls, r"fsync\(.*inbox\.db\.bodies/\..*>\) += 0")
    (renamed,) = find(calls, r"rename.*inbox\.db\.bodies/")
    (folder,) = find(calls, r"fsync\(.*inbox\.db\.bodies>\) += 0")
    rows = find(calls, r"pwrite64\(.*inbox\.db-wal>")
    forced = find(calls, r"(fdatasync|fsync)\(.*inbox\.db-wal>\) += 0")

    assert file < renamed < folder < min(rows) < max(rows) < max(forced)


PUTTING = """
import os, sys
from redox_wsgi.inbox.sqlite import SqliteStore
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival

store = SqliteStore(sys.argv[1], utc_now)
number = int(sys.argv[2])
while True:
    number += 1
    store.put(arrival(number, lane=f"lane-{number % 3}"))
    os.write(1, b"%d\\n" % number)
"""


def test_kills_at_any_moment_lose_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """Two processes put and are killed again and again; the numbers stay in order."""
    path = str(tmp_path / "inbox.db")
    acknowledged: list[int] = []
    for round_number in range(5):
        with (tmp_path / "answers").open("w+b") as answers:
            first = 2 * round_number * 1_000_000
            crew = [
                subprocess.Popen(
                    [sys.executable, "-c", PUTTING, path, str(first + side)],
                    stdout=answers,
                )
                for side in (0, 1_000_000)
            ]
            # Enough of them; then at whatever step each of them is.
            wait_until(lambda: size(answers) > 4000)
            for process in crew:
                process.kill()
                assert process.wait() == -signal.SIGKILL
            answers.seek(0)
            acknowledged += [int(line) for line in answers.read().split()]

    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = other.execute("SELECT identity FROM entry ORDER BY id").fetchall()
    stored = [int.from_bytes(identity) for (identity,) in rows]
    assert len(acknowledged) > 2000
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    for side in {number // 1_000_000 for number in stored}:
        mine = [number for number in stored if number // 1_000_000 == side]
        assert mine == sorted(mine)


def size(file) -> int:
    return os.fstat(file.fileno()).st_size


def wait_until(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "nothing was put"
        time.sleep(0.002)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 3 MiB."""
    point = tmp_path / "disk"
    point.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(point)]
    if (
        mount is None
        or umount is None
        or subprocess.run(command, check=False).returncode
    ):
        pytest.skip("only root may mount a small file system")
    yield point
    subprocess.run([umount, str(point)], check=True)


def test_a_full_disk_is_a_503_until_there_is_room_again(small_disk: Path) -> None:
    """Nothing that was acknowledged is lost, and no restart is needed."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    store = SqliteStore(str(small_disk / "inbox.db"), utc_now)
    number, stored = 0, []
    with pytest.raises(InboxUnavailable) as refused:  # noqa: PT012 - until it is full
        while True:
            number += 1
            store.put(arrival(number, body=b"x" * 9000))
            stored.append(f"{number:064x}")
    with pytest.raises(InboxUnavailable):
        store.put(arrival(number, body=b"x" * 9000))
    ballast.unlink()

    assert refused.value.code == "disk-full"
    assert refused.value.status == 503
    assert store.put(arrival(number, body=b"x" * 9000)) is Receipt.STORED
    records = store.find_entries(Selection(), limit=10_000)
    assert [record.identity for record in records] == [*stored, f"{number:064x}"]
    store.close()
    with closing(sqlite3.connect(small_disk / "inbox.db")) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


BOTH = """
import sys
from redox_wsgi.inbox.sqlite import SqliteStore
from tests.support.stores import utc_now
from tests.test_inbox_contract import arrival

store = SqliteStore(sys.argv[1], utc_now)
sys.stdin.read()
print(*[store.put(arrival(number)).name for number in range(300)])
"""


def test_two_processes_that_put_the_same_store_it_once(tmp_path: Path) -> None:
    """The first start is concurrent too: one makes the schema, the other finds it."""
    path = str(tmp_path / "inbox.db")
    crew = [
        subprocess.Popen(
            [sys.executable, "-c", BOTH, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in crew:
        assert process.stdin is not None
        # Both begin now.
        process.stdin.close()
    receipts = []
    for process in crew:
        with process:
            assert process.stdout is not None
            receipts.append(process.stdout.read().split())
        assert process.returncode == 0

    assert [len(names) for names in receipts] == [300, 300]
    for pair in zip(*receipts, strict=True):
        assert sorted(pair) == ["REPEATED", "STORED"]
    store = SqliteStore(path, utc_now)
    stats = store.stats()
    store.close()
    assert (stats.waiting, stats.repeats) == (300, 300)
