"""``Scheduling``: an appointment is found, made, moved, changed, cancelled, missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import FACILITY, PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.parts import (
    build_clinician,
    build_department,
    build_described_code,
    build_identifiers,
    build_location,
    build_patient,
    build_reason,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

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


def _push_slots(occasion: Occasion) -> JsonObject:
    """Two times that are still free, with one clinician."""
    return {
        "Slots": [
            {
                "ID": f"SLOT-{number}",
                "DateTime": occasion.time(days=7, hours=number),
                "Reason": "Follow-up",
                "Duration": 15,
                "Provider": build_clinician(PHYSICIAN),
                "Location": build_department(occasion.patient.next_bed),
            }
            for number in (1, 2)
        ]
    }


def _available_slots(occasion: Occasion) -> JsonObject:
    """Ask for free times next week; the duration is a text here."""
    place: JsonObject = {
        "Type": None,
        "Facility": FACILITY,
        "Department": occasion.patient.next_bed.department,
        "SpecialtyDepartment": {"ID": None, "Name": None},
        "Room": None,
    }
    return {
        "Patient": build_patient(
            occasion.patient, Diagnoses=[build_reason(occasion.patient)]
        ),
        "StartDateTime": occasion.time(days=7),
        "EndDateTime": None,
        "Visit": {
            "Reasons": ["Follow-up"],
            "AttendingProviders": [build_clinician(PHYSICIAN)],
            "Locations": [place],
            "VisitType": [build_described_code(None, None, "Office visit")],
            "VisitPreference": [
                {
                    "Duration": "15",
                    "DurationUnit": "minutes",
                    "Day": ["Tues"],
                    "Time": ["1000"],
                }
            ],
        },
    }


def _booked(occasion: Occasion) -> JsonObject:
    """Ask which appointments one patient has."""
    return {
        "StartDateTime": occasion.time(),
        "EndDateTime": occasion.time(days=30),
        "Visit": {
            "VisitNumber": None,
            "AttendingProviders": [],
            "VisitProvider": build_clinician(PHYSICIAN),
            "Location": build_location(),
            "Patients": [{"Identifiers": build_identifiers(occasion.patient)}],
        },
    }


def _appointment(occasion: Occasion) -> JsonObject:
    return {
        "Patient": build_patient(occasion.patient),
        "AppointmentInfo": [
            {**build_described_code("priority", None, "Priority"), "Value": "Normal"}
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
            "Location": build_department(occasion.patient.next_bed),
            "AdditionalStaff": [],
            "Diagnoses": [build_reason(occasion.patient)],
            "Equipment": [],
        },
    }


BUILDERS = {
    "Scheduling:PushSlots": _push_slots,
    "Scheduling:AvailableSlots": _available_slots,
    "Scheduling:New": _new,
    "Scheduling:Reschedule": _reschedule,
    "Scheduling:Modification": _modification,
    "Scheduling:Cancel": _cancel,
    "Scheduling:NoShow": _no_show,
    "Scheduling:Booked": _booked,
}
