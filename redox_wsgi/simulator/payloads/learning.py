"""``PatientEducation`` and ``Research``: patients learn, and are learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import FACILITY, PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_address,
    build_clinician,
    build_described_code,
    build_location,
    build_patient,
    build_system_code,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]


def _education_new(occasion: Occasion) -> JsonObject:
    """A film about walking after an operation."""
    return _education(occasion, "Active", "Assign")


def _education_update(occasion: Occasion) -> JsonObject:
    """The patient has seen it."""
    return _education(occasion, "Completed", "Update")


def _education_delete(occasion: Occasion) -> JsonObject:
    """It was meant for somebody else."""
    return _education(occasion, "Inactive", "Unassign")


def _study(occasion: Occasion) -> JsonObject:
    """A study begins: whom it wants, and what happens on which day."""
    # "CodeSet", not "Codeset": so this data model spells it.
    x_ray: JsonObject = {
        "Code": "71046",
        "CodeSet": "CPT",
        "Description": "Chest X-ray",
        "Modifiers": [],
    }
    day = {"ID": "P1.C1.D1", "IDType": "VISIT", "Procedures": [x_ray]}
    cycle: JsonObject = {
        "ID": "P1.C1",
        "IDType": "CYCLE",
        "Description": "First cycle",
        "StartDate": occasion.time()[:10],
        "EndDate": None,
        "Days": [day],
    }
    return {
        "Study": {
            **_study_name(),
            "Sponsor": {"ID": None, "Name": FACILITY},
            "PrincipalInvestigator": build_clinician(PHYSICIAN),
            "Coordinators": [build_clinician(SURGEON)],
            "Description": "Does early walking shorten the stay?",
            "Status": "Recruiting",
            "StartDateTime": occasion.time(),
            "EndDateTime": None,
            "Conditions": [build_system_code("74400008", "SNOMED CT", "Appendicitis")],
            "Design": {"Purpose": "Treatment", "Phase": None},
            "Eligibility": {"Gender": "All", "MinimumAge": 18, "MaximumAge": None},
            "Location": {
                "Facility": FACILITY,
                "FacilityIdentifiers": [],
                "Department": occasion.patient.next_bed.department,
                "DepartmentIdentifiers": [],
                "Address": build_address("1 Hospital Hill"),
            },
        },
        "Protocols": [
            {
                "ID": "P1",
                "IDType": "CELL",
                "Description": "Walking on the first day",
                "Cycles": [cycle],
            }
        ],
    }


def _subject_update(occasion: Occasion) -> JsonObject:
    """A patient takes part."""
    return {
        "Enrollment": {
            "SubjectStatus": "active",
            "StartDateTime": occasion.time(),
            "EndDateTime": None,
            "Coordinators": [build_clinician(SURGEON)],
        },
        "Patient": build_patient(occasion.patient),
        "Study": _study_name(),
    }


def _education(occasion: Occasion, status: str, action: str) -> JsonObject:
    patient = occasion.patient
    state = {
        "CreatedDateTime": write_time(occasion.arrival),
        "Status": status,
        "ActionStatus": action,
    }
    assignment: JsonObject = {
        **build_described_code("WALK-01A", None, "Walking after an operation"),
        "Topic": build_described_code("WALK-01", None, "Walking"),
        "InstanceID": f"EDU-{patient.visit_number}-1",
        **state,
        "Assignees": [
            {
                "Learner": "Patient",
                "ContentType": "Video",
                "Readiness": None,
                "Notes": [],
            }
        ],
    }
    return {
        "Patient": build_patient(patient),
        "Visit": {
            "VisitNumber": patient.visit_number,
            "AccountNumber": None,
            "PatientClass": "Inpatient",
            "VisitDateTime": write_time(occasion.arrival),
            "AttendingProvider": build_clinician(PHYSICIAN),
            "ConsultingProvider": build_clinician(),
            "ReferringProvider": build_clinician(),
            "Location": build_location(patient.next_bed),
        },
        "Education": [
            {
                "Subject": build_described_code("MOVE", None, "Movement"),
                "InstanceID": f"EDU-{patient.visit_number}",
                **state,
                "Assignments": [assignment],
            }
        ],
    }


def _study_name() -> JsonObject:
    return {
        "Identifiers": [{"ID": "ST-0815", "IDType": "Org ID"}],
        "Title": "Early walking after appendectomy",
        "Type": "Interventional",
    }


BUILDERS = {
    "PatientEducation:New": _education_new,
    "PatientEducation:Update": _education_update,
    "PatientEducation:Delete": _education_delete,
    "Research:Study": _study,
    "Research:SubjectUpdate": _subject_update,
}
