"""Checks of settings that several parts of the token endpoint share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from redox_wsgi.errors import ConfigurationError

# What may stand between the quotes of a header, and in a line of a log.
_TEXT = re.compile(r"[ !#-\[\]-~]{1,200}")
_NAME = re.compile(r"[!-~]{1,100}")


def check_seconds(name: str, value: object, least: int, most: int) -> None:
    """Raise ``ConfigurationError`` unless a setting is a number of seconds in range."""
    if type(value) is not int or not least <= value <= most:
        raise ConfigurationError(f"{name} is a number of {least} to {most} seconds.")


def check_switch(name: str, value: object) -> None:
    """Raise ``ConfigurationError`` unless a setting is a bool.

    The text "false", out of an environment variable, would be true.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is True or False.")


def check_text(name: str, value: object) -> None:
    """Raise ``ConfigurationError`` unless a setting may stand in a header."""
    if not (isinstance(value, str) and _TEXT.fullmatch(value)):
        raise ConfigurationError(
            f"{name} is printable ASCII text without quotes and backslashes."
        )


def rename(
    known: tuple[str, ...], names: Mapping[str, str], setting: str
) -> Mapping[str, str]:
    """Return the name on the wire for each known name.

    Raises:
        ConfigurationError: A name is not known, is not visible ASCII, or is used twice.
    """
    if not isinstance(names, Mapping) or not set(names) <= set(known):
        raise ConfigurationError(
            f"{setting} gives other names to some of: {', '.join(known)}."
        )
    renamed = {name: names.get(name, name) for name in known}
    if not all(
        isinstance(name, str) and _NAME.fullmatch(name) for name in renamed.values()
    ) or len(set(renamed.values())) != len(known):
        raise ConfigurationError(
            f"The names in {setting} are visible ASCII, and each is used once."
        )
    return MappingProxyType(renamed)
