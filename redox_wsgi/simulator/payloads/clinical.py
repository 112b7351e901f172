"""Orders and what comes of them: results, medications, vaccinations, observations."""

from __future__ import annotations

from redox_wsgi.simulator.payloads.cast import PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.parts import (
    JsonObject,
    Occasion,
    build_address,
    build_clinician,
    build_code,
    build_contact,
    build_guarantor,
    build_insurance,
    build_location,
    build_office_phone,
    build_patient,
    write_time,
)

__all__ = ["BUILDERS"]

_BLOOD_COUNT = {"Code": "58410-2", "Codeset": "LOINC", "Description": "Blood count"}


def _order(occasion: Occasion) -> JsonObject:
    """A blood count."""
    patient = occasion.patient
    return {
        "Patient": build_patient(patient),
        "Visit": {
            **_visit(occasion),
            "AttendingProvider": build_clinician(PHYSICIAN),
            "ConsultingProvider": build_clinician(),
            "ReferringProvider": build_clinician(),
            "Guarantor": build_guarantor(patient),
            "Insurances": [build_insurance(patient)],
        },
        "Order": {
            "ID": _order_id(occasion),
            "ApplicationOrderID": None,
            "Status": "New",
            "TransactionDateTime": occasion.time(),
            "CollectionDateTime": None,
            "Specimen": {"Source": None, "BodySite": None, "ID": None},
            "Procedure": dict(_BLOOD_COUNT),
            "Provider": {"NPI": PHYSICIAN.npi, **build_clinician(PHYSICIAN)},
            "ResultCopyProviders": [],
            "OrderingFacility": {
                "Name": None,
                "Address": build_address(),
                "PhoneNumber": None,
            },
            "Priority": "Stat",
            "Expiration": None,
            "Comments": None,
            "Notes": [],
            "Diagnoses": [],
            "ClinicalInfo": [],
        },
    }


def _results(occasion: Occasion) -> JsonObject:
    """The blood count's haemoglobin, a little low."""
    haemoglobin: JsonObject = {
        "Code": "718-7",
        "Codeset": "LOINC",
        "Description": "Haemoglobin",
        "Specimen": {"Source": "Blood", "BodySite": None, "ID": None},
        "Value": "11.2",
        "ValueType": "Numeric",
        "CompletionDateTime": occasion.time(),
        "FileType": None,
        "Units": "g/dL",
        "Notes": [],
        "AbnormalFlag": "Low",
        "Status": "Final",
        "Producer": {
            "ID": None,
            "IDType": None,
            "Name": "Laboratoire Zénith",
            "Address": build_address(),
        },
        "Performer": build_clinician(),
        "PrimaryResultsInterpreter": build_clinician(),
        "RelatedGroupID": None,
        "ReferenceRange": {"Low": 12.0, "High": 16.0, "Text": None},
        "ObservationMethod": {"Code": None, "Codeset": None, "Description": None},
    }
    order = {
        "ID": _order_id(occasion),
        "ApplicationOrderID": None,
        "TransactionDateTime": occasion.time(),
        "CollectionDateTime": occasion.time(hours=-2),
        "CompletionDateTime": occasion.time(),
        "Notes": [],
        "ResultsStatus": "Final",
        "Procedure": dict(_BLOOD_COUNT),
        "Provider": {"NPI": PHYSICIAN.npi, **build_clinician(PHYSICIAN)},
        "ResultCopyProviders": [],
        "Status": "Resulted",
        "ResponseFlag": None,
        "Priority": "Stat",
        "Results": [haemoglobin],
    }
    return {
        "Patient": build_patient(
            occasion.patient, Contacts=[build_contact(occasion.patient)]
        ),
        "Orders": [order],
        "Visit": {
            **_visit(occasion),
            "AttendingProvider": build_clinician(PHYSICIAN),
            "ReferringProvider": build_clinician(),
            "AdditionalStaff": [],
        },
    }


def _medication(occasion: Occasion) -> JsonObject:
    """Paracetamol, four times a day."""
    return {
        "Patient": build_patient(occasion.patient, Allergies=[]),
        "Visit": {
            **_visit(occasion),
            "AttendingProvider": build_clinician(PHYSICIAN),
            "ReferringProvider": build_clinician(),
            "Insurances": [],
        },
        "Order": {
            "ID": occasion.new_id(),
            "Notes": [],
            "Medication": {
                "Dose": {"Quantity": 500, "Units": "mg"},
                "Rate": {"Quantity": None, "Units": None},
                "Route": _system_code("C38288", "NCI Thesaurus", "Oral"),
                "Components": [],
                "Product": {
                    **_system_code("161", "RxNorm", "Paracetamol"),
                    "Strength": {"Quantity": None, "Units": None},
                    "Type": None,
                },
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
                "Code": None,
                "Codeset": None,
                "Description": "Lindhaven Pharmacy",
                "Address": build_address(),
                "PhoneNumber": build_office_phone(),
            },
        },
    }


def _vaccination(occasion: Occasion) -> JsonObject:
    """Against tetanus, given just now."""
    location = build_location(occasion.patient.bed)
    del location["Bed"]
    tetanus: JsonObject = {
        "DateTime": occasion.time(),
        "Product": {
            "Code": "113",
            "Codeset": "CVX",
            "Description": "Td (adult)",
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
        "Location": location,
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


def _flowsheet(occasion: Occasion) -> JsonObject:
    """Temperature and pulse; Redox sends numbers as text here."""
    return {
        "Patient": build_patient(occasion.patient, Contacts=[]),
        "Visit": _visit(occasion, without=("PatientClass",)),
        "Observations": [
            _observation(occasion, "8310-5", "Temperature", "38.1", "Cel"),
            _observation(occasion, "8867-4", "Pulse", "92", "/min"),
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
        "Code": code,
        "Codeset": "LOINC",
        "Description": description,
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


def _visit(occasion: Occasion, without: tuple[str, ...] = ()) -> JsonObject:
    visit = {
        "VisitNumber": occasion.patient.visit_number,
        "AccountNumber": None,
        "PatientClass": None,
        "VisitDateTime": write_time(occasion.arrival),
        "Location": build_location(occasion.patient.next_bed),
    }
    return {key: value for key, value in visit.items() if key not in without}


def _order_id(occasion: Occasion) -> str:
    # The result answers the order, so both have the same number.
    return f"ORD-{occasion.patient.visit_number}"


def _system_code(code: str, system_name: str, name: str) -> JsonObject:
    return {
        "Code": code,
        "CodeSystem": None,
        "CodeSystemName": system_name,
        "Name": name,
        "AltCodes": [],
    }


BUILDERS = {
    "Order:New": _order,
    "Results:New": _results,
    "Medications:New": _medication,
    "Vaccination:New": _vaccination,
    "Flowsheet:New": _flowsheet,
}
