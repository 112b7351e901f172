"""Every store of an inbox, for the tests of their one contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from redox_wsgi.inbox.location import open_store
from redox_wsgi.inbox.store import Store


def utc_now() -> datetime:
    """Tell the time as an inbox does."""
    return datetime.now(UTC)


@contextmanager
def fresh_store(url: str) -> Iterator[Store]:
    """Open the store at a URL, and close it afterwards."""
    store = open_store(url, utc_now)
    try:
        yield store
    finally:
        store.close()


POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgres)


@pytest.fixture(params=["memory", "sqlite", POSTGRESQL])
def inbox_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty inbox, of every kind in turn."""
    return _name_inbox(request, tmp_path)


@pytest.fixture(params=["sqlite", POSTGRESQL])
def lasting_inbox_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty inbox that outlives its processes."""
    return _name_inbox(request, tmp_path)


def _name_inbox(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'inbox.db'}"
    return "memory://"


@pytest.fixture
def store(inbox_url: str) -> Iterator[Store]:
    """Give an empty store, of every kind in turn."""
    with fresh_store(inbox_url) as store:
        yield store
