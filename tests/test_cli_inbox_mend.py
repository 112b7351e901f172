"""The commands that change something in an inbox."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from redox_wsgi.inbox import Inbox, State
from tests.support.command_line import CommandLine
from tests.support.operated import (
    BROKEN_LANE,
    SOUND_LANE,
    Clock,
    find_ids,
    put,
    work,
)
from tests.support.operated_fixtures import clock, inbox, run

# Fixtures.
__all__ = ["clock", "inbox", "run"]


def is_halted(inbox: Inbox) -> bool:
    """Tell whether a lane is halted."""
    return inbox.stats().halted > 0


def test_a_resumed_lane_drains(inbox: Inbox, run: CommandLine, clock: Clock) -> None:
    """In order, from the entry on that it halted at."""
    handled: list[int] = []
    resumed = run("resume", BROKEN_LANE)
    work(inbox, clock, lambda it: handled.append(it.json()["Number"]))

    assert resumed == (0, f"resumed {BROKEN_LANE}\n", "")
    assert handled == [2, 3, 4]
    assert find_ids(inbox, State.WAITING) == []


def test_all_halted_lanes_are_resumed_at_once(inbox: Inbox, run: CommandLine) -> None:
    """After a night in which the database was down."""
    inbox.store.halt_lane(SOUND_LANE)
    status, out, _ = run("resume", "--all")

    assert status == 0
    assert out.count("resumed /redox|") == 2
    assert run("resume", "--all").out == "No lane is halted.\n"


def test_lanes_are_resumed_by_pattern(inbox: Inbox, run: CommandLine) -> None:
    """Only halted ones are meant, and each once."""
    status, out, _ = run("resume", "*|patientadmin", BROKEN_LANE, "/redox|*")

    assert (status, out) == (0, f"resumed {BROKEN_LANE}\n")


def test_a_lane_that_is_not_halted_is_not_resumed(
    inbox: Inbox, run: CommandLine
) -> None:
    """Status 1, so that a script learns of it."""
    assert run("resume", SOUND_LANE) == (1, f"not halted: {SOUND_LANE}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--all", BROKEN_LANE)])
def test_who_resumes_says_what(
    inbox: Inbox, run: CommandLine, arguments: tuple[str, ...]
) -> None:
    """All of them, or some: not neither, not both."""
    assert run("resume", *arguments).status == 2
    assert is_halted(inbox)


def test_a_halted_lane_takes_entries_and_is_not_worked_on(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """Before a handler is mended, or a database moves."""
    halted = run("halt", SOUND_LANE)
    more = {"source": "hospital-b", "data_model": "Results", "event_type": "New"}
    put(inbox, 7, age=timedelta(0), **more)
    work(inbox, clock, lambda _: pytest.fail("handled"))

    assert halted == (0, f"halted {SOUND_LANE}\n", "")
    assert 7 in find_ids(inbox, State.WAITING)


def test_lanes_that_do_not_exist_are_not_halted(inbox: Inbox, run: CommandLine) -> None:
    """Neither by name, nor by a pattern that means none: both end with 1."""
    assert run("halt", "x") == (1, "there is no lane x\n", "")
    assert run("halt", "x*") == (1, "", "Error: No lane matches 'x*'.\n")


def test_a_skipped_entry_is_dead_and_its_lane_goes_on(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """The operator's choice, and it can be taken back."""
    status, out, err = run("skip", BROKEN_LANE, "--yes")
    work(inbox, clock)

    assert (status, err) == (0, "")
    assert out.startswith("Entry 2 is dead; the lane goes on.")
    assert "redox-wsgi inbox replay 2\n" in out
    assert find_ids(inbox, State.DEAD) == [2]
    assert find_ids(inbox, State.WAITING) == []


@pytest.mark.parametrize(
    ("answer", "status", "dead"),
    [("y\n", 0, [2]), ("Yes\n", 0, [2]), ("n\n", 1, []), ("\n", 1, []), ("", 1, [])],
    ids=["y", "Yes", "n", "return", "no terminal"],
)
def test_who_skips_is_asked(  # noqa: PLR0917 - a table
    inbox: Inbox,
    run: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
    dead: list[int],
) -> None:
    """The question names the entry; anything but yes changes nothing."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    ended = run("skip", BROKEN_LANE)

    assert ended.status == status
    assert (
        "Bury entry 2 (PatientAdmin:Arrival) and go on without it? [y/N]" in ended.err
    )
    assert ("Nothing was changed" in ended.err) == bool(status)
    assert find_ids(inbox, State.DEAD) == dead


def test_an_interrupted_question_ends_with_130(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is an answer too: nothing is changed."""
    monkeypatch.setattr("sys.stdin", Interrupting())

    assert run("skip", BROKEN_LANE).status == 130
    assert find_ids(inbox, State.DEAD) == []


class Interrupting:
    """A standard input at which somebody presses Ctrl-C."""

    def readline(self) -> str:
        """Be interrupted."""
        raise KeyboardInterrupt


def test_only_a_halted_lane_with_an_entry_is_skipped(
    inbox: Inbox, run: CommandLine
) -> None:
    """A worker could be at the head of any other."""
    inbox.store.halt_lane(SOUND_LANE)

    assert run("skip", SOUND_LANE, "--yes").err == (
        "Error: Nothing waits in that lane.\n"
    )
    inbox.store.resume_lane(BROKEN_LANE)
    assert "That lane is not halted" in run("skip", BROKEN_LANE, "--yes").err
    assert find_ids(inbox, State.DEAD) == []


