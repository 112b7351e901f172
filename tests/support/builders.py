"""Payloads and applications that tests are made of."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.exceptions import NotFound

from redox_wsgi import Destination, RedoxMiddleware, Transmission

TOKEN = "correct-horse-battery-staple-0123456789"
OLD_TOKEN = "an-older-token-that-is-still-valid-42"

LOG_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
SOURCE_ID = "7ce6f387-c33c-417d-8682-81e83628cbd9"


def build_payload(
    data_model: str = "PatientAdmin", event_type: str = "Arrival", **more: Any
) -> dict[str, Any]:
    """Build a payload as Redox sends it, with nulls and a large number as ID."""
    return {
        "Meta": {
            "DataModel": data_model,
            "EventType": event_type,
            "EventDateTime": "2026-01-31T10:20:30.000Z",
            "Test": True,
            "Source": {"ID": SOURCE_ID, "Name": "Hospital"},
            "Destinations": [
                {"ID": "d-1", "Name": "Ours"},
                {"ID": "d-2", "Name": None},
            ],
            "Logs": [
                {"ID": LOG_ID, "AttemptID": "925d1617-2fe0-468c-a14c-f8c04b572c54"}
            ],
            "Message": {"ID": 8_589_934_592},
            "Transmission": {"ID": 8_589_934_593},
            "FacilityCode": None,
        },
        "Patient": {
            "Identifiers": [
                {"ID": "0000000001", "IDType": "MR"},
                {"ID": 17, "IDType": "NIST"},
                {"ID": None, "IDType": "EHRID"},
            ],
            "Demographics": {
                "FirstName": "Zoë",
                "LastName": "Łukasiewicz",
                "SSN": None,
            },
        },
        **more,
    }


def encode(payload: Any) -> bytes:
    """Encode a payload as Redox does: UTF-8, compact."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


NOTIFICATION = encode(build_payload())
QUERY = encode(build_payload("PatientSearch", "Query"))


class Received(list[Transmission]):
    """A handler that keeps what it is given and returns ``reply``."""

    reply: Any = None

    def __call__(self, transmission: Transmission) -> Any:
        """Keep a transmission."""
        self.append(transmission)
        if isinstance(self.reply, BaseException):
            raise self.reply
        if callable(self.reply):
            return self.reply(transmission)
        return self.reply


def build_application(handler: Any, application: Any = None, **settings: Any) -> Any:
    """Wrap an application whose destination at ``/redox`` has one handler."""
    settings = {"verification_token": TOKEN, **settings}
    destination = Destination(handler, **settings)
    return RedoxMiddleware(application or NotFound(), {"/redox": destination})
