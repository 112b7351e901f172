"""What several commands ask for: the address, the token and the time to wait."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import click

from redox_wsgi.simulator import Sender, SimulatorError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "INTERRUPTED_STATUS",
    "SENDER_OPTIONS",
    "build_sender",
    "destination_options",
]

#: The exit status of a command that was interrupted from the keyboard.
INTERRUPTED_STATUS = 130
#: The names of the arguments of ``build_sender``.
SENDER_OPTIONS = ("url", "token", "wrong_token", "timeout_seconds")


def destination_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``URL``, the options of ``build_sender``, and ``--json``."""
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
            "--time-out",
            "--timeout-seconds",
            "timeout_seconds",
            type=click.FloatRange(0, 86_400, min_open=True),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="Longest wait for the connection and for each piece of an answer.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="One JSON object a line, no table."
        ),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def build_sender(
    url: str, token: str | None, wrong_token: bool, timeout_seconds: float
) -> tuple[Sender, str]:
    """Build the sender that the options ask for.

    Returns:
        The sender, and the token it sends: it is to be blanked in what is shown.

    Raises:
        click.UsageError: There is no token, or the sender cannot be built so.
    """
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
