"""Backfills, exports and the doctor."""

from __future__ import annotations

import json
import stat
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from redox_wsgi import InboxUnavailable, Response, Transmission
from redox_wsgi.inbox import Inbox, State
from redox_wsgi.inbox.store import BodyDamaged
from tests.support import leaks
from tests.support.command_line import CommandLine
from tests.support.operated import (
    BROKEN_LANE,
    NOW,
    SOUND_LANE,
    Clock,
    find_ids,
    put,
    work,
)
from tests.support.operated_fixtures import clock, inbox, run

# Fixtures.
__all__ = ["clock", "inbox", "run"]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the user's, with handlers to be named on the command line."""
    module = ModuleType("ours")
    monkeypatch.setitem(sys.modules, "ours", module)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return module


def test_a_backfill_calls_a_handler_and_changes_nothing(
    inbox: Inbox, run: CommandLine, module: Any
) -> None:
    """Beside live traffic: every state, in order of arrival, as it was received."""
    seen: list[Transmission] = []
    module.receive = seen.append
    before = inbox.stats()
    ended = run("replay", "--since", "7d", "--to", "ours:receive")

    assert ended == (0, "6 of 6 handled.\n", "")
    assert [it.json()["Number"] for it in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[0].received_at == NOW - timedelta(hours=3, minutes=30)
    assert seen[0].content_type == "application/json"
    assert inbox.stats() == before


def test_a_handler_finds_its_entry_in_a_backfill(
    inbox: Inbox, run: CommandLine, module: Any
) -> None:
    """With the lowest fence, since it holds no claim; to complete it does nothing."""
    seen: list[Any] = []

    class Handlers:
        @staticmethod
        def receive(transmission: Transmission) -> None:
            entry = transmission.entry
            assert entry is not None
            entry.complete(object())
            seen.append((entry.id, entry.lane, entry.attempt, entry.fence))
            assert not entry.is_lost

    module.handlers = Handlers
    ended = run("replay", 3, "--to", "ours:handlers.receive")

    assert ended.status == 0
    assert seen == [(3, BROKEN_LANE, 1, 0)]
    assert 3 in find_ids(inbox, State.WAITING)


def test_failures_of_a_backfill_are_summed_by_class(
    inbox: Inbox, run: CommandLine, module: Any
) -> None:
    """Never by their texts, which quote patients; the others are handled."""

    def receive(transmission: Transmission) -> Any:
        number = transmission.json()["Number"]
        if number in (2, 3):
            raise ValueError(leaks.SENTENCE)
        if number == 4:
            sys.exit(leaks.SENTENCE)
        return Response(status=422) if number == 5 else None

    module.receive = receive
    status, out, _ = run("replay", "--since", "7d", "--to", "ours:receive")

    assert status == 1
    assert out == (
        "2 of 6 handled.\n"
        " Failed   First ID   Raised\n"
        " ───────────────────────────────────────\n"
        "      2          2   builtins.ValueError\n"
        "      1          4   builtins.SystemExit\n"
        "      1          5   refused with 422\n"
    )


def test_what_is_gone_or_damaged_is_a_failure_of_a_backfill(
    inbox: Inbox, run: CommandLine, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pruned, never there, or not what was put."""
    module.receive = print
    inbox.store.prune(State.DONE, NOW + timedelta(1))

    def fail(*_: object) -> None:
        raise BodyDamaged("body-missing")

    monkeypatch.setattr(Inbox, "read", fail)
    status, out, _ = run("replay", 1, 2, 99, "--to", "ours:receive")

    assert status == 1
    assert "2          1   its body is gone\n" in out
    assert "1          2   its body is damaged\n" in out


def test_a_backfill_is_tried_without_calling(
    inbox: Inbox, run: CommandLine, module: Any
) -> None:
    """To see how long it will take."""
    module.receive = lambda _: pytest.fail("called")

    assert run("replay", "--lane", SOUND_LANE, "--to", "ours:receive", "--dry-run") == (
        0,
        "2 would be replayed. Nothing was changed.\n",
        "",
    )


def test_an_interrupted_backfill_says_how_to_go_on(
    inbox: Inbox, run: CommandLine, module: Any
) -> None:
    """After the last one that was handled."""

    def receive(transmission: Transmission) -> None:
        if transmission.json()["Number"] == 3:
            raise KeyboardInterrupt

    module.receive = receive
    ended = run("replay", "--since", "7d", "--to", "ours:receive")
    at_once = run("replay", "--after-id", "2", "--to", "ours:receive")
    by_number = run("replay", 3, 1, 1, "--to", "ours:receive")

    assert ended == (
        130,
        "Interrupted: 2 of 6 handled.\nTo go on: the same command with --after-id 2.\n",
        "",
    )
    assert at_once == (130, "Interrupted: 0 of 4 handled.\n", "")
    assert by_number == (130, "Interrupted: 1 of 2 handled.\n", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ours", "write package.module:name"),
        (":receive", "write package.module:name"),
        ("no_such_module:receive", "No module named 'no_such_module'"),
        ("ours:nothing", "no attribute 'nothing'"),
        ("ours:wrong", "must be callable"),
    ],
)
def test_a_handler_that_does_not_exist_is_explained(
    inbox: Inbox, run: CommandLine, module: Any, name: str, said: str
) -> None:
    """With status 2, before anything is read."""
    module.wrong = 1
    status, _, err = run("replay", "--since", "7d", "--to", name)

    assert status == 2
    assert said in " ".join(err.split())


def test_a_handler_is_found_in_the_current_folder(
    inbox: Inbox,
    run: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Applications are usually not installed."""
    (tmp_path / "handlers_here.py").write_text("receive = len\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [it for it in sys.path if it])
    status, out, _ = run("replay", 1, "--to", "handlers_here:receive")
    sys.modules.pop("handlers_here")

    assert status == 1
    assert "builtins.TypeError" in out


def test_an_export_is_one_object_a_line_that_only_its_owner_reads(
    inbox: Inbox, run: CommandLine, tmp_path: Path
) -> None:
    """Without bodies unless they are asked for."""
    plain, full = tmp_path / "plain.jsonl", tmp_path / "full.jsonl"
    inbox(Transmission(b"\xff", received_at=NOW, destination="/redox"))
    run("export", plain)
    ended = run("export", full, "--with-bodies")
    lines = [json.loads(line) for line in full.read_text().splitlines()]

    assert ended == (0, "7 of 7 written.\n", "")
    assert len(plain.read_text().splitlines()) == 7
    assert leaks.find(plain.read_text()) == []
    assert json.loads(lines[1]["body"])["Number"] == 2
    assert lines[6]["body_base64"] == "/w=="
    assert stat.S_IMODE(full.stat().st_mode) == 0o600


def test_an_export_of_files_is_byte_for_byte(
    inbox: Inbox, run: CommandLine, tmp_path: Path
) -> None:
    """With names in order of arrival, for the simulator to send again."""
    folder = tmp_path / "waiting"
    ended = run("export", folder, "--files", "--with-bodies", "--state", "waiting")
    files = sorted(folder.iterdir())
    entry = inbox.store.find_entry(2)
    assert entry is not None

    assert ended == (0, "3 of 3 written.\n", "")
    assert [file.name for file in files] == [
        f"00000000000{id_}.json" for id_ in (2, 3, 4)
    ]
    assert files[0].read_bytes() == inbox.read(entry).body
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_files_hold_bodies_so_that_must_be_said(
    inbox: Inbox, run: CommandLine, tmp_path: Path
) -> None:
    """Nobody writes patients' data by mistake."""
    assert run("export", tmp_path / "x", "--files").status == 2
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("options", [(), ("--files", "--with-bodies")])
def test_an_export_overwrites_nothing(
    inbox: Inbox, run: CommandLine, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Not even a link, which could lead anywhere."""
    target = tmp_path / "there"
    target.symlink_to(tmp_path / "elsewhere")
    status, _, err = run("export", target, *options)

    assert status == 1
    assert "cannot be written: File exists." in " ".join(err.split())
    assert not (tmp_path / "elsewhere").exists()


def test_what_has_no_body_any_more_is_left_out_and_named(
    inbox: Inbox, run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With status 1, since somebody asked for it."""
    inbox.store.prune(State.DONE, NOW + timedelta(1))
    emptied = run("export", tmp_path / "a", "--with-bodies", "--state", "emptied")
    kept = run("export", tmp_path / "b", "--with-bodies")

    def fail(*_: object) -> None:
        raise BodyDamaged("body-missing")

    monkeypatch.setattr(Inbox, "read", fail)
    damaged = run("export", tmp_path / "c", "--with-bodies")

    assert emptied.status == 1
    assert "gone or damaged: 1, 5, 6." in emptied.out
    assert kept == (0, "3 of 3 written.\n", "")
    assert "gone or damaged: 2, 3, 4." in damaged.out


def test_an_interrupted_export_says_so(
    inbox: Inbox, run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not whole."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(inbox.store), "find_entry", interrupt)

    assert run("export", tmp_path / "x") == (130, "Interrupted: 0 of 6 written.\n", "")


def test_long_work_has_a_bar_on_a_terminal_only(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, so that the output may go into a file."""
    assert run("replay", 1).err == ""

    def build(**options: Any) -> Console:
        return Console(**options, force_terminal=True)

    monkeypatch.setattr("redox_wsgi.cli.inbox.progress.Console", build)
    ended = run("replay", 5)

    assert ended.out == "1 of 1 wait again.\n"
    assert "Replaying" in ended.err
    assert "1/1" in ended.err


def examine(run: CommandLine, *options: str) -> dict[str, dict[str, Any]]:
    """Run the doctor; return its findings by name."""
    lines = [
        json.loads(line)
        for line in run("doctor", "--json", *options).out.split("\n")
        if line
    ]
    return {line["examined"]: line for line in lines}


def heal(inbox: Inbox, clock: Clock) -> None:
    """Let everything be handled."""
    inbox.store.resume_lane(BROKEN_LANE)
    work(inbox, clock, lambda _: None)


def test_the_doctor_says_what_is_wrong_and_what_to_do(
    inbox: Inbox, run: CommandLine
) -> None:
    """A finding and its cure, and status 1."""
    status, out, _ = run("doctor")

    assert status == 1
    assert (
        "wrong lanes: 1 halted\n"
        "      See which, and what to do: redox-wsgi inbox list\n"
    ) in out
    assert "ok    oldest: the oldest entry was received 3 h 30 min ago\n" in out


def test_the_doctor_is_content_where_all_is_well(
    inbox: Inbox, run: CommandLine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 0: fit for a monitor."""
    monkeypatch.setattr(type(inbox.store), "diagnose", lambda _: [("it", "is", None)])
    heal(inbox, clock)
    status, out, _ = run("doctor")

    assert status == 0
    assert [line[:5] for line in out.splitlines()] == ["ok   "] * 6


def test_the_doctor_passes_on_what_the_store_stands_on(
    inbox: Inbox, run: CommandLine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thing that is wrong with it is enough for status 1."""
    finding = ("journal mode", "delete", "Use WAL.")
    monkeypatch.setattr(type(inbox.store), "diagnose", lambda _: [finding])
    heal(inbox, clock)

    assert run("doctor").status == 1
    assert examine(run)["journal mode"] == {
        "examined": "journal mode",
        "found": "delete",
        "well": False,
        "cure": "Use WAL.",
    }


def test_the_doctor_calls_nobody_for_what_failed_a_moment_ago(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """It is tried again by itself, and may succeed; once it is late, somebody is."""
    heal(inbox, clock)
    put(inbox, 2, age=timedelta(0), source="hospital-c")
    work(inbox, clock, max_attempts=5)
    at_once = examine(run)["lanes"]
    clock.now += timedelta(minutes=6)

    assert (at_once["found"], at_once["well"]) == ("1 failing", True)
    assert (examine(run)["lanes"]["found"], examine(run)["lanes"]["well"]) == (
        "1 failing",
        False,
    )


def test_an_inbox_that_goes_down_ends_a_backfill(
    inbox: Inbox, run: CommandLine, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no failure of the handler."""
    module.receive = print

    def fail(*_: object) -> None:
        raise InboxUnavailable("disk-error")

    monkeypatch.setattr(Inbox, "read", fail)
    status, out, err = run("replay", 1, 2, "--to", "ours:receive")

    assert (status, out) == (1, "")
    assert "(disk-error)" in err


def test_the_doctor_sees_that_nobody_works(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """A lane is due, and nobody claims it."""
    inbox.store.resume_lane(BROKEN_LANE)
    clock.now += timedelta(minutes=10)
    found = examine(run)["workers"]

    assert "nobody does: 1" in found["found"]
    assert "redox-wsgi work" in found["cure"]
    assert examine(run, "--late-after", "1d")["workers"]["well"] is True


def test_the_doctor_sees_leases_that_ended_without_a_word(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """An entry may have killed its worker, and nobody is left to take over."""
    heal(inbox, clock)
    put(inbox, 7, age=timedelta(0))
    assert inbox.store.claim("token", 30.0) is not None
    held = examine(run)["workers"]
    clock.now += timedelta(minutes=10)
    found = examine(run)["workers"]

    assert held["well"] is True
    assert "nobody took over: 1" in found["found"]
    assert BROKEN_LANE in found["found"]


def test_the_doctor_counts_the_dead_and_finds_what_is_not_pruned(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """Both wait for somebody who has forgotten them."""
    inbox.store.skip_head(BROKEN_LANE)
    clock.now += timedelta(days=9)
    found = examine(run)

    assert found["dead"]["found"] == "given up: 1"
    assert found["retention"]["cure"].endswith("redox-wsgi inbox prune")
    assert examine(run, "--bodies", "30d")["retention"]["well"] is True


def test_the_doctor_finds_nothing_wrong_with_an_empty_inbox(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """Nothing is kept, nothing waits."""
    heal(inbox, clock)
    clock.now += timedelta(days=100)
    for state in (State.DONE, State.EMPTIED):
        inbox.store.prune(state, clock.now)
    # What was emptied just now is finished no earlier than that.
    found = examine(run)

    assert found["oldest"]["found"] == "the inbox is empty"
