"""Around the care: searching patients, charges, supplies, signing on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_clinician,
    build_code,
    build_demographics,
    build_department,
    build_described_code,
    build_guarantor,
    build_identifiers,
    build_insurance,
    build_location,
    build_office_phone,
    build_patient,
    build_reason,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

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


def _location_query(occasion: Occasion) -> JsonObject:
    """Ask at which organizations a patient is known."""
    return {"Patient": {"Identifiers": build_identifiers(occasion.patient)}}


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
            **build_described_code("CH-201", None, "Blood count"),
            "Quantity": "1",
            "Amount": 118.9,
        },
        "Department": build_code(None, None, department),
        "Diagnoses": [],
        "Performers": [build_clinician(SURGEON)],
        "OrderingProviders": [build_clinician(PHYSICIAN)],
        "Procedure": {**build_described_code("85027", "CPT"), "Modifiers": []},
        "NDC": {"Code": None, "Description": None},
    }
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {"PatientClass": None, **_paid_visit(occasion)},
        "Transactions": [charge],
    }


def _account_update(occasion: Occasion) -> JsonObject:
    """The account of a visit that ended: who pays, and for what."""
    removal: JsonObject = {
        **build_described_code("0DTJ4ZZ", "I10PCS", "Resection of appendix"),
        "DateTime": occasion.time(hours=-4),
        "Performers": [build_clinician(SURGEON)],
    }
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {
            **_paid_visit(occasion),
            "AttendingProvider": build_clinician(PHYSICIAN),
            "ReferringProvider": build_clinician(),
            "ConsultingProvider": build_clinician(),
            "DischargeDateTime": occasion.time(),
            "Diagnoses": [build_reason(occasion.patient)],
            "Procedures": [removal],
        },
    }


def _inventory_update(_: Occasion) -> JsonObject:
    """A new price of gauze; this event tells of no patient."""
    state = {"Status": "Active", "IsChargeable": False, "ContainsLatex": None}
    return {"Items": [{**_gauze(), **state, "Price": 12.5}]}


def _inventory_deplete(occasion: Occasion) -> JsonObject:
    """Gauze was used for a patient, and one piece of it fell down."""
    used: JsonObject = {
        **_gauze(),
        "WastedQuantity": 1,
        "UsedQuantity": 3,
        "OrderingProvider": build_clinician(SURGEON),
    }
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {"VisitNumber": occasion.patient.visit_number, "AccountNumber": None},
        "Items": [used],
    }


def _sign_on(occasion: Occasion) -> JsonObject:
    """A clinician opens our application out of a patient's chart."""
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
            "Location": build_department(occasion.patient.next_bed),
        },
        "Order": {"ID": None},
    }


def _paid_visit(occasion: Occasion) -> JsonObject:
    patient = occasion.patient
    return {
        "VisitNumber": patient.visit_number,
        "AccountNumber": None,
        "VisitDateTime": write_time(occasion.arrival),
        "Location": build_location(patient.next_bed),
        "Guarantor": build_guarantor(patient),
        "Insurances": [build_insurance(patient)],
    }


def _gauze() -> JsonObject:
    return {
        "Identifiers": [{"ID": "SUP-3300", "IDType": "SUPPLY"}],
        "Description": "Gauze, 10 by 10 cm",
        "Quantity": 4,
        "Type": "Supply",
        "Units": "Each",
        "Procedure": build_code(),
        "Notes": None,
        "Vendor": {"ID": None, "Name": "Świt Medical", "CatalogNumber": "G-1010"},
        "Location": {"ID": "Central", "Bin": None},
    }


BUILDERS = {
    "PatientSearch:Query": _patient_search,
    "PatientSearch:LocationQuery": _location_query,
    "Financial:Transaction": _transaction,
    "Financial:AccountUpdate": _account_update,
    "Inventory:Update": _inventory_update,
    "Inventory:Deplete": _inventory_deplete,
    "SSO:Sign-on": _sign_on,
}
