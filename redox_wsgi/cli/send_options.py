"""What ``redox-wsgi send`` can be told: what to send, how, and how often again."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from redox_wsgi.simulator import EVENTS, SimulatorError
from redox_wsgi.simulator.delivery import Setting, parse_setting

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["contents_options", "delivery_options"]

_ONE_UP = click.IntRange(1)
_ABOVE_ZERO = click.FloatRange(0, min_open=True)


def contents_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what is sent, and how it is changed on the way."""
    for add in reversed(
        (
            click.option(
                "--event",
                "events",
                multiple=True,
                callback=_check_events,
                metavar="NAME",
                help="A built-in event, such as PatientAdmin:Arrival; may be repeated.",
            ),
            click.option(
                "--set",
                "settings",
                multiple=True,
                callback=_check_settings,
                metavar="PATH=VALUE",
                help="Set one value in each, such as "
                "Patient.Demographics.FirstName=Zoë or Patient.Identifiers.0.ID='\"7\"'"
                ": JSON, or else a text; may be repeated.",
            ),
            click.option(
                "--attach",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Embed this file wherever there is a place: Media, Notes, "
                "Results. Alone, it goes as Media:New.",
            ),
            click.option(
                "--file-bytes",
                type=click.IntRange(0),
                default=2048,
                show_default=True,
                help="Size of the files inside built-in events, before base64.",
            ),
            click.option(
                "--new-ids",
                is_flag=True,
                help="Give each file fresh identifiers of log and attempt.",
            ),
            click.option(
                "--count",
                type=_ONE_UP,
                default=1,
                show_default=True,
                help="Send all of it so often, each time with fresh identifiers.",
            ),
            click.option(
                "--subscriptions",
                type=_ONE_UP,
                help="Spread all of it over so many invented sources.",
            ),
        )
    ):
        command = add(command)
    return command


def delivery_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add how fast it is sent, and how often again."""
    for add in reversed(
        (
            click.option(
                "--rate",
                type=_ABOVE_ZERO,
                metavar="PER_SECOND",
                help="Let so many come in per second, however slow the answers are.",
            ),
            click.option(
                "--connections",
                type=_ONE_UP,
                help="How many may be under way at once.  [default: as many as "
                "--subscriptions, and at least 8]",
            ),
            click.option(
                "--environment",
                type=click.Choice(["development", "staging", "production"]),
                default="development",
                show_default=True,
                help="Only in production Redox sends again what failed.",
            ),
            click.option(
                "--time-scale",
                type=click.FloatRange(0, 1000, min_open=True),
                metavar="FACTOR",
                help="Shrink the pauses before it is sent again: with 0.01, two "
                "minutes are 1.2 seconds.",
            ),
            click.option(
                "--give-up-after",
                type=_ONE_UP,
                metavar="ATTEMPTS",
                help="Go on with the next after so many; Redox never does.",
            ),
        )
    ):
        command = add(command)
    return command


def _check_events(
    _: click.Context, __: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse names of events that do not exist, and say which come close.

    Raises:
        click.BadParameter: A name is not one of ``EVENTS``.
    """
    folded = {event.lower(): event for event in EVENTS}
    for name in names:
        if name not in EVENTS:
            close = difflib.get_close_matches(name.lower(), folded, n=5)
            cure = ", ".join(folded[match] for match in close) or "none comes close"
            raise click.BadParameter(f"there is no built-in event {name!r} ({cure}).")
    return names


def _check_settings(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[Setting, ...]:
    """Parse what is to be set.

    Raises:
        click.BadParameter: One is no ``PATH=VALUE``.
    """
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Setting:
    try:
        return parse_setting(text)
    except SimulatorError as error:
        raise click.BadParameter(str(error)) from error
