"""Questions to programs: ``Clinical Decisions`` and ``Enrichment``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import PHYSICIAN
from redox_wsgi.simulator.payloads.parts import (
    build_clinician,
    build_described_code,
    build_patient,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]


def _decision(occasion: Occasion) -> JsonObject:
    """Ask whether two orders that are not yet signed are wise."""
    return {
        "Session": {"ID": occasion.new_id(), "Questions": [_question()]},
        "Patient": build_patient(occasion.patient),
        "OrderingProvider": build_clinician(PHYSICIAN),
        "AuthorizingProvider": build_clinician(PHYSICIAN),
        "UnsignedMedicationOrders": [
            {
                "Identifiers": [{"ID": "9000000000001", "IDType": "EHR"}],
                # Here a text, in Medications a number: so Redox writes them.
                "Frequency": {"Period": "8", "Unit": "h"},
                "Product": {
                    "Code": "104894",
                    "Codeset": "RxNorm",
                    "Name": "Ondansetron 4 mg",
                },
                "Priority": "Stat",
                "Dose": {"Quantity": 4, "Units": "mg"},
                "Mode": "IP",
                "Route": "Oral",
                "StartDate": occasion.time(),
                "EndDate": None,
                "MixtureComponents": [],
                "Questions": [
                    _question("Why is it ordered?", "Nausea after the operation")
                ],
                "Notes": [],
            }
        ],
        "UnsignedProcedureOrders": [
            {
                **build_described_code("76700", "CPT", "Abdominal ultrasound"),
                # A number where others have a text.
                "Identifiers": [{"ID": "9000000000002", "IDType": 4444}],
                "ScheduledDate": occasion.time(days=1),
                "Mode": "IP",
                "BodySite": build_described_code(),
                "StartDate": occasion.time(),
                "EndDate": None,
                "Questions": [],
                "Notes": [],
            }
        ],
    }


def _language_query(occasion: Occasion) -> JsonObject:
    """Ask what a sentence says."""
    sentence = f"{occasion.patient.first_name} reports: {occasion.patient.reason}."
    return {
        "Text": {"Content": sentence, "ContentType": "text/plain"},
        "Task": {"ID": None, "Name": "Entities"},
    }


def _normalization_query(_: Occasion) -> JsonObject:
    """Ask for the usual codes of a local one."""
    return {
        "Entries": [
            {
                "Category": "Problem",
                "EntryID": "Diagnosis-1",
                **build_described_code(None, None, "Blinddarmentzündung"),
            },
            {
                "Category": "Problem",
                "EntryID": "Diagnosis-2",
                **build_described_code("R07.0", "ICD-10", "Pain in throat"),
            },
        ]
    }


def _question(question: str | None = None, answer: str | None = None) -> JsonObject:
    return {
        "Question": build_described_code(None, None, question),
        "Answer": build_described_code(None, None, answer),
    }


BUILDERS = {
    "Clinical Decisions:Request": _decision,
    "Enrichment:NaturalLanguageProcessingQuery": _language_query,
    "Enrichment:NormalizationQuery": _normalization_query,
}
