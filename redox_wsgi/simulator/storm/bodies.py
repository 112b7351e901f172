"""Bodies for a storm: of a given size, each with an identity of its own.

Building a payload takes longer than sending it, so that each size is built once, with
gaps for what differs between two transmissions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.payloads import build_payload, encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redox_wsgi.simulator.storm.sizes import SizeShare

__all__ = ["Identities", "Template", "build_body", "build_template", "choose_templates"]

# A file of any size fits into it, as in real life.
_EVENT = "Media:New"
# What a body must have that is smaller than a usual one.
_SMALLEST = ("Meta", "Media")
_SOURCE_ID = "00000000-0000-4000-8000-00000000aaaa"
_LOG_ID = "00000000-0000-4000-8000-00000000bbbb"
_ATTEMPT_ID = "00000000-0000-4000-8000-00000000cccc"
# Base64 turns three bytes into four.
_THREE, _FOUR = 3, 4


@dataclass(frozen=True, slots=True)
class Template:
    """A body with gaps for the IDs of source, log and attempt, in this order."""

    size_bytes: int
    pieces: tuple[bytes, bytes, bytes, bytes]

    def fill(self, source_id: bytes, log_id: bytes, attempt_id: bytes) -> list[bytes]:
        """Return the body in pieces; the large ones are shared, not copied."""
        first, second, third, last = self.pieces
        return [first, source_id, second, log_id, third, attempt_id, last]


class Identities:
    """Gives IDs that nobody else gives: not in this run, and not in the next.

    Args:
        random: Where the part comes from that all IDs of this object share.
    """

    def __init__(self, random: Random) -> None:
        first, second, third = (random.getrandbits(bits) for bits in (32, 16, 12))
        self._start = f"{first:08x}-{second:04x}-4{third:03x}-8000-"
        self._serials = itertools.count()

    def take(self) -> bytes:
        """Return the next ID, a UUID as text."""
        return b"%s%012x" % (self._start.encode(), next(self._serials))


def build_template(size_bytes: int) -> Template:
    """Build a template of about this size.

    Args:
        size_bytes: Length of the body; reached but for up to three bytes.

    Raises:
        SimulatorError: No payload is that small.
    """
    whole, smallest = len(_encode(0)), len(_encode(0, _SMALLEST))
    if size_bytes < smallest:
        raise SimulatorError(f"The smallest size is {smallest} bytes.")
    base, rooms = (whole, None) if size_bytes >= whole else (smallest, _SMALLEST)
    body = _encode((size_bytes - base) // _FOUR * _THREE, rooms)
    pieces = []
    # They stand in this order.
    for marker in (_SOURCE_ID, _LOG_ID, _ATTEMPT_ID):
        piece, _, body = body.partition(marker.encode())
        pieces.append(piece)
    first, second, third = pieces
    length = sum(map(len, (*pieces, body, _SOURCE_ID, _LOG_ID, _ATTEMPT_ID)))
    return Template(length, (first, second, third, body))


def build_body(size_bytes: int) -> bytes:
    """Build one body of about this size, with IDs of its own.

    Raises:
        SimulatorError: No payload is that small.
    """
    take = Identities(SystemRandom()).take
    return b"".join(build_template(size_bytes).fill(take(), take(), take()))


def choose_templates(shares: Sequence[SizeShare], random: Random) -> Iterator[Template]:
    """Build all templates at once, then yield them for ever, mixed by weight."""
    templates = [build_template(share.size_bytes) for share in shares]
    weights = [share.weight for share in shares]
    # Many at a time, because one at a time costs more.
    many = iter(lambda: random.choices(templates, weights, k=256), None)
    return itertools.chain.from_iterable(many)


def _encode(file_bytes: int, rooms: tuple[str, ...] | None = None) -> bytes:
    random = Random(0)  # noqa: S311 - contents of a file
    payload = build_payload(
        _EVENT, now=datetime.now(UTC), random=random, file_bytes=file_bytes
    )
    payload["Meta"]["Source"]["ID"] = _SOURCE_ID
    payload["Meta"]["Logs"] = [{"ID": _LOG_ID, "AttemptID": _ATTEMPT_ID}]
    return encode_payload({key: payload[key] for key in rooms or payload})
