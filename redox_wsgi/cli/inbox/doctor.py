"""The command ``doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import click

from redox_wsgi.cli.inbox import lines
from redox_wsgi.cli.inbox.access import inbox_options, open_inbox
from redox_wsgi.cli.inbox.moments import format_age, parse_age
from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.standing import (
    describe,
    find_troubled,
    is_late,
    late_option,
)
from redox_wsgi.inbox.entry import LaneRecord, Selection, State, Stats
from redox_wsgi.inbox.worker.housekeeping import Retention

if TYPE_CHECKING:
    from redox_wsgi.inbox.store import Store

__all__ = ["doctor"]

#: A name, what was found, and what to do about it: None if it is as it should be.
Finding: TypeAlias = tuple[str, str, str | None]

_VERDICT_WIDTH = 6
# A worker prunes every hour, what is pruned by hand every night.
_GRACE = timedelta(days=1)


@click.command()
@inbox_options
@late_option
@click.option(
    "--bodies",
    type=parse_age,
    default=f"{Retention().body_days:g}d",
    show_default=True,
    metavar="AGE",
    help="How long bodies of done entries are to be kept.",
)
@lines.json_option
@click.pass_context
def doctor(
    context: click.Context,
    /,
    *,
    inbox_url: str | None,
    late_after: timedelta,
    bodies: timedelta,
    as_json: bool,
) -> None:
    """Examine what the inbox stands on, its lanes, its workers, and its age.

    Exit status 0: all is well; 1: something is not, and it says what to do.
    """
    is_well, page = True, Page()
    with open_inbox(inbox_url) as inbox:
        for finding in _examine(inbox.store, late_after, bodies):
            is_well &= finding[2] is None
            _print(page, finding, as_json=as_json)
    context.exit(0 if is_well else 1)


def _examine(
    store: Store, late_after: timedelta, bodies: timedelta
) -> Iterator[Finding]:
    # What the store stands on first: it may be why the rest cannot be read.
    yield from store.diagnose()
    stats = store.stats()
    yield _examine_lanes(stats, late_after)
    yield _examine_workers(stats, late_after)
    yield _examine_dead(stats)
    yield _examine_age(store, stats)
    yield _examine_retention(store, stats, bodies)


def _examine_lanes(stats: Stats, late_after: timedelta) -> Finding:
    troubled = find_troubled(stats, late_after)
    if not troubled:
        return ("lanes", "none is halted, failing or late", None)
    counts = {word: sum(word == other for other, _ in troubled) for word, _ in troubled}
    found = ", ".join(f"{count} {word}" for word, count in counts.items())
    # What failed a moment ago is tried again: no reason to call anybody yet.
    if not any(
        lane.is_halted or is_late(lane, stats.at, late_after) for _, lane in troubled
    ):
        return ("lanes", found, None)
    return ("lanes", found, "See which, and what to do: redox-wsgi inbox list")


def _examine_workers(stats: Stats, late_after: timedelta) -> Finding:
    """Tell from the lanes whether anybody works: a worker registers nowhere."""
    idle = [lane for lane in stats.lanes if _is_neglected(lane, stats, late_after)]
    died = [lane for lane in idle if lane.attempts and lane.last_error is None]
    if died:
        return (
            "workers",
            f"lanes whose worker's lease ended, and nobody took over: {len(died)}; "
            f"{died[0].key}: {describe(died[0], stats.at)}",
            "See that workers run: redox-wsgi work. If they do, look at their log and "
            "memory: an entry may kill them; after its last attempt the lane halts.",
        )
    if idle:
        return (
            "workers",
            f"lanes that could be handled, and nobody does: {len(idle)}; "
            f"{idle[0].key}: {describe(idle[0], stats.at)}",
            "Start a worker: redox-wsgi work. If some run, they are too few.",
        )
    return ("workers", "no lane waits for one", None)


def _is_neglected(lane: LaneRecord, stats: Stats, late_after: timedelta) -> bool:
    return (
        not lane.is_halted
        # A lease or a backoff that has not ended is due later.
        and stats.at - lane.due_at > late_after
        and is_late(lane, stats.at, late_after)
    )


def _examine_dead(stats: Stats) -> Finding:
    if not stats.dead:
        return ("dead", "none", None)
    return (
        "dead",
        f"given up: {stats.dead}",
        "Mend what they failed on, then replay them, or decide that they are not "
        "needed and prune them: redox-wsgi inbox list --state dead",
    )


def _examine_age(store: Store, stats: Stats) -> Finding:
    page = store.find_entries(Selection(), limit=1)
    if not page:
        return ("oldest", "the inbox is empty", None)
    age = format_age((stats.at - page[0].received_at).total_seconds())
    return ("oldest", f"the oldest entry was received {age} ago", None)


def _examine_retention(store: Store, stats: Stats, bodies: timedelta) -> Finding:
    done = Selection(states=frozenset({State.DONE}), before=stats.at - bodies - _GRACE)
    page = store.find_entries(done, limit=1)
    if not page:
        return ("retention", "no body of a done entry is older than it should be", None)
    age = format_age((stats.at - page[0].received_at).total_seconds())
    return (
        "retention",
        f"the body of an entry that is done is kept since {age}",
        "A worker prunes every hour; if none may, run every night: "
        "redox-wsgi inbox prune",
    )


def _print(page: Page, finding: Finding, *, as_json: bool) -> None:
    name, found, cure = finding
    if as_json:
        lines.print_line(
            {"examined": name, "found": found, "well": cure is None, "cure": cure}
        )
        return
    label, style = ("ok", "green") if cure is None else ("wrong", "bold red")
    page.beside(label, f"{name}: {found}", width=_VERDICT_WIDTH, style=style)
    if cure is not None:
        page.beside("", cure, width=_VERDICT_WIDTH)
