"""Set single values inside a payload: ``Patient.Identifiers.0.ID=42``."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redox_wsgi.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads import JsonObject

__all__ = ["Setting", "parse_setting"]

_INDEX = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it goes."""

    #: Keys of objects and places in lists, from the outermost on.
    path: tuple[str, ...]
    #: Parsed JSON.
    value: Any = field(repr=False)

    def apply(self, payload: JsonObject) -> None:
        """Set the value; a parent that is missing or null is made.

        Args:
            payload: Is changed.

        Raises:
            SimulatorError: The path goes through a text, a number or a boolean, or
                beyond the end of a list.
        """
        parent: Any = payload
        for depth, step in enumerate(self.path[:-1]):
            child = self._get(parent, step, depth)
            if child is None:
                child = [] if _INDEX.fullmatch(self.path[depth + 1]) else {}
                self._put(parent, step, child)
            parent = child
        last = len(self.path) - 1
        self._get(parent, self.path[last], last)
        self._put(parent, self.path[last], copy.deepcopy(self.value))

    def _get(self, parent: Any, step: str, depth: int) -> Any:
        place = ".".join(self.path[:depth])
        if isinstance(parent, dict):
            return parent.get(step)
        if not isinstance(parent, list):
            raise SimulatorError(
                f"{place} is {_KINDS[type(parent)]}, so there is no {step!r} in it."
            )
        if not _INDEX.fullmatch(step):
            raise SimulatorError(
                f"{place} is a list: {step!r} should be a number, from 0."
            )
        if int(step) > len(parent):
            raise SimulatorError(
                f"{place} has {len(parent)} in it: {step} is beyond its end; "
                f"{len(parent)} would add one."
            )
        return parent[int(step)] if int(step) < len(parent) else None

    @staticmethod
    def _put(parent: Any, step: str, value: Any) -> None:
        if isinstance(parent, dict):
            parent[step] = value
        elif int(step) < len(parent):
            parent[int(step)] = value
        else:
            parent.append(value)


_KINDS = {str: "a text", bool: "a boolean", int: "a number", float: "a number"}


def parse_setting(text: str) -> Setting:
    """Parse ``PATH=VALUE``.

    Args:
        text: The path has dots between its steps; a step of digits is a place in a
            list, or a key where there is an object. The value is JSON if it is JSON,
            otherwise a text.

    Raises:
        SimulatorError: There is no ``=``, or a step of the path is empty.

    Example:
        >>> parse_setting("Meta.Test=true").value, parse_setting("A.B=Zoë").value
        (True, 'Zoë')
        >>> parse_setting('Visit.VisitNumber="42"').value
        '42'
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise SimulatorError(f"{text!r} should be PATH=VALUE; there is no '=' in it.")
    steps = tuple(path.split("."))
    if not all(steps):
        raise SimulatorError(f"The path {path!r} has nothing before or after a dot.")
    return Setting(steps, _parse_value(value))


def _parse_value(text: str) -> Any:
    try:
        value = json.loads(text)
        # Python reads NaN and 1e999, which are no JSON; it refuses to write them so.
        json.dumps(value, allow_nan=False)
    # Deep nesting is a RecursionError.
    except (ValueError, RecursionError):
        return text
    return value
