"""What Redox sees while a store cannot be used, and afterwards."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from redox_wsgi.inbox import Inbox, Selection
from redox_wsgi.inbox.postgresql import PostgresqlStore
from redox_wsgi.inbox.sqlite import SqliteStore
from tests.support.builders import TOKEN, build_application, build_payload, encode
from tests.support.kills import serve
from tests.support.servers import build_raw_request, exchange
from tests.support.stores import utc_now
from tests.support.wsgi import Reply, send
from tests.test_inbox_durability import small_disk

__all__ = ["small_disk"]


def build_body(number: int, more: int = 0) -> bytes:
    """Build a transmission with a number, of at least so many bytes."""
    return encode(build_payload("Order", "New", Number=number, More="x" * more))


def post(inbox: Inbox, number: int) -> Reply:
    """Send a transmission to a destination with an inbox."""
    return send(
        build_application(inbox),
        body=build_body(number),
        HTTP_VERIFICATION_TOKEN=TOKEN,
    )


def post_to(port: int, body: bytes) -> Reply:
    """Send a transmission to a server."""
    headers = [("verification-token", TOKEN)]
    reply = exchange(port, build_raw_request("POST", "/redox", headers, body))
    assert reply is not None
    return reply


@pytest.mark.parametrize("more", [9_000, 1_200_000], ids=["rows", "files"])
def test_a_full_disk_is_503_under_gunicorn_until_there_is_room(
    small_disk: Path, tmp_path: Path, more: int
) -> None:
    """Four processes; what was answered 200 is there, once, and nobody restarts."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    url = f"sqlite:///{small_disk / 'inbox.db'}"
    stored, number = [], 0
    with serve(url, tmp_path / "log") as (port, _):
        while (reply := post_to(port, build_body(number, more))).status == 200:
            stored.append(number)
            number += 1
        assert (reply.status, reply.headers["retry-after"]) == (503, "10")
        assert post_to(port, build_body(number, more)).status == 503
        ballast.unlink()
        while post_to(port, build_body(number, more)).status != 200:
            # What was left behind by the one that failed is freed with its connection.
            continue
        stored.append(number)
    inbox = Inbox(url)
    records = inbox.store.find_entries(Selection(), limit=10_000)
    kept = [inbox.read(record).json()["Number"] for record in records]
    inbox.close()

    assert kept == stored
    assert "disk-full" in (tmp_path / "log").read_text()


def test_a_locked_database_is_503_until_it_is_free(tmp_path: Path) -> None:
    """Somebody's shell sits in a transaction; it passes the gate."""
    path = str(tmp_path / "inbox.db")
    inbox = Inbox(f"sqlite:///{path}")
    inbox.store = SqliteStore(path, utc_now, timeout_seconds=0.1)
    assert post(inbox, 1).status == 200
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = post(inbox, 2)
        other.execute("ROLLBACK")
    accepted = post(inbox, 2)

    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    assert accepted.status == 200
    assert (inbox.stats().waiting, inbox.stats().repeats) == (2, 0)
    inbox.close()


@pytest.mark.postgres
def test_a_locked_lane_is_503_until_it_is_free(postgresql_url: str) -> None:
    """A transaction of a handler's own took the lane and does not end."""
    import psycopg  # noqa: PLC0415 - an extra

    inbox = Inbox(postgresql_url)
    inbox.store = PostgresqlStore(postgresql_url, timeout_seconds=0.2)
    assert post(inbox, 1).status == 200
    with psycopg.connect(postgresql_url) as other:
        other.execute("SELECT 1 FROM redox_lane FOR UPDATE")
        refused = post(inbox, 2)
    accepted = post(inbox, 2)

    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    assert accepted.status == 200
    assert (inbox.stats().waiting, inbox.stats().repeats) == (2, 0)
    inbox.close()


@pytest.fixture
def remount(small_disk: Path) -> Iterator[Path]:
    """Give a file system that can be made read-only, and is writable at the end."""
    yield small_disk
    set_mode(small_disk, "rw")


def set_mode(point: Path, mode: str) -> None:
    """Make a file system read-only or writable."""
    mount = shutil.which("mount")
    assert mount is not None
    subprocess.run([mount, "-o", f"remount,{mode}", str(point)], check=True)


def test_a_file_system_that_turns_read_only_is_503(
    remount: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As Linux makes one after an error of its disk; mended, nobody restarts."""
    inbox = Inbox(f"sqlite:///{remount / 'inbox.db'}")
    # A file that is open for writing keeps a file system from turning read-only.
    assert post(inbox, 1).status == 200
    inbox.close()
    set_mode(remount, "ro")
    refused = post(inbox, 2)
    inbox.close()
    set_mode(remount, "rw")
    accepted = post(inbox, 2)

    assert (refused.status, accepted.status) == (503, 200)
    assert "database-read-only" in caplog.text
    assert inbox.stats().waiting == 2
    inbox.close()


def make_newer(url: str) -> None:
    """Let a newer release have been there."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("PRAGMA user_version = 999")
        return
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO redox_schema VALUES (999)")


def test_tables_of_a_newer_release_are_503_and_the_log_says_why(
    lasting_inbox_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A half of the fleet is older: what it cannot keep, Redox keeps."""
    first = Inbox(lasting_inbox_url)
    assert post(first, 1).status == 200
    first.close()
    make_newer(lasting_inbox_url)
    inbox = Inbox(lasting_inbox_url)
    reply = post(inbox, 2)
    inbox.close()

    assert (reply.status, reply.headers["retry-after"]) == (503, "10")
    assert "failed 503 inbox-misconfigured" in caplog.text
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert any("999" in text and "install" in text for text in said)
