"""The commands that look into an inbox, as they are typed and as they are read."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi.cli.inbox import moments
from redox_wsgi.cli.inbox.moments import format_age
from redox_wsgi.errors import InboxUnavailable
from redox_wsgi.inbox import Inbox, State
from redox_wsgi.inbox.store import BodyDamaged
from redox_wsgi.transmission import Transmission
from tests.support import leaks
from tests.support.command_line import CommandLine
from tests.support.operated import (
    BROKEN_LANE,
    NOW,
    SOUND_LANE,
    Clock,
    fail_for_one,
    put,
    work,
)
from tests.support.operated_fixtures import clock, inbox, run
from tests.support.servers import find_free_port

# Fixtures.
__all__ = ["clock", "inbox", "run"]


def read_lines(text: str) -> list[dict[str, Any]]:
    """Read one JSON object a line."""
    return [json.loads(line) for line in text.splitlines()]


def test_the_counts_stand_above_the_lanes(inbox: Inbox, run: CommandLine) -> None:
    """What is never wrong has no remark beside it."""
    assert run("stats") == (
        0,
        "waiting         3  the oldest for 3 h\n"
        "done            3\n"
        "dead            0\n"
        "emptied         0\n"
        "repeats         0\n"
        "halted          1  lanes that wait for an operator\n"
        "\n"
        f"{BROKEN_LANE}\n"
        "  halted, 3 waiting, the oldest for 3 h, attempts: 1\n",
        "",
    )


def test_the_counts_are_told_to_machines(inbox: Inbox, run: CommandLine) -> None:
    """The sum first, then a line for each lane."""
    counts, lane = read_lines(run("stats", "--json").out)

    assert counts == {
        "record": "stats",
        "at": "2026-03-01T03:00:00+00:00",
        "waiting": 3,
        "done": 3,
        "dead": 0,
        "emptied": 0,
        "repeats": 0,
        "halted_lanes": 1,
        "oldest_waiting_seconds": 10800.0,
    }
    assert (lane["record"], lane["lane"]) == ("lane", BROKEN_LANE)
    assert (lane["halted"], lane["claimed"]) == (True, False)
    assert lane["oldest_at"] == "2026-03-01T00:00:00+00:00"
    assert lane["last_error"].startswith("builtins.ValueError < ")


def test_the_list_begins_with_the_lane_that_needs_somebody(
    inbox: Inbox, run: CommandLine
) -> None:
    """At three in the morning: what is wrong, why, and what to type."""
    status, out, err = run("list")
    name = f"'{BROKEN_LANE}'"

    assert (status, err) == (0, "")
    assert out.startswith(
        "Lanes that need you: 1\n"
        "\n"
        f"halted   {BROKEN_LANE}\n"
        "         3 waiting, the oldest for 3 h, attempts: 1\n"
        "         last error: builtins.ValueError <\n"
    )
    assert "         redox-wsgi inbox show 2\n" in out
    assert f"         redox-wsgi inbox resume {name}\n" in out
    assert f"         redox-wsgi inbox skip {name}\n" in out
    assert out.endswith(
        "\n"
        "Entries: 3\n"
        "\n"
        f"{BROKEN_LANE}\n"
        " ID   State            Age   Event                  Bytes   Error\n"
        " ────────────────────────────────────────────────────────────────\n"
        "  2   waiting          3 h   PatientAdmin:Arrival     653   -\n"
        "  3   waiting   2 h 30 min   PatientAdmin:Arrival     653   -\n"
        "  4   waiting          2 h   PatientAdmin:Arrival     653   -\n"
    )


def test_no_line_is_too_wide_or_ends_in_blanks(inbox: Inbox, run: CommandLine) -> None:
    """In a pipe of 80 columns, without colours; only names are kept whole."""
    for arguments in (("stats",), ("list",), ("show", 2), ("doctor",)):
        lines = run(*arguments).out.splitlines()

        assert lines
        assert all(len(line) <= 80 for line in lines)
        assert all(line == line.rstrip() for line in lines)
        assert not any("\x1b" in line for line in lines)


def test_in_a_terminal_the_same_is_coloured(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what is wrong is seen first."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    assert "\x1b[1;31mwrong\x1b[0m lanes: 1 halted\n" in run("doctor").out
    assert "\x1b[1mLanes that need you: 1\x1b[0m\n" in run("list").out


def test_where_all_is_well_the_list_says_so(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """Two lines, and nobody needs to read on."""
    inbox.store.resume_lane(BROKEN_LANE)
    work(inbox, clock, print_nothing)

    assert run("list") == (0, "Lanes that need you: 0\n\nEntries: none.\n", "")


def print_nothing(transmission: Transmission) -> None:
    """Handle a transmission."""


def test_a_lane_that_is_tried_again_is_failing(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """Nobody was asked yet, but somebody may want to look."""
    inbox.store.resume_lane(BROKEN_LANE)
    work(inbox, clock, max_attempts=5)
    out = run("list").out

    assert f"failing  {BROKEN_LANE}\n" in out
    assert "attempts: 1, tried again in " in out
    assert f"redox-wsgi inbox halt '{BROKEN_LANE}'" in out
    assert "stop trying:" in run("show", 2).out


def test_a_lane_that_nobody_works_on_is_late(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """After five minutes, or whatever one thinks."""
    inbox.store.resume_lane(BROKEN_LANE)

    assert f"late     {BROKEN_LANE}\n" in run("list").out
    assert "Lanes that need you: 0\n" in run("list", "--late-after", "1d").out
    assert "redox-wsgi inbox doctor" in run("show", 2).out
    assert "in its turn" in run("show", 2, "--late-after", "1d").out


def test_a_lane_that_somebody_halted_has_no_error(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """And one in which nothing waits needs nobody."""
    inbox.store.skip_head(BROKEN_LANE)
    work(inbox, clock)
    put(inbox, 7, age=timedelta(0), source="hospital-c")
    inbox.store.halt_lane("/redox|hospital-c|patientadmin")
    out = run("list").out

    assert "Lanes that need you: 1\n\nhalted   /redox|hospital-c|" in out
    assert "last error" not in out


def test_a_lane_at_work_has_not_failed(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """The error of an entry that was buried before it stands in its lane still."""
    inbox.store.resume_lane(BROKEN_LANE)
    work(inbox, clock, fail_for_one, dead_letter=["*"], concurrency=1)
    put(inbox, 7, age=timedelta(0))
    claim = inbox.store.claim("token", 30.0)
    assert claim is not None
    inbox.store.bury(claim, "builtins.KeyError")
    put(inbox, 8, age=timedelta(0))
    assert inbox.store.claim("token", 30.0) is not None
    out = run("list").out

    assert "Lanes that need you: 0\n" in out
    assert "being handled now" in run("stats").out


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), [2, 3, 4]),
        (("--state", "done"), [1, 5, 6]),
        (("--state", "done", "--state", "waiting"), [1, 2, 3, 4, 5, 6]),
        (("--state", "done", "--lane", SOUND_LANE), [5, 6]),
        (("--state", "done", "--lane", "*|results"), [5, 6]),
        (("--lane", "*|results"), []),
        (("--state", "done", "--data-model", "patient admin"), [1]),
        (("--since", "2h"), [4]),
        (("--before", "2h"), [2, 3]),
        (
            ("--since", "2026-03-01T00:30:00Z", "--before", "2026-03-01T02:00+01:00"),
            [3],
        ),
        (("--after-id", "2"), [3, 4]),
        (("--limit", "1"), [2]),
        (("--state", "emptied"), []),
    ],
    ids=lambda value: " ".join(map(str, value)) or "nothing",
)
def test_what_the_options_select_is_listed(
    inbox: Inbox, run: CommandLine, options: tuple[str, ...], ids: list[int]
) -> None:
    """The same for people and for machines."""
    lines = read_lines(run("list", "--json", *options).out)
    shown = [line for line in run("list", *options).out.splitlines() if " min " in line]
    shown += [line for line in run("list", *options).out.splitlines() if " h " in line]

    assert [line["id"] for line in lines if line["record"] == "entry"] == ids
    assert all(any(f" {id_} " in line for line in shown) for id_ in ids)


def test_a_long_list_says_how_to_go_on(
    inbox: Inbox, run: CommandLine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People see twenty, machines all, however many pages the store has."""
    monkeypatch.setattr("redox_wsgi.cli.inbox.selecting._PAGE", 3)
    for number in range(10, 30):
        put(inbox, number, age=timedelta(minutes=1))
    out = run("list", "--lane", BROKEN_LANE).out
    following = run("list", "--lane", BROKEN_LANE, "--after-id", "23").out

    assert out.startswith("Entries: 20 and more\n")
    assert out.endswith("More of them: --after-id 23, --limit, or --json.\n")
    assert following.startswith("Entries: 3\n")
    assert len(read_lines(run("list", "--json").out)) == 1 + 23
    assert len(read_lines(run("list", "--json", "--limit", 5).out)) == 1 + 5


