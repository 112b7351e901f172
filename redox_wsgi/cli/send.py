"""The command ``send``: transmissions go to a destination as Redox delivers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from redox_wsgi.cli.credential_option import keep_token_option
from redox_wsgi.cli.deliveries import build_plan, build_retries
from redox_wsgi.cli.options import (
    SENDER_OPTIONS,
    build_sender,
    destination_options,
)
from redox_wsgi.cli.report import Report
from redox_wsgi.cli.screen import Screen
from redox_wsgi.cli.send_options import contents_options, delivery_options
from redox_wsgi.cli.tally import Row
from redox_wsgi.simulator import EVENTS, SimulatorError
from redox_wsgi.simulator.delivery import Attempt, Deliverer, count_repeats

__all__ = ["send"]

_FEWEST_CONNECTIONS = 8
_EPILOG = f"Built-in events: {', '.join(EVENTS)}."


@click.command(epilog=_EPILOG)
@destination_options
@keep_token_option
@click.argument(
    "paths",
    nargs=-1,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    metavar="[PATH]...",
)
@contents_options
@delivery_options
@click.pass_context
def send(
    context: click.Context,
    /,
    *,
    environment: str,
    time_scale: float | None,
    give_up_after: int | None,
    rate: float | None,
    connections: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Send transmissions to URL, as Redox delivers them.

    A PATH is a file, a folder (its *.json and *.jsonl), a file of JSON lines (*.jsonl),
    or - for the standard input. Without any, and without --event, every built-in event
    is sent: they tell of people who do not exist.

    Files go byte for byte, unless --new-ids, --set, --attach, --count or
    --subscriptions change them. There is one queue for each source and data model:
    first in, first out, and side by side with the others.

    Exit status 0: all was answered as it should be. 1: something was not, in its last
    attempt. 2: the command was used wrongly. 130: interrupted.
    """
    sender, secrets = build_sender(
        **{name: options.pop(name) for name in SENDER_OPTIONS}
    )
    try:
        retries = build_retries(environment, time_scale, give_up_after)
        deliverer = Deliverer(
            sender.send,
            retries=retries,
            rate_per_second=rate,
            connections=connections or _default_connections(options["subscriptions"]),
        )
        outgoing = build_plan(**options).build()
    except SimulatorError as error:
        raise click.UsageError(str(error)) from error
    _warn_of_repeats(count_repeats(outgoing))
    screen = Screen(Console(), token=secrets.token, proofs=secrets.proofs)
    try:
        with Report(screen, total=len(outgoing), as_json=as_json) as report:
            for attempt in deliverer.deliver(outgoing):
                _report(attempt, report)
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error
    context.exit(report.exit_status)


# Small servers, such as those for development, refuse many connections at once.
def _default_connections(subscriptions: int | None) -> int:
    return max(_FEWEST_CONNECTIONS, subscriptions or 0)


def _report(attempt: Attempt, report: Report) -> None:
    outgoing = attempt.outgoing
    row = Row(
        attempt.position,
        outgoing.name,
        outgoing.envelope.event,
        attempt.answer,
        attempt.number,
        is_paused=not attempt.is_last,
    )
    report.add(
        row,
        shows_body=outgoing.envelope.is_query,
        subscription=outgoing.envelope.subscription,
        attempt=attempt.number,
        at_seconds=round(attempt.at_seconds, 3),
        retry_after_seconds=attempt.retry_after_seconds,
    )


def _warn_of_repeats(repeats: int) -> None:
    if repeats:
        click.echo(
            f"Note: {repeats} of the files repeat another byte for byte; a destination "
            "may take them for duplicates. With --new-ids they are not.",
            err=True,
        )
