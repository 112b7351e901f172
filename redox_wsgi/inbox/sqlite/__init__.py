"""A store in SQLite: durable, with no server."""

from __future__ import annotations

from redox_wsgi.inbox.sqlite.store import SqliteStore as SqliteStore
