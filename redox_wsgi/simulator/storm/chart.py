"""Draw the latencies and the rate of a storm over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from redox_wsgi.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from redox_wsgi.simulator.storm.tally import Slot, Tally

__all__ = ["check_chart", "draw_chart"]

_FORMATS = (".png", ".svg")
_WIDTH_INCHES, _HEIGHT_INCHES = 9.0, 6.0
#: What is drawn, from light to dark; the eye finds the worst last.
_LINES = ((0.5, "50 %", "#9ecae1"), (0.9, "90 %", "#4292c6"), (0.99, "99 %", "#08519c"))
_WRONG = "#cb181d"


def check_chart(path: Path) -> None:
    """Find out before a long run whether its chart can be drawn.

    Raises:
        SimulatorError: The file's name ends in something else than ``.png`` or
            ``.svg``, its folder does not exist, or matplotlib is not installed.
    """
    if path.suffix.lower() not in _FORMATS:
        raise SimulatorError("A chart is a .png or an .svg file.")
    if not path.parent.is_dir():
        raise SimulatorError(f"The folder {path.parent} does not exist.")
    try:
        import matplotlib.figure  # noqa: F401, PLC0415 - large, and seldom needed
    except ModuleNotFoundError as error:
        raise SimulatorError(
            'A chart needs matplotlib: install it with pip install "redox_wsgi[plot]".'
        ) from error


def draw_chart(tally: Tally, path: Path) -> None:
    """Draw a chart into a file; an older one is replaced.

    Raises:
        SimulatorError: See ``check_chart``; or the file cannot be written.
    """
    check_chart(path)
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    # Without pyplot: that would look for a screen.
    figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    figure.suptitle(_describe(tally))
    _draw_latencies(above, tally.slots)
    _draw_rates(below, tally)
    try:
        figure.savefig(path)
    except OSError as error:
        raise SimulatorError(f"{path} cannot be written: {error.strerror}.") from error


def _describe(tally: Tally) -> str:
    plan = tally.plan
    way = (
        "closed loop" if plan.rate is None else f"open loop, {plan.rate:g} due a second"
    )
    return f"{way}, {plan.subscriptions} subscriptions, {tally.answered} answers"


def _draw_latencies(axes: Axes, slots: list[Slot]) -> None:
    from matplotlib.ticker import LogFormatter  # noqa: PLC0415 - as above

    filled = [slot for slot in slots if len(slot.latencies)]
    times = [slot.begins + slot.seconds / 2 for slot in filled]
    quantiles = [
        slot.latencies.quantiles([share for share, *_ in _LINES]) for slot in filled
    ]
    for number, (_, label, colour) in enumerate(_LINES):
        values = [_milliseconds(found[number]) for found in quantiles]
        axes.plot(times, values, label=label, color=colour, marker=".")
    most = [_milliseconds(slot.latencies.largest) for slot in filled]
    axes.plot(times, most, label="largest", color="#969696", linestyle=":")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    # No powers, and only where there is room.
    axes.yaxis.set_minor_formatter(LogFormatter())
    axes.set_ylabel("latency, ms")
    axes.grid(visible=True, which="both", alpha=0.3)
    # Above the frame: within it, it would cover the highest latencies.
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(_LINES) + 1)


def _draw_rates(axes: Axes, tally: Tally) -> None:
    # The last one is cut off where the load ended; a scrap of it says nothing.
    ends = min(tally.elapsed, tally.plan.seconds)
    widths = [min(slot.seconds, ends - slot.begins) for slot in tally.slots]
    slots = [
        (slot, width)
        for slot, width in zip(tally.slots, widths, strict=True)
        if width >= slot.seconds / 2
    ]
    times = [slot.begins + width / 2 for slot, width in slots]
    answered = [len(slot.latencies) / width for slot, width in slots]
    axes.plot(times, answered, label="answered", color="#08519c", marker=".")
    if tally.failed:
        wrong = [slot.failed / width for slot, width in slots]
        axes.plot(times, wrong, label="wrong or none", color=_WRONG, marker=".")
    if tally.plan.rate is not None:
        axes.axhline(tally.plan.rate, label="due", color="#969696", linestyle=":")
    axes.margins(y=0.2)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("a second")
    axes.set_xlabel("seconds since the start")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right", ncols=3)


def _milliseconds(seconds: float | None) -> float:
    return (seconds or 0.0) * 1000
