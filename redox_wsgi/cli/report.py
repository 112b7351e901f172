"""Show what was sent and how it was answered; never show the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import click
from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.status import Status

    from redox_wsgi.simulator import Answer
    from redox_wsgi.simulator.answer import Problem

__all__ = ["Report"]

_SHOWN_CHARACTERS = 400
_INTERRUPTED_STATUS = 130

_PROBLEMS: dict[Problem, str] = {
    "no-answer": "no answer",
    "not-refused": "the wrong token was not refused with 401",
    "status-not-200": "the status should be 200",
    "challenge-missing": "the body lacks the challenge",
    "location-missing": "the redirect lacks a Location",
    "body-not-json": "a query wants a JSON body",
    "meta-missing": "a query wants a JSON object with a Meta",
}


class Report:
    """Collects answers inside a ``with`` block and shows the sum at its end.

    An interruption from the keyboard ends the block quietly; ``exit_status`` tells.

    Args:
        console: Where the table goes.
        token: The token to blank wherever a destination echoes it.
        as_json: Print one JSON object a line, at once, in place of the table.
    """

    def __init__(self, console: Console, *, token: str, as_json: bool) -> None:
        self._console = console
        # As it stands, inside JSON, and inside an address.
        forms = {token, json.dumps(token)[1:-1], quote(token, safe="")}
        # The longest first: a form may be part of another.
        self._secrets = sorted(forms, key=len, reverse=True)
        self._as_json = as_json
        self._rows: list[tuple[str, Answer]] = []
        self._shown_answers: list[tuple[str, str]] = []
        self._is_interrupted = False
        self._status: Status | None = None

    def __enter__(self) -> Self:
        """Begin; on a terminal a line says what is being sent."""
        if self._console.is_terminal and not self._as_json:
            self._status = self._console.status(Text("..."))
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Show the table of what was answered so far, whatever ended the block."""
        self._is_interrupted = kind is KeyboardInterrupt
        if self._status is not None:
            self._status.stop()
        if not self._as_json:
            self._print_table()
        return self._is_interrupted

    @property
    def exit_status(self) -> int:
        """0 all answers are right, 1 one is not, 130 interrupted."""
        if self._is_interrupted:
            return _INTERRUPTED_STATUS
        return 0 if all(answer.is_right for _, answer in self._rows) else 1

    def announce(self, name: str) -> None:
        """Say what is about to be sent."""
        if self._status is not None:
            self._status.update(Text(f"Sending {_printable(name)} ..."))

    def add(self, name: str, answer: Answer, *, with_body: bool = False) -> None:
        """Take one answer; with its body if the body is what was asked for."""
        self._rows.append((name, answer))
        body = self._hide(answer.body.decode(errors="replace")) if with_body else None
        if body:
            self._shown_answers.append((name, body))
        if self._as_json:
            self._print_line(name, answer, body)

    def _print_line(self, name: str, answer: Answer, body: str | None) -> None:
        line = {
            "sent": name,
            "status": answer.status,
            "seconds": round(answer.seconds, 6),
            "right": answer.is_right,
            "problem": answer.problem,
            "error": answer.error,
            "answer": body,
        }
        click.echo(json.dumps(line))

    def _print_table(self) -> None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("Sent", overflow="fold")
        table.add_column("Status", justify="right")
        table.add_column("Time", justify="right", no_wrap=True)
        table.add_column("Verdict", overflow="fold")
        for name, answer in self._rows:
            table.add_row(
                self._text(name),
                "-" if answer.status is None else str(answer.status),
                f"{answer.seconds * 1000:.0f} ms",
                _verdict(answer),
            )
        self._console.print(table)
        for name, body in self._shown_answers:
            self._console.print(self._text(f"{name} was answered:"), style="bold")
            self._console.print(self._text(_shorten(body)), soft_wrap=True)
        right = sum(answer.is_right for _, answer in self._rows)
        end = "Interrupted: " if self._is_interrupted else ""
        self._console.print(
            f"{end}{right} of {len(self._rows)} answered as they should be.",
            highlight=False,
        )

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _text(self, text: str) -> Text:
        # What the output cannot encode is written as an escape, not as an error.
        encoding = self._console.encoding
        writable = _printable(text).encode(encoding, "backslashreplace")
        return Text(writable.decode(encoding))


def _verdict(answer: Answer) -> Text:
    if answer.problem is None:
        return Text("right", "green")
    reason = f" ({answer.error})" if answer.error else ""
    return Text(f"wrong: {_PROBLEMS[answer.problem]}{reason}", "red")


def _shorten(text: str) -> str:
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]} ... ({len(text)} characters)"


# A destination could send escape sequences to the terminal.
def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
