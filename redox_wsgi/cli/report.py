"""Report a run while it lasts and at its end; never show the token."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from redox_wsgi.cli.options import INTERRUPTED_STATUS
from redox_wsgi.cli.screen import Screen
from redox_wsgi.cli.tables import build_groups, build_rows
from redox_wsgi.cli.tally import Row, Tally

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Report"]

_SHOWN_CHARACTERS = 400
#: So many answers to queries are shown; of a long run, so many.
_MOST_ANSWERS = 20
_MOST_IN_LONG = 3


class Report:
    """Collects answers inside a ``with`` block and shows the sum at its end.

    An interruption from the keyboard ends the block quietly; ``exit_status`` tells.

    Args:
        screen: Where tables go.
        total: How many requests there will be.
        as_json: Print one JSON object a line, at once, in place of tables.
        bar: Where the progress is shown, if that is a terminal; by default standard
            error, so that it is there although the output goes into a file.
    """

    def __init__(
        self, screen: Screen, *, total: int, as_json: bool, bar: Console | None = None
    ) -> None:
        self._screen = screen
        self._total = total
        self._as_json = as_json
        self._tally = Tally()
        self._answers: list[tuple[int, str, str]] = []
        self._answer_count = 0
        self._is_interrupted = False
        bar = bar or Console(stderr=True)
        # Lines of JSON and a bar in one terminal would overwrite each other.
        is_shown = bar.is_terminal and not (as_json and screen.console.is_terminal)
        self._progress = _build_progress(bar) if is_shown else None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        """Begin; on a terminal a bar tells how far the run is."""
        if self._progress is not None:
            self._task = self._progress.add_task("", total=self._total, name="")
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Show the sum of what was answered so far, whatever ended the block."""
        self._is_interrupted = kind is KeyboardInterrupt
        with _uninterrupted():
            if self._progress is not None:
                self._progress.stop()
            if not self._as_json:
                self._print_tables()
        return self._is_interrupted

    @property
    def exit_status(self) -> int:
        """0 all answers are right, 1 one is not, 130 interrupted."""
        if self._is_interrupted:
            return INTERRUPTED_STATUS
        return 0 if self._tally.right == self._total else 1

    def announce(self, name: str) -> None:
        """Say what is about to be sent."""
        if self._progress is not None:
            self._progress.update(self._task, name=self._screen.text(name).plain)

    def add(self, row: Row, *, shows_body: bool = False, **more: Any) -> None:
        """Take one answer.

        Args:
            row: What was sent, and the answer.
            shows_body: Whether the body is what was asked for.
            more: Further members of the JSON object.
        """
        self._tally.add(row)
        body = row.answer.body.decode(errors="replace") if shows_body else ""
        if self._as_json:
            self._print_line(row, body or None, more)
        elif body:
            self._answer_count += 1
            if len(self._answers) < _MOST_ANSWERS:
                # Before it is shortened, which might leave half of a token.
                shown = self._screen.hide(body)
                self._answers.append((row.position, row.name, shown))
        if self._progress is not None:
            paused = len(self._tally.paused)
            self._progress.update(
                self._task,
                completed=self._tally.finished,
                name=f"{paused} paused" if paused else "",
            )

    def _print_line(self, row: Row, body: str | None, more: dict[str, Any]) -> None:
        answer = row.answer
        line = {
            "sent": row.name,
            **more,
            "status": answer.status,
            "seconds": round(answer.seconds, 6),
            "right": answer.is_right,
            "problem": answer.problem,
            "error": answer.error,
            "answer": body,
        }
        # Paths and identifiers are the user's own, and may hold anything.
        hide = self._screen.hide
        safe = {k: hide(v) if isinstance(v, str) else v for k, v in line.items()}
        click.echo(json.dumps(safe))

    def _print_tables(self) -> None:
        tally, console = self._tally, self._screen.console
        rows = tally.rows
        if tally.is_long:
            console.print(build_groups(tally.groups, self._screen))
        if rows:
            console.print(build_rows(rows, self._screen))
        shown = sorted(self._answers)[: _MOST_IN_LONG if tally.is_long else None]
        for _, name, body in shown:
            console.print(self._screen.text(f"{name} was answered:"), style="bold")
            console.print(self._screen.text(_shorten(body)), soft_wrap=True)
        if len(shown) < self._answer_count:
            left_out = self._answer_count - len(shown)
            self._screen.say(f"Answers not shown here: {left_out}; --json has all.")
        for sentence in self._sentences():
            self._screen.say(sentence)

    def _sentences(self) -> list[str]:
        tally = self._tally
        sentences = []
        if tally.alerts:
            sentences.append(
                f"Failed three times: {tally.alerts}. In production, Redox alerts a "
                "person then."
            )
        end = "Interrupted: " if self._is_interrupted else ""
        of = f"{tally.right} of {tally.finished}"
        sentences.append(f"{end}{of} answered as they should be.")
        if tally.finished < self._total:
            left = self._total - tally.finished - len(tally.paused)
            sentences.append(
                f"Of {self._total} in all: {len(tally.paused)} to be sent again, "
                f"{left} never answered."
            )
        return sentences


# Impatient people press twice, and some tools signal twice: the sum is still shown.
@contextmanager
def _uninterrupted() -> Iterator[None]:
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _build_progress(console: Console) -> Progress:
    return Progress(
        TextColumn("Sending"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[name]}", markup=False),
        console=console,
        transient=True,
        # Else it would draw standard output to itself.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _shorten(text: str) -> str:
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]} ... ({len(text)} characters)"
