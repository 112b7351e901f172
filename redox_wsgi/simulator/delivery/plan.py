"""Plan a delivery: which transmissions, in which order, in which subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from redox_wsgi.simulator.delivery.changes import Changes, has_meta, stamp_log
from redox_wsgi.simulator.delivery.documents import Document
from redox_wsgi.simulator.delivery.envelope import Envelope, read_envelope, read_json
from redox_wsgi.simulator.delivery.prepared import AsItIs, MadeAtItsTurn
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.payloads import PATIENTS, JsonObject, build_payload

if TYPE_CHECKING:
    from redox_wsgi.simulator.delivery.outgoing import Outgoing

__all__ = ["Plan"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to deliver: documents byte for byte, then built-in events.

    With changes, or a count above 1, each document gets its own identifiers of log and
    attempt, as built-in events always do; it is written anew then.

    Raises:
        SimulatorError: ``count`` or the number of subscriptions is below 1.
    """

    documents: Sequence[Document] = ()
    #: Names out of ``EVENTS``.
    events: Sequence[str] = ()
    changes: Changes = field(default_factory=Changes)
    #: How often the whole is delivered; the patients of built-in events take turns.
    count: int = 1
    #: Size of the files inside built-in events, in bytes before base64.
    file_bytes: int = 2048
    now: Callable[[], datetime] = _now
    random: Random = field(default_factory=SystemRandom)

    def __post_init__(self) -> None:
        """Refuse what cannot be counted."""
        if self.count < 1:
            raise SimulatorError("count must be at least 1.")
        if self.changes.subscriptions is not None and self.changes.subscriptions < 1:
            raise SimulatorError("subscriptions must be at least 1.")

    def build(self) -> list[Outgoing]:
        """Read and try everything once, so that a run fails before it begins.

        Returns:
            All transmissions: the documents in their order, the events in theirs, and
            the same again for each further count.

        Raises:
            SimulatorError: A document cannot be read, or cannot be changed so; an
                event does not exist; nothing has a place for the attachment.
        """
        events: list[_Source] = [_BuiltIn(event, self) for event in self.events]
        if self.count == 1 and not self.changes.are_any:
            return [*map(AsItIs.of, self.documents), *self._make_all(events)]
        needs_meta = self.count > 1 or self.changes.need_meta
        sources = [_Parsed(document, needs_meta) for document in self.documents]
        return list(self._make_all([*sources, *events]))

    def _make_all(self, sources: Sequence[_Source]) -> Iterator[Outgoing]:
        envelopes = self._try(sources)
        for copy in range(self.count):
            for index, source in enumerate(sources):
                number = self._number_source(copy, index)
                yield MadeAtItsTurn(
                    source.name,
                    envelopes[index, number],
                    partial(self._make, source, copy, number),
                    self.changes,
                    self.random,
                )

    def _try(self, sources: Sequence[_Source]) -> dict[tuple[int, int], Envelope]:
        """Change one copy for each invented source, to see where it belongs."""
        envelopes = {}
        has_place = False
        for index, source in enumerate(sources):
            payload = source.build(0)
            copies = range(min(self.count, self.changes.subscriptions or 1))
            for number in {self._number_source(copy, index) for copy in copies}:
                has_place |= self.changes.apply(payload, number)
                envelopes[index, number] = read_envelope(payload)
        if sources and not has_place:
            raise SimulatorError(
                "Nothing to be sent has a place for a file: "
                "Media, Notes and Results have one."
            )
        return envelopes

    # All of one copy has one source, so that a story keeps its order; but a single
    # copy is spread itself.
    def _number_source(self, copy: int, index: int) -> int:
        return (copy if self.count > 1 else index) % (self.changes.subscriptions or 1)

    def _make(self, source: _Source, copy: int, source_number: int) -> JsonObject:
        payload = source.build(copy)
        if has_meta(payload):
            stamp_log(payload, self.random)
        self.changes.apply(payload, source_number)
        return payload


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    name: str
    plan: Plan

    def build(self, copy: int) -> JsonObject:
        return build_payload(
            self.name,
            patient=PATIENTS[copy % len(PATIENTS)],
            now=self.plan.now(),
            random=self.plan.random,
            file_bytes=self.plan.file_bytes,
        )


@dataclass(frozen=True, slots=True)
class _Parsed:
    document: Document
    needs_meta: bool

    @property
    def name(self) -> str:
        return self.document.name

    def build(self, _: int) -> JsonObject:
        payload = read_json(self.document.read())
        if not isinstance(payload, dict):
            raise SimulatorError(
                f"{self.name} is no JSON object: it can go only once, as it is."
            )
        if self.needs_meta and not has_meta(payload):
            raise SimulatorError(
                f"{self.name} has no Meta for fresh identifiers or another source."
            )
        return payload


_Source = _BuiltIn | _Parsed
