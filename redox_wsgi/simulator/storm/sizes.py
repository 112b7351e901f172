"""A mixture of body sizes, as in ``2k:80,50k:19,1m:1``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from redox_wsgi.simulator.errors import SimulatorError

__all__ = ["SizeShare", "parse_sizes"]

_SHARE = re.compile(r"([0-9]{1,9})([km]?)(?::([0-9]{1,6}))?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2}
# Redox's largest bodies have about 40 MB.
_LARGEST_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class SizeShare:
    """One size of the mixture, and how often it comes compared to the others."""

    size_bytes: int
    weight: int = 1


def parse_sizes(text: str) -> tuple[SizeShare, ...]:
    """Read a mixture of body sizes.

    Args:
        text: Sizes in bytes, ``k`` (1024) or ``m`` (1024 k), with commas between;
            each may have a weight after a colon, 1 if it has none.

    Returns:
        The sizes, in the order given.

    Raises:
        SimulatorError: The text is no mixture, a size is above 64m, or no size has a
            weight above 0.

    Example:
        >>> parse_sizes("2k:9,1m")
        (SizeShare(size_bytes=2048, weight=9), SizeShare(size_bytes=1048576, weight=1))
    """
    shares = []
    for part in text.split(","):
        match = _SHARE.fullmatch(part.strip())
        if match is None:
            raise SimulatorError("Sizes look like 2k or 2k:80,50k:19,1m:1.")
        number, unit, weight = match.groups()
        shares.append(SizeShare(int(number) * _UNITS[unit.lower()], int(weight or 1)))
    if any(share.size_bytes > _LARGEST_BYTES for share in shares):
        raise SimulatorError("The largest size is 64m.")
    if not any(share.weight for share in shares):
        raise SimulatorError("At least one size needs a weight above 0.")
    return tuple(shares)
