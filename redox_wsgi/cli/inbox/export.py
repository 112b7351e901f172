"""The command ``export``: write entries into files that only their owner can read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import click

from redox_wsgi.cli.inbox import lines
from redox_wsgi.cli.inbox.access import inbox_options, open_inbox
from redox_wsgi.cli.inbox.page import Page
from redox_wsgi.cli.inbox.progress import follow
from redox_wsgi.cli.inbox.selecting import (
    KEPT,
    build_selection,
    find,
    selection_options,
    shorten,
)
from redox_wsgi.cli.options import INTERRUPTED_STATUS
from redox_wsgi.inbox.entry import EntryRecord, State
from redox_wsgi.inbox.store import BodyDamaged

if TYPE_CHECKING:
    from redox_wsgi.inbox.inbox import Inbox

__all__ = ["export"]

_Write: TypeAlias = Callable[[EntryRecord, bytes | None], None]

# Names sort as numbers do.
_DIGITS = 12


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@inbox_options
@selection_options
@click.option(
    "--with-bodies",
    is_flag=True,
    help="Write the bodies too. They are patients' data: keep them as such, and "
    "delete them when you are done.",
)
@click.option(
    "--files",
    is_flag=True,
    help="Make TARGET a folder with a file for each body, byte for byte as it came; "
    '"redox-wsgi send URL TARGET/*.json" sends them again.',
)
@click.pass_context
def export(
    context: click.Context,
    /,
    *,
    target: Path,
    inbox_url: str | None,
    with_bodies: bool,
    files: bool,
    after_id: int,
    limit: int | None,
    **options: Any,
) -> None:
    """Write entries to the new file TARGET, one JSON object a line.

    All of them, unless options select some. Only the owner can read what is written;
    nothing is overwritten.
    """
    if files and not with_bodies:
        raise click.UsageError("--files writes bodies: say so, with --with-bodies.")
    selection = build_selection(**options, default=KEPT if with_bodies else ())
    with open_inbox(inbox_url) as inbox:
        ids = [
            entry.id
            for entry in find(inbox.store, selection, after_id=after_id, limit=limit)
        ]
        try:
            with _open_folder(target) if files else _open_lines(target) as write:
                status = _export(inbox, ids, write, with_bodies=with_bodies)
        except OSError as error:
            raise click.ClickException(
                f"{str(target)!r} cannot be written: {error.strerror}."
            ) from error
    context.exit(status)


@contextmanager
def _open_lines(target: Path) -> Iterator[_Write]:
    with _create(target) as file:

        def write(entry: EntryRecord, body: bytes | None) -> None:
            more = {} if body is None else lines.build_body(body)
            line = json.dumps(lines.build_entry(entry) | more)
            file.write(f"{line}\n".encode())

        yield write


@contextmanager
def _open_folder(target: Path) -> Iterator[_Write]:
    target.mkdir(mode=0o700)

    def write(entry: EntryRecord, body: bytes | None) -> None:
        with _create(target / f"{entry.id:0{_DIGITS}}.json") as file:
            file.write(body or b"")

    yield write


def _create(path: Path) -> IO[bytes]:
    # Never through a link, and never for others to read, whatever the umask is.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _export(inbox: Inbox, ids: list[int], write: _Write, *, with_bodies: bool) -> int:
    page, written, status = Page(), 0, 0
    without: list[int] = []
    try:
        with follow("Writing", len(ids)) as advance:
            for entry_id in ids:
                if _write_entry(inbox, entry_id, write, with_bodies=with_bodies):
                    written += 1
                else:
                    without.append(entry_id)
                advance(1)
    except KeyboardInterrupt:
        status = INTERRUPTED_STATUS
    page.say(f"{'Interrupted: ' if status else ''}{written} of {len(ids)} written.")
    if without:
        page.say(
            f"Left out, since their bodies are gone or damaged: {shorten(without)}."
        )
    return status or int(bool(without))


def _write_entry(
    inbox: Inbox, entry_id: int, write: _Write, *, with_bodies: bool
) -> bool:
    entry = inbox.store.find_entry(entry_id)
    if entry is None or (with_bodies and entry.state is State.EMPTIED):
        return False
    try:
        body = inbox.read(entry).body if with_bodies else None
    except BodyDamaged:
        return False
    write(entry, body)
    return True
