"""``kill -9`` at random moments, of those who store and of those who handle."""

from __future__ import annotations

from pathlib import Path

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

# Seconds; the benchmarks do the same for as long as 20,000 take.
ENOUGH = 500
SUBSCRIPTIONS = 6


def test_what_was_answered_200_is_kept_exactly_once_though_servers_are_killed(
    lasting_inbox_url: str, tmp_path: Path
) -> None:
    """Four gunicorn workers, one of them killed again and again."""
    with serve(lasting_inbox_url, tmp_path / "server.log") as (port, find):
        hospital = Hospital(port, SUBSCRIPTIONS)
        hospital.start()
        kill_now_and_then(find, lambda: hospital.count() >= ENOUGH, 0.2, at_least=5)
        hospital.stop()
    inbox = Inbox(lasting_inbox_url)

    check_nothing_was_lost(inbox, hospital)
    inbox.close()


def test_everything_is_handled_in_order_though_workers_are_killed(
    lasting_inbox_url: str, tmp_path: Path
) -> None:
    """Between claim, handler and completion; another one takes over."""
    log = tmp_path / "handled.log"
    with serve(lasting_inbox_url, tmp_path / "server.log") as (port, _):
        hospital = Hospital(port, SUBSCRIPTIONS)
        hospital.start()
        with work(lasting_inbox_url, log) as find:
            kill_now_and_then(find, lambda: hospital.count() >= ENOUGH, 0.8, at_least=5)
            hospital.stop()
            inbox = Inbox(lasting_inbox_url)
            kill_now_and_then(find, lambda: inbox.stats().waiting == 0, 3.0)

    assert count_handled(log) == hospital.count()
    assert check_order(log) >= hospital.count()
    stats = inbox.stats()
    assert (stats.done, stats.dead, stats.halted) == (hospital.count(), 0, 0)
    check_nothing_was_lost(inbox, hospital)
    inbox.close()
