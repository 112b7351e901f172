"""A backfill: call a handler with what the inbox keeps, and change nothing in it."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.progress import follow
from redox_wsgi.cli.options import INTERRUPTED_STATUS
from redox_wsgi.errors import ConfigurationError
from redox_wsgi.handler import check_is_handler
from redox_wsgi.inbox.entry import State
from redox_wsgi.inbox.store import BodyDamaged
from redox_wsgi.response import Response

if TYPE_CHECKING:
    from redox_wsgi.handler import Handler
    from redox_wsgi.inbox.inbox import Inbox

__all__ = ["backfill", "load_handler"]

_FIRST_REFUSAL = 400


@dataclass(frozen=True, slots=True)
class _PastEntry:
    """What a handler finds as ``transmission.entry`` in a backfill."""

    id: int
    lane: str
    attempt: int = 1
    #: It holds no claim, so what refuses lower fences refuses a backfill.
    fence: int = 0
    is_lost: bool = False

    def complete(self, connection: Any) -> None:
        """Change nothing: a backfill does not."""


@dataclass(slots=True)
class _Tally:
    done: int = 0
    #: By the name of the class of what was raised: never its text.
    failures: Counter[str] = field(default_factory=Counter)
    first_ids: dict[str, int] = field(default_factory=dict)
    last_id: int | None = None

    def fail(self, name: str, entry_id: int) -> None:
        self.failures[name] += 1
        self.first_ids.setdefault(name, entry_id)


def load_handler(name: str) -> Handler:
    """Import a handler that is named as ``package.module:handler``.

    Raises:
        click.UsageError: There is no such handler.
    """
    module_name, _, path = name.partition(":")
    if not (module_name and path):
        raise click.UsageError(f"{name!r} names no handler: write package.module:name.")
    # As gunicorn and flask do: the application is usually not installed.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
    except ConfigurationError as error:
        raise click.UsageError(f"{module_name} cannot start: {error}") from error
    except ImportError as error:
        raise click.UsageError(f"There is no handler {name!r}: {error}") from error
    try:
        for part in path.split("."):
            found = getattr(found, part)
        check_is_handler(found)
    except (AttributeError, ConfigurationError) as error:
        raise click.UsageError(f"There is no handler {name!r}: {error}") from error
    handler: Handler = found
    return handler


def backfill(
    inbox: Inbox, ids: list[int], handler: Handler, *, is_selected: bool
) -> int:
    """Call a handler with entries, one after the other, and show the sum.

    Args:
        inbox: What keeps them.
        ids: Their numbers, in order of arrival.
        handler: What to call; that it raises does not stop the others.
        is_selected: Whether options named them, so that another can go on behind one.

    Returns:
        The exit status: 0 all were handled, 1 some were not, 130 interrupted.
    """
    tally, is_interrupted = _Tally(), False
    try:
        with follow("Handling", len(ids)) as advance:
            for entry_id in ids:
                _handle(inbox, entry_id, handler, tally)
                tally.last_id = entry_id
                advance(1)
    except KeyboardInterrupt:
        is_interrupted = True
    page = Page()
    _print_sum(page, tally, len(ids), is_interrupted)
    if is_interrupted and tally.last_id is not None and is_selected:
        page.say(f"To go on: the same command with --after-id {tally.last_id}.")
    return INTERRUPTED_STATUS if is_interrupted else int(bool(tally.failures))


def _handle(inbox: Inbox, entry_id: int, handler: Handler, tally: _Tally) -> None:
    entry = inbox.store.find_entry(entry_id)
    if entry is None or entry.state is State.EMPTIED:
        tally.fail("its body is gone", entry_id)
        return
    try:
        transmission = inbox.read(entry, _PastEntry(entry.id, entry.lane))
    except BodyDamaged:
        tally.fail("its body is damaged", entry_id)
        return
    try:
        reply = handler(transmission)
    # As a worker has it: sys.exit() in a handler ends no run.
    except (Exception, SystemExit) as error:
        tally.fail(f"{type(error).__module__}.{type(error).__qualname__}", entry_id)
    else:
        if isinstance(reply, Response) and reply.status >= _FIRST_REFUSAL:
            tally.fail(f"refused with {reply.status}", entry_id)
        else:
            tally.done += 1


def _print_sum(page: Page, tally: _Tally, total: int, is_interrupted: bool) -> None:
    start = "Interrupted: " if is_interrupted else ""
    page.say(f"{start}{tally.done} of {total} handled.")
    if tally.failures:
        page.table(
            ("Failed#", "First ID#", "Raised"),
            (
                (str(count), str(tally.first_ids[name]), name)
                for name, count in tally.failures.most_common()
            ),
        )
