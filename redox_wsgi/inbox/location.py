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
    scheme = urlsplit(url).scheme if isinstance(url, str) else ""
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

        return SqliteStore(_read_path(url), now)
    raise ConfigurationError(
        "The URL of an inbox is sqlite:///inbox.db, postgresql://user@host/database, "
        "or memory:// for tests."
    )


def _read_path(url: str) -> str:
    # As SQLAlchemy and Django have it: three slashes, then a path below the current
    # folder; four, an absolute one.
    _, mark, path = url.partition(":///")
    if not mark or not path or "?" in path or "\0" in path:
        raise ConfigurationError(
            "The URL of an inbox in SQLite is sqlite:///inbox.db for a file below the "
            "current folder, sqlite:////var/lib/inbox.db for an absolute path."
        )
    return path
