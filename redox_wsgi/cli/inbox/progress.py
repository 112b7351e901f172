"""How far long work is: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["ask", "follow"]


@contextmanager
def follow(verb: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how far the block is, on standard error if that is a terminal.

    Args:
        verb: What is being done, such as ``Replaying``.
        total: How many there are; None if nobody knows.

    Yields:
        A function to be told how many more are through.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn(verb),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Else it would draw standard output to itself.
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = progress.add_task("", total=total)
    with progress:
        yield lambda count: progress.advance(task, count)


def ask(question: str, *, is_sure: bool) -> None:
    """Ask before something is done that cannot be undone.

    click's own question would end an interruption with the status of a failure.

    Args:
        question: Who or what is affected, and how.
        is_sure: Whether it was answered in advance, by ``--yes``.

    Raises:
        click.ClickException: The answer is not yes.
    """
    if is_sure:
        return
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise click.ClickException("Nothing was changed. --yes answers in advance.")
