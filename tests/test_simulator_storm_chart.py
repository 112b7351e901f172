"""The chart of a storm: that it is drawn, and what is in it."""

from __future__ import annotations

import sys
from array import array
from collections import Counter

import matplotlib as mpl
import pytest

from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.storm import StormPlan, Tally
from redox_wsgi.simulator.storm.chart import check_chart, draw_chart
from redox_wsgi.simulator.storm.task import Report


def build_tally(*, rate=None, status="200"):
    """Build a tally of two seconds, with a second of silence between."""
    plan = StormPlan(
        url="http://localhost/", verification_token="made-up", rate=rate, seconds=4.0
    )
    tally = Tally(plan)
    for at in (0.5, 1.0, 3.0, 3.5, 3.9, 4.1):
        latencies = array("I", [1000, 2000, 90_000])
        tally.add(0, Report(at=at, latencies=latencies, statuses=Counter({status: 3})))
    return tally


@pytest.mark.parametrize("rate", [None, 10.0])
@pytest.mark.parametrize("status", ["200", "500"])
def test_a_chart_is_drawn_as_svg(tmp_path, monkeypatch, rate, status):
    """With the quantiles, the rate, and what was due or wrong if there is any."""
    # Text stays text, so that it can be found.
    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    file = tmp_path / "chart.svg"
    draw_chart(build_tally(rate=rate, status=status), file)
    drawn = file.read_text("utf-8")

    for word in ("50 %", "90 %", "99 %", "largest", "answered", "latency, ms"):
        assert f">{word}<" in drawn
    assert (">due<" in drawn) is (rate is not None)
    assert (">wrong or none<" in drawn) is (status == "500")
    assert "10 subscriptions, 18 answers" in drawn


def test_a_chart_is_drawn_as_png(tmp_path):
    """By the end of the file's name, in any case."""
    file = tmp_path / "chart.PNG"
    draw_chart(build_tally(), file)

    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_storm_without_answers_has_an_empty_chart(tmp_path):
    """It is interrupted at once, for example."""
    plan = StormPlan(url="http://localhost/", verification_token="made-up")
    draw_chart(Tally(plan), tmp_path / "chart.svg")

    assert (tmp_path / "chart.svg").stat().st_size


def test_a_chart_that_cannot_be_drawn_is_found_out_early(tmp_path, monkeypatch):
    """Before an hour of load, not after it."""
    for name in ("chart.gif", "chart", "missing/chart.svg"):
        with pytest.raises(SimulatorError):
            check_chart(tmp_path / name)
    check_chart(tmp_path / "chart.svg")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SimulatorError, match=r'pip install "redox_wsgi\[plot\]"'):
        check_chart(tmp_path / "chart.svg")


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    """By a sentence, after the table was shown."""
    (tmp_path / "chart.svg").mkdir()

    with pytest.raises(SimulatorError, match="cannot be written"):
        draw_chart(build_tally(), tmp_path / "chart.svg")
