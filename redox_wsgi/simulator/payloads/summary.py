"""``Clinical Summary``: what is known of a patient or a visit, told or asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import FACILITY, PHYSICIAN
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_address,
    build_clinician,
    build_code,
    build_demographics,
    build_department,
    build_identifiers,
    build_system_code,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]


def _patient_push(occasion: Occasion) -> JsonObject:
    """What is known of the patient."""
    return {"Header": _header(occasion, "Summary of care"), **_sections(occasion)}


def _visit_push(occasion: Occasion) -> JsonObject:
    """What happened in the visit."""
    header = _header(occasion, "Progress note")
    header["Document"]["Visit"] |= {
        "VisitNumber": occasion.patient.visit_number,
        "StartDateTime": write_time(occasion.arrival),
        "Reason": occasion.patient.reason,
        "Location": build_department(occasion.patient.next_bed),
    }
    return {
        "Header": header,
        "ChiefComplaintText": f"<paragraph>{occasion.patient.reason}.</paragraph>",
        "AssessmentText": None,
        "Assessment": {"Diagnoses": []},
        "DischargeDiagnosis": [],
        "DischargeMedications": [],
        "ReasonForVisitText": None,
        "ReasonForVisit": [],
        **_sections(occasion),
    }


def _patient_query(occasion: Occasion) -> JsonObject:
    """Ask for the summary of one patient."""
    return {
        "Patient": {"Identifiers": build_identifiers(occasion.patient)},
        "Location": {"Department": None},
    }


def _visit_query(occasion: Occasion) -> JsonObject:
    """Ask for the summary of one visit."""
    return {
        "Patient": {"Identifiers": build_identifiers(occasion.patient)},
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "StartDateTime": write_time(occasion.arrival),
            "EndDateTime": None,
        },
        "Location": {"Department": None},
    }


def _document_query(occasion: Occasion) -> JsonObject:
    """Ask which documents there are about one visit."""
    return {
        "Patient": {"Identifiers": build_identifiers(occasion.patient)},
        "Location": {"Department": None},
        "Visit": {
            "ID": occasion.patient.visit_number,
            "StartDateTime": None,
            "EndDateTime": None,
        },
        "Document": {
            "StartDateTime": None,
            "EndDateTime": None,
            "Types": [build_code("34133-9", "LOINC", "Summary of episode note")],
        },
    }


def _document_get(occasion: Occasion) -> JsonObject:
    """Ask for one document, by the number that the query told."""
    return {"Document": {"ID": f"1.2.840.99999.7^{occasion.patient.record_number}"}}


def _header(occasion: Occasion, title: str) -> JsonObject:
    demographics = build_demographics(occasion.patient)
    # Summaries have codes for these, and know no citizenship.
    del demographics["Citizenship"], demographics["IsHispanic"]
    demographics |= {"RaceCodes": [], "Ethnicity": None, "EthnicGroupCodes": []}
    return {
        "DirectAddressFrom": None,
        "DirectAddressTo": None,
        "Document": {
            "Author": {**build_clinician(PHYSICIAN), "Type": None},
            "ID": occasion.new_id(),
            "Locale": "US",
            "Title": title,
            "DateTime": occasion.time(),
            "Type": title,
            "TypeCode": _code(),
            "Confidentiality": _code("N", "Confidentiality", "normal"),
            "Custodian": _organization(),
            "Visit": {
                "StartDateTime": None,
                "EndDateTime": None,
                "Reason": None,
                "VisitNumber": None,
                "Type": build_system_code(),
                "Location": build_department(),
                "DischargeDisposition": build_system_code(),
            },
        },
        "Patient": {
            "Identifiers": build_identifiers(occasion.patient),
            "Demographics": demographics,
            "Organization": _organization(),
        },
        "PCP": {**build_clinician(PHYSICIAN), "Type": None},
    }


def _sections(occasion: Occasion) -> JsonObject:
    """Each section has a text for people and entries for programs."""
    problem = {
        **build_system_code(None, None, occasion.patient.reason),
        "StartDate": write_time(occasion.arrival),
        "EndDate": None,
        "Category": build_system_code(),
        "HealthStatus": build_system_code(),
        "Status": _code("55561003", "SNOMED CT", "Active"),
        "Comment": None,
        "Comments": [],
    }
    return {
        "AllergyText": "<paragraph>None known.</paragraph>",
        "Allergies": [],
        "EncountersText": None,
        "Encounters": [],
        "ImmunizationText": None,
        "Immunizations": [],
        "Insurances": [],
        "MedicationsText": None,
        "Medications": [],
        "ProblemsText": f"<paragraph>{occasion.patient.reason}</paragraph>",
        "Problems": [problem],
        "ProceduresText": None,
        "Procedures": {"Observations": [], "Procedures": [], "Services": []},
        "ResultText": None,
        "Results": [],
        "SocialHistoryText": None,
        "SocialHistory": {"Observations": [], "Pregnancy": [], "TobaccoUse": []},
        "VitalSignsText": None,
        "VitalSigns": [],
    }


def _organization() -> JsonObject:
    return {
        "Identifiers": [],
        "Name": FACILITY,
        "Type": build_system_code(),
        "Address": build_address(),
        "Telecom": [],
    }


def _code(
    code: str | None = None, system_name: str | None = None, name: str | None = None
) -> JsonObject:
    without_alternatives = build_system_code(code, system_name, name)
    del without_alternatives["AltCodes"]
    return without_alternatives


BUILDERS = {
    "Clinical Summary:PatientPush": _patient_push,
    "Clinical Summary:VisitPush": _visit_push,
    "Clinical Summary:PatientQuery": _patient_query,
    "Clinical Summary:VisitQuery": _visit_query,
    "Clinical Summary:DocumentQuery": _document_query,
    "Clinical Summary:DocumentGet": _document_get,
}
