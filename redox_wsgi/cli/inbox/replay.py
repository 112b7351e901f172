"""The command ``replay``: handle again, by the worker or by another handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from redox_wsgi.cli.inbox.access import inbox_options, open_inbox
from redox_wsgi.cli.inbox.backfill import backfill, load_handler
from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.progress import follow
from redox_wsgi.cli.inbox.selecting import (
    KEPT,
    LAST_ID,
    build_selection,
    find,
    is_selecting,
    selection_options,
    shorten,
)
from redox_wsgi.cli.options import INTERRUPTED_STATUS
from redox_wsgi.inbox.entry import Selection, State

if TYPE_CHECKING:
    from redox_wsgi.inbox.store import Store

__all__ = ["replay"]


@click.command()
@click.argument("ids", metavar="[ID...]", nargs=-1, type=click.IntRange(1, LAST_ID))
@inbox_options
@selection_options
@click.option(
    "--to",
    "handler",
    metavar="MODULE:HANDLER",
    help="Call this handler now, here, and change nothing in the inbox: a backfill.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@click.pass_context
def replay(
    context: click.Context,
    /,
    *,
    ids: tuple[int, ...],
    inbox_url: str | None,
    handler: str | None,
    dry_run: bool,
    after_id: int,
    limit: int | None,
    **options: Any,
) -> None:
    """Let entries be handled again, by their numbers or by what the options select.

    Without --to they wait again, each in its old place: before newer ones of its lane,
    although those may have been handled. Then the worker's handler gets them. Unless
    --state says otherwise, these are the dead ones.

    With --to, this command calls a handler with each of them in order of arrival,
    beside live traffic and without any change in the inbox. Unless --state says
    otherwise, these are all whose bodies are kept.
    """
    default = (State.DEAD,) if handler is None else KEPT
    selection = build_selection(**options, default=default)
    _check_use(ids, selection, bool(options["states"]) or bool(after_id or limit))
    if State.EMPTIED in (selection.states or ()):
        raise click.UsageError("Bodies of emptied entries are gone.")
    call = None if handler is None else load_handler(handler)
    with open_inbox(inbox_url) as inbox:
        chosen = sorted({*ids}) or [
            entry.id
            for entry in find(inbox.store, selection, after_id=after_id, limit=limit)
        ]
        if dry_run:
            Page().say(f"{len(chosen)} would be replayed. Nothing was changed.")
            return
        if call is None:
            status = _replay(inbox.store, chosen)
        else:
            status = backfill(inbox, chosen, call, is_selected=not ids)
    context.exit(status)


def _check_use(ids: tuple[int, ...], selection: Selection, is_more: bool) -> None:
    is_selected = is_selecting(selection) or is_more
    if bool(ids) == is_selected:
        raise click.UsageError(
            "Say which: numbers, or options such as --lane, --since, --state; not both."
        )


def _replay(store: Store, ids: list[int]) -> int:
    page, refused, replayed, status = Page(), [], 0, 0
    try:
        with follow("Replaying", len(ids)) as advance:
            for entry_id in ids:
                if store.replay(entry_id):
                    replayed += 1
                else:
                    refused.append(entry_id)
                advance(1)
    except KeyboardInterrupt:
        status = INTERRUPTED_STATUS
    page.say(f"{'Interrupted: ' if status else ''}{replayed} of {len(ids)} wait again.")
    if refused:
        page.say(
            f"Not replayed: {shorten(refused)}. They wait already, their bodies were "
            "pruned, or they do not exist."
        )
    return status or int(bool(refused))
