"""What several commands ask for: the address, what proves them, the time to wait."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from redox_wsgi.cli.credential_option import Watched, credential_option
from redox_wsgi.simulator import Credential, Sender, SimulatorError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "INTERRUPTED_STATUS",
    "SENDER_OPTIONS",
    "Secrets",
    "build_sender",
    "destination_options",
    "token_options",
]

#: The exit status of a command that was interrupted from the keyboard.
INTERRUPTED_STATUS = 130
#: The names of the arguments of ``build_sender``.
SENDER_OPTIONS = (
    *("url", "token", "wrong_token", "timeout_seconds"),
    *("credential", "keep_token"),
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is to be blanked in all that is shown."""

    token: str = field(repr=False)
    #: Tokens and signatures of the credential; grows with every request.
    proofs: Collection[str] = field(repr=False)


def destination_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``URL``, the token, the credential, the time to wait, and ``--json``."""
    return _add_options(command, credential_option)


def token_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the same without the credential."""
    return _add_options(command)


def _add_options(
    command: Callable[..., None], *further: Callable[[Any], Any]
) -> Callable[..., None]:
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
            help="Send a made-up token, and no credential; only a refusal with 401 is "
            "then right.",
        ),
        *further,
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
    url: str,
    token: str | None,
    wrong_token: bool,
    timeout_seconds: float,
    *,
    credential: Credential | None = None,
    keep_token: bool = False,
) -> tuple[Sender, Secrets]:
    """Build the sender that the options ask for.

    Returns:
        The sender, and what it sends as proof: that is to be blanked.

    Raises:
        click.UsageError: There is no token, or the sender cannot be built so.
    """
    if wrong_token:
        token, credential = secrets.token_urlsafe(24), None
    if not token:
        raise click.UsageError(
            "No token: set REDOX_VERIFICATION_TOKEN, or give --token or --wrong-token."
        )
    watched = None if credential is None else Watched(credential)
    try:
        sender = Sender(
            url,
            verification_token=token,
            credential=watched,
            keep_token=keep_token,
            expect="refused" if wrong_token else "accepted",
            timeout_seconds=timeout_seconds,
        )
    except SimulatorError as error:
        raise click.UsageError(str(error)) from error
    return sender, Secrets(token, () if watched is None else watched.proofs)
