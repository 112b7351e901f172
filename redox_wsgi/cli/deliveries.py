"""What ``redox-wsgi send`` shall send: files byte for byte, and built-in events."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import TYPE_CHECKING, Protocol

import click

from redox_wsgi.simulator import EVENTS, build_payload, encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Delivery", "check_events", "plan_deliveries"]


class Delivery(Protocol):
    """One transmission to come; its body is made only when it is sent."""

    @property
    def name(self) -> str:
        """What to call it in the report."""
        ...

    def read(self) -> bytes:
        """Return the body."""
        ...


@dataclass(frozen=True, slots=True)
class _File:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise click.FileError(self.name, error.strerror) from error


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    name: str
    file_bytes: int

    def read(self) -> bytes:
        payload = build_payload(
            self.name,
            now=datetime.now(UTC),
            random=SystemRandom(),
            file_bytes=self.file_bytes,
        )
        return encode_payload(payload)


def plan_deliveries(
    paths: Iterable[Path], events: Iterable[str], file_bytes: int
) -> list[Delivery]:
    """List what to send, in this order: the paths as given, then the events.

    Args:
        paths: Files, and folders whose ``*.json`` are taken in order of name.
        events: Names out of ``EVENTS``.
        file_bytes: Size of the files inside built-in payloads.

    Returns:
        One delivery each; with neither paths nor events, every built-in event.

    Raises:
        click.UsageError: A folder holds no ``*.json``.
    """
    deliveries: list[Delivery] = []
    for path in paths:
        if not path.is_dir():
            deliveries.append(_File(path))
            continue
        files = sorted(file for file in path.glob("*.json") if file.is_file())
        if not files:
            raise click.UsageError(f"The folder {path} holds no *.json file.")
        deliveries.extend(_File(file) for file in files)
    deliveries.extend(_BuiltIn(event, file_bytes) for event in events)
    return deliveries or [_BuiltIn(event, file_bytes) for event in EVENTS]


def check_events(
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
