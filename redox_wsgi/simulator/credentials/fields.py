"""Checks of the fields that credentials are made of; no message repeats a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from redox_wsgi.simulator.errors import SimulatorError

__all__ = [
    "Clock",
    "check_header_name",
    "check_seconds",
    "check_text",
    "check_visible",
    "utc_now",
]

#: Tells the time, aware.
Clock: TypeAlias = Callable[[], datetime]

# Anything else would be refused by http.client with an error that quotes the header.
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")


def utc_now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


def check_visible(name: str, value: object) -> None:
    """Raise ``SimulatorError`` unless a value may stand in a header as it is."""
    if not (isinstance(value, str) and _VISIBLE_ASCII.fullmatch(value)):
        raise SimulatorError(f"{name} must be visible ASCII without blanks.")


def check_text(name: str, value: object) -> None:
    """Raise ``SimulatorError`` unless a value is text that is not empty."""
    if not (isinstance(value, str) and value):
        raise SimulatorError(f"{name} must be text that is not empty.")


def check_header_name(name: str, value: object) -> None:
    """Raise ``SimulatorError`` unless a value is the name of a header."""
    if not (isinstance(value, str) and _HEADER_NAME.fullmatch(value)):
        raise SimulatorError(f"{name} must be letters, digits and hyphens.")


def check_seconds(name: str, value: object) -> None:
    """Raise ``SimulatorError`` unless a value is a whole number of seconds above 0."""
    if type(value) is not int or value < 1:
        raise SimulatorError(f"{name} must be a whole number of seconds above 0.")
