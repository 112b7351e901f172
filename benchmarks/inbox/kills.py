"""Kill processes for as long as it takes: ``python -m benchmarks.inbox.kills``.

The tests do the same for seconds. Here at least 20,000 transmissions are answered 200
by each kind of inbox while gunicorn's workers and the inbox's own are killed.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.inbox.server import open_postgresql
from benchmarks.table import print_table
from redox_wsgi.inbox import Inbox
from tests.support.kills import (
    Hospital,
    check_nothing_was_lost,
    check_order,
    count_handled,
    kill_now_and_then,
    serve,
    work,
)

_SUBSCRIPTIONS = 12
_HEADINGS = ("inbox", "answered 200", "kills", "claims", "lost", "minutes")


def run(url: str, count: int, folder: Path) -> tuple[str, ...]:
    """Send, kill, wait until all is handled, and judge.

    Raises:
        AssertionError: Something was lost, doubled or out of order.
    """
    started_at = time.monotonic()
    log = folder / "handled.log"
    kills: list[int] = []
    with (
        serve(url, folder / "server.log") as (port, find_servers),
        work(url, log) as find_workers,
    ):
        hospital = Hospital(port, _SUBSCRIPTIONS)
        hospital.start()

        def kill(find: Callable[[], list[int]], pause_seconds: float) -> None:
            kills.append(
                kill_now_and_then(
                    find, lambda: hospital.count() >= count, pause_seconds
                )
            )

        killer = threading.Thread(target=kill, args=(find_workers, 1.5))
        killer.start()
        kill(find_servers, 0.5)
        killer.join()
        hospital.stop()
        inbox = Inbox(url)
        while inbox.stats().waiting:
            time.sleep(0.5)
    check_nothing_was_lost(inbox, hospital)
    claims = check_order(log)
    lost = hospital.count() - count_handled(log)
    inbox.close()
    minutes = (time.monotonic() - started_at) / 60
    figures = (hospital.count(), sum(kills), claims, lost)
    return (*(f"{figure:,}" for figure in figures), f"{minutes:.1f}")


def main() -> int:
    """Run it for both kinds of inbox."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="answers of 200")
    options = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'inbox.db'}"
        lines.append(("SQLite", *run(url, options.count, Path(folder))))
    with tempfile.TemporaryDirectory() as folder, open_postgresql() as url:
        lines.append(("PostgreSQL", *run(url, options.count, Path(folder))))
    print_table(_HEADINGS, lines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
