"""``PatientAdmin``: the way of a patient through the hospital, and its corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redox_wsgi.simulator.payloads.cast import FACILITY, PHYSICIAN, SURGEON, Bed
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_address,
    build_clinician,
    build_code,
    build_contact,
    build_department,
    build_guarantor,
    build_identifiers,
    build_insurance,
    build_location,
    build_patient,
    build_reason,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]


def _new_patient(occasion: Occasion) -> JsonObject:
    """Registered for the first time: no visit yet, so the payer is the patient's."""
    patient = _whole_patient(occasion)
    del patient["Diagnoses"]
    patient["Guarantor"] = build_guarantor(occasion.patient)
    patient["Insurances"] = [build_insurance(occasion.patient)]
    return {"Patient": patient}


def _patient_update(occasion: Occasion) -> JsonObject:
    """A new telephone number."""
    patient = _whole_patient(occasion)
    patient["Demographics"]["PhoneNumber"]["Mobile"] = "+16085550177"
    return {"Patient": patient}


def _pre_admit(occasion: Occasion) -> JsonObject:
    """Expected in a day; no bed is assigned."""
    visit = _visit(occasion, occasion.patient.bed)
    visit["VisitDateTime"] = occasion.time(days=1)
    visit["Location"]["Room"] = visit["Location"]["Bed"] = None
    return {"Patient": _whole_patient(occasion), "Visit": visit}


def _admission(occasion: Occasion) -> JsonObject:
    """In the first bed: a registration, and the arrival itself."""
    return {
        "Patient": _whole_patient(occasion),
        "Visit": _visit(occasion, occasion.patient.bed),
    }


def _visit_update(occasion: Occasion) -> JsonObject:
    """A consulting clinician, and a reason that became more precise."""
    visit = _visit(occasion, occasion.patient.bed)
    visit["ConsultingProvider"] = build_clinician(SURGEON)
    visit["Reason"] = f"{occasion.patient.reason}, confirmed"
    return {"Patient": _whole_patient(occasion), "Visit": visit}


def _transfer(occasion: Occasion) -> JsonObject:
    """From the first bed to the next one."""
    visit = _visit(occasion, occasion.patient.next_bed)
    visit["PreviousLocation"] = _place(occasion.patient.bed)
    visit["DischargeDateTime"] = None
    visit["DischargeStatus"] = _status()
    return {"Patient": _whole_patient(occasion), "Visit": visit}


def _discharge(occasion: Occasion) -> JsonObject:
    """Home, from the bed of the transfer."""
    visit = _visit(occasion, occasion.patient.next_bed)
    visit["DischargeDateTime"] = occasion.time()
    visit["DischargeLocation"] = build_department()
    visit["DischargeStatus"] = _status("01", "Discharged to home or self care")
    return {"Patient": _whole_patient(occasion), "Visit": visit}


def _cancel(occasion: Occasion) -> JsonObject:
    """The arrival was entered by mistake."""
    return {"Meta": {"CanceledEvent": "Arrival"}, **_admission(occasion)}


def _patient_merge(occasion: Occasion) -> JsonObject:
    """``Identifiers`` stay, ``PreviousIdentifiers`` are retired and belong to them."""
    retired = {"ID": occasion.patient.retired_record_number, "IDType": "MR"}
    return {"Patient": build_patient(occasion.patient, PreviousIdentifiers=[retired])}


def _visit_merge(occasion: Occasion) -> JsonObject:
    """The visit named now belongs to this patient."""
    retired = {"ID": occasion.patient.retired_record_number, "IDType": "MR"}
    return {
        "Patient": build_patient(occasion.patient, PreviousIdentifiers=[retired]),
        "Visit": {"VisitNumber": occasion.patient.visit_number},
    }


def _visit_query(occasion: Occasion) -> JsonObject:
    """Ask for the visits of one patient in the last day."""
    return {
        "PatientClasses": [],
        "Departments": [],
        "Facilities": [FACILITY],
        "VisitStatuses": ["Arrived"],
        "Patients": [{"Identifiers": build_identifiers(occasion.patient)}],
        "VisitNumbers": [occasion.patient.visit_number],
        "VisitStartDateTime": occasion.time(days=-1),
    }


def _census_query(occasion: Occasion) -> JsonObject:
    """Ask who lies in one department."""
    return {
        "PatientClasses": ["Inpatient"],
        "Departments": [occasion.patient.next_bed.department],
        "Facilities": [FACILITY],
    }


def _status(code: str | None = None, description: str | None = None) -> JsonObject:
    """Build a discharge status; without a code, all of it is null."""
    return {
        "Code": code,
        "Codeset": "UB04FL17" if code else None,
        "Description": description,
    }


def _whole_patient(occasion: Occasion) -> JsonObject:
    patient = occasion.patient
    penicillin = {
        **build_code("7982", "RxNorm", "Penicillin"),
        "Type": build_code(),
        "OnsetDateTime": None,
        "Reaction": [build_code("271807003", "SNOMED CT", "Rash")],
        "Severity": build_code(),
        "Status": None,
    }
    return build_patient(
        patient,
        Contacts=[build_contact(patient)],
        Diagnoses=[build_reason(patient)],
        Allergies=[penicillin],
        PCP={"NPI": PHYSICIAN.npi, **build_clinician(PHYSICIAN)},
    )


def _visit(occasion: Occasion, bed: Bed) -> JsonObject:
    patient = occasion.patient
    return {
        "VisitNumber": patient.visit_number,
        "AccountNumber": None,
        "PatientClass": "Inpatient",
        "VisitDateTime": write_time(occasion.arrival),
        "Duration": None,
        "Reason": patient.reason,
        "Instructions": [],
        "Balance": None,
        "DiagnosisRelatedGroup": None,
        "DiagnosisRelatedGroupType": None,
        "AttendingProvider": build_clinician(PHYSICIAN),
        "ConsultingProvider": build_clinician(),
        "ReferringProvider": build_clinician(),
        "AdmittingProvider": build_clinician(PHYSICIAN),
        "AdditionalStaff": [],
        "Location": _place(bed),
        "Guarantor": build_guarantor(patient),
        "Insurances": [build_insurance(patient)],
        "Extensions": _extensions(),
    }


def _place(bed: Bed) -> JsonObject:
    return {**build_location(bed), "Address": build_address("1 Hospital Hill")}


def _extensions() -> dict[str, Any]:
    url = "https://example.org/extensions/arrival-mode"
    return {"arrival-mode": {"url": url, "string": None}}


BUILDERS = {
    "PatientAdmin:NewPatient": _new_patient,
    "PatientAdmin:PreAdmit": _pre_admit,
    "PatientAdmin:Registration": _admission,
    "PatientAdmin:Arrival": _admission,
    "PatientAdmin:VisitUpdate": _visit_update,
    "PatientAdmin:Transfer": _transfer,
    "PatientAdmin:PatientUpdate": _patient_update,
    "PatientAdmin:Discharge": _discharge,
    "PatientAdmin:Cancel": _cancel,
    "PatientAdmin:PatientMerge": _patient_merge,
    "PatientAdmin:VisitMerge": _visit_merge,
    "PatientAdmin:VisitQuery": _visit_query,
    "PatientAdmin:CensusQuery": _census_query,
}
