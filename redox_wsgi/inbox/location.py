"""From the URL of an inbox to its store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.inbox.store import Store


def open_store(url: str, now: Callable[[], datetime], *, notify: bool = False) -> Store:
    """Build the store that a URL names; nothing is opened before it is used.

    Args:
        url: See ``Inbox``.
        now: The clock, for a store without a server that keeps the time.
        notify: See ``Inbox``.

    Raises:
        ConfigurationError: The URL names no store, its extra is not installed, or
            ``notify`` is not for it.
    """
    scheme = read_scheme(url)
    if scheme in ("postgresql", "postgres"):
        from redox_wsgi.inbox.postgresql import (  # noqa: PLC0415 - an extra
            PostgresqlStore,
        )

        return PostgresqlStore(url, notify=notify)
    if notify:
        raise ConfigurationError("Only an inbox in PostgreSQL has notify=True.")
    if scheme == "memory":
        from redox_wsgi.inbox.memory import MemoryStore  # noqa: PLC0415 - if needed

        return MemoryStore(now)
    if scheme == "sqlite":
        from redox_wsgi.inbox.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(read_path(url), now)
    raise ConfigurationError(
        "The URL of an inbox is sqlite:///inbox.db, postgresql://user@host/database, "
        "or memory:// for tests."
    )


def read_scheme(url: object) -> str:
    """Return the scheme of a URL in lower case; empty if there is none.

    Raises:
        ConfigurationError: The URL ends in a blank or a line, as what is read out of a
            file easily does: it would name another file, or another database.
    """
    if not isinstance(url, str):
        return ""
    if url != url.strip() or not url.isprintable():
        # Without the URL: it can hold a password.
        raise ConfigurationError(
            "The URL of an inbox begins or ends with a blank, or holds the end of a "
            "line or another sign that cannot be printed."
        )
    return urlsplit(url).scheme


def read_path(url: str) -> str:
    """Return the path of a ``sqlite:///`` URL.

    Raises:
        ConfigurationError: It has none.
    """
    # As SQLAlchemy and Django have it: three slashes, then a path below the current
    # folder; four, an absolute one. But not for their database in memory, whose name
    # would be taken for a file's.
    _, mark, path = url.partition(":///")
    if not mark or path in ("", ":memory:") or "?" in path:
        raise ConfigurationError(
            "The URL of an inbox in SQLite is sqlite:///inbox.db for a file below the "
            "current folder, sqlite:////var/lib/inbox.db for an absolute path."
        )
    return path
