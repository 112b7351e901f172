"""Open the inbox that a command is about, and say what is wrong in plain words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from redox_wsgi.cli.inbox import moments
from redox_wsgi.errors import ConfigurationError, InboxUnavailable
from redox_wsgi.inbox.inbox import Inbox

__all__ = ["inbox_options", "open_inbox"]

# The keys of an inbox that seals its bodies, newest first, with blanks between.
_KEYS = "REDOX_INBOX_KEYS"


def inbox_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--inbox``."""
    return click.option(
        "--inbox",
        "inbox_url",
        envvar="REDOX_INBOX",
        show_envvar=True,
        metavar="URL",
        help="Where the inbox is. A password belongs into the environment: an option "
        "is visible in process lists.",
    )(command)


@contextmanager
def open_inbox(url: str | None) -> Iterator[Inbox]:
    """Open an inbox that exists; none is created.

    Raises:
        click.UsageError: The URL is missing or wrong, or no file is there.
        click.ClickException: The inbox cannot be used now.
    """
    inbox = _build_inbox(url)
    try:
        yield inbox
    # A store finds out at its first use that a file is something else.
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    except InboxUnavailable as error:
        raise click.ClickException(
            f"The inbox cannot be used now ({error.code}). Nothing was changed by the "
            "last step. Look with: redox-wsgi inbox doctor"
        ) from error
    finally:
        inbox.close()


def _build_inbox(url: str | None) -> Inbox:
    if not url:
        raise click.UsageError("No inbox: set REDOX_INBOX, or give --inbox.")
    if url.startswith("memory:"):
        raise click.UsageError(
            "memory:// is an inbox of one process only: no command can look into it."
        )
    try:
        inbox = Inbox(url, encryption_keys=_read_keys(), now=moments.now)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    _check_exists(url)
    return inbox


def _read_keys() -> list[str] | None:
    # Only from the environment: an option is visible in process lists.
    return os.environ.get(_KEYS, "").split() or None


def _check_exists(url: str) -> None:
    # SQLite would create the file, and an empty inbox looks as if all were well.
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite":
        return
    file = Path(path)
    if not file.is_file() or not file.stat().st_size:
        raise click.UsageError(
            f"There is no inbox at {path!r}, seen from {str(Path.cwd())!r}. Four "
            "slashes begin an absolute path: sqlite:////var/lib/inbox.db."
        )
