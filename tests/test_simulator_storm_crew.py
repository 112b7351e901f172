"""A whole storm: its processes are started, and ended whatever happens."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.storm import Storm, StormPlan, crew, parse_sizes
from tests.support.storm_server import OK, UNAUTHORIZED, answering, serve

TOKEN = "canary-5up3r-53cr3t"


def build_plan(port, **settings):
    """Build a plan towards this machine."""
    url = f"http://127.0.0.1:{port}/redox?key=1"
    return StormPlan(**{"url": url, "verification_token": TOKEN, **settings})


def test_several_processes_share_a_storm():
    """Every transmission is sent by one of them, with the token in its headers."""
    heads = []

    def answer(head, _):
        heads.append(head)
        return OK

    with serve(answering(answer)) as port:
        plan = build_plan(port, processes=2, subscriptions=5, count=101)
        with Storm(plan) as storm:
            tallies = list(storm.watch())

    assert tallies[-1] is storm.tally
    assert (storm.tally.sent, storm.tally.answered, storm.tally.opened) == (101, 101, 5)
    assert storm.tally.is_right
    assert storm.tally.is_over
    assert len(heads) == 101
    assert heads[0].startswith(
        b"POST /redox?key=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % port
    )
    assert f"\r\nverification-token: {TOKEN}\r\n".encode() in heads[0]
    assert f"\r\nauthorization: Bearer {TOKEN}\r\n".encode() in heads[0]


def test_a_storm_with_a_rate_and_mixed_sizes():
    """The open loop, through the processes; what is not answered rightly is told."""
    lengths = set()

    def answer(_, body):
        lengths.add(len(body) // 1000)
        return UNAUTHORIZED

    with serve(answering(answer)) as port:
        sizes = parse_sizes("3k,60k")
        plan = build_plan(port, rate=5000.0, count=60, sizes=sizes)
        with Storm(plan) as storm:
            list(storm.watch())

    assert lengths == {3, 61}
    assert (storm.tally.sent, storm.tally.failed) == (60, 60)
    assert len(storm.tally.lags) >= 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_ends_the_block_ends_the_processes(error):
    """And what they did until then is in the tally."""
    with serve(answering(OK)) as port:
        plan = build_plan(port, count=10_000_000, seconds=600.0)
        storm = Storm(plan)
        with pytest.raises(error):
            watch_until_it_answers(storm, error)

    assert storm.tally.is_over
    assert storm.tally.answered > 0


def watch_until_it_answers(storm, error):
    """Fail inside of the block."""
    with storm:
        for tally in storm.watch():
            if tally.answered:
                raise error


def test_nothing_is_sent_before_the_watch():
    """A block without one starts the processes, and ends them."""
    heads = []

    def answer(head, _):
        heads.append(head)
        return OK

    with serve(answering(answer)) as port, Storm(build_plan(port)) as storm:
        pass

    assert (heads, storm.tally.sent) == ([], 0)


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("raise SystemExit", "did not start"),
        ("import sys; sys.stdin.readline(); print('no'); input()", "did not start"),
        ("input(); print(flush=True)", "too early"),
        (
            "import os; os.close(0); os.write(1, b'\\n'); os.close(1)",
            "did not start",
        ),
    ],
)
def test_a_process_that_dies_ends_the_storm(monkeypatch, program, sentence):
    """It does not hang, and says so."""
    monkeypatch.setattr(crew, "_PROGRAM", program)
    with serve(answering(OK)) as port:
        storm = Storm(build_plan(port))
        with pytest.raises(SimulatorError, match=sentence), storm:
            list(storm.watch())


def test_a_storm_finds_out_early_what_it_cannot_do(monkeypatch):
    """Before a process is started."""
    with serve(answering(OK)) as port:
        plan = build_plan(port)
        monkeypatch.setitem(sys.modules, "httptools", None)
        with pytest.raises(SimulatorError, match=r'pip install "redox_wsgi\[storm\]"'):
            Storm(plan)
    monkeypatch.undo()
    with pytest.raises(SimulatorError, match="Nobody listens"):
        Storm(plan)
    with pytest.raises(SimulatorError, match="--i-own-this-host"):
        Storm(build_plan(80, url="http://192.0.2.1/"))


def test_what_the_documentation_shows_measures():
    """The function of its last block, towards a server."""
    shown = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text("utf-8")
    [block] = [
        block
        for block in re.findall(r"```python\n(.*?)```", shown, re.DOTALL)
        if "StormPlan" in block
    ]
    module: dict[str, Any] = {}
    exec(compile(block, "shown", "exec"), module)  # noqa: S102 - our own
    with serve(answering(OK)) as port:
        assert module["measure"](f"http://127.0.0.1:{port}/") > 0
