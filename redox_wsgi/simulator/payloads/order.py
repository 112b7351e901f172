"""``Order`` and ``Results``: a blood count is ordered, changed, cancelled, answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import PHYSICIAN
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_address,
    build_clinician,
    build_contact,
    build_department,
    build_described_code,
    build_guarantor,
    build_identifiers,
    build_insurance,
    build_location,
    build_patient,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]

_BLOOD_COUNT = ("58410-2", "LOINC", "Blood count")
_ELECTROLYTES = ("24326-1", "LOINC", "Electrolytes")


def _new(occasion: Occasion) -> JsonObject:
    """A blood count."""
    return {**_subject(occasion), "Order": _order(occasion)}


def _update(occasion: Occasion) -> JsonObject:
    """It is less urgent; the number stays."""
    order = {**_order(occasion), "Status": "Update", "Priority": "Routine"}
    return {**_subject(occasion), "Order": order}


def _cancel(occasion: Occasion) -> JsonObject:
    """It is not needed any more."""
    order = {**_order(occasion), "Status": "Cancel", "Comments": "Entered twice"}
    return {**_subject(occasion), "Order": order}


def _grouped(occasion: Occasion) -> JsonObject:
    """Two orders at once: a blood count and the electrolytes."""
    second = {
        **_order(occasion),
        "ID": f"{_order_id(occasion)}-2",
        "Procedure": build_described_code(*_ELECTROLYTES),
    }
    return {**_subject(occasion), "Orders": [_order(occasion), second]}


def _order_query(occasion: Occasion) -> JsonObject:
    """Ask for the orders of one patient in the last day."""
    return {
        "Patients": [{"Identifiers": build_identifiers(occasion.patient)}],
        "VisitNumbers": [],
        "StartDateTime": occasion.time(days=-1),
        "EndDateTime": occasion.time(),
        "OrderIDs": [_order_id(occasion)],
        "Procedures": [build_described_code(*_BLOOD_COUNT)],
    }


def _results(occasion: Occasion) -> JsonObject:
    """The blood count's haemoglobin, a little low."""
    order = {
        "ID": _order_id(occasion),
        "ApplicationOrderID": None,
        "TransactionDateTime": occasion.time(),
        "CollectionDateTime": occasion.time(hours=-2),
        "CompletionDateTime": occasion.time(),
        "Notes": [],
        "ResultsStatus": "Final",
        "Procedure": build_described_code(*_BLOOD_COUNT),
        "Provider": {"NPI": PHYSICIAN.npi, **build_clinician(PHYSICIAN)},
        "ResultCopyProviders": [],
        "Status": "Resulted",
        "ResponseFlag": None,
        "Priority": "Stat",
        "Results": [_haemoglobin(occasion)],
    }
    patient = occasion.patient
    return {
        "Patient": build_patient(patient, Contacts=[build_contact(patient)]),
        "Orders": [order],
        "Visit": {
            **_visit(occasion),
            "AttendingProvider": build_clinician(PHYSICIAN),
            "ReferringProvider": build_clinician(),
            "AdditionalStaff": [],
        },
    }


def _unsolicited(occasion: Occasion) -> JsonObject:
    """Nobody here ordered it: only the laboratory's own number is known."""
    payload = _results(occasion)
    payload["Orders"][0] |= {
        "ID": None,
        "ApplicationOrderID": f"LAB-{occasion.patient.record_number}",
        "Provider": {"NPI": None, **build_clinician()},
    }
    return payload


def _results_query(occasion: Occasion) -> JsonObject:
    """Ask for the final results of one order."""
    return {
        "Patients": [{"Identifiers": build_identifiers(occasion.patient)}],
        "Completion": {
            "StartDateTime": occasion.time(days=-1),
            "EndDateTime": occasion.time(),
        },
        "ResultStatuses": ["Final"],
        "OrderIDs": [_order_id(occasion)],
        "Procedures": [],
        "Location": build_department(),
        "LastUpdated": {"StartDateTime": None, "EndDateTime": None},
    }


def _subject(occasion: Occasion) -> JsonObject:
    """Build whom an order is for, and in which visit."""
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
    }


def _order(occasion: Occasion) -> JsonObject:
    return {
        "ID": _order_id(occasion),
        "ApplicationOrderID": None,
        "Status": "New",
        "TransactionDateTime": occasion.time(),
        "CollectionDateTime": None,
        "Specimen": {"Source": None, "BodySite": None, "ID": None},
        "Procedure": build_described_code(*_BLOOD_COUNT),
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
    }


def _haemoglobin(occasion: Occasion) -> JsonObject:
    return {
        **build_described_code("718-7", "LOINC", "Haemoglobin"),
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
        "ObservationMethod": build_described_code(),
    }


def _visit(occasion: Occasion) -> JsonObject:
    return {
        "VisitNumber": occasion.patient.visit_number,
        "AccountNumber": None,
        "PatientClass": None,
        "VisitDateTime": write_time(occasion.arrival),
        "Location": build_location(occasion.patient.next_bed),
    }


def _order_id(occasion: Occasion) -> str:
    # The result answers the order, so both have the same number.
    return f"ORD-{occasion.patient.visit_number}"


BUILDERS = {
    "Order:New": _new,
    "Order:Update": _update,
    "Order:GroupedOrders": _grouped,
    "Order:Cancel": _cancel,
    "Order:Query": _order_query,
    "Results:New": _results,
    "Results:NewUnsolicited": _unsolicited,
    "Results:Query": _results_query,
}
