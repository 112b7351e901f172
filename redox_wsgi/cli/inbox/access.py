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
from redox_wsgi.inbox.location import read_path, read_scheme
from redox_wsgi.inbox.postgresql import PostgresqlStore

__all__ = ["find_missing", "inbox_options", "open_inbox"]

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
        click.UsageError: The URL is missing or wrong, no inbox is there, or what the
            block looked for is no text.
        click.ClickException: The inbox cannot be used now.
    """
    inbox = _build_inbox(url)
    try:
        _check_has_tables(inbox)
        yield inbox
    # A store finds out at its first use that a file is something else.
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    # Bytes of another encoding, as the shell passed them on.
    except UnicodeEncodeError as error:
        raise click.UsageError("A name that was given is not UTF-8.") from error
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
    try:
        if read_scheme(url) == "memory":
            raise click.UsageError(
                "memory:// is an inbox of one process only: no command can look into "
                "it."
            )
        inbox = Inbox(url, encryption_keys=_read_keys(), now=moments.now)
        complaint = find_missing(url)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    if complaint is not None:
        raise click.UsageError(complaint)
    return inbox


def _read_keys() -> list[str] | None:
    # Only from the environment: an option is visible in process lists.
    return os.environ.get(_KEYS, "").split() or None


def _check_has_tables(inbox: Inbox) -> None:
    # As with a file: in a wrong database it would make them.
    store = inbox.store
    if isinstance(store, PostgresqlStore) and not store.has_tables():
        raise click.UsageError(
            "There is no inbox in that database, as far as search_path and the rights "
            "of this role let it be seen: a first transmission or a worker makes it."
        )


def find_missing(url: str) -> str | None:
    """Say that an inbox is not there; None if it is, or if only its server knows.

    The store itself would make it, and an empty inbox looks as if all were well.

    Raises:
        ConfigurationError: The URL names no inbox.
    """
    if read_scheme(url) != "sqlite":
        return None
    file = Path(read_path(url))
    if file.is_file() and file.stat().st_size:
        return None
    return (
        f"There is no inbox at {str(file)!r}, seen from {str(Path.cwd())!r}. Four "
        "slashes begin an absolute path: sqlite:////var/lib/inbox.db."
    )
