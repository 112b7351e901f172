"""Change payloads on their way out: identifiers, source, values, files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from random import Random

    from redox_wsgi.simulator.delivery.attachment import Attachment
    from redox_wsgi.simulator.delivery.settings import Setting
    from redox_wsgi.simulator.payloads import JsonObject

__all__ = ["Changes", "has_meta", "stamp_attempt", "stamp_log"]

_SOURCES = UUID("0d9b1e52-7a44-4c1f-8a55-5a0f6f0c2a00")


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed in every payload before it goes."""

    #: Give each its own identifiers of log and attempt.
    new_ids: bool = False
    #: Applied last, in this order: they win.
    settings: tuple[Setting, ...] = ()
    attachment: Attachment | None = None
    #: Spread over so many invented sources; None: keep the source.
    subscriptions: int | None = None

    @property
    def are_any(self) -> bool:
        """Whether a payload would not go byte for byte."""
        return self != Changes()

    @property
    def need_meta(self) -> bool:
        """Whether only a payload with a ``Meta`` can be changed so."""
        return self.new_ids or self.subscriptions is not None

    def apply(self, payload: JsonObject, source_number: int) -> bool:
        """Change a payload, but for its identifiers.

        Args:
            payload: Is changed.
            source_number: Which of the invented sources it comes from, from 0.

        Returns:
            Whether the attachment, if there is one, found a place.

        Raises:
            SimulatorError: A setting does not fit the payload.
        """
        if self.subscriptions is not None and has_meta(payload):
            payload["Meta"]["Source"] = _build_source(source_number)
        is_embedded = self.attachment is None or self.attachment.embed(payload)
        self.apply_settings(payload)
        return is_embedded

    def apply_settings(self, payload: JsonObject) -> None:
        """Set the values; doing so again changes nothing."""
        for setting in self.settings:
            setting.apply(payload)


def has_meta(payload: Any) -> bool:
    """Tell whether this is a payload of Redox's data models, and not, say, FHIR."""
    return isinstance(payload, dict) and isinstance(payload.get("Meta"), dict)


def stamp_log(payload: JsonObject, random: Random) -> None:
    """Give a payload with a ``Meta`` fresh identifiers of log and attempt."""
    payload["Meta"]["Logs"] = _logs_of(payload) or [{}]
    for log in _logs_of(payload):
        log["ID"] = _new_id(random)
    stamp_attempt(payload, random)


# "A retry is believed to keep ID and change AttemptID."
def stamp_attempt(payload: JsonObject, random: Random) -> None:
    """Give a payload with a ``Meta`` fresh identifiers of the attempt only."""
    for log in _logs_of(payload):
        log["AttemptID"] = _new_id(random)


def _build_source(number: int) -> JsonObject:
    # The same number is the same source in every run.
    identifier = str(uuid5(_SOURCES, str(number)))
    return {"ID": identifier, "Name": f"Simulated source {number + 1}"}


def _new_id(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _logs_of(payload: JsonObject) -> list[JsonObject]:
    logs = payload["Meta"].get("Logs")
    if not isinstance(logs, list):
        return []
    return [log for log in logs if isinstance(log, dict)]