def test_a_lane_that_somebody_else_resumed_is_not_skipped(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the question was on the screen."""

    class Answering:
        def readline(self) -> str:
            inbox.store.resume_lane(BROKEN_LANE)
            return "y\n"

    monkeypatch.setattr("sys.stdin", Answering())
    status, _, err = run("skip", BROKEN_LANE)

    assert status == 1
    assert "somebody else" in err
    assert find_ids(inbox, State.DEAD) == []


def test_entries_are_replayed_by_number(
    inbox: Inbox, run: CommandLine, clock: Clock
) -> None:
    """In their old place: before newer ones of their lane."""
    handled: list[int] = []
    replayed = run("replay", 1)
    run("resume", "--all")
    work(inbox, clock, lambda it: handled.append(it.json()["Number"]))

    assert replayed == (0, "1 of 1 wait again.\n", "")
    assert handled == [1, 2, 3, 4]


def test_what_cannot_be_replayed_is_named(inbox: Inbox, run: CommandLine) -> None:
    """It waits already, or there is none; the others are replayed."""
    status, out, _ = run("replay", 1, 2, *range(101, 120))

    assert status == 1
    assert out.startswith("1 of 21 wait again.\nNot replayed: 2, 101, ")
    assert "109 and 10 more." in out


def test_dead_entries_are_replayed_by_selection(inbox: Inbox, run: CommandLine) -> None:
    """Done ones only if that is said: their handler has run."""
    inbox.store.skip_head(BROKEN_LANE)
    tried = run("replay", "--since", "1d", "--dry-run")
    done = run("replay", "--since", "1d", "--state", "done", "--dry-run")
    assert find_ids(inbox, State.DEAD) == [2]
    replayed = run("replay", "--since", "1d")

    assert tried == (0, "1 would be replayed. Nothing was changed.\n", "")
    assert done.out == "3 would be replayed. Nothing was changed.\n"
    assert replayed == (0, "1 of 1 wait again.\n", "")
    assert find_ids(inbox, State.DEAD) == []


@pytest.mark.parametrize(
    "arguments",
    [(), ("1", "--since", "1d"), ("--state", "emptied"), ("0",)],
    ids=["nothing", "both", "without bodies", "no number"],
)
def test_who_replays_says_what(
    inbox: Inbox, run: CommandLine, arguments: tuple[str, ...]
) -> None:
    """Everything at once, by mistake, would be too much."""
    assert run("replay", *arguments).status == 2
    assert find_ids(inbox, State.DONE) == [1, 5, 6]


def test_an_interrupted_replay_says_how_far_it_came(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits again goes on waiting."""
    real = inbox.store.replay

    def replay(_: object, entry_id: int) -> bool:
        if entry_id == 5:
            raise KeyboardInterrupt
        return real(entry_id)

    monkeypatch.setattr(type(inbox.store), "replay", replay)

    assert run("replay", 1, 5, 6) == (130, "Interrupted: 1 of 3 wait again.\n", "")


def test_old_bodies_are_pruned_and_then_identities(
    inbox: Inbox, run: CommandLine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After seven days, and after ninety; what waits or is dead stays."""
    monkeypatch.setattr("redox_wsgi.cli.inbox.prune._BATCH", 2)
    inbox.store.skip_head(BROKEN_LANE)
    young = run("prune")
    assert "To be pruned: 0 bodies" in run("prune", "--dry-run").out
    clock.now += timedelta(days=8)
    tried = run("prune", "--dry-run")
    assert find_ids(inbox, State.DONE) == [1, 5, 6]
    old = run("prune")
    clock.now += timedelta(days=83)
    older = run("prune")

    assert young.out.startswith("Pruned: 0 bodies of done entries.\n")
    assert tried.out == (
        "To be pruned: 3 bodies of done entries.\n"
        "To be pruned: 0 identities of emptied entries.\n"
        "Nothing was changed.\n"
    )
    assert old.out.startswith("Pruned: 3 bodies of done entries.\n")
    assert older.out.endswith("Pruned: 3 identities of emptied entries.\n")
    assert find_ids(inbox, *State) == [2, 3, 4]


def test_dead_entries_are_pruned_after_a_question(
    inbox: Inbox, run: CommandLine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has ever handled them."""
    inbox.store.skip_head(BROKEN_LANE)
    clock.now += timedelta(days=31)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    asked = run("prune", "--dead", "30d")
    assert find_ids(inbox, State.DEAD) == [2]
    done = run("prune", "--dead", "30d", "--yes")

    assert asked.status == 1
    assert "To be pruned: 1 dead entries" in asked.out
    assert "Forget what died more than 30 d ago? [y/N]" in asked.err
    assert done.status == 0
    assert "Pruned: 1 dead entries" in done.out
    assert find_ids(inbox, State.DEAD) == []


def test_identities_outlive_bodies(inbox: Inbox, run: CommandLine) -> None:
    """Or a repeated delivery would be taken for new while the first is kept."""
    assert run("prune", "--bodies", "3d", "--identities", "2d").status == 2


def test_an_interrupted_prune_can_be_run_again(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is committed by itself."""

    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(inbox.store), "prune", interrupt)
    status, out, _ = run("prune")

    assert status == 130
    assert "run it again" in out


def test_what_interrupted_writes_left_behind_is_swept(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And said only if there was something."""
    monkeypatch.setattr(type(inbox.store), "sweep", lambda _: 2)

    assert "Swept: 2 left behind" in run("prune").out
