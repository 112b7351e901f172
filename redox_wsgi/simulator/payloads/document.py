"""Documents: files inside the JSON, and clinical summaries of a patient or a visit."""

from __future__ import annotations

from base64 import b64encode

from redox_wsgi.simulator.payloads.cast import FACILITY, PHYSICIAN
from redox_wsgi.simulator.payloads.parts import (
    JsonObject,
    Occasion,
    build_address,
    build_clinician,
    build_demographics,
    build_identifiers,
    build_location,
    build_patient,
    write_time,
)

__all__ = ["BUILDERS"]


def _media(occasion: Occasion) -> JsonObject:
    """A scanned letter, as a file of the size asked for."""
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "AccountNumber": None,
            "Location": build_location(occasion.patient.next_bed),
        },
        "Media": {
            "FileType": "PDF",
            "FileName": "Überweisung.pdf",
            "FileContents": _file(occasion),
            "DocumentType": "Letter",
            "DocumentID": occasion.new_id(),
            "DocumentDescription": None,
            "CreationDateTime": occasion.time(),
            "ServiceDateTime": None,
            "DirectAddressFrom": None,
            "DirectAddressTo": None,
            "Provider": build_clinician(PHYSICIAN),
            "Authenticated": "False",
            "Authenticator": build_clinician(),
            "Availability": "Available",
            "Notifications": [],
        },
        "Orders": [],
    }


def _note(occasion: Occasion) -> JsonObject:
    """A progress note, as a file of the size asked for."""
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "AccountNumber": None,
            "VisitDateTime": write_time(occasion.arrival),
            "PatientClass": None,
            "Location": build_location(occasion.patient.next_bed),
            "AdditionalStaff": [],
        },
        "Note": {
            "ContentType": "Base64 Encoded",
            "FileContents": _file(occasion),
            "FileName": "note.pdf",
            "FileType": "PDF",
            "Components": [],
            "DocumentType": "Progress note",
            "DocumentID": occasion.new_id(),
            "DocumentDescription": None,
            "ServiceDateTime": occasion.time(),
            "DocumentationDateTime": None,
            "Provider": build_clinician(PHYSICIAN),
            "Status": None,
            "Authenticator": build_clinician(),
            "Availability": None,
            "Notifications": [],
        },
        "Orders": [],
    }


def _patient_push(occasion: Occasion) -> JsonObject:
    """What is known of the patient."""
    return {"Header": _header(occasion, "Summary of care"), **_sections(occasion)}


def _visit_push(occasion: Occasion) -> JsonObject:
    """What happened in the visit."""
    header = _header(occasion, "Progress note")
    location = build_location(occasion.patient.next_bed)
    del location["Bed"]
    header["Document"]["Visit"] |= {
        "VisitNumber": occasion.patient.visit_number,
        "StartDateTime": write_time(occasion.arrival),
        "Reason": occasion.patient.reason,
        "Location": location,
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


def _header(occasion: Occasion, title: str) -> JsonObject:
    location = build_location()
    del location["Bed"]
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
                "Type": _code_with_alternatives(),
                "Location": location,
                "DischargeDisposition": _code_with_alternatives(),
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
        **_code_with_alternatives(None, None, occasion.patient.reason),
        "StartDate": write_time(occasion.arrival),
        "EndDate": None,
        "Category": _code_with_alternatives(),
        "HealthStatus": _code_with_alternatives(),
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
        "Type": _code_with_alternatives(),
        "Address": build_address(),
        "Telecom": [],
    }


def _code(
    code: str | None = None, system_name: str | None = None, name: str | None = None
) -> JsonObject:
    return {
        "Code": code,
        "CodeSystem": None,
        "CodeSystemName": system_name,
        "Name": name,
    }


def _code_with_alternatives(
    code: str | None = None, system_name: str | None = None, name: str | None = None
) -> JsonObject:
    return {**_code(code, system_name, name), "AltCodes": []}


def _file(occasion: Occasion) -> str:
    return b64encode(occasion.random.randbytes(occasion.file_bytes)).decode()


BUILDERS = {
    "Media:New": _media,
    "Notes:New": _note,
    "Clinical Summary:PatientPush": _patient_push,
    "Clinical Summary:VisitPush": _visit_push,
    "Clinical Summary:PatientQuery": _patient_query,
}
