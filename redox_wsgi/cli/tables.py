"""Tables of a run: a row for each request, or for each group of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redox_wsgi.cli.screen import Screen
    from redox_wsgi.cli.tally import Group, Row
    from redox_wsgi.simulator.answer import Problem

__all__ = ["build_groups", "build_rows"]

_PROBLEMS: dict[Problem, str] = {
    "no-answer": "no answer",
    "not-refused": "the wrong token was not refused with 401",
    "status-not-200": "the status should be 200",
    "challenge-missing": "the body lacks the challenge",
    "location-missing": "the redirect lacks a Location",
    "body-not-json": "a query wants a JSON body",
    "meta-missing": "a query wants a JSON object with a Meta",
}


def build_rows(rows: Iterable[Row], screen: Screen) -> Table:
    """Build a table with a row for each request."""
    rows = list(rows)
    has_retries = any(row.attempts > 1 for row in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Sent", overflow="fold")
    table.add_column("Status", justify="right")
    if has_retries:
        table.add_column("Tries", justify="right")
    table.add_column("Time", justify="right", no_wrap=True)
    table.add_column("Verdict", overflow="fold")
    for row in rows:
        status = row.answer.status
        table.add_row(
            screen.text(row.name),
            "-" if status is None else str(status),
            *([str(row.attempts)] if has_retries else []),
            _milliseconds(row.answer.seconds),
            _verdict(row),
        )
    return table


def build_groups(groups: Mapping[str, Group], screen: Screen) -> Table:
    """Build a table with a row for each group."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Event", overflow="fold")
    for heading in ("Sent", "Right", "Tries", "Median", "Longest"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, group in sorted(groups.items()):
        table.add_row(
            screen.text(name),
            str(group.sent),
            Text(str(group.right), "green" if group.right == group.sent else "red"),
            str(group.attempts),
            _milliseconds(group.median_seconds),
            _milliseconds(max(group.seconds)),
        )
    return table


def _verdict(row: Row) -> Text:
    if row.answer.problem is None:
        return Text("right", "green")
    reason = f" ({row.answer.error})" if row.answer.error else ""
    word, colour = ("paused", "yellow") if row.is_paused else ("wrong", "red")
    return Text(f"{word}: {_PROBLEMS[row.answer.problem]}{reason}", colour)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
