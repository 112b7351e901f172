"""Fixtures that every test may use."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.support.builders import Received, build_application
from tests.support.postgresql import postgresql_server_url, postgresql_url
from tests.support.stores import inbox_url, lasting_inbox_url, store

# Fixtures that many files use.
__all__ = [
    "inbox_url",
    "lasting_inbox_url",
    "postgresql_server_url",
    "postgresql_url",
    "store",
]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the project's leaks in from where the tests run."""
    for name in os.environ:
        if name.startswith(("REDOX_", "BOARD_", "WARD_")) or name in (
            "HOST",
            "PORT",
            "SECRET_KEY",
        ):
            monkeypatch.delenv(name)


@pytest.fixture
def received() -> Received:
    """A handler that keeps what it is given."""
    return Received()


@pytest.fixture
def application(received: Received) -> Any:
    """An application with one destination at ``/redox``."""
    return build_application(received)
