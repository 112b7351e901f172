"""``Referral``: a patient is sent to the surgeon, and the insurance may agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import PHYSICIAN, SURGEON
from redox_wsgi.simulator.payloads.parts import (
    build_clinician,
    build_contact,
    build_described_code,
    build_guarantor,
    build_identifiers,
    build_insurance,
    build_patient,
    build_reason,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]

_CONSULTATION = ("99243", "CPT", "Outpatient consultation")


def _new(occasion: Occasion) -> JsonObject:
    """To the surgeon, for one patient."""
    return _referral(occasion)


def _modify(occasion: Occasion) -> JsonObject:
    """It became urgent; the number stays."""
    return _referral(occasion, Priority="Urgent")


def _cancel(occasion: Occasion) -> JsonObject:
    """The patient went elsewhere."""
    return _referral(occasion, Status="Canceled")


def _auth_review(occasion: Occasion) -> JsonObject:
    """The insurance is asked whether it agrees."""
    return _authorization(occasion, {}, {})


def _auth_response(occasion: Occasion) -> JsonObject:
    """The insurance agrees, for two months."""
    decision = {
        "Decision": "Certified",
        "EffectiveDate": occasion.time()[:10],
        "ExpirationDate": occasion.time(days=60)[:10],
    }
    number = f"AUTH-{occasion.patient.visit_number}"
    return _authorization(
        occasion,
        {"Number": number, **decision},
        {"AuthorizationNumber": number, **decision},
    )


def _query(occasion: Occasion) -> JsonObject:
    """Ask for the referrals of one patient."""
    return {
        "Patient": {
            "Identifiers": build_identifiers(occasion.patient),
            "Insurances": [build_insurance(occasion.patient)],
        }
    }


def _referral(occasion: Occasion, **changes: str) -> JsonObject:
    patient = occasion.patient
    return {
        "Patient": build_patient(
            patient,
            Contacts=[build_contact(patient)],
            Guarantor=build_guarantor(patient),
            Insurances=[build_insurance(patient)],
        ),
        "Referral": {
            "ID": _referral_id(occasion),
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
            "Authorization": _no_authorization(),
            "Diagnoses": [],
            "Procedures": [
                {
                    **build_described_code(*_CONSULTATION),
                    "Notes": [],
                    "Modifiers": [],
                }
            ],
            "Providers": [{**build_clinician(SURGEON), "Type": "Referred To Provider"}],
            "Visit": {"VisitNumber": None},
            **changes,
        },
        "Visit": {"VisitNumber": patient.visit_number},
    }


def _authorization(
    occasion: Occasion, decision: JsonObject, service_decision: JsonObject
) -> JsonObject:
    patient = occasion.patient
    service: JsonObject = {
        **build_described_code(*_CONSULTATION),
        "Quantity": {"Value": "1", "Units": "Visit"},
        "Modifiers": [],
        "Notes": [],
        **service_decision,
    }
    return {
        "Patient": build_patient(
            patient,
            Contacts=[build_contact(patient)],
            Insurances=[build_insurance(patient)],
        ),
        "Referral": {
            "Notes": [],
            "Authorization": _no_authorization(),
            "Diagnoses": [],
            "Procedures": [],
            "Providers": [],
            "Visit": {"VisitNumber": None},
        },
        "Authorization": {
            "Request": {"ID": _referral_id(occasion)},
            "AlternateID": None,
            "Number": None,
            "Type": "Professional",
            "Category": "Procedure",
            "CertificationCode": "Initial",
            "ServiceType": "Surgical",
            "ServiceLocation": None,
            "EventDate": occasion.time(days=14)[:10],
            "Quantity": {"Value": "1", "Units": "Visit"},
            "AdditionalDates": [],
            "Diagnoses": [build_reason(patient)],
            "Notes": [],
            "Services": [service],
            "Providers": [{**build_clinician(PHYSICIAN), "Type": "Referring Provider"}],
            **decision,
        },
    }


def _no_authorization() -> JsonObject:
    return {
        "Plan": {"ID": None, "IDType": None, "Name": None},
        "Company": {"ID": None, "IDType": None, "Name": None},
        "DateTime": None,
        "ExpirationDateTime": None,
        "Number": None,
        "Notes": [],
    }


def _referral_id(occasion: Occasion) -> str:
    return f"REF-{occasion.patient.visit_number}"


BUILDERS = {
    "Referral:New": _new,
    "Referral:Modify": _modify,
    "Referral:AuthReview": _auth_review,
    "Referral:AuthResponse": _auth_response,
    "Referral:Cancel": _cancel,
    "Referral:Query": _query,
}
