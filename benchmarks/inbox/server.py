"""A PostgreSQL for the benchmarks: that of the environment, or one of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgresql import open_database, run_postgresql


@contextmanager
def open_postgresql() -> Iterator[str]:
    """Yield the URL of an empty database that writes to the disk as by default."""
    given = os.environ.get("REDOX_WSGI_TEST_POSTGRESQL")
    if given:
        with open_database(given) as url:
            yield url
    else:
        with run_postgresql() as server, open_database(server.url) as url:
            yield url
