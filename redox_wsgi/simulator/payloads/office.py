"""Around the care: searching patients, charges, referrals, providers, signing on."""

from __future__ import annotations

from redox_wsgi.simulator.payloads.cast import PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.parts import (
    JsonObject,
    Occasion,
    build_address,
    build_clinician,
    build_code,
    build_contact,
    build_demographics,
    build_guarantor,
    build_identifiers,
    build_insurance,
    build_location,
    build_office_phone,
    build_patient,
    write_time,
)

__all__ = ["BUILDERS"]

# Whoever signs on is told no more of the patient than this.
_SIGN_ON_NAMES = (
    "FirstName",
    "MiddleName",
    "LastName",
    "DOB",
    "Sex",
    "PhoneNumber",
    "Address",
)


def _patient_search(occasion: Occasion) -> JsonObject:
    """Ask who has these identifiers and demographics."""
    return {"Patient": build_patient(occasion.patient)}


def _transaction(occasion: Occasion) -> JsonObject:
    """A charge; its amount is a number, its quantity a text."""
    department = occasion.patient.next_bed.department
    charge: JsonObject = {
        "ID": occasion.new_id(),
        "Type": "Charge",
        "DateTimeOfService": occasion.time(),
        "EndDateTime": None,
        "OrderID": None,
        "Chargeable": {
            "Code": "CH-201",
            "Codeset": None,
            "Description": "Blood count",
            "Quantity": "1",
            "Amount": 118.9,
        },
        "Department": build_code(None, None, department),
        "Diagnoses": [],
        "Performers": [build_clinician(SURGEON)],
        "OrderingProviders": [build_clinician(PHYSICIAN)],
        "Procedure": {
            "Code": "85027",
            "Codeset": "CPT",
            "Description": None,
            "Modifiers": [],
        },
        "NDC": {"Code": None, "Description": None},
    }
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "AccountNumber": None,
            "PatientClass": None,
            "VisitDateTime": write_time(occasion.arrival),
            "Location": build_location(occasion.patient.next_bed),
            "Guarantor": build_guarantor(occasion.patient),
            "Insurances": [build_insurance(occasion.patient)],
        },
        "Transactions": [charge],
    }


def _referral(occasion: Occasion) -> JsonObject:
    """To the surgeon, for one patient."""
    patient = occasion.patient
    return {
        "Patient": build_patient(
            patient,
            Contacts=[build_contact(patient)],
            Guarantor=build_guarantor(patient),
            Insurances=[build_insurance(patient)],
        ),
        "Referral": {
            "ID": occasion.new_id(),
            "AlternateID": None,
            "Type": None,
            "Category": "Outpatient",
            "Priority": "Routine",
            "Status": "Pending",
            "DateTime": occasion.time(),
            "ExpirationDateTime": occasion.time(days=90),
            "ProcessDateTime": None,
            "Reason": patient.reason,
            "ProviderSpecialty": None,
            "DepartmentSpecialty": None,
            "Notes": [],
            "Diagnoses": [],
            "Procedures": [],
            "Providers": [{**build_clinician(SURGEON), "Type": "Referred To Provider"}],
            "Visit": {"VisitNumber": None},
        },
        "Visit": {"VisitNumber": patient.visit_number},
    }


def _provider_update(_: Occasion) -> JsonObject:
    """A clinician's new addresses; this event tells of no patient."""
    return {
        "Providers": [
            {
                "Identifiers": [{"ID": PHYSICIAN.npi, "IDType": "NPI"}],
                "IsActive": True,
                "Demographics": {
                    "FirstName": PHYSICIAN.first_name,
                    "MiddleName": None,
                    "LastName": PHYSICIAN.last_name,
                    "Credentials": [PHYSICIAN.credential],
                    "Addresses": [
                        {"Use": "Office", **build_address("1 Hospital Hill")}
                    ],
                    "EmailAddresses": ["gudrun@example.org"],
                    "PhoneNumber": build_office_phone("+16085550190"),
                    "Sex": None,
                    "DOB": None,
                    "Languages": [],
                },
                "Qualifications": [],
                "Roles": [],
            }
        ]
    }


def _sign_on(occasion: Occasion) -> JsonObject:
    """A clinician opens our application out of a patient's chart."""
    location = build_location(occasion.patient.next_bed)
    del location["Bed"]
    demographics = build_demographics(occasion.patient)
    return {
        "Meta": {"SessionID": occasion.new_id(), "SessionBaseURL": None},
        "Subject": f"https://example.org/providers/{PHYSICIAN.npi}",
        "IssuedAt": occasion.time(),
        "Expiration": occasion.time(hours=1),
        "UserId": None,
        "Name": f"{PHYSICIAN.first_name} {PHYSICIAN.last_name}",
        "FirstName": PHYSICIAN.first_name,
        "MiddleName": None,
        "LastName": PHYSICIAN.last_name,
        "NPI": PHYSICIAN.npi,
        "ProviderSpecialty": None,
        "EmailAddress": None,
        "TimeZone": "America/Chicago",
        "Locale": "en-US",
        "PhoneNumber": build_office_phone("+16085550190"),
        "Patient": {
            "Identifiers": build_identifiers(occasion.patient),
            "Demographics": {name: demographics[name] for name in _SIGN_ON_NAMES},
        },
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "Location": location,
        },
        "Order": {"ID": None},
    }


BUILDERS = {
    "PatientSearch:Query": _patient_search,
    "Financial:Transaction": _transaction,
    "Referral:New": _referral,
    "Provider:Update": _provider_update,
    "SSO:Sign-on": _sign_on,
}
