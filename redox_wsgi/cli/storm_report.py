"""Show a storm while it lasts, and what it came to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import click
from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from redox_wsgi.simulator.storm import QUANTILES

if TYPE_CHECKING:
    from collections import Counter
    from types import TracebackType

    from rich.console import Console

    from redox_wsgi.simulator.storm import Latencies, Slot, Tally

__all__ = ["LiveView", "print_json", "print_table"]

_OPEN = (
    "Latencies count from when a transmission was due: what a slow answer delays is in "
    "them."
)
_CLOSED = (
    "A slow answer delays what its subscription sends next, so that these latencies "
    "leave out what others would have waited; --rate measures that, too."
)


class LiveView:
    """A line of numbers that changes while a storm lasts, if there is a terminal.

    Args:
        console: Where it goes.
        is_quiet: Show nothing at all.
    """

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        self._live: Live | None = None
        if console.is_terminal and not is_quiet:
            self._live = Live(console=console, transient=True, refresh_per_second=4)

    def __enter__(self) -> Self:
        """Begin."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take it away."""
        if self._live is not None:
            self._live.stop()

    def show(self, tally: Tally) -> None:
        """Show how things stand."""
        if self._live is not None:
            self._live.update(build_live_table(tally))


def build_live_table(tally: Tally) -> Table:
    """Build what is shown while a storm lasts; its latencies are the last second's."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    names = ("Time", "Answered", "a second", "In flight", "Due", "Failed")
    for name in (*names, "50 %", "90 %", "99 %"):
        table.add_column(name, justify="right", no_wrap=True)
    recent = tally.recent
    table.add_row(
        f"{tally.at:.0f} s",
        str(tally.answered),
        f"{tally.recent_rate:.0f}",
        str(tally.in_flight),
        str(tally.waiting),
        Text(str(tally.failed), "red" if tally.failed else ""),
        *map(_time, recent.quantiles([0.5, 0.9, 0.99])),
    )
    return table


def print_table(console: Console, tally: Tally, *, is_interrupted: bool) -> None:
    """Print what a storm came to."""
    plan = tally.plan
    way = (
        "closed loop" if plan.rate is None else f"open loop, {plan.rate:g} due a second"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("Load", f"{way}, {plan.subscriptions} subscriptions")
    table.add_row("Sent", str(tally.sent))
    table.add_row("Answered", f"{tally.answered} in {tally.elapsed:.1f} s")
    table.add_row("Rate", f"{tally.rate:.1f} answers a second")
    for name, words in (("Statuses", tally.statuses), ("No answer", tally.errors)):
        if words:
            table.add_row(name, _count(words))
    if tally.in_flight:
        table.add_row("In flight at the end", str(tally.in_flight))
    if tally.waiting:
        table.add_row("Due, never sent", str(tally.waiting))
    table.add_row("Connections opened", str(tally.opened))
    table.add_section()
    for name, seconds in _latencies(tally.latencies).items():
        table.add_row(f"Latency, {name}", _time(seconds))
    console.print(table)
    _print(console, _CLOSED if plan.rate is None else _OPEN)
    if tally.waiting and not is_interrupted:
        _print(
            console,
            "The destination did not keep up: what was due and never sent is not in "
            "these latencies.",
            "yellow",
        )
    if tally.client_limit:
        _print(console, f"The client may be the limit: {tally.client_limit}.", "yellow")
    right = tally.statuses[str(plan.expected_status)]
    _print(
        console,
        f"{'Interrupted: ' if is_interrupted else ''}{right} of {tally.sent} "
        "answered as they should be.",
        "green" if tally.is_right else "red",
    )


def print_json(tally: Tally, *, is_interrupted: bool) -> None:
    """Print what a storm came to as one JSON object, times in seconds."""
    plan = tally.plan
    lag = tally.lags.quantile(0.99)
    result: dict[str, Any] = {
        "loop": "closed" if plan.rate is None else "open",
        "due_per_second": plan.rate,
        "subscriptions": plan.subscriptions,
        "processes": plan.processes,
        "sizes": [[share.size_bytes, share.weight] for share in plan.sizes],
        "sent": tally.sent,
        "answered": tally.answered,
        "right": tally.statuses[str(plan.expected_status)],
        "seconds": round(tally.elapsed, 6),
        "answers_per_second": round(tally.rate, 3),
        "statuses": dict(tally.statuses),
        "errors": dict(tally.errors),
        "in_flight": tally.in_flight,
        "never_sent": tally.waiting,
        "connections_opened": tally.opened,
        "latency": _latencies(tally.latencies),
        "client": {
            "busy": round(tally.busy, 3),
            "late_by_99_percent": lag,
            "limit": tally.client_limit,
        },
        "interrupted": is_interrupted,
        "slots": [_describe(slot) for slot in tally.slots],
    }
    click.echo(json.dumps(result))


def _describe(slot: Slot) -> dict[str, Any]:
    return {
        "begins": slot.begins,
        "seconds": slot.seconds,
        "answered": len(slot.latencies),
        "failed": slot.failed,
        "in_flight": slot.in_flight,
        "latency": _latencies(slot.latencies),
    }


def _latencies(latencies: Latencies) -> dict[str, float | None]:
    found = latencies.quantiles(QUANTILES)
    return {
        "mean": None if latencies.mean is None else round(latencies.mean, 6),
        **{
            f"{share:.1%}".replace(".0", ""): at
            for share, at in zip(QUANTILES, found, strict=True)
        },
        "largest": latencies.largest,
    }


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.2f} ms"


def _count(words: Counter[str]) -> str:
    return ", ".join(f"{word}: {count}" for word, count in sorted(words.items()))


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style))
