"""The commands ``stats`` and ``list``: how it stands, and what needs somebody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from redox_wsgi.cli.inbox import lines
from redox_wsgi.cli.inbox.access import inbox_options, open_inbox
from redox_wsgi.cli.inbox.moments import format_age
from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.selecting import (
    WORDS,
    build_selection,
    find,
    is_selecting,
    selection_options,
)
from redox_wsgi.cli.inbox.standing import (
    advise,
    describe,
    find_head,
    find_troubled,
    late_option,
    name_event,
)
from redox_wsgi.inbox.entry import EntryRecord, State, Stats

if TYPE_CHECKING:
    from redox_wsgi.inbox.inbox import Inbox

__all__ = ["list_", "stats"]

#: So many entries, and so many lanes, are shown to people unless they say otherwise.
_SHOWN = 20
_COUNT_WIDTH = 9
_WORD_WIDTH = 9


@click.command()
@inbox_options
@lines.json_option
def stats(inbox_url: str | None, as_json: bool) -> None:
    """Count the entries, and show the lanes that hold waiting or dead ones."""
    with open_inbox(inbox_url) as inbox:
        found = inbox.stats()
    if as_json:
        lines.print_line(lines.build_stats(found))
        for lane in found.lanes:
            lines.print_line(lines.build_lane(lane))
    else:
        _print_stats(Page(), found)


def _print_stats(page: Page, found: Stats) -> None:
    oldest = format_age(found.oldest_waiting_seconds)
    for label, count, more in (
        ("waiting", found.waiting, f"the oldest for {oldest}" if found.waiting else ""),
        ("done", found.done, ""),
        ("dead", found.dead, ""),
        ("emptied", found.emptied, "only their identities are kept"),
        ("repeats", found.repeats, "deliveries that were only counted"),
        ("halted", found.halted, "lanes that wait for an operator"),
    ):
        text = f"{count:>8}  {more if count else ''}"
        page.beside(label, text, width=_COUNT_WIDTH)
    for lane in found.lanes[:_SHOWN]:
        page.say()
        page.line(lane.key)
        halted = "halted, " if lane.is_halted else ""
        page.beside("", halted + describe(lane, found.at), width=2)
    _print_rest(page, len(found.lanes) - _SHOWN)


@click.command("list")
@inbox_options
@selection_options
@late_option
@lines.json_option
def list_(
    inbox_url: str | None,
    after_id: int,
    limit: int | None,
    late_after: timedelta,
    as_json: bool,
    **options: Any,
) -> None:
    """Show what needs somebody: lanes first, then entries.

    Without options: the lanes that are halted, failing or late, with what can be done;
    then the entries that wait or are dead, by their number. With options: the entries
    that they select.
    """
    selection = build_selection(**options, default=(State.WAITING, State.DEAD))
    is_plain = not (is_selecting(selection) or options["states"] or after_id)
    with open_inbox(inbox_url) as inbox:
        if as_json:
            if is_plain:
                for _, lane in find_troubled(inbox.stats(), late_after):
                    lines.print_line(lines.build_lane(lane))
            for entry in find(inbox.store, selection, after_id=after_id, limit=limit):
                lines.print_line(lines.build_entry(entry))
            return
        page = Page()
        found = inbox.stats()
        if is_plain:
            _print_troubled(page, inbox, found, late_after)
        # One more than is shown tells whether there are more.
        shown = limit or _SHOWN
        pages = find(inbox.store, selection, after_id=after_id, limit=shown + 1)
        _print_entries(page, [*pages], shown, found.at)


def _print_troubled(
    page: Page, inbox: Inbox, found: Stats, late_after: timedelta
) -> None:
    troubled = find_troubled(found, late_after)
    page.say(f"Lanes that need you: {len(troubled)}", style="bold")
    for word, lane in troubled[:_SHOWN]:
        page.say()
        page.line(f"{word:{_WORD_WIDTH}}{lane.key}")
        page.beside("", describe(lane, found.at), width=_WORD_WIDTH)
        if lane.last_error is not None:
            page.beside("", f"last error: {lane.last_error}", width=_WORD_WIDTH)
        for _, command in advise(word, lane.key, find_head(inbox.store, lane.key)):
            page.line(" " * _WORD_WIDTH + command)
    _print_rest(page, len(troubled) - _SHOWN)
    page.say()


def _print_rest(page: Page, lanes: int) -> None:
    if lanes > 0:
        page.say()
        page.say(f"Lanes that are not shown: {lanes}; --json has all.")


def _print_entries(
    page: Page, entries: list[EntryRecord], shown: int, at: datetime
) -> None:
    has_more = len(entries) > shown
    entries = entries[:shown]
    if not entries:
        page.say("Entries: none.", style="bold")
        return
    page.say(f"Entries: {len(entries)}{' and more' if has_more else ''}", style="bold")
    # Lanes are handled side by side, so that their numbers alternate.
    lanes: dict[str, list[EntryRecord]] = {}
    for entry in entries:
        lanes.setdefault(entry.lane, []).append(entry)
    for lane, group in lanes.items():
        page.say()
        page.line(lane)
        _print_group(page, group, at)
    if has_more:
        page.say()
        page.say(f"More of them: --after-id {entries[-1].id}, --limit, or --json.")


def _print_group(page: Page, entries: Iterable[EntryRecord], at: datetime) -> None:
    page.table(
        ("ID#", "State", "Age#", "Event", "Bytes#", "Error"),
        (
            (
                str(entry.id),
                WORDS[entry.state],
                format_age((at - entry.received_at).total_seconds()),
                name_event(entry),
                str(entry.body_bytes),
                (entry.error or "-").partition(" < ")[0],
            )
            for entry in entries
        ),
    )
