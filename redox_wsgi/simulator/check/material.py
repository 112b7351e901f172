"""What the probes send: test data about people who do not exist, and marked as such.

Every payload with a ``Meta`` has ``Meta.Test: true``; a FHIR resource has the label
``HTEST``; what is neither says in words that it is a test, and tells of nobody.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from random import Random
from typing import Any

from redox_wsgi.simulator.answer import event_of, is_query
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.payloads import PATIENTS, build_payload, encode_payload

__all__ = ["Material", "check_query"]

_NOTE = "Test data of redox-wsgi check."
# "HTEST": the FHIR label of "information about a fictitious individual".
# -- https://terminology.hl7.org/CodeSystem-v3-ActReason.html
_TEST_LABEL = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
}
# Python's own JSON reader gives up far below that.
_DEPTH = 50_000


class Material:
    """Makes bodies; each has fresh identifiers.

    Args:
        now: When everything in them happens; with a time zone.
        random: Where identifiers come from.
    """

    #: Whom they tell of.
    patient = PATIENTS[0]

    def __init__(self, *, now: datetime, random: Random) -> None:
        self._now = now
        self._random = random

    def new_id(self) -> str:
        """Return a UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def arrival(self) -> bytes:
        """A usual transmission."""
        return encode_payload(self._arrival())

    def arrival_of(self, source_id: str) -> bytes:
        """A usual transmission of another source, and so of another subscription."""
        payload = self._arrival()
        payload["Meta"]["Source"]["ID"] = source_id
        return encode_payload(payload)

    def arrival_with(self, **members: Any) -> bytes:
        """A usual transmission with further members beside its ``Meta``."""
        return encode_payload({**self._arrival(), **members})

    def arrival_without_values(self) -> bytes:
        """A transmission with nothing but its event: all else is null or empty."""
        payload = self._arrival()
        kept = {name: payload["Meta"][name] for name in _ALWAYS_THERE}
        payload = _without_values(payload)
        payload["Meta"] |= kept
        return encode_payload(payload)

    def retry_of(self, body: bytes) -> bytes:
        """The same transmission as Redox is believed to retry it: a new attempt."""
        payload = json.loads(body)
        payload["Meta"]["Logs"][0]["AttemptID"] = self.new_id()
        return encode_payload(payload)

    def unknown_event(self) -> bytes:
        """A transmission of a data model that does not exist."""
        payload = self._arrival()
        payload["Meta"] |= {"DataModel": "Star Chart", "EventType": "comet-sighted"}
        return encode_payload(payload)

    def without_meta(self) -> bytes:
        """JSON that is no envelope of Redox's."""
        return encode_payload({"Test": True, "Comment": _NOTE})

    def not_json(self) -> dict[str, bytes]:
        """Bodies that no JSON reader takes, by what they are."""
        note = _NOTE.encode()
        return {
            "plain text": note,
            "cut JSON": b'{"Meta": {"Test": true, "Comment": "' + note,
            "bytes that are no UTF-8": b'{"Test": true, "Comment": "\xff\xfe"}',
            "a NUL": b'{"Test": true, "Comment": "\x00"}',
            "an empty body": b"",
            "very deep nesting": b"[" * _DEPTH + b"]" * _DEPTH,
        }

    def fhir_bundle(self) -> bytes:
        """A FHIR notification, which has no ``Meta``."""
        patient = {
            "resourceType": "Patient",
            "id": self.new_id(),
            "meta": {"security": [_TEST_LABEL]},
            "name": [
                {"family": self.patient.last_name, "given": [self.patient.first_name]}
            ],
        }
        header = {
            "resourceType": "MessageHeader",
            "id": self.new_id(),
            "meta": {"security": [_TEST_LABEL]},
            "eventUri": "https://example.org/events/patient-arrived",
            "source": {"name": _NOTE, "endpoint": "https://example.org/fhir"},
            "focus": [{"reference": f"Patient/{patient['id']}"}],
        }
        bundle = {
            "resourceType": "Bundle",
            "id": self.new_id(),
            "meta": {"security": [_TEST_LABEL]},
            "type": "message",
            "entry": [{"resource": header}, {"resource": patient}],
        }
        return encode_payload(bundle)

    def file_of(self, file_bytes: int) -> bytes:
        """A transmission with a file of this size inside, before base64."""
        payload = build_payload(
            "Media:New",
            patient=self.patient,
            now=self._now,
            random=self._random,
            file_bytes=file_bytes,
        )
        return encode_payload(payload)

    def traces_in(self, body: bytes) -> list[str]:
        """Find what only somebody's record could put into an answer."""
        text = body.decode(errors="replace")
        patient = self.patient
        traces = (patient.record_number, patient.ehr_id, patient.street)
        return [trace for trace in traces if trace in text]

    def _arrival(self) -> dict[str, Any]:
        return build_payload(
            "PatientAdmin:Arrival",
            patient=self.patient,
            now=self._now,
            random=self._random,
        )


_ALWAYS_THERE = ("DataModel", "EventType", "Test")


def check_query(body: bytes) -> bytes:
    """Return a query of the user's, if it is one and marked as a test.

    Raises:
        SimulatorError: It is not; the message says what is missing.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise SimulatorError("The query is not JSON.") from None
    if not is_query(event_of(body)):
        raise SimulatorError(
            "The query's Meta must name the DataModel and EventType of a query, such "
            "as PatientSearch and Query."
        )
    if payload["Meta"].get("Test") is not True:
        raise SimulatorError(
            "The query must have Meta.Test true: only marked test data is sent."
        )
    return body


def _without_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_values(member) for name, member in value.items()}
    return [] if isinstance(value, list) else None
