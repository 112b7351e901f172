"""Which entries a command is about: options, and the pages that they are read in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from redox_wsgi.cli.inbox.moments import parse_moment
from redox_wsgi.inbox.entry import EntryRecord, Selection, State

if TYPE_CHECKING:
    from redox_wsgi.inbox.store import Store

__all__ = [
    "KEPT",
    "LAST_ID",
    "WORDS",
    "build_selection",
    "find",
    "is_selecting",
    "selection_options",
    "shorten",
]

#: What people call the states.
WORDS = {
    State.WAITING: "waiting",
    State.DONE: "done",
    State.DEAD: "dead",
    State.EMPTIED: "emptied",
}
#: The highest number that a store gives to an entry.
LAST_ID = 2**63 - 1
#: The states in which there is a body.
KEPT = (State.WAITING, State.DONE, State.DEAD)
_STATES = {word: state for state, word in WORDS.items()}
_PAGE = 500
#: So many numbers are listed in a sentence.
_MOST_NUMBERS = 10


def selection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that ``build_selection`` and ``find`` take."""
    for add in reversed(
        (
            click.option(
                "--lane",
                metavar="LANE",
                help="Of this lane; * stands for any text: '*|patientadmin'.",
            ),
            click.option(
                "--state",
                "states",
                multiple=True,
                type=click.Choice([*_STATES]),
                help="In this state; may be repeated.",
            ),
            click.option(
                "--since",
                type=parse_moment,
                metavar="WHEN",
                help="Received then or later: 2026-01-31T10:20, or an age such as 2h, "
                "3d.",
            ),
            click.option(
                "--before",
                type=parse_moment,
                metavar="WHEN",
                help="Received before then.",
            ),
            click.option(
                "--data-model",
                metavar="NAME",
                help="Of this data model, such as PatientAdmin.",
            ),
            click.option(
                "--after-id",
                type=click.IntRange(0, LAST_ID),
                default=0,
                metavar="ID",
                help="With a higher number than this.",
            ),
            click.option(
                "--limit",
                type=click.IntRange(1),
                metavar="COUNT",
                help="At most so many.",
            ),
        )
    ):
        command = add(command)
    return command


def build_selection(
    *, states: Sequence[str] = (), default: Sequence[State] = (), **options: Any
) -> Selection:
    """Build what the options mean.

    Args:
        states: The words of the states.
        default: The states meant where no word was given; empty: all.
        options: ``lane``, ``since``, ``before`` and ``data_model``.
    """
    chosen = frozenset(_STATES[word] for word in states) or frozenset(default) or None
    return Selection(states=chosen, **options)


def is_selecting(selection: Selection) -> bool:
    """Tell whether a selection restricts anything beside the states."""
    return Selection(states=selection.states) != selection


def find(
    store: Store, selection: Selection, *, after_id: int = 0, limit: int | None = None
) -> Iterator[EntryRecord]:
    """Read the entries by their number, a page after the other."""
    left = limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        page = store.find_entries(selection, after_id=after_id, limit=size)
        yield from page
        if len(page) < size:
            return
        after_id = page[-1].id
        left = None if left is None else left - len(page)


def shorten(ids: Sequence[int]) -> str:
    """Write numbers for a sentence, and that there are more."""
    shown = ", ".join(map(str, ids[:_MOST_NUMBERS]))
    more = len(ids) - _MOST_NUMBERS
    return f"{shown} and {more} more" if more > 0 else shown