def test_lanes_that_alternate_are_listed_one_after_the_other(
    inbox: Inbox, run: CommandLine
) -> None:
    """A heading for each entry would hide which belong together."""
    for number in (7, 8, 9):
        put(inbox, number, age=timedelta(0), source=f"hospital-{number % 2}")
    out = run("list", "--after-id", "6").out

    assert out.count("\n/redox|") == 2
    assert out.index("\n  9 ") < out.index("/redox|hospital-0|")


def test_of_very_many_lanes_some_are_shown(inbox: Inbox, run: CommandLine) -> None:
    """After a night without a database every lane is halted."""
    for number in range(10, 35):
        put(inbox, number, age=timedelta(0), source=f"hospital-{number}")
        inbox.store.halt_lane(f"/redox|hospital-{number}|patientadmin")
    listed, counted = run("list").out, run("stats").out

    assert listed.startswith("Lanes that need you: 26\n")
    assert listed.count("\nhalted ") == 20
    assert "Lanes that are not shown: 6; --json has all.\n\nEntries:" in listed
    assert counted.count("\n/redox|") == 20
    assert counted.endswith("\n\nLanes that are not shown: 6; --json has all.\n")
    assert len(read_lines(run("stats", "--json").out)) == 1 + 26


def test_the_head_of_a_halted_lane_is_shown_with_what_can_be_done(
    inbox: Inbox, run: CommandLine
) -> None:
    """The error stands with its lane while the entry waits."""
    status, out, _ = run("show", 2)

    assert status == 0
    assert "state        waiting\n" in out
    assert "received     2026-03-01 00:00:00 UTC, 3 h ago\n" in out
    assert "last error   builtins.ValueError" in out
    assert f"  redox-wsgi inbox resume '{BROKEN_LANE}'\n" in out
    assert f"  redox-wsgi inbox skip '{BROKEN_LANE}'\n" in out


