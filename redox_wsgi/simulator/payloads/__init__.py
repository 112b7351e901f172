"""Build payloads as Redox sends them, about people who do not exist.

The clock and the randomness are arguments: equal arguments give equal payloads, and
a fresh ``Random()`` gives fresh identifiers of log, attempt, message and transmission.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.payloads import (
    admission,
    appointment,
    claim,
    decision,
    directory,
    document,
    learning,
    office,
    order,
    referral,
    summary,
    surgery,
    treatment,
)
from redox_wsgi.simulator.payloads.cast import PATIENTS as PATIENTS
from redox_wsgi.simulator.payloads.cast import Patient as Patient
from redox_wsgi.simulator.payloads.occasion import JsonObject as JsonObject
from redox_wsgi.simulator.payloads.occasion import Occasion

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

__all__ = [
    "EVENTS",
    "PATIENTS",
    "JsonObject",
    "Patient",
    "build_payload",
    "encode_payload",
]

_BUILDERS = {
    **admission.BUILDERS,
    **appointment.BUILDERS,
    **surgery.BUILDERS,
    **order.BUILDERS,
    **treatment.BUILDERS,
    **document.BUILDERS,
    **summary.BUILDERS,
    **decision.BUILDERS,
    **office.BUILDERS,
    **claim.BUILDERS,
    **referral.BUILDERS,
    **directory.BUILDERS,
    **learning.BUILDERS,
}

#: The names ``build_payload`` knows, ``data model:event type``. Those of one data
#: model stand in an order that makes sense: a patient arrives before being moved.
EVENTS: tuple[str, ...] = tuple(_BUILDERS)

# JavaScript, Redox's language, is exact up to here.
_LARGEST_ID = 2**53 - 1
_COMPACT = (",", ":")


def build_payload(
    event: str,
    *,
    patient: Patient = PATIENTS[0],
    now: datetime,
    random: Random,
    file_bytes: int = 2048,
) -> JsonObject:
    """Build one payload.

    Args:
        event: One of ``EVENTS``.
        patient: Whom it is about; ``PATIENTS`` has six.
        now: When it happens; with a time zone.
        random: Where identifiers and file contents come from.
        file_bytes: Size of the file in ``Media`` and ``Notes``, before base64.

    Returns:
        A new object; change it freely.

    Raises:
        SimulatorError: The event is unknown, ``now`` has no time zone, or
            ``file_bytes`` is negative.
    """
    if event not in _BUILDERS:
        raise SimulatorError(f"There is no built-in event {event!r}; see EVENTS.")
    if now.tzinfo is None:
        raise SimulatorError("now must have a time zone.")
    if file_bytes < 0:
        raise SimulatorError("file_bytes must not be negative.")
    occasion = Occasion(patient, now, random, file_bytes)
    meta = _meta(event, occasion)
    content = _BUILDERS[event](occasion)
    return {"Meta": {**meta, **content.pop("Meta", {})}, **content}


def encode_payload(payload: JsonObject) -> bytes:
    """Write a payload as Redox does: compact JSON, UTF-8, nothing escaped."""
    try:
        return json.dumps(payload, ensure_ascii=False, separators=_COMPACT).encode()
    except UnicodeEncodeError:
        # Half of a pair of surrogates: JSON can write it, but only as an escape.
        return json.dumps(payload, separators=_COMPACT).encode()


def _meta(event: str, occasion: Occasion) -> JsonObject:
    data_model, _, event_type = event.partition(":")
    return {
        "DataModel": data_model,
        "EventType": event_type,
        "EventDateTime": occasion.time(),
        "Test": True,
        "Source": {
            "ID": "0d9b1e52-7a44-4c1f-8a55-5a0f6f0c2a01",
            "Name": "St. Zoë EHR (simulated)",
        },
        "Destinations": [
            {"ID": "0d9b1e52-7a44-4c1f-8a55-5a0f6f0c2a02", "Name": "Simulated"}
        ],
        "Logs": [{"ID": occasion.new_id(), "AttemptID": occasion.new_id()}],
        # Numbers, and above what 32 bits hold: so they are in real transmissions.
        "Message": {"ID": occasion.random.randint(2**32, _LARGEST_ID)},
        "Transmission": {"ID": occasion.random.randint(2**32, _LARGEST_ID)},
        "FacilityCode": None,
    }
