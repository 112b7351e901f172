"""The same commands, where the inbox is in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from redox_wsgi import Transmission
from redox_wsgi.inbox import Inbox, State
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.command_line import CommandLine
from tests.support.operated import (
    BROKEN,
    BROKEN_LANE,
    build_body,
    fail_for_one,
    find_ids,
)
from tests.support.operated_fixtures import clock, run

# Fixtures.
__all__ = ["clock", "run"]


@pytest.fixture
def inbox(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """An inbox with a halted lane, which the environment names."""
    monkeypatch.setenv("REDOX_INBOX", postgresql_url)
    inbox = Inbox(postgresql_url)
    for number in (1, 2, 3):
        body = build_body(number, BROKEN, "PatientAdmin", "Arrival")
        moment = datetime.now(UTC) - timedelta(hours=4 - number)
        inbox(Transmission(body, received_at=moment))
    Worker(inbox, fail_for_one, max_attempts=1).drain()
    yield inbox
    inbox.close()


def test_a_lane_in_postgresql_is_found_mended_and_drained(
    inbox: Inbox, run: CommandLine
) -> None:
    """As in SQLite, to the letter."""
    found = run("list").out
    resumed = run("resume", "--all")
    Worker(inbox, len_of).drain()

    assert f"halted   {BROKEN_LANE}\n" in found
    assert f"redox-wsgi inbox resume '{BROKEN_LANE}'\n" in found
    assert resumed.out == f"resumed {BROKEN_LANE}\n"
    assert run("list").out == "Lanes that need you: 0\n\nEntries: none.\n"
    assert find_ids(inbox, State.DONE) == [1, 2, 3]


def len_of(transmission: Transmission) -> None:
    """Handle a transmission."""


def test_entries_in_postgresql_are_skipped_replayed_and_pruned(
    inbox: Inbox, run: CommandLine
) -> None:
    """With the same sentences."""
    shown = run("show", 2).out
    skipped = run("skip", BROKEN_LANE, "--yes").out
    replayed = run("replay", "--since", "1d").out
    pruned = run("prune", "--bodies", "0s").out

    assert "last error   builtins.ValueError" in shown
    assert skipped.startswith("Entry 2 is dead")
    assert replayed == "1 of 1 wait again.\n"
    assert pruned.startswith("Pruned: 1 bodies of done entries.\n")
    assert find_ids(inbox, State.EMPTIED) == [1]


def test_an_inbox_in_postgresql_is_examined_and_exported(
    inbox: Inbox, run: CommandLine, tmp_path: Path
) -> None:
    """The doctor says what the server is set to."""
    status, out, _ = run("doctor", "--json")
    found = {line["examined"]: line for line in map(json.loads, out.splitlines())}
    exported = run("export", tmp_path / "all", "--with-bodies")

    assert status == 1
    assert found["fsync"]["found"] in ("on", "off")
    assert found["lanes"]["found"] == "1 halted"
    assert exported.out == "3 of 3 written.\n"
