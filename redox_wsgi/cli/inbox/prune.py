"""The command ``prune``: take away what is old enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from redox_wsgi.cli.inbox.access import inbox_options, open_inbox
from redox_wsgi.cli.inbox.moments import format_age, parse_age
from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.progress import ask, follow
from redox_wsgi.cli.inbox.selecting import find
from redox_wsgi.cli.options import INTERRUPTED_STATUS
from redox_wsgi.inbox.entry import Selection, State
from redox_wsgi.inbox.worker.housekeeping import Retention

if TYPE_CHECKING:
    from redox_wsgi.inbox.store import Store

__all__ = ["prune"]

# As a worker does it every hour.
_KEPT = Retention()

# So many at a time: a put must not wait long for it.
_BATCH = 200

_WHAT = {
    State.DONE: "bodies of done entries",
    State.EMPTIED: "identities of emptied entries",
    State.DEAD: "dead entries, with all that is known of them",
}


@click.command()
@inbox_options
@click.option(
    "--bodies",
    type=parse_age,
    default=f"{_KEPT.body_days:g}d",
    show_default=True,
    metavar="AGE",
    help="Empty entries that were done longer ago: their bodies go, a repeated "
    "delivery is still recognised.",
)
@click.option(
    "--identities",
    type=parse_age,
    default=f"{_KEPT.identity_days:g}d",
    show_default=True,
    metavar="AGE",
    help="Forget emptied entries that were done longer ago.",
)
@click.option(
    "--dead",
    type=parse_age,
    metavar="AGE",
    help="Forget dead entries that died longer ago too: they were never handled.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@click.pass_context
def prune(
    context: click.Context,
    /,
    *,
    inbox_url: str | None,
    bodies: timedelta,
    identities: timedelta,
    dead: timedelta | None,
    dry_run: bool,
    is_sure: bool,
) -> None:
    """Take away what is old enough, as a worker does by itself every hour.

    Waiting entries are never touched, dead ones only with --dead.
    """
    if identities < bodies:
        raise click.UsageError("--identities must not be shorter than --bodies.")
    ages = {State.DONE: bodies, State.EMPTIED: identities}
    if dead is not None:
        ages[State.DEAD] = dead
    page, status = Page(), 0
    with open_inbox(inbox_url) as inbox:
        at = inbox.store.stats().at
        horizons = {state: at - age for state, age in ages.items()}
        if dry_run or (dead is not None and not is_sure):
            _announce(page, inbox.store, horizons)
        if dry_run:
            page.say("Nothing was changed.")
            return
        if dead is not None:
            age = format_age(dead.total_seconds())
            ask(f"Forget what died more than {age} ago?", is_sure=is_sure)
        try:
            for state, before in horizons.items():
                count = _prune(inbox.store, state, before)
                page.say(f"Pruned: {count} {_WHAT[state]}.")
            if swept := inbox.store.sweep():
                page.say(f"Swept: {swept} left behind by interrupted writes.")
        except KeyboardInterrupt:
            page.say("Interrupted: what was pruned is pruned; run it again.")
            status = INTERRUPTED_STATUS
    context.exit(status)


def _announce(page: Page, store: Store, horizons: dict[State, datetime]) -> None:
    for state, before in horizons.items():
        selection = Selection(states=frozenset({state}))
        count = sum(
            entry.finished_at is not None and entry.finished_at < before
            for entry in find(store, selection)
        )
        page.say(f"To be pruned: {count} {_WHAT[state]}.")


def _prune(store: Store, state: State, before: datetime) -> int:
    total = 0
    with follow("Pruning", None) as advance:
        while True:
            count = store.prune(state, before, limit=_BATCH)
            total += count
            advance(count)
            if count < _BATCH:
                return total
