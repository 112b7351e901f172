"""Parts that many data models share, with every null and empty list Redox sends.

A missing scalar is ``null``, a missing list ``[]``, a missing object an object of
nulls; so the key is always there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redox_wsgi.simulator.payloads.cast import FACILITY, Bed, Clinician, Patient

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject

__all__ = [
    "build_address",
    "build_clinician",
    "build_code",
    "build_contact",
    "build_demographics",
    "build_department",
    "build_described_code",
    "build_guarantor",
    "build_home_phone",
    "build_identifiers",
    "build_insurance",
    "build_location",
    "build_office_phone",
    "build_patient",
    "build_reason",
    "build_system_code",
]


def build_address(street: str | None = None) -> JsonObject:
    """Build an address in the invented town; without a street, all of it is null."""
    known = street is not None
    return {
        "StreetAddress": street,
        "City": "Lindhaven" if known else None,
        "State": "WI" if known else None,
        "ZIP": "53999" if known else None,
        "County": None,
        "Country": "US" if known else None,
    }


def build_home_phone(number: str | None = None) -> JsonObject:
    """Build the telephone numbers of a person."""
    return {"Home": number, "Mobile": None}


def build_office_phone(number: str | None = None) -> JsonObject:
    """Build the telephone numbers of a clinician or a shop."""
    return {"Office": number}


def build_code(
    code: str | None = None, codeset: str | None = None, name: str | None = None
) -> JsonObject:
    """Build a coded value as most data models write it."""
    return {"Code": code, "Codeset": codeset, "Name": name}


def build_described_code(
    code: str | None = None, codeset: str | None = None, description: str | None = None
) -> JsonObject:
    """Build a coded value as orders, procedures and shops write it."""
    return {"Code": code, "Codeset": codeset, "Description": description}


def build_system_code(
    code: str | None = None, system_name: str | None = None, name: str | None = None
) -> JsonObject:
    """Build a coded value as medications and clinical summaries write it."""
    return {
        "Code": code,
        "CodeSystem": None,
        "CodeSystemName": system_name,
        "Name": name,
        "AltCodes": [],
    }


def build_reason(patient: Patient) -> JsonObject:
    """Build the diagnosis that is the reason of the visit."""
    return {
        **build_code(None, None, patient.reason),
        "Type": None,
        "DocumentedDateTime": None,
    }


def build_location(bed: Bed | None = None) -> JsonObject:
    """Build a location; without a bed, all of it is null."""
    known = bed is not None
    return {
        "Type": "Inpatient" if known else None,
        "Facility": FACILITY if known else None,
        "FacilityIdentifiers": [],
        "Department": bed.department if bed else None,
        "DepartmentIdentifiers": [],
        "Room": bed.room if bed else None,
        "Bed": bed.bed if bed else None,
    }


def build_department(bed: Bed | None = None) -> JsonObject:
    """Build a location that goes down to the room; without one, all of it is null."""
    location = build_location(bed)
    del location["Bed"]
    return location


def build_clinician(clinician: Clinician | None = None) -> JsonObject:
    """Build a provider; without a clinician, all of it is null."""
    return {
        "ID": clinician.npi if clinician else None,
        "IDType": "NPI" if clinician else None,
        "FirstName": clinician.first_name if clinician else None,
        "LastName": clinician.last_name if clinician else None,
        "Credentials": [clinician.credential] if clinician else [],
        "Address": build_address(),
        "EmailAddresses": [],
        "PhoneNumber": build_office_phone("+16085550190" if clinician else None),
        "Location": build_department(),
    }


def build_patient(patient: Patient, **more: Any) -> JsonObject:
    """Build a patient.

    Args:
        patient: Who it is.
        more: Further keys of this event's patient, such as ``Contacts``.
    """
    return {
        "Identifiers": build_identifiers(patient),
        "Demographics": build_demographics(patient),
        "Notes": [],
        **more,
    }


def build_identifiers(patient: Patient) -> list[JsonObject]:
    """Build the identifiers: two of this hospital, one of a health exchange."""
    return [
        {"ID": patient.record_number, "IDType": "MR"},
        {"ID": patient.ehr_id, "IDType": "EHRID"},
        {"ID": f"LHIE{patient.record_number[-3:]}", "IDType": "LHIE"},
    ]


def build_demographics(patient: Patient) -> JsonObject:
    """Build the demographics; what the hospital did not ask for is null."""
    return {
        "FirstName": patient.first_name,
        "MiddleName": patient.middle_name,
        "LastName": patient.last_name,
        "DOB": patient.birth_date,
        "SSN": None,
        "Sex": patient.sex,
        "Race": None,
        "IsHispanic": None,
        "Religion": None,
        "MaritalStatus": None,
        "IsDeceased": None,
        "DeathDateTime": None,
        "PhoneNumber": build_home_phone(patient.home_phone),
        "EmailAddresses": [],
        "Language": patient.language,
        "Citizenship": [],
        "Address": build_address(patient.street),
    }


def build_contact(patient: Patient) -> JsonObject:
    """Build the one person to call."""
    return {
        "FirstName": "Renée",
        "MiddleName": None,
        "LastName": patient.last_name,
        "Address": build_address(),
        "PhoneNumber": build_home_phone(patient.home_phone),
        "RelationToPatient": None,
        "EmailAddresses": ["renee@example.org"],
        "Roles": ["Emergency Contact"],
    }


def build_guarantor(patient: Patient) -> JsonObject:
    """Build who pays what the insurance does not: the patient."""
    return {
        "Number": None,
        "FirstName": patient.first_name,
        "MiddleName": patient.middle_name,
        "LastName": patient.last_name,
        "SSN": None,
        "DOB": patient.birth_date,
        "Sex": patient.sex,
        "Spouse": {"FirstName": None, "LastName": None},
        "Address": build_address(patient.street),
        "PhoneNumber": build_home_phone(patient.home_phone),
        "EmailAddresses": [],
        "Type": None,
        "RelationToPatient": "Self",
        "Employer": {"Name": None, "Address": build_address(), "PhoneNumber": None},
    }


def build_insurance(patient: Patient) -> JsonObject:
    """Build the one insurance."""
    return {
        "Plan": {"ID": "P-44", "IDType": "Payor ID", "Name": "Plan Élan", "Type": None},
        "MemberNumber": f"M{patient.record_number}",
        "Company": {
            "ID": "C-17",
            "IDType": None,
            "Name": "Lindhaven Mutual",
            "Address": build_address(),
            "PhoneNumber": None,
        },
        "GroupNumber": None,
        "GroupName": None,
        "EffectiveDate": "2024-01-01",
        "ExpirationDate": None,
        "PolicyNumber": None,
        "Priority": "Primary",
        "AgreementType": None,
        "CoverageType": "Patient",
        "Insured": {
            "Identifiers": [],
            "LastName": None,
            "MiddleName": None,
            "FirstName": None,
            "SSN": None,
            "Relationship": None,
            "DOB": None,
            "Sex": None,
            "Address": build_address(),
        },
    }
