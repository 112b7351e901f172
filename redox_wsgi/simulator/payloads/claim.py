"""``Claim``: a visit is billed to the insurance, alone or in a batch, and paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import FACILITY, PHYSICIAN
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_address,
    build_clinician,
    build_demographics,
    build_department,
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

_INSURER = "Lindhaven Mutual"
# Money is written as text.
_CHARGED, _PAID, _COPAY = "200.00", "160.00", "40.00"


def _submission(occasion: Occasion) -> JsonObject:
    """One patient, one claim of one line."""
    patient = occasion.patient
    subscriber = build_demographics(patient)
    return {
        "Transaction": {
            "ID": _claim_id(occasion),
            "Type": "Professional",
            "Submitter": _party(FACILITY),
            "Receiver": _party(_INSURER),
        },
        "BillingProvider": {
            "ID": PHYSICIAN.npi,
            "IDType": "NPI",
            "FirstName": PHYSICIAN.first_name,
            "LastName": PHYSICIAN.last_name,
            "Specialty": {"ID": None, "Description": None},
            "Address": build_address("1 Hospital Hill"),
            "PhoneNumber": build_office_phone("+16085550190"),
        },
        "Subscriber": {
            **{
                name: subscriber[name]
                for name in (
                    *("FirstName", "MiddleName", "LastName"),
                    *("Address", "DOB", "Sex"),
                )
            },
            "RelationToPatient": "Self",
            "ResponsibilityLevel": "Primary",
            "Insurance": build_insurance(patient),
        },
        "Patient": build_patient(patient),
        "Claims": [_claim(occasion, ID=_claim_id(occasion), Lines=[_line(occasion)])],
    }


def _submission_batch(occasion: Occasion) -> JsonObject:
    """The same, inside a batch of one."""
    claim = _claim(
        occasion,
        SubmissionNumber=_claim_id(occasion),
        DiagnosisRelatedGroup=None,
        Services=[_service()],
    )
    subscriber: JsonObject = {
        "Identifiers": build_identifiers(occasion.patient),
        "Demographics": build_demographics(occasion.patient),
        "ResponsibilityLevel": "Primary",
        "Insurance": build_insurance(occasion.patient),
        "Patients": [{**build_patient(occasion.patient), "Claims": [claim]}],
    }
    submission = {"BillingProvider": _party(FACILITY), "Subscribers": [subscriber]}
    return {
        "Transactions": [
            {
                "ID": _claim_id(occasion),
                "Type": "Institutional",
                "Submitter": _party(FACILITY),
                "Receiver": _party(_INSURER),
                "Submissions": [submission],
            }
        ]
    }


def _payment(occasion: Occasion) -> JsonObject:
    """The insurance paid, but for what the patient owes."""
    claim = _paid_claim(occasion, "Procedure", Number=_claim_id(occasion))
    return {
        "Transaction": _transfer(occasion),
        "Payer": {"IDType": "HPID", **_party(_INSURER)},
        "Payee": _party(FACILITY),
        "Payments": [
            {
                "DateTime": occasion.time(),
                "Patient": build_patient(occasion.patient),
                "Claim": claim,
            }
        ],
    }


def _payment_batch(occasion: Occasion) -> JsonObject:
    """The same, inside a batch of one."""
    claim = _paid_claim(
        occasion,
        "Service",
        ControlNumber=None,
        SubmissionNumber=_claim_id(occasion),
    )
    payment = {
        "DateTime": occasion.time(),
        "Patient": build_patient(occasion.patient),
        "Claims": [claim],
    }
    return {
        "Transactions": [
            {**_transfer(occasion), "Type": "Professional", "Payments": [payment]}
        ]
    }


def _claim(occasion: Occasion, **more: object) -> JsonObject:
    return {
        "Type": "Admit thru Discharge Claim",
        "TotalAmount": _CHARGED,
        "CopayAmount": _COPAY,
        "IsProviderSignatureOnFile": True,
        "IsReleaseOfInformationOnFile": None,
        "ReferenceNumbers": [],
        "Visit": {
            "DateTime": write_time(occasion.arrival)[:10],
            "Location": build_location(occasion.patient.next_bed),
            "PreviousLocation": build_department(),
        },
        "AdditionalDates": [],
        "Diagnoses": [build_reason(occasion.patient)],
        "Procedures": [],
        "Providers": [{**build_clinician(PHYSICIAN), "Role": "Attending"}],
        **more,
    }


def _line(occasion: Occasion) -> JsonObject:
    return {
        "ID": "1",
        "Amount": _CHARGED,
        "Diagnoses": [],
        "Procedure": _procedure(),
        "ServiceDateTime": write_time(occasion.arrival),
        "UnitCount": "1",
        "Units": "Units",
        "IsEmergency": False,
    }


def _service() -> JsonObject:
    return {
        **_procedure(),
        "Amount": _CHARGED,
        "Quantity": {"Value": "1", "Units": "Unit"},
        "IsEmergency": False,
        "ReferenceNumbers": [],
        "Diagnoses": [],
    }


# A batch says "SubmittedService" where a single payment says "SubmittedProcedure".
def _paid_claim(occasion: Occasion, noun: str, **more: object) -> JsonObject:
    amounts = {"ChargedAmount": _CHARGED, "PaymentAmount": _PAID}
    return {
        **more,
        "ReceivedDate": write_time(occasion.arrival)[:10],
        "ServiceDateTime": write_time(occasion.arrival),
        "ServiceEndDateTime": None,
        "Status": "Processed as Primary",
        **amounts,
        "PatientResponsibilityAmount": _COPAY,
        "Adjustments": [],
        "ReferenceNumbers": [],
        "Services": [
            {
                **amounts,
                "AllowedAmount": _CHARGED,
                f"Submitted{noun}": _procedure(),
                f"Adjudicated{noun}": _procedure(),
                "ReferenceNumbers": [],
            }
        ],
    }


def _transfer(occasion: Occasion) -> JsonObject:
    return {
        "ID": f"PAY-{occasion.patient.visit_number}",
        "Submitter": _party(_INSURER),
        "Receiver": _party(FACILITY),
        "TotalPaymentAmount": _PAID,
        "CreditOrDebit": "Credit",
        "PaymentMethod": "Check",
        "PaymentDateTime": occasion.time(),
        "TrackingNumber": None,
    }


def _party(name: str) -> JsonObject:
    return {
        "ID": None,
        "Identifiers": [],
        "Name": name,
        "Address": build_address(),
        "PhoneNumber": build_office_phone(),
    }


# "CodeSet", not "Codeset": so this data model spells it.
def _procedure() -> JsonObject:
    return {
        "Code": "73560",
        "CodeSet": "CPT",
        "Description": "X-ray of the knee",
        "Modifiers": [],
    }


def _claim_id(occasion: Occasion) -> str:
    return f"CLM-{occasion.patient.visit_number}"


BUILDERS = {
    "Claim:Submission": _submission,
    "Claim:SubmissionBatch": _submission_batch,
    "Claim:Payment": _payment,
    "Claim:PaymentBatch": _payment_batch,
}
