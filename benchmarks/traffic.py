"""The requests that are measured: invented bodies, and environs as gunicorn builds.

The body has the shape of a ``PatientAdmin`` that Redox sends, compact JSON
with ``Meta`` first, explicit nulls and empty lists. Nobody in it exists.
"""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

PATH = "/redox"
TOKEN_PATH = "/oauth/token"
TOKEN = "benchmark-token-0123456789-0123456789-abcdef"
WRONG_TOKEN = "fedcba-9876543210-9876543210-nekot-kramhcneb"


def _person(number: int, name: str) -> dict[str, Any]:
    return {
        "ID": f"00000000{number}",
        "IDType": "NPI",
        "FirstName": name,
        "LastName": "Example",
        "Credentials": ["MD"],
        "Address": {
            "StreetAddress": f"{number} Invented Street",
            "City": "Nowhere",
            "State": "WI",
            "ZIP": "53566",
            "County": None,
            "Country": "US",
        },
        "EmailAddresses": [],
        "PhoneNumber": {"Office": "+16085550100", "Mobile": None},
        "Location": {"Type": None, "Facility": None, "Department": None, "Room": None},
    }


def _meta(data_model: str, event_type: str) -> dict[str, Any]:
    return {
        "DataModel": data_model,
        "EventType": event_type,
        "EventDateTime": "2026-11-02T10:20:30.000Z",
        "Test": True,
        "Source": {
            "ID": "7ce6f387-c33c-417d-8682-81e83628cbd9",
            "Name": "Redox Dev Tools",
        },
        "Destinations": [
            {"ID": "af394f14-b34a-464f-8d24-895f370af4c9", "Name": "Benchmark"}
        ],
        "Logs": [
            {
                "ID": "d9f5d293-7110-461e-a875-3beb089e79f3",
                "AttemptID": "925d1617-2fe0-468c-a14c-f8c04b572c54",
            }
        ],
        "FacilityCode": None,
    }


def build_body(first_name: str = "Timothy", doctors: int = 5) -> bytes:
    """Build a ``PatientAdmin``: 2.7 KiB, and 0.35 KiB for each further doctor."""
    payload = {
        "Meta": _meta("PatientAdmin", "NewPatient"),
        "Patient": {
            "Identifiers": [
                {"ID": "0000000001", "IDType": "MR"},
                {"ID": "e167267c-16c9-4fe3-96ae-9cff5703e90a", "IDType": "EHRID"},
            ],
            "Demographics": {**_person(0, first_name), "DOB": "2008-01-06"},
            "Notes": [],
        },
        "Visit": {
            "VisitNumber": "1234",
            "Doctors": [_person(number, "Pat") for number in range(1, doctors + 1)],
        },
    }
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def build_large_body(megabytes: int, file_name: str = "scan.pdf") -> bytes:
    """Build a ``Media`` that holds one file of so many megabytes of base64."""
    payload = {
        "Meta": _meta("Media", "New"),
        "Patient": {"Identifiers": [{"ID": "0000000001", "IDType": "MR"}]},
        "Media": {
            "FileType": "PDF",
            "FileName": file_name,
            "FileContents": "QUJD" * (megabytes * 250_000),
            "Availability": "Available",
        },
    }
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def build_head(method: str, path: str) -> WSGIEnvironment:
    """Build an environ without body and credentials, of a server behind a proxy."""
    return {
        "wsgi.errors": None,
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.input_terminated": True,
        "SERVER_SOFTWARE": "gunicorn",
        "REQUEST_METHOD": method,
        "QUERY_STRING": "",
        "RAW_URI": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "HTTP_HOST": "receiver.example",
        "HTTP_ACCEPT": "*/*",
        "HTTP_X_FORWARDED_FOR": "192.0.2.1",
        "HTTP_X_FORWARDED_PROTO": "https",
    }


def posts(body: bytes, token: str | None) -> Callable[[], WSGIEnvironment]:
    """Return a maker of POSTs of a body, each a fresh environ.

    Args:
        body: What ``wsgi.input`` holds.
        token: Sent in both headers, as Redox does; None sends no credentials.
    """
    head = build_head("POST", PATH)
    head |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    if token is not None:
        head["HTTP_VERIFICATION_TOKEN"] = token
        head["HTTP_AUTHORIZATION"] = f"Bearer {token}"

    def build_environ() -> WSGIEnvironment:
        return {**head, "wsgi.input": io.BytesIO(body)}

    return build_environ


def asks(credentials: str) -> Callable[[], WSGIEnvironment]:
    """Return a maker of token requests, each a fresh environ.

    Args:
        credentials: Client ID and secret with a colon between, sent as HTTP Basic.
    """
    body = b"grant_type=client_credentials"
    head = build_head("POST", TOKEN_PATH)
    head |= {
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Basic {b64encode(credentials.encode()).decode()}",
    }

    def build_environ() -> WSGIEnvironment:
        return {**head, "wsgi.input": io.BytesIO(body)}

    return build_environ


def gets(path: str) -> Callable[[], WSGIEnvironment]:
    """Return a maker of GETs that are not for Redox's path, each a fresh environ."""
    return build_head("GET", path).copy
