"""Turn what a user asks ``redox-wsgi send`` for into a plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from redox_wsgi.simulator import EVENTS, SimulatorError
from redox_wsgi.simulator.delivery import (
    NO_RETRIES,
    Changes,
    Document,
    Plan,
    Retries,
    read_attachment,
    read_paths,
    split_stream,
)

__all__ = ["build_plan", "build_retries"]

_STANDARD_INPUT = Path("-")


def build_plan(
    paths: Sequence[Path], events: Sequence[str], attach: Path | None, **options: Any
) -> Plan:
    """Build the plan that the options ask for; with neither paths nor events, all.

    Raises:
        SimulatorError: Something cannot be read, or makes no sense.
    """
    attachment = None if attach is None else read_attachment(attach)
    if not paths and not events:
        events = EVENTS if attachment is None else ("Media:New",)
    changes = Changes(
        new_ids=options["new_ids"],
        settings=options["settings"],
        attachment=attachment,
        subscriptions=options["subscriptions"],
    )
    return Plan(
        documents=list(_read_all(paths)),
        events=events,
        changes=changes,
        count=options["count"],
        file_bytes=options["file_bytes"],
    )


def _read_all(paths: Sequence[Path]) -> Iterator[Document]:
    if paths.count(_STANDARD_INPUT) > 1:
        raise SimulatorError("The standard input can be read only once.")
    for path in paths:
        if path == _STANDARD_INPUT:
            contents = sys.stdin.buffer.read()
            yield from split_stream(contents, "standard input")
        else:
            yield from read_paths([path])


def build_retries(
    environment: str, time_scale: float | None, give_up_after: int | None
) -> Retries:
    """Build the schedule of an environment.

    Raises:
        click.UsageError: An option is about retries, and there are none.
    """
    if environment == "production":
        return Retries(1.0 if time_scale is None else time_scale, give_up_after)
    if time_scale is not None or give_up_after is not None:
        raise click.UsageError(
            "--time-scale and --give-up-after belong to --environment production: "
            f"in {environment} nothing is sent again."
        )
    return NO_RETRIES
