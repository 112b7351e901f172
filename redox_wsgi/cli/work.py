"""The command ``work``: handle what an inbox keeps, until told to stop."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any

import click

from redox_wsgi.cli.inbox.access import find_missing, inbox_options
from redox_wsgi.cli.inbox.backfill import load_handler
from redox_wsgi.cli.options import INTERRUPTED_STATUS
from redox_wsgi.errors import ConfigurationError, InboxUnavailable
from redox_wsgi.inbox.inbox import Inbox
from redox_wsgi.inbox.location import read_scheme
from redox_wsgi.inbox.worker.housekeeping import Retention
from redox_wsgi.inbox.worker.processes import Processes
from redox_wsgi.inbox.worker.service import serve
from redox_wsgi.inbox.worker.signals import Signals
from redox_wsgi.inbox.worker.worker import Worker

__all__ = ["work"]

_SECONDS = click.FloatRange(0, min_open=True)
_ONE_UP = click.IntRange(1)
_DAYS = click.FloatRange(0)
_THREADS = 4

_logger = logging.getLogger("redox_wsgi")


@click.command()
@inbox_options
@click.argument("handler", metavar="PACKAGE.MODULE:HANDLER")
@click.option(
    "--concurrency",
    type=_ONE_UP,
    metavar="NUMBER",
    help="Handle so many lanes at once, in threads.  [default: 4; with --processes, "
    "1 in each]",
)
@click.option(
    "--processes",
    type=_ONE_UP,
    metavar="NUMBER",
    help="Work in so many processes: one in which a handler hangs or that crashes is "
    "replaced.",
)
@click.option(
    "--drain", is_flag=True, help="Handle what is due, one after the other, and end."
)
@click.option(
    "--max-attempts",
    type=_ONE_UP,
    default=20,
    show_default=True,
    metavar="NUMBER",
    help="Try an entry so often; then its lane halts until an operator decides.",
)
@click.option(
    "--dead-letter",
    multiple=True,
    metavar="LANES",
    help="Where * stands for any text: in these lanes, give an entry up after the "
    "last attempt and go on; may be repeated.",
)
@click.option(
    "--max-handling-seconds",
    type=_SECONDS,
    default=600.0,
    show_default=True,
    help="Let a handler run so long.",
)
@click.option(
    "--lease-seconds",
    type=_SECONDS,
    default=30.0,
    show_default=True,
    help="How long others wait before they take over what a crash left behind; the "
    "same for all workers of an inbox.",
)
@click.option(
    "--grace-seconds",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="When told to stop, let handlers finish for so long.",
)
@click.option(
    "--keep-body-days",
    type=_DAYS,
    default=Retention().body_days,
    show_default=True,
    help="Keep the bodies of what was handled.",
)
@click.option(
    "--keep-identity-days",
    type=_DAYS,
    default=Retention().identity_days,
    show_default=True,
    help="Recognise a repeat of what was handled.",
)
@click.pass_context
def work(
    context: click.Context,
    /,
    *,
    inbox_url: str | None,
    handler: str,
    processes: int | None,
    drain: bool,
    keep_body_days: float,
    keep_identity_days: float,
    **settings: Any,
) -> None:
    """Handle what an inbox keeps, until told to stop.

    PACKAGE.MODULE:HANDLER is called with each transmission: at least once, and each
    lane in order of arrival. The current folder is searched for it first. The log goes
    to standard error, unless the module sets up another (basicConfig: with force=True).

    SIGTERM and SIGINT: what is being handled is finished, or given back after
    --grace-seconds; a second signal ends at once. Exit status 0: told to stop; 2: wrong
    usage; 130: ended at once.
    """
    if drain and processes:
        raise click.UsageError("--drain handles one after the other, in one process.")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    settings["concurrency"] = settings["concurrency"] or (1 if processes else _THREADS)
    try:
        _check_inbox(inbox_url)
        settings["retention"] = Retention(keep_body_days, keep_identity_days)
        build = partial(_build_worker, inbox_url or "", handler, settings)
        if processes:
            context.exit(_work_in_processes(build, processes, settings))
        if drain:
            context.exit(_drain(build()))
        context.exit(_work(build()))
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error


def _check_inbox(url: str | None) -> None:
    if not url or read_scheme(url) == "memory":
        raise click.UsageError(
            "No inbox that others can put into: set REDOX_INBOX, or give --inbox."
        )
    # It may be the first to use it; but a worker of nothing looks as if all were well.
    complaint = find_missing(url)
    if complaint is not None:
        _logger.warning("%s It is made now, and it is empty.", complaint)


def _build_worker(
    inbox_url: str, handler: str, settings: dict[str, Any], **more: Any
) -> Worker:
    try:
        found = load_handler(handler)
    except click.UsageError as error:
        raise ConfigurationError(error.message) from error
    # Only from the environment: an option is visible in process lists.
    keys = os.environ.get("REDOX_INBOX_KEYS", "").split() or None
    return Worker(Inbox(inbox_url, encryption_keys=keys), found, **settings, **more)


def _work_in_processes(
    build: partial[Worker], count: int, settings: dict[str, Any]
) -> int:
    return Processes(
        # Where it hangs it is killed: a new thread beside it would be killed too.
        lambda watch: build(watch=watch, max_hanging=0),
        count,
        max_handling_seconds=settings["max_handling_seconds"],
        grace_seconds=settings["grace_seconds"],
    ).run()


def _drain(worker: Worker) -> int:
    count = 0
    try:
        with Signals() as signals:
            while not signals.count and worker.run_once():
                count += 1
    except InboxUnavailable as error:
        raise click.ClickException(f"The inbox cannot be used: {error.code}") from error
    finally:
        worker.inbox.close()
    click.echo(f"Attempts: {count}")
    return INTERRUPTED_STATUS if signals.count else 0


def _work(worker: Worker) -> int:
    with Signals() as signals:
        status = serve(worker, signals)
    if not worker.has_left:
        # A handler still runs: nothing that it uses is cleaned up under its feet.
        logging.shutdown()
        os._exit(status)
    return status
