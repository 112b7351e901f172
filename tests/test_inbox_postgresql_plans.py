"""Which indexes serve the statements, however many rows there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from redox_wsgi.inbox.postgresql import PostgresqlStore
from redox_wsgi.inbox.statements import load_statements

pytestmark = pytest.mark.postgres

SQL = load_statements("redox_wsgi.inbox.postgresql")
NAMED = {
    "token": "token",
    "lease_seconds": 30.0,
    "lane_id": 1,
    "state": 2,
    "before": "2999-01-01",
    "limit": 500,
    "fence": 1,
    "error": None,
}

# Lanes that back off, each with an entry that waits and nine that are done.
FILL = """
INSERT INTO redox_lane (key, has_work, due_at)
  SELECT 'lane ' || i, true, now() + interval '1 hour'
  FROM generate_series(1, 10000) AS i;
INSERT INTO redox_entry
  (lane_id, identity, state, received_at, finished_at, head, body_bytes)
  SELECT i % 10000 + 1, i, CASE WHEN i < 10000 THEN 0 ELSE 2 END, now(),
    CASE WHEN i >= 10000 THEN now() END, '', 0
  FROM generate_series(0, 99999) AS i;
ANALYZE redox_lane, redox_entry
"""


@pytest.fixture
def filled(postgresql_url: str) -> Iterator[psycopg.Connection]:
    """A connection to a database with many lanes and entries."""
    store = PostgresqlStore(postgresql_url)
    store.stats()
    store.close()
    with psycopg.connect(postgresql_url) as connection:
        for statement in FILL.split(";"):
            connection.execute(statement.encode())
        yield connection


def explain(connection: psycopg.Connection[Any], name: str) -> str:
    """Run a statement, and show how it was done."""
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {SQL[name]}".encode(), NAMED)
        return "\n".join(row[0] for row in cursor)


@pytest.mark.parametrize("name", ["claim_lane", "claim_busy_lane"])
def test_empty_claim_looks_at_no_lane_that_backs_off(filled, name):
    """Lanes that wait for a destination that is down must cost nothing."""
    plan = explain(filled, name)

    assert "redox_lane_ready" in plan
    assert "Removed by" not in plan
    assert "Seq Scan" not in plan


def test_head_is_found_by_its_index(filled):
    """However many entries of the lane are done."""
    plan = explain(filled, "claim_head")

    assert "redox_entry_head" in plan
    assert "Removed by" not in plan


@pytest.mark.parametrize("name", ["empty_old", "delete_old"])
def test_what_is_old_is_found_by_its_index(filled, name):
    """A prune goes on beside the puts."""
    assert "redox_entry_old" in explain(filled, name)


def test_end_of_a_lane_is_found_by_its_index(filled):
    """Whether more waits is asked at each completion."""
    filled.execute("UPDATE redox_lane SET fence = 1, owner = 'token' WHERE id = 1")

    plan = explain(filled, "finish_lane")

    assert "redox_entry_head" in plan
    assert "Seq Scan" not in plan