def test_one_that_waits_behind_another_points_to_it(
    inbox: Inbox, run: CommandLine
) -> None:
    """Nothing can be done about it alone."""
    assert "It waits behind entry 2; look at that one:\n" in run("show", 3).out


def test_each_state_has_its_advice(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """Done, dead, an unanswered query, emptied."""
    more = {"source": "c", "data_model": "PatientSearch", "event_type": "Query"}
    put(inbox, 7, age=timedelta(0), **more)
    inbox.store.skip_head(BROKEN_LANE)
    inbox(again(inbox, 5))
    clock.now += timedelta(days=8)
    inbox.store.prune(State.DONE, clock.now)

    assert "error        skipped\n" in run("show", 2).out
    assert "  redox-wsgi inbox replay 2\n" in run("show", 2).out
    assert "Put a Router" in run("show", 7).out.replace("\n", " ")
    emptied = run("show", 5).out
    assert "only the sender can send it again" in emptied
    assert "sent again   1 times\n" in emptied
    assert run("show", 5, "--show-body").err == "Error: Its body was pruned.\n"


def again(inbox: Inbox, entry_id: int) -> Transmission:
    """Read an entry, to send it once more."""
    entry = inbox.store.find_entry(entry_id)
    assert entry is not None
    return inbox.read(entry)


def test_what_is_done_may_be_done_again(inbox: Inbox, run: CommandLine) -> None:
    """Its lane's error is not its own."""
    out = run("show", 1).out

    assert "Nothing is wrong. To run the handler again:\n" in out
    assert "last error" not in out


def test_a_body_is_shown_only_when_asked_for(inbox: Inbox, run: CommandLine) -> None:
    """For people with indentation, for machines as it came."""
    out = run("show", 2, "--show-body", shows_bodies=True).out
    [line] = read_lines(run("show", 2, "--show-body", "--json", shows_bodies=True).out)
    [plain] = read_lines(run("show", 2, "--json").out)

    assert f'    "LastName": "{leaks.LAST_NAME}",\n'.replace("    ", "      ") in out
    assert line["body"].encode() == again(inbox, 2).body
    assert plain == {name: line[name] for name in line if name != "body"}
    assert plain["state"] == "waiting"


def test_a_body_that_is_no_text_is_harmless_to_a_terminal(
    inbox: Inbox, run: CommandLine
) -> None:
    """Escape sequences are shown, not obeyed; machines get base64."""
    inbox(Transmission(b"\x1b[31m\xff", received_at=NOW, destination="/redox"))
    out = run("show", 7, "--show-body").out
    [line] = read_lines(run("show", 7, "--show-body", "--json").out)

    assert out.endswith("Body\n\ufffd[31m\\xff\n")
    assert line["body_base64"] == "G1szMW3/"


def test_a_damaged_body_is_said_to_be(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a traceback."""

    def fail(*_: object) -> None:
        raise BodyDamaged("body-missing")

    monkeypatch.setattr(Inbox, "read", fail)
    status, _, err = run("show", 2, "--show-body")

    assert status == 1
    assert "Its body is missing" in err


def test_an_entry_that_does_not_exist_ends_with_1(
    inbox: Inbox, run: CommandLine
) -> None:
    """Somebody mistyped its number."""
    assert run("show", 99) == (1, "", "Error: There is no entry 99.\n")


@pytest.mark.parametrize("command", ["show", "replay"])
def test_a_number_that_no_entry_can_have_is_explained(
    inbox: Inbox, run: CommandLine, command: str
) -> None:
    """Two numbers that were pasted together."""
    status, out, err = run(command, 2**63)

    assert (status, out) == (2, "")
    assert "9223372036854775808 is not in the range" in " ".join(err.split())


@pytest.mark.parametrize("command", ["stats", "list", "doctor", "prune"])
def test_a_mistyped_path_creates_no_inbox(
    command: str, run: CommandLine, tmp_path: Path
) -> None:
    """An empty one would look as if all were well."""
    path = tmp_path / "nothing.db"
    status, out, err = run(command, "--inbox", f"sqlite:///{path}")

    assert (status, out) == (2, "")
    assert "There is no inbox at" in err
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "There is no inbox"),
        (b"a letter" * 1000, "not a database of SQLite"),
        (None, "a database of something else"),
    ],
    ids=["an empty file", "a text", "another database"],
)
def test_a_file_that_is_something_else_is_left_alone(
    run: CommandLine, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """Such as the database of the application."""
    path = tmp_path / "other.db"
    if content is None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE auth_user (id INTEGER)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    status, out, err = run("stats", "--inbox", f"sqlite:///{path}")

    assert (status, out) == (2, "")
    assert said in " ".join(err.split())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "set REDOX_INBOX, or give --inbox"),
        ("mysql://localhost/inbox", "sqlite:///inbox.db, postgresql://"),
        ("sqlite:inbox.db", "an absolute path"),
        ("memory://", "one process only"),
    ],
    ids=["none", "another kind", "too few slashes", "memory"],
)
def test_a_wrong_url_is_explained(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    """With status 2, and what is right."""
    monkeypatch.setenv("REDOX_INBOX", url)
    status, out, err = run("stats")

    assert (status, out) == (2, "")
    assert said in " ".join(err.split())


def test_a_missing_extra_is_named(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL needs a package more."""
    for name in [name for name in sys.modules if name.startswith("psycopg")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    status, _, err = run("stats", "--inbox", "postgresql://localhost/inbox")

    assert status == 2
    assert "redox_wsgi[postgresql]" in err


def test_an_inbox_that_is_down_is_said_to_be(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fixed word of the store, and status 1."""

    def fail(_: object) -> None:
        raise InboxUnavailable("database-locked")

    monkeypatch.setattr(type(inbox.store), "stats", fail)
    status, out, err = run("stats")

    assert (status, out) == (1, "")
    assert "The inbox cannot be used now (database-locked)." in err


def test_a_server_that_does_not_answer_is_said_not_to(run: CommandLine) -> None:
    """Without a password, even if the URL holds one."""
    url = f"postgresql://me:secret-word@127.0.0.1:{find_free_port()}/inbox"
    status, out, err = run("stats", "--inbox", url)

    assert (status, out) == (1, "")
    assert "The inbox cannot be used now" in err
    assert "secret-word" not in err


def test_an_encrypted_inbox_is_read_with_the_keys_of_the_environment(
    tmp_path: Path, clock: Clock, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never with keys of an option, which others could see."""
    key = run("new-key").out.strip()
    url = f"sqlite:///{tmp_path}/sealed.db"
    sealed = Inbox(url, encryption_keys=[key], now=clock)
    put(sealed, 1, age=timedelta(0))
    monkeypatch.setenv("REDOX_INBOX", url)
    monkeypatch.setenv("REDOX_INBOX_KEYS", f"{run('new-key').out.strip()}\n{key}")
    out = run("show", 1, "--show-body", shows_bodies=True).out
    monkeypatch.setenv("REDOX_INBOX_KEYS", "short")
    wrong = run("show", 1)
    sealed.close()

    assert "LastName" in out
    assert wrong.status == 2
    assert "short" not in wrong.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "yesterday"), "write 2026-01-31"),
        (("--since", "0001-01-01T00:00:00+23:00"), "write 2026-01-31"),
        (("--since", "99999w"), "write 2026-01-31"),
        (("--late-after", "5"), "write 90s, 15m, 2h, 3d or 1w"),
        (("--state", "asleep"), "'waiting', 'done', 'dead', 'emptied'"),
        (("--limit", "0"), "--limit"),
        (("--after-id", "9223372036854775808"), "--after-id"),
        (("--lane", "\udcff"), "not UTF-8"),
        (("--data-model", "\udcff"), "not UTF-8"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_are_explained(
    inbox: Inbox, run: CommandLine, options: tuple[str, ...], said: str
) -> None:
    """With status 2, and how it is written."""
    status, out, err = run("list", *options)

    assert (status, out) == (2, "")
    assert said in " ".join(err.split())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_ages_have_two_units_at_most(seconds: float, text: str) -> None:
    """Nobody needs the seconds of a day."""
    assert format_age(seconds) == text


def test_without_a_clock_of_the_test_the_moment_is_the_present() -> None:
    """Aware, and in UTC."""
    assert moments.now().utcoffset() == timedelta(0)
