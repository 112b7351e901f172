"""What an inbox in PostgreSQL stands on, for ``redox-wsgi inbox doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from redox_wsgi.inbox.postgresql.connections import Session

_OLDEST_VERSION = 12
_MOST_DEAD_ROWS = 20_000
_MOST_SECONDS_APART = 5.0

#: Name, what was found, and what to do about it.
Finding = tuple[str, str, str | None]


def examine(session: Session, *, notify: bool) -> list[Finding]:
    """Examine a server, and the way to it."""
    connection = session.connection
    return [
        *_examine_durability(connection),
        *_examine_sessions(session, notify=notify),
        *_examine_tables(connection),
        _compare_clocks(connection),
    ]


def _examine_durability(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    version = _show(connection, "server_version")
    is_old = connection.info.server_version // 10_000 < _OLDEST_VERSION
    yield _judge(
        "version", version, is_old, f"Use PostgreSQL {_OLDEST_VERSION} or newer."
    )
    fsync = _show(connection, "fsync")
    yield _judge(
        "fsync",
        fsync,
        fsync != "on",
        "Nothing is taken: a power cut would lose what was answered with 200. "
        "Set fsync = on in postgresql.conf.",
    )
    pages = _show(connection, "full_page_writes")
    yield _judge(
        "full_page_writes",
        pages,
        pages != "on",
        "A power cut can leave torn pages: set full_page_writes = on.",
    )
    commit = _show(connection, "synchronous_commit")
    yield _judge(
        "synchronous_commit",
        commit,
        commit == "off",
        "Each put switches it on for itself; better not switch it off for the role.",
    )
    checksums = _show(connection, "data_checksums")
    yield _judge(
        "data_checksums",
        checksums,
        checksums != "on",
        "A damaged body would not be noticed: enable them with pg_checksums.",
    )


def _examine_sessions(session: Session, *, notify: bool) -> Iterator[Finding]:
    level = _show(session.connection, "default_transaction_isolation")
    # Every transaction of a pooled connection names its own.
    yield _judge("isolation", level, False, "")
    yield _judge(
        "pooler",
        "in between" if session.is_pooled else "none",
        session.is_pooled and notify,
        "Notifications do not pass a pooler: workers look by themselves. Give them a "
        "URL of the server itself.",
    )


def _examine_tables(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    rows = connection.execute(
        "SELECT n_live_tup, n_dead_tup, last_autovacuum IS NOT NULL "
        "FROM pg_stat_user_tables WHERE relid = 'redox_lane'::regclass"
    ).fetchall()
    for live, dead, was_vacuumed in rows:
        yield _judge(
            "lanes",
            f"{live} rows, {dead} dead, autovacuum "
            f"{'has run' if was_vacuumed else 'has not run yet'}",
            dead > _MOST_DEAD_ROWS,
            "Claims get slow: look for a transaction that is open for long "
            "(pg_stat_activity), or run VACUUM redox_lane.",
        )
    autovacuum = _show(connection, "autovacuum")
    yield _judge(
        "autovacuum",
        autovacuum,
        autovacuum != "on",
        "Claims get slower with each put: set autovacuum = on.",
    )


def _compare_clocks(connection: psycopg.Connection[Any]) -> Finding:
    before = datetime.now(UTC)
    rows = connection.execute("SELECT clock_timestamp()").fetchall()
    after = datetime.now(UTC)
    apart = (rows[0][0] - (before + (after - before) / 2)).total_seconds()
    return _judge(
        "clock",
        f"{apart:+.1f} s from the server's",
        abs(apart) > _MOST_SECONDS_APART,
        "Leases go by the server's clock and take no harm; times of arrival are this "
        "machine's: let both follow a time server.",
    )


def _show(connection: psycopg.Connection[Any], name: str) -> str:
    asked = "SELECT coalesce(current_setting(%s, true), 'unknown')"
    value: str = connection.execute(asked, [name]).fetchall()[0][0]
    return value


def _judge(name: str, found: str, is_wrong: bool, advice: str) -> Finding:
    return name, found, advice if is_wrong else None
