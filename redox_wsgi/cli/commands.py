"""The commands: verify a destination, send transmissions to it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from redox_wsgi.cli.deliveries import check_events, plan_deliveries
from redox_wsgi.cli.report import Report
from redox_wsgi.simulator import EVENTS, Sender, SimulatorError
from redox_wsgi.simulator.answer import event_of, is_query

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["application"]

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 88}


@click.group(context_settings=_CONTEXT)
def application() -> None:
    """Play Redox's side towards a destination."""


def _common_options(command: Callable[..., None]) -> Callable[..., None]:
    decorators: list[Callable[[Any], Any]] = [
        click.argument("url"),
        click.option(
            "--token",
            envvar="REDOX_VERIFICATION_TOKEN",
            show_envvar=True,
            help="The verification token. Better in the environment: an option is "
            "visible in process lists.",
        ),
        click.option(
            "--wrong-token",
            is_flag=True,
            help="Send a made-up token; only a refusal with 401 is then right.",
        ),
        click.option(
            "--timeout-seconds",
            type=click.FloatRange(0, 86_400, min_open=True),
            default=30.0,
            show_default=True,
            help="Longest wait for the connection and for each piece of an answer.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="One JSON object a line, no table."
        ),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


@application.command()
@_common_options
@click.pass_context
def verify(context: click.Context, /, as_json: bool, **options: Any) -> None:
    """Verify the destination at URL: by POST, and by both forms of GET."""
    sender, token = _build_sender(**options)
    with Report(Console(), token=token, as_json=as_json) as report:
        for name, ask in (
            ("POST", sender.verify_by_post),
            ("GET, token in the query", sender.verify_by_get),
            ("GET, token in the header", sender.verify_by_get_old),
        ):
            report.announce(name)
            report.add(name, ask())
    context.exit(report.exit_status)


@application.command(epilog=f"Built-in events: {', '.join(EVENTS)}.")
@_common_options
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--event",
    "events",
    multiple=True,
    callback=check_events,
    metavar="NAME",
    help="A built-in event, such as PatientAdmin:Arrival; may be repeated.",
)
@click.option(
    "--file-bytes",
    type=click.IntRange(0),
    default=2048,
    show_default=True,
    help="Size of the files inside built-in events, before base64.",
)
@click.pass_context
def send(
    context: click.Context,
    /,
    paths: tuple[Path, ...],
    events: tuple[str, ...],
    file_bytes: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Send files, folders (their *.json) and built-in events to URL.

    With none of them, every built-in event is sent. Built-in events tell of people
    who do not exist. Exit status 0: all was answered as it should be.
    """
    sender, token = _build_sender(**options)
    deliveries = plan_deliveries(paths, events, file_bytes)
    with Report(Console(), token=token, as_json=as_json) as report:
        for delivery in deliveries:
            report.announce(delivery.name)
            body = delivery.read()
            asks = is_query(event_of(body))
            report.add(delivery.name, sender.send(body), with_body=asks)
    context.exit(report.exit_status)


def _build_sender(
    url: str, token: str | None, wrong_token: bool, timeout_seconds: float
) -> tuple[Sender, str]:
    if wrong_token:
        token = secrets.token_urlsafe(24)
    if not token:
        raise click.UsageError(
            "No token: set REDOX_VERIFICATION_TOKEN, or give --token or --wrong-token."
        )
    try:
        sender = Sender(
            url,
            verification_token=token,
            expect="refused" if wrong_token else "accepted",
            timeout_seconds=timeout_seconds,
        )
    except SimulatorError as error:
        raise click.UsageError(str(error)) from error
    return sender, token
