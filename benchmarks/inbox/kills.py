"""Kill processes for as long as it takes: ``python -m benchmarks.inbox.kills``.

The tests do the same for seconds. Here at least 20,000 transmissions are answered 200
by each kind of inbox while gunicorn's workers and the inbox's own are killed; and once
more while PostgreSQL crashes now and then, too.
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
from tests.support.postgresql import run_postgresql

_SUBSCRIPTIONS = 12
_BETWEEN_CRASHES_SECONDS = 4
_HEADINGS = ("inbox", "answered 200", "kills", "crashes", "claims", "lost", "minutes")


def run(
    url: str, count: int, folder: Path, crash: Callable[[], None] | None = None
) -> tuple[str, ...]:
    """Send, kill, wait until all is handled, and judge.

    Args:
        url: The inbox.
        count: How many answers of 200 are wanted.
        folder: For what the processes write.
        crash: Crashes the inbox's server and starts it again; None: it has none.

    Returns:
        How many answers, kills, crashes, claims and lost ones, and the minutes.

    Raises:
        AssertionError: Something was lost, doubled or out of order.
    """
    started_at = time.monotonic()
    log = folder / "handled.log"
    kills: list[int] = []
    crashes = 0
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

        killers = [
            threading.Thread(target=kill, args=(find_workers, 1.5)),
            threading.Thread(target=kill, args=(find_servers, 0.5)),
        ]
        for killer in killers:
            killer.start()
        # By this thread: a server of the tests ends with the thread that started it.
        while crash is not None and hospital.count() < count:
            crash()
            crashes += 1
            time.sleep(_BETWEEN_CRASHES_SECONDS)
        for killer in killers:
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
    figures = (hospital.count(), sum(kills), crashes, claims, lost)
    return (*(f"{figure:,}" for figure in figures), f"{minutes:.1f}")


def main() -> int:
    """Run it for every kind of inbox."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="answers of 200")
    options = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'inbox.db'}"
        lines.append(("SQLite", *run(url, options.count, Path(folder))))
    with tempfile.TemporaryDirectory() as folder, open_postgresql() as url:
        lines.append(("PostgreSQL", *run(url, options.count, Path(folder))))
    with tempfile.TemporaryDirectory() as folder, run_postgresql() as server:
        figures = run(server.url, options.count, Path(folder), server.crash)
        lines.append(("PostgreSQL that crashes", *figures))
    print_table(_HEADINGS, lines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
