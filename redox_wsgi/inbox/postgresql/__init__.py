"""An inbox in PostgreSQL: for web processes and workers on many machines."""

from __future__ import annotations

from redox_wsgi.inbox.postgresql.store import PostgresqlStore

__all__ = ["PostgresqlStore"]
