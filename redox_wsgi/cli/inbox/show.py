"""The command ``show``: one entry, its error, and what can be done about it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from redox_wsgi.cli.inbox import lines
from redox_wsgi.cli.inbox.access import inbox_options, open_inbox
from redox_wsgi.cli.inbox.moments import format_age
from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.selecting import LAST_ID, WORDS
from redox_wsgi.cli.inbox.standing import (
    advise,
    describe,
    find_head,
    judge,
    late_option,
    name_event,
)
from redox_wsgi.inbox.entry import (
    UNANSWERED_QUERY,
    EntryRecord,
    LaneRecord,
    State,
    Stats,
)
from redox_wsgi.inbox.store import BodyDamaged

if TYPE_CHECKING:
    from redox_wsgi.inbox.inbox import Inbox
    from redox_wsgi.inbox.store import Store

__all__ = ["show"]

_LABEL_WIDTH = 13


@click.command()
@click.argument("entry_id", metavar="ID", type=click.IntRange(1, LAST_ID))
@inbox_options
@late_option
@click.option(
    "--show-body",
    is_flag=True,
    help="Show the body too: a patient's data, on your screen and in what records it.",
)
@lines.json_option
def show(
    entry_id: int,
    inbox_url: str | None,
    late_after: timedelta,
    show_body: bool,
    as_json: bool,
) -> None:
    """Show one entry: where it stands, its error, and what can be done."""
    with open_inbox(inbox_url) as inbox:
        entry = inbox.store.find_entry(entry_id)
        if entry is None:
            raise click.ClickException(f"There is no entry {entry_id}.")
        body = _read_body(inbox, entry) if show_body else None
        if as_json:
            more = {} if body is None else lines.build_body(body)
            lines.print_line(lines.build_entry(entry) | more)
            return
        page = Page()
        _print_entry(page, inbox, entry, late_after)
    if body is not None:
        page.head("Body")
        for line in _read_lines(body):
            page.line(line)


def _read_body(inbox: Inbox, entry: EntryRecord) -> bytes:
    """Read a body.

    Raises:
        click.ClickException: It is gone, or damaged.
    """
    if entry.state is State.EMPTIED:
        raise click.ClickException("Its body was pruned.")
    try:
        return inbox.read(entry).body
    except BodyDamaged as error:
        raise click.ClickException(
            "Its body is missing, or is not what was stored, or its key is not in "
            "REDOX_INBOX_KEYS. Look for the key first; without one, skip it, then ask "
            "the sender for it again."
        ) from error


def _print_entry(
    page: Page, inbox: Inbox, entry: EntryRecord, late_after: timedelta
) -> None:
    found = inbox.stats()
    lane = next((it for it in found.lanes if it.key == entry.lane), None)
    _print_facts(page, entry, found.at)
    if lane is not None:
        _print_lane(page, lane, found.at, is_waiting=entry.state is State.WAITING)
    page.head("What can be done")
    advice = (
        _advise_waiting(inbox.store, entry, lane, found, late_after)
        if entry.state is State.WAITING
        else _advise_finished(entry)
    )
    for purpose, command in advice:
        page.say(f"{purpose}:" if command else purpose)
        if command:
            page.line(f"  {command}")


def _print_facts(page: Page, entry: EntryRecord, at: datetime) -> None:
    for label, text in (
        ("entry", str(entry.id)),
        ("lane", entry.lane),
        ("state", WORDS[entry.state]),
        ("event", name_event(entry)),
        ("received", _tell(entry.received_at, at)),
        ("finished", _tell(entry.finished_at, at)),
        ("error", entry.error),
        ("sent again", f"{entry.repeats} times" if entry.repeats else None),
        ("body", f"{entry.body_bytes} bytes"),
        ("log ID", entry.log_id),
        ("identity", entry.identity),
    ):
        if text:
            page.beside(label, text, width=_LABEL_WIDTH)


def _print_lane(
    page: Page, lane: LaneRecord, at: datetime, *, is_waiting: bool
) -> None:
    halted = "halted, " if lane.is_halted else ""
    page.beside("its lane", halted + describe(lane, at), width=_LABEL_WIDTH)
    if is_waiting and lane.last_error is not None:
        page.beside("last error", lane.last_error, width=_LABEL_WIDTH)


def _advise_finished(entry: EntryRecord) -> list[tuple[str, str]]:
    again = f"redox-wsgi inbox replay {entry.id}"
    if entry.state is State.EMPTIED:
        return [("Its body was pruned; only the sender can send it again.", "")]
    if entry.state is State.DONE:
        return [("Nothing is wrong. To run the handler again", again)]
    if entry.error == UNANSWERED_QUERY:
        return [
            (
                "Its asker was told that nobody answers, and waits no more. Put a "
                "Router with a handler for queries in front of the inbox.",
                "",
            )
        ]
    return [
        ("Mend the handler or the data, then try again, before newer ones", again),
        ("Or leave it: it hinders nobody, and is kept until it is pruned.", ""),
    ]


def _advise_waiting(
    store: Store,
    entry: EntryRecord,
    lane: LaneRecord | None,
    found: Stats,
    late_after: timedelta,
) -> list[tuple[str, str]]:
    head = find_head(store, entry.lane)
    if head is not None and head != entry.id:
        before = f"It waits behind entry {head}; look at that one"
        return [(before, f"redox-wsgi inbox show {head}")]
    word = judge(lane, found.at, late_after) if lane is not None else None
    if word is None:
        return [("Nothing is wrong: it is handled in its turn.", "")]
    return advise(word, entry.lane, None)


def _tell(moment: datetime | None, at: datetime) -> str | None:
    if moment is None:
        return None
    age = format_age((at - moment).total_seconds())
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {age} ago"


def _read_lines(body: bytes) -> list[str]:
    text = body.decode(errors="backslashreplace")
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return text.splitlines()
