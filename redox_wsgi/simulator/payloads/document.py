"""``Media`` and ``Notes``: files inside the JSON, as base64."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import PHYSICIAN
from redox_wsgi.simulator.payloads.occasion import write_time
from redox_wsgi.simulator.payloads.parts import (
    build_clinician,
    build_identifiers,
    build_location,
    build_patient,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]


def _media_new(occasion: Occasion) -> JsonObject:
    """A scanned letter, as a file of the size asked for."""
    return _media(
        occasion,
        FileContents=_file(occasion),
        DocumentID=_document_id(occasion, "M", 1),
    )


def _media_replace(occasion: Occasion) -> JsonObject:
    """The same letter, scanned again: the old number is retired."""
    return _media(
        occasion,
        FileContents=_file(occasion),
        OriginalDocumentID=_document_id(occasion, "M", 1),
        DocumentID=_document_id(occasion, "M", 2),
    )


def _media_delete(occasion: Occasion) -> JsonObject:
    """The letter belongs to somebody else; the file itself is not sent."""
    return _media(
        occasion,
        DocumentID=_document_id(occasion, "M", 2),
        Availability="Unavailable",
    )


def _media_query(occasion: Occasion) -> JsonObject:
    """Ask for the letters of one visit."""
    return _query(occasion, "Letter", _document_id(occasion, "M", 2))


def _note_new(occasion: Occasion) -> JsonObject:
    """A progress note, as a file of the size asked for."""
    return _note(
        occasion,
        FileContents=_file(occasion),
        DocumentID=_document_id(occasion, "N", 1),
    )


def _note_replace(occasion: Occasion) -> JsonObject:
    """The note with an addition: the old number is retired."""
    return _note(
        occasion,
        FileContents=_file(occasion),
        OriginalDocumentID=_document_id(occasion, "N", 1),
        DocumentID=_document_id(occasion, "N", 2),
    )


def _note_delete(occasion: Occasion) -> JsonObject:
    """The note was written into the wrong chart; the file itself is not sent."""
    return _note(
        occasion,
        DocumentID=_document_id(occasion, "N", 2),
        Availability="Unavailable",
    )


def _note_query(occasion: Occasion) -> JsonObject:
    """Ask for the notes of one visit."""
    return _query(occasion, "Progress note", _document_id(occasion, "N", 2))


def _media(occasion: Occasion, **more: str) -> JsonObject:
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "AccountNumber": None,
            "Location": build_location(occasion.patient.next_bed),
        },
        "Media": {
            "FileType": "PDF",
            "FileName": "Überweisung.pdf",
            "DocumentType": "Letter",
            "DocumentDescription": None,
            "CreationDateTime": occasion.time(),
            "ServiceDateTime": None,
            "DirectAddressFrom": None,
            "DirectAddressTo": None,
            "Provider": build_clinician(PHYSICIAN),
            "Authenticated": "False",
            "Authenticator": build_clinician(),
            "Availability": "Available",
            "Notifications": [],
            **more,
        },
        "Orders": [],
    }


def _note(occasion: Occasion, **more: str) -> JsonObject:
    return {
        "Patient": build_patient(occasion.patient),
        "Visit": {
            "VisitNumber": occasion.patient.visit_number,
            "AccountNumber": None,
            "VisitDateTime": write_time(occasion.arrival),
            "PatientClass": None,
            "Location": build_location(occasion.patient.next_bed),
            "AdditionalStaff": [],
        },
        "Note": {
            "ContentType": "Base64 Encoded",
            "FileName": "note.pdf",
            "FileType": "PDF",
            "Components": [],
            "DocumentType": "Progress note",
            "DocumentDescription": None,
            "ServiceDateTime": occasion.time(),
            "DocumentationDateTime": None,
            "Provider": build_clinician(PHYSICIAN),
            "Status": None,
            "Authenticator": build_clinician(),
            "Availability": None,
            "Notifications": [],
            **more,
        },
        "Orders": [],
    }


def _query(occasion: Occasion, document_type: str, document_id: str) -> JsonObject:
    return {
        "Patients": [{"Identifiers": build_identifiers(occasion.patient)}],
        "VisitNumbers": [occasion.patient.visit_number],
        "DocumentTypes": [document_type],
        "DocumentIDs": [document_id],
        "StartDateTime": None,
        "EndDateTime": None,
    }


def _file(occasion: Occasion) -> str:
    return b64encode(occasion.random.randbytes(occasion.file_bytes)).decode()


def _document_id(occasion: Occasion, letter: str, version: int) -> str:
    # A new document, its replacement and its deletion belong together.
    return f"DOC-{letter}-{occasion.patient.visit_number}-{version}"


BUILDERS = {
    "Media:New": _media_new,
    "Media:Replace": _media_replace,
    "Media:Delete": _media_delete,
    "Media:Query": _media_query,
    "Notes:New": _note_new,
    "Notes:Replace": _note_replace,
    "Notes:Delete": _note_delete,
    "Notes:Query": _note_query,
}
