"""The commands ``halt``, ``resume`` and ``skip``: what an operator does to a lane."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from redox_wsgi.cli.inbox.access import inbox_options, open_inbox
from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.progress import ask
from redox_wsgi.cli.inbox.standing import find_head, name_event

if TYPE_CHECKING:
    from redox_wsgi.inbox.store import Store

__all__ = ["halt", "resume", "skip"]


@click.command()
@click.argument("lanes", metavar="LANE...", nargs=-1, required=True)
@inbox_options
@click.pass_context
def halt(
    context: click.Context, /, lanes: tuple[str, ...], inbox_url: str | None
) -> None:
    """Stop the handling of a lane; it goes on taking what Redox sends.

    What is being handled now is handled to its end. In LANE, * stands for any text.
    """
    page, is_done = Page(), True
    with open_inbox(inbox_url) as inbox:
        for lane in _match(inbox.store, lanes):
            is_known = inbox.store.halt_lane(lane)
            is_done &= is_known
            page.line(f"{'halted' if is_known else 'there is no lane'} {lane}")
    context.exit(0 if is_done else 1)


@click.command()
@click.argument("lanes", metavar="[LANE...]", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every halted lane.")
@inbox_options
@click.pass_context
def resume(
    context: click.Context,
    /,
    lanes: tuple[str, ...],
    is_all: bool,
    inbox_url: str | None,
) -> None:
    """Let a halted lane try its oldest entry again, with all attempts before it.

    In LANE, * stands for any text.
    """
    if is_all == bool(lanes):
        raise click.UsageError("Name the lanes, or give --all.")
    page, is_done = Page(), True
    with open_inbox(inbox_url) as inbox:
        halted = [lane.key for lane in inbox.stats().lanes if lane.is_halted]
        for lane in halted if is_all else _match(inbox.store, lanes, halted):
            is_resumed = inbox.store.resume_lane(lane)
            is_done &= is_resumed
            page.line(f"{'resumed' if is_resumed else 'not halted:'} {lane}")
        if is_all and not halted:
            page.say("No lane is halted.")
    context.exit(0 if is_done else 1)


@click.command()
@click.argument("lane")
@inbox_options
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
def skip(lane: str, inbox_url: str | None, is_sure: bool) -> None:
    """Bury the oldest entry of a halted lane, and let the lane go on without it.

    The entry is dead then: it is kept, and can be replayed. Later entries of the same
    patient are handled without it.
    """
    with open_inbox(inbox_url) as inbox:
        store = inbox.store
        halted = [it.key for it in store.stats().lanes if it.is_halted]
        if lane not in halted:
            raise click.ClickException(
                "That lane is not halted: halt it first, so that nobody works on it."
            )
        head = find_head(store, lane)
        entry = None if head is None else store.find_entry(head)
        if entry is None:
            raise click.ClickException("Nothing waits in that lane.")
        ask(
            f"Bury entry {entry.id} ({name_event(entry)}) and go on without it?",
            is_sure=is_sure,
        )
        # Whoever was quicker may have skipped it: then another stands there.
        skipped = store.skip_head(lane) if find_head(store, lane) == head else None
    if skipped is None:
        raise click.ClickException("Nothing was skipped: somebody else changed it.")
    Page().line(f"Entry {skipped} is dead; the lane goes on. {lane}")
    Page().line(f"To take that back: redox-wsgi inbox replay {skipped}")


def _match(
    store: Store, patterns: tuple[str, ...], among: list[str] | None = None
) -> list[str]:
    """Find the lanes that patterns mean; a name without a star means itself.

    Raises:
        click.ClickException: A pattern means no lane.
    """
    lanes: list[str] = []
    for pattern in patterns:
        if "*" not in pattern:
            lanes.append(pattern)
            continue
        if among is None:
            among = [lane.key for lane in store.stats().lanes]
        # Of the shell's signs only the star.
        plain = pattern.replace("[", "[[]").replace("?", "[?]")
        found = [lane for lane in among if fnmatchcase(lane, plain)]
        if not found:
            raise click.ClickException(f"No lane matches {pattern!r}.")
        lanes += found
    return list(dict.fromkeys(lanes))
