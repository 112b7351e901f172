"""``Scheduling``: one appointment is made, moved, changed, cancelled or missed."""

from __future__ import annotations

from redox_wsgi.simulator.payloads.cast import PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.parts import (
    JsonObject,
    Occasion,
    build_clinician,
    build_code,
    build_location,
    build_patient,
)

__all__ = ["BUILDERS"]


def _new(occasion: Occasion) -> JsonObject:
    """In a week."""
    return _appointment(occasion)


def _reschedule(occasion: Occasion) -> JsonObject:
    """A day later; the number stays, so there is no old one."""
    payload = _appointment(occasion)
    payload["Visit"] |= {
        "VisitDateTime": occasion.time(days=8),
        "OldVisitNumber": None,
        "OldDateTime": occasion.time(days=7),
    }
    return payload


def _modification(occasion: Occasion) -> JsonObject:
    """Longer, and with another clinician."""
    payload = _appointment(occasion)
    payload["Visit"] |= {"Duration": 45, "VisitProvider": build_clinician(SURGEON)}
    return payload


def _cancel(occasion: Occasion) -> JsonObject:
    """By the patient."""
    payload = _appointment(occasion)
    payload["Visit"] |= {"Status": "Canceled", "CancelReason": "Recovered"}
    return payload


def _no_show(occasion: Occasion) -> JsonObject:
    """An hour ago the patient did not come; nobody knows why."""
    payload = _appointment(occasion)
    payload["Visit"] |= {
        "Status": "No-Show",
        "VisitDateTime": occasion.time(hours=-1),
        "NoShowReason": None,
    }
    return payload


def _appointment(occasion: Occasion) -> JsonObject:
    location = build_location(occasion.patient.next_bed)
    del location["Bed"]
    reason = {
        **build_code(None, None, occasion.patient.reason),
        "Type": None,
        "DocumentedDateTime": None,
    }
    return {
        "Patient": build_patient(occasion.patient),
        "AppointmentInfo": [
            {
                "Code": "priority",
                "Codeset": None,
                "Description": "Priority",
                "Value": "Normal",
            }
        ],
        "Visit": {
            "VisitNumber": occasion.patient.appointment_number,
            "AccountNumber": None,
            "VisitDateTime": occasion.time(days=7),
            "PatientClass": None,
            "Status": "Scheduled",
            "Type": "Follow-up",
            "Duration": 15,
            "Reason": occasion.patient.reason,
            "Instructions": ["Bring your medication."],
            "AttendingProvider": build_clinician(PHYSICIAN),
            "ConsultingProvider": build_clinician(),
            "ReferringProvider": build_clinician(),
            "VisitProvider": build_clinician(PHYSICIAN),
            "Location": location,
            "AdditionalStaff": [],
            "Diagnoses": [reason],
            "Equipment": [],
        },
    }


BUILDERS = {
    "Scheduling:New": _new,
    "Scheduling:Reschedule": _reschedule,
    "Scheduling:Modification": _modification,
    "Scheduling:Cancel": _cancel,
    "Scheduling:NoShow": _no_show,
}
