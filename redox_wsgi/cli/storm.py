"""The command ``storm``: load a destination, and measure how it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from redox_wsgi.cli.options import (
    INTERRUPTED_STATUS,
    build_sender,
    token_options,
)
from redox_wsgi.cli.storm_report import LiveView, print_json, print_table
from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.storm import Storm, StormPlan, Tally, parse_sizes
from redox_wsgi.simulator.storm.bodies import build_body
from redox_wsgi.simulator.storm.chart import check_chart, draw_chart

__all__ = ["storm"]


@click.command()
@token_options
@click.option(
    "--rate",
    type=float,
    metavar="NUMBER",
    help="Open loop: so many transmissions are due each second, answered or not. "
    "Without it, closed loop: each subscription sends when it was answered.",
)
@click.option(
    "--connections",
    "--subscriptions",
    "subscriptions",
    type=int,
    default=10,
    show_default=True,
    metavar="NUMBER",
    help="Subscriptions, each with a connection of its own and at most one "
    "transmission in flight.",
)
@click.option(
    "--count",
    type=int,
    default=100_000,
    show_default=True,
    metavar="NUMBER",
    help="Most transmissions.",
)
@click.option(
    "--seconds",
    type=float,
    default=10.0,
    show_default=True,
    metavar="NUMBER",
    help="Longest time.",
)
@click.option(
    "--sizes",
    default="2k",
    show_default=True,
    metavar="SIZES",
    help="Sizes of the bodies and how often each comes: 2k:80,50k:19,1m:1.",
)
@click.option(
    "--processes",
    type=int,
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="Sending processes; more if one is the limit.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the latencies over time into a .png or .svg file.",
)
@click.option(
    "--i-own-this-host",
    "own_host",
    is_flag=True,
    help="Load another machine than this one. Do not, unless it is yours.",
)
@click.pass_context
def storm(
    context: click.Context,
    /,
    *,
    url: str,
    token: str | None,
    wrong_token: bool,
    as_json: bool,
    sizes: str,
    plot: Path | None,
    **options: Any,
) -> None:
    """Load the destination at URL, and measure how it answers.

    Made-up transmissions go there over many connections until --count or --seconds is
    reached. One goes first: if it is not answered as it should be, no other follows.
    They carry the verification token and never a credential.

    With --rate, a latency counts from when its transmission was due, however late it
    was sent. So an answer that takes long is not forgiven what it delays (which is
    known as coordinated omission).

    Exit status 0: all was answered as it should be. 1: something was not. 2: the
    command was used wrongly. 130: interrupted.
    """
    sender, secrets = build_sender(url, token, wrong_token, options["timeout_seconds"])
    try:
        if plot is not None:
            check_chart(plot)
        plan = StormPlan(
            url=url,
            verification_token=secrets.token,
            sizes=parse_sizes(sizes),
            expected_status=401 if wrong_token else 200,
            **options,
        )
        load = Storm(plan)
        first = sender.send(build_body(plan.sizes[0].size_bytes))
    except SimulatorError as error:
        raise click.UsageError(str(error)) from error
    if not first.is_right:
        came = first.error if first.status is None else f"status {first.status}"
        raise click.ClickException(
            f"One transmission went first, and was answered wrongly: {came}. "
            "No other was sent."
        )
    tally, is_interrupted = _run(load, is_quiet=as_json)
    if as_json:
        print_json(tally, is_interrupted=is_interrupted)
    else:
        print_table(Console(), tally, is_interrupted=is_interrupted)
    if plot is not None:
        _draw(tally, plot)
    if is_interrupted:
        context.exit(INTERRUPTED_STATUS)
    context.exit(0 if tally.is_right else 1)


def _run(load: Storm, *, is_quiet: bool) -> tuple[Tally, bool]:
    is_interrupted = False
    try:
        with load, LiveView(Console(stderr=True), is_quiet=is_quiet) as view:
            try:
                for tally in load.watch():
                    view.show(tally)
            except KeyboardInterrupt:
                is_interrupted = True
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error
    return load.tally, is_interrupted


def _draw(tally: Tally, path: Path) -> None:
    try:
        draw_chart(tally, path)
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error
