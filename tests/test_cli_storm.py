"""The command ``storm``, as a person or a script sees it."""

from __future__ import annotations

import io
import json
from array import array
from collections import Counter

import pytest
from click.testing import CliRunner
from rich.console import Console

import redox_wsgi.cli.storm
from redox_wsgi.cli.storm import storm
from redox_wsgi.cli.storm_report import LiveView, print_table
from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.storm import Storm, StormPlan, Tally
from redox_wsgi.simulator.storm.task import Report
from tests.support.storm_server import OK, UNAUTHORIZED, answering, serve

TOKEN = "canary-5up3r-53cr3t"


def run(*arguments, token=TOKEN):
    """Run the command; the token comes from the environment."""
    variables = {"REDOX_VERIFICATION_TOKEN": token, "COLUMNS": "80"}
    result = CliRunner().invoke(storm, arguments, env=variables)
    assert TOKEN not in result.output
    return result


def test_a_load_ends_with_a_table():
    """Without colours where the output is no terminal; exit status 0."""
    with serve(answering(OK)) as port:
        result = run(f"http://127.0.0.1:{port}/", "--count", "50", "--connections", "5")

    assert result.exit_code == 0
    assert result.stderr == ""
    assert "\x1b" not in result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())
    for words in (
        ["closed loop, 5 subscriptions"],
        ["Sent", "50"],
        ["Answered", "50 in"],
        ["Statuses", "200: 50"],
        ["Connections opened", "5"],
        ["Latency, 99.9%", " ms"],
        ["50 of 50 answered as they should be."],
    ):
        assert any(
            all(word in line for word in words) for line in result.output.splitlines()
        )
    assert "Failed" not in result.output


def test_a_script_reads_one_json_object():
    """With everything that is in the table, and the series over time."""
    with serve(answering(OK)) as port:
        result = run(
            *(f"http://127.0.0.1:{port}/", "--json", "--rate", "1000"),
            *("--count", "20", "--sizes", "2k:3,3k"),
        )
    [line] = result.output.splitlines()
    answer = json.loads(line)

    assert (answer["loop"], answer["due_per_second"]) == ("open", 1000)
    assert answer["sizes"] == [[2048, 3], [3072, 1]]
    assert (answer["sent"], answer["answered"], answer["right"]) == (20, 20, 20)
    assert answer["statuses"] == {"200": 20}
    assert list(answer["latency"]) == ["mean", "50%", "90%", "99%", "99.9%", "largest"]
    assert sum(slot["answered"] for slot in answer["slots"]) == 20
    assert answer["client"]["late_by_99_percent"] >= 0
    assert answer["interrupted"] is False


def test_a_wrong_answer_is_exit_status_1():
    """The first one is right, one of the others is not."""
    answers = iter([OK, OK, UNAUTHORIZED, *[OK] * 20])
    with serve(answering(lambda *_: next(answers))) as port:
        result = run(f"http://127.0.0.1:{port}/", "--count", "5", "--connections", "1")

    assert result.exit_code == 1
    assert "200: 4, 401: 1" in result.output
    assert "4 of 5 answered as they should be." in result.output


def test_a_wrong_token_wants_refusals():
    """How much a refusal costs is worth knowing."""
    with serve(answering(UNAUTHORIZED)) as port:
        url = f"http://127.0.0.1:{port}/"
        refused = run(url, "--count", "5", "--connections", "1", "--wrong-token")

    assert refused.exit_code == 0
    assert "401: 5" in refused.output


