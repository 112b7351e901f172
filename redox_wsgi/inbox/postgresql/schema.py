"""The tables of an inbox in PostgreSQL: numbered steps, each taken once.

The tables lie in the schema that the connection's ``search_path`` names first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.inbox.statements import load_migrations

if TYPE_CHECKING:
    import psycopg

    from redox_wsgi.inbox.postgresql.connections import Session

#: Each version of the schema, with the statements that lead to it.
MIGRATIONS = load_migrations(__package__)

NEWEST = MIGRATIONS[-1][0]

# Any fixed number: processes that start together wait here for the first.
_LOCK = 0x7265646F78


def bring_up_to_date(session: Session) -> None:
    """Create the tables, or bring them to the version that this code knows.

    Nothing is written where they are there already, so the role then needs no right
    to create tables.

    Raises:
        ConfigurationError: They were made by a newer release.
    """
    if read_version(session.connection) == NEWEST:
        return
    with session.transact("SET LOCAL statement_timeout = 0") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s::bigint)", [_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS redox_schema (version integer PRIMARY KEY, "
            "made_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        done = read_version(connection)
        for version, statements in MIGRATIONS:
            if version > done:
                connection.execute(statements.encode(), prepare=False)
                connection.execute("INSERT INTO redox_schema VALUES (%s)", [version])


def read_version(connection: psycopg.Connection[Any]) -> int:
    """Return the version of the tables; 0 if there are none.

    Raises:
        ConfigurationError: They were made by a newer release.
    """
    found = connection.execute("SELECT to_regclass('redox_schema')").fetchone()
    if found == (None,):
        return 0
    asked = "SELECT coalesce(max(version), 0) FROM redox_schema"
    version: int = connection.execute(asked).fetchall()[0][0]
    if version > NEWEST:
        raise ConfigurationError(
            f"The tables of this inbox have version {version}, and this release knows "
            f"{NEWEST}: install the release that made them, or a newer one."
        )
    return version
