"""What is given and measured: ``Medications``, ``Vaccination``, ``Flowsheet``, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_address,
    build_clinician,
    build_code,
    build_department,
    build_described_code,
    build_location,
    build_office_phone,
    build_patient,
    build_system_code,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]


def _medication(occasion: Occasion) -> JsonObject:
    """Paracetamol, four times a day."""
    return {
        "Patient": build_patient(occasion.patient, Allergies=[]),
        "Visit": {**_attended_visit(occasion), "Insurances": []},
        "Order": {
            "ID": _prescription_id(occasion),
            "Notes": [],
            "Medication": {
                **_paracetamol(),
                "StartDate": occasion.time(),
                "EndDate": None,
                "Frequency": {"Period": 6, "Unit": "h"},
                "IsPRN": None,
                "FreeTextSig": None,
                "LastRefillDate": None,
                "NumberOfRefillsRemaining": None,
                "TotalRefills": None,
                "Dispense": {"Amount": None, "Units": None},
            },
            "Indications": [],
            "Provider": {"NPI": PHYSICIAN.npi, **build_clinician(PHYSICIAN)},
            "EnteredBy": build_clinician(SURGEON),
            "VerifiedBy": build_clinician(),
            "Priority": None,
            "Pharmacy": {
                **build_described_code(None, None, "Lindhaven Pharmacy"),
                "Address": build_address(),
                "PhoneNumber": build_office_phone(),
            },
        },
    }


def _medication_update(occasion: Occasion) -> JsonObject:
    """Twice the dose; the number of the prescription stays."""
    payload = _medication(occasion)
    payload["Order"]["Medication"]["Dose"]["Quantity"] = 1000
    return payload


def _medication_cancel(occasion: Occasion) -> JsonObject:
    """No more of it, from now."""
    payload = _medication(occasion)
    payload["Order"]["Medication"]["EndDate"] = occasion.time()
    return payload


def _medication_given(occasion: Occasion) -> JsonObject:
    """The patient took it."""
    nurse = build_clinician(SURGEON)
    given: JsonObject = {
        "Status": "Complete",
        "Medication": {
            "Order": {"ID": _prescription_id(occasion)},
            **_paracetamol(),
            "Indications": [],
        },
        "StartDate": occasion.time(),
        "EndDate": None,
        "SubstanceLotNumbers": [],
        "AdministeringProvider": {"NPI": SURGEON.npi, **nurse},
        "OrderedBy": build_clinician(PHYSICIAN),
        "VerifiedBy": build_clinician(),
    }
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": _attended_visit(occasion),
        "Administrations": [given],
    }


def _vaccination(occasion: Occasion) -> JsonObject:
    """Against tetanus, given just now."""
    tetanus: JsonObject = {
        "DateTime": occasion.time(),
        "Product": {
            **build_described_code("113", "CVX", "Td (adult)"),
            "LotNumber": "L-3141",
            "ExpirationDate": None,
            "Manufacturer": build_code(),
        },
        "Route": build_code("IM", None, "Intramuscular"),
        "Site": build_code("LD", None, "Left deltoid"),
        "Dose": {"Quantity": "0.5", "Units": "mL"},
        "RefusalReason": None,
        "Order": {"ID": None, "EHRID": None, "Provider": build_clinician()},
        "ClinicalInfo": [],
        "Notes": [],
        "Provider": build_clinician(PHYSICIAN),
        "Location": build_department(occasion.patient.bed),
    }
    return {
        "Patient": build_patient(
            occasion.patient,
            Contacts=[],
            Consent={"Status": None, "EffectiveDate": None, "Notification": None},
        ),
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "AccountNumber": None,
        },
        "Vaccinations": [tetanus],
    }


def _vaccination_given(occasion: Occasion) -> JsonObject:
    """The same, for a register that wants to know what to do with it."""
    payload = _vaccination(occasion)
    payload["Vaccinations"][0]["Action"] = "New"
    return payload


def _vaccination_query(occasion: Occasion) -> JsonObject:
    """Ask a register what one patient was given."""
    return {"Patient": build_patient(occasion.patient)}


def _flowsheet(occasion: Occasion) -> JsonObject:
    """Temperature and pulse; Redox sends numbers as text here."""
    visit = _visit(occasion)
    del visit["PatientClass"]
    return {
        "Patient": build_patient(occasion.patient, Contacts=[]),
        "Visit": visit,
        "Observations": [
            _observation(occasion, "8310-5", "Temperature", "38.1", "Cel"),
            _observation(occasion, "8867-4", "Pulse", "92", "/min"),
        ],
    }


def _device(occasion: Occasion) -> JsonObject:
    """A blood pressure that the patient measured at home."""
    return {
        "Patient": build_patient(occasion.patient, Contacts=[]),
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "AccountNumber": None,
            "Location": build_location(),
        },
        "Device": {"ID": "DEV-0042", "IDType": None},
        "Observations": [
            {
                "DateTime": occasion.time(),
                "Code": code,
                "Codeset": "LOINC",
                "Value": value,
                "ValueType": "Numeric",
                "Units": "mm[Hg]",
                "Notes": [],
            }
            for code, value in (("8480-6", "128.00"), ("8462-4", "81.00"))
        ],
    }


def _observation(
    occasion: Occasion, code: str, description: str, value: str, units: str
) -> JsonObject:
    return {
        "DateTime": occasion.time(),
        "Value": value,
        "ValueType": "Numeric",
        "Units": units,
        **build_described_code(code, "LOINC", description),
        "Status": None,
        "Notes": [],
        "Observer": {
            "ID": SURGEON.npi,
            "IDType": "NPI",
            "FirstName": SURGEON.first_name,
            "LastName": SURGEON.last_name,
        },
        "ReferenceRange": {"Low": None, "High": None, "Text": None},
        "AbnormalFlag": None,
    }


def _attended_visit(occasion: Occasion) -> JsonObject:
    return {
        **_visit(occasion),
        "AttendingProvider": build_clinician(PHYSICIAN),
        "ReferringProvider": build_clinician(),
    }


def _visit(occasion: Occasion) -> JsonObject:
    return {
        "VisitNumber": occasion.patient.visit_number,
        "AccountNumber": None,
        "PatientClass": None,
        "VisitDateTime": write_time(occasion.arrival),
        "Location": build_location(occasion.patient.next_bed),
    }


def _paracetamol() -> JsonObject:
    return {
        "Dose": {"Quantity": 500, "Units": "mg"},
        "Rate": {"Quantity": None, "Units": None},
        "Route": build_system_code("C38288", "NCI Thesaurus", "Oral"),
        "Components": [],
        "Product": {
            **build_system_code("161", "RxNorm", "Paracetamol"),
            "Strength": {"Quantity": None, "Units": None},
            "Type": None,
        },
    }


def _prescription_id(occasion: Occasion) -> str:
    return f"RX-{occasion.patient.visit_number}"


BUILDERS = {
    "Medications:New": _medication,
    "Medications:Update": _medication_update,
    "Medications:Administration": _medication_given,
    "Medications:Cancel": _medication_cancel,
    "Vaccination:New": _vaccination,
    "Vaccination:Administration": _vaccination_given,
    "Vaccination:PatientQuery": _vaccination_query,
    "Flowsheet:New": _flowsheet,
    "Device:New": _device,
}