@pytest.mark.parametrize(
    ("answer", "came"), [(UNAUTHORIZED, "status 401"), (b"", "closed")]
)
def test_if_the_first_is_answered_wrongly_no_other_is_sent(answer, came):
    """A wrong token is found out before ten thousand refusals."""
    heads: list[object] = []

    def handle(peer):
        while request := peer.read() if not heads else None:
            heads.append(request)
            peer.write(answer)
            peer.connection.close() if not answer else None

    with serve(handle) as port:
        result = run(f"http://127.0.0.1:{port}/")

    assert result.exit_code == 1
    assert f"answered wrongly: {came}." in result.output
    assert len(heads) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["http://192.0.2.1/"], "--i-own-this-host"),
        (["ftp://127.0.0.1/"], "http://"),
        (["http://127.0.0.1/", "--sizes", "huge"], "Sizes look like"),
        (["http://127.0.0.1/", "--rate", "0"], "rate must be"),
        (["http://127.0.0.1/", "--plot", "chart.gif"], ".png"),
    ],
)
def test_what_cannot_be_done_is_exit_status_2(arguments, sentence):
    """By a sentence that says how to mend it; nothing was sent."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert sentence in result.output.replace("\n", " ")


def test_without_a_token_nothing_is_sent():
    """Neither is one made up."""
    result = run("http://127.0.0.1/", token="")

    assert result.exit_code == 2
    assert "REDOX_VERIFICATION_TOKEN" in result.output


def test_a_size_too_small_for_a_payload_is_refused():
    """Before the first transmission."""
    with serve(answering(OK)) as port:
        result = run(f"http://127.0.0.1:{port}/", "--sizes", "10")

    assert (result.exit_code, "smallest size" in result.output) == (2, True)


def test_a_chart_is_drawn_at_the_end(tmp_path):
    """Beside the table."""
    file = tmp_path / "chart.svg"
    with serve(answering(OK)) as port:
        result = run(f"http://127.0.0.1:{port}/", "--count", "5", "--plot", str(file))

    assert result.exit_code == 0
    assert "<svg" in file.read_text("utf-8")


def test_ctrl_c_ends_with_the_sum_so_far(monkeypatch):
    """Exit status 130, and no process is left."""
    watch = Storm.watch

    def interrupted(load):
        for tally in watch(load):
            yield tally
            if tally.answered:
                raise KeyboardInterrupt

    monkeypatch.setattr(Storm, "watch", interrupted)
    with serve(answering(OK)) as port:
        result = run(
            f"http://127.0.0.1:{port}/", "--count", "9999999", "--seconds", "600"
        )

    assert result.exit_code == 130
    assert "Interrupted: " in result.output


def test_a_process_that_dies_is_told(monkeypatch):
    """By a sentence, not by a traceback."""

    def fail(_):
        raise SimulatorError("A sending process ended too early.")

    monkeypatch.setattr(Storm, "watch", fail)
    with serve(answering(OK)) as port:
        result = run(f"http://127.0.0.1:{port}/")

    assert result.exit_code == 1
    assert "ended too early" in result.output


def test_a_chart_that_cannot_be_written_is_told_below_the_table(monkeypatch, tmp_path):
    """The numbers are not lost for it."""

    def fail(*_):
        raise SimulatorError("chart.svg cannot be written.")

    monkeypatch.setattr(redox_wsgi.cli.storm, "draw_chart", fail)
    with serve(answering(OK)) as port:
        url, file = f"http://127.0.0.1:{port}/", str(tmp_path / "chart.svg")
        result = run(url, "--count", "5", "--plot", file)

    assert result.exit_code == 1
    assert "5 of 5 answered as they should be." in result.output
    assert "chart.svg cannot be written." in result.output


def build_tally(**settings):
    """Build a tally of one report, in which something went wrong."""
    plan = StormPlan(url="http://h/", verification_token=TOKEN, **settings)
    tally = Tally(plan)
    report = Report(
        at=1.0,
        latencies=array("I", [900, 2_500_000]),
        statuses=Counter({"200": 1, "500": 1}),
        errors=Counter({"closed": 3}),
        in_flight=4,
        waiting=5,
        busy=0.99,
        sent=9,
    )
    tally.add(0, report)
    return tally


def show(tally, *, is_interrupted=False, is_terminal=False):
    """Print a table into a text."""
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=is_terminal)
    print_table(console, tally, is_interrupted=is_interrupted)
    return file.getvalue()


def test_the_table_says_what_went_wrong():
    """Failures, what was left over, and that the client may be the limit."""
    shown = show(build_tally(rate=10.0))

    for words in (
        "open loop, 10 due a second",
        "closed: 3",
        "In flight at the end   4",
        "Due, never sent        5",
        "2.50 s",
        "The destination did not keep up",
        "The client may be the limit: a sending process was busy 99% of the time",
        "1 of 9 answered as they should be.",
    ):
        assert words in " ".join(shown.split("\n"))


def test_an_interrupted_run_blames_nobody_for_what_is_left():
    """It would have been sent."""
    shown = show(build_tally(rate=10.0), is_interrupted=True, is_terminal=True)

    assert "did not keep up" not in shown
    assert "Interrupted: " in shown
    assert "\x1b[31m" in shown


def test_a_run_without_an_answer_has_no_latency():
    """A dash, not nought."""
    shown = show(Tally(StormPlan(url="http://h/", verification_token=TOKEN)))

    assert "Latency, 50%         -" in shown


def view(*, is_terminal, is_quiet=False):
    """Show a state, and return what was written."""
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=is_terminal)
    with LiveView(console, is_quiet=is_quiet) as live:
        live.show(build_tally())
    return file.getvalue()


def test_on_a_terminal_the_state_is_shown_while_it_lasts():
    """It fits into 80 columns, and goes away at the end."""
    shown = view(is_terminal=True)

    for words in ("Answered", "In flight", "99 %", "0.90 ms"):
        assert words in shown
    assert "…" not in shown
    assert "\x1b[2K" in shown


def test_elsewhere_nothing_is_shown_before_the_end():
    """Neither in a file, nor if a script reads."""
    assert view(is_terminal=False) == ""
    assert view(is_terminal=True, is_quiet=True) == ""
