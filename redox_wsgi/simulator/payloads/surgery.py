"""``SurgicalScheduling``: an operation is planned, moved, changed or cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.parts import (
    build_clinician,
    build_described_code,
    build_location,
    build_patient,
    build_reason,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]


def _new(occasion: Occasion) -> JsonObject:
    """Tomorrow, for two hours."""
    return _operation(occasion)


def _reschedule(occasion: Occasion) -> JsonObject:
    """A day later."""
    return _operation(occasion, days=2, VisitDateTime=occasion.time(days=2))


def _modification(occasion: Occasion) -> JsonObject:
    """Longer than was thought."""
    payload = _operation(occasion, Duration=180)
    payload["Procedures"][0]["Duration"] = 180
    return payload


def _cancel(occasion: Occasion) -> JsonObject:
    """The patient has a fever."""
    return _operation(occasion, CancelReason="Fever")


def _no_show(occasion: Occasion) -> JsonObject:
    """Yesterday nobody came, and nobody knows why."""
    return _operation(occasion, days=-1, NoShowReason=None)


def _operation(occasion: Occasion, days: int = 1, **visit: object) -> JsonObject:
    patient = occasion.patient
    appendectomy: JsonObject = {
        **build_described_code("44970", "CPT", "Laparoscopic appendectomy"),
        "DateTime": occasion.time(days=days),
        "Duration": 120,
        "ProcedureInfo": [
            {**build_described_code(None, None, "Laterality"), "Value": None}
        ],
    }
    surgeon: JsonObject = {
        **build_clinician(SURGEON),
        "Role": build_described_code("1.1", None, "Primary Surgeon"),
        "StartDateTime": occasion.time(days=days),
        "Duration": 120,
    }
    return {
        "Patient": build_patient(patient),
        "Procedures": [appendectomy],
        "SurgeryStaff": [surgeon],
        "SurgicalInfo": [
            {**build_described_code("priority", None, "Priority"), "Value": "Normal"}
        ],
        "Visit": {
            "VisitNumber": patient.appointment_number,
            "AccountNumber": None,
            "Notes": [],
            "AttendingProvider": build_clinician(PHYSICIAN),
            "Location": build_location(patient.next_bed),
            "Diagnoses": [build_reason(patient)],
            "Equipment": [],
            **visit,
        },
        "SurgicalCase": {"ID": f"CASE-{patient.appointment_number}"},
    }


BUILDERS = {
    "SurgicalScheduling:New": _new,
    "SurgicalScheduling:Reschedule": _reschedule,
    "SurgicalScheduling:Modification": _modification,
    "SurgicalScheduling:Cancel": _cancel,
    "SurgicalScheduling:NoShow": _no_show,
}
