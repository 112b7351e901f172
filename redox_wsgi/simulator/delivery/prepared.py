"""The two kinds of transmission: one that goes as it is, and one made for its turn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from redox_wsgi.simulator.delivery.changes import Changes, has_meta, stamp_attempt
from redox_wsgi.simulator.delivery.documents import Document
from redox_wsgi.simulator.delivery.envelope import Envelope, read_envelope, read_json
from redox_wsgi.simulator.payloads import JsonObject, encode_payload

if TYPE_CHECKING:
    from redox_wsgi.simulator.delivery.outgoing import Outgoing

__all__ = ["AsItIs", "MadeAtItsTurn", "count_repeats"]


@dataclass(frozen=True, slots=True)
class AsItIs:
    """A document, byte for byte, retries too."""

    name: str
    envelope: Envelope
    document: Document
    #: SHA-256 of the body, to find those that repeat another.
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, document: Document) -> AsItIs:
        """Read a document once, to see where it belongs.

        Raises:
            SimulatorError: It cannot be read.
        """
        body = document.read()
        envelope = read_envelope(read_json(body))
        digest = hashlib.sha256(body).digest()
        return cls(document.name, envelope, document, digest)

    def bodies(self) -> Iterator[bytes]:
        """Yield the same bytes again and again; they are read once."""
        body = self.document.read()
        while True:
            yield body


@dataclass(frozen=True, slots=True)
class MadeAtItsTurn:
    """A payload with identifiers of its own; a retry has its own of the attempt."""

    name: str
    envelope: Envelope
    make: Callable[[], JsonObject] = field(repr=False)
    changes: Changes
    random: Random = field(repr=False)

    def bodies(self) -> Iterator[bytes]:
        """Yield the payload, with another identifier of the attempt each time."""
        payload = self.make()
        while True:
            yield encode_payload(payload)
            if has_meta(payload):
                stamp_attempt(payload, self.random)
                # They win over a stamp: who sets an identifier wants that one.
                self.changes.apply_settings(payload)


def count_repeats(outgoing: Iterable[Outgoing]) -> int:
    """Count the documents that repeat an earlier one, byte for byte.

    A destination that knows duplicates may pass over them, as it should.
    """
    digests = [each.digest for each in outgoing if isinstance(each, AsItIs)]
    return len(digests) - len(set(digests))
