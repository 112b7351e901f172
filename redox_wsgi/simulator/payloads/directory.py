"""``Provider`` and ``Organization``: who works where; they tell of no patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.payloads.cast import FACILITY, PHYSICIAN
from redox_wsgi.simulator.payloads.parts import (
    build_address,
    build_described_code,
    build_home_phone,
    build_office_phone,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator.payloads.occasion import JsonObject, Occasion

__all__ = ["BUILDERS"]

_STREET = "1 Hospital Hill"
_DIRECTORY = "Lindhaven Exchange"
_OID = "http://www.hl7.org/oid/"


def _provider_new(_: Occasion) -> JsonObject:
    """A clinician with all that is known, down to the hours of Mondays."""
    return {"Providers": [_provider(IsActive=True, Roles=[_role()])]}


def _provider_update(_: Occasion) -> JsonObject:
    """A clinician's new addresses."""
    return {"Providers": [_provider(IsActive=True, Roles=[])]}


def _provider_toggled(_: Occasion) -> JsonObject:
    """Activated or deactivated: the event's own name says which."""
    return {"Providers": [_provider(Roles=[])]}


def _provider_query(_: Occasion) -> JsonObject:
    """Ask for one clinician."""
    return {
        "Provider": {
            "Identifiers": _npi(),
            "Demographics": {
                "FirstName": PHYSICIAN.first_name,
                "MiddleName": None,
                "LastName": PHYSICIAN.last_name,
                "Address": build_address(),
            },
        }
    }


def _organization_new(occasion: Occasion) -> JsonObject:
    """A hospital joins the exchange."""
    return {"Directory": _DIRECTORY, "Organizations": [_organization(occasion)]}


def _organization_update(occasion: Occasion) -> JsonObject:
    """It has another name as well."""
    organization = {**_organization(occasion), "Aliases": ["St. Zoë"]}
    return {
        "Action": "Update",
        "Directory": _DIRECTORY,
        "Organizations": [organization],
    }


def _organization_query(occasion: Occasion) -> JsonObject:
    """Ask for one organization, by its number; ``Limit`` is a text."""
    return {
        "Directory": _DIRECTORY,
        "Identifier": {"ID": "1.2.840.99999.7", "IDType": "OID"},
        "NameSearch": {"Name": None, "State": None},
        "RadiusSearch": {"ZIP": None, "Miles": None},
        "LastUpdated": occasion.time(days=-365),
        "Limit": "20",
    }


def _provider(**more: object) -> JsonObject:
    return {
        "Identifiers": _npi(),
        "Demographics": {
            "FirstName": PHYSICIAN.first_name,
            "MiddleName": None,
            "LastName": PHYSICIAN.last_name,
            "Credentials": [PHYSICIAN.credential],
            "Addresses": [{"Use": "Office", **build_address(_STREET)}],
            "EmailAddresses": ["gudrun@example.org"],
            "PhoneNumber": build_office_phone("+16085550190"),
            "Sex": None,
            "DOB": None,
            "Languages": [],
        },
        "Qualifications": [
            {
                "Identifiers": [],
                **build_described_code("MD", None, "Doctor of Medicine"),
                "StartDate": "2004-09-01",
                "EndDate": None,
            }
        ],
        **more,
    }


def _role() -> JsonObject:
    place: JsonObject = {
        "Identifiers": [],
        "Status": "active",
        "Name": FACILITY,
        "Address": build_address(_STREET),
        "EmailAddresses": [],
        "PhoneNumber": build_office_phone("+16085550191"),
    }
    return {
        "Identifiers": [],
        "Organization": {
            "Identifiers": [],
            # A text, and no boolean: so Redox writes this one.
            "IsActive": "True",
            "Type": "Provider",
            "Name": FACILITY,
            "Address": build_address(_STREET),
        },
        "Specialties": [
            build_described_code("394609007", "SNOMED CT", "General surgery")
        ],
        "Locations": [place],
        "Services": [],
        "Availability": [
            {
                "Days": ["Monday"],
                "AvailableStartTime": "09:00",
                "AvailableEndTime": "17:00",
            }
        ],
    }


def _organization(occasion: Occasion) -> JsonObject:
    return {
        "Active": True,
        "Name": FACILITY,
        "Aliases": [],
        "Identifiers": [{"ID": "1.2.840.99999.7", "IDType": "OID"}],
        "Type": {"System": None, "Value": "Provider"},
        "PartOf": {"Identifier": {"Type": "HCID", "System": _OID, "Value": None}},
        "Contacts": [
            {
                "Name": "Þórsdóttir, Guðrún",
                "EmailAddresses": ["directory@example.org"],
                "PhoneNumber": build_home_phone(),
            }
        ],
        "Address": build_address(_STREET),
        "Endpoints": [_endpoint()],
        "DestinationID": occasion.new_id(),
    }


def _endpoint() -> JsonObject:
    unknown = {"System": None, "Value": None}
    return {
        "Identifiers": [{"Type": "HCID", "System": _OID, "Value": "1.2.840.99999.7"}],
        "ConnectionType": {"System": None, "Value": "ihe-xcpd"},
        "Name": "Patient Discovery",
        "Address": "https://exchange.example.org/xcpd",
        "MIMEType": "text/xml",
        "Attributes": {
            "Transaction": "XCPD ITI-55",
            "Actor": {"System": None, "Value": "Responding Gateway"},
            "Version": dict(unknown),
            "UseCases": [],
            "PurposeOfUse": [{"System": None, "Value": "Treatment"}],
            "Roles": [],
        },
    }


def _npi() -> list[JsonObject]:
    return [{"ID": PHYSICIAN.npi, "IDType": "NPI"}]


BUILDERS = {
    "Provider:New": _provider_new,
    "Provider:Update": _provider_update,
    "Provider:Deactivate": _provider_toggled,
    "Provider:Activate": _provider_toggled,
    "Provider:ProviderQuery": _provider_query,
    "Organization:New": _organization_new,
    "Organization:Update": _organization_update,
    "Organization:Query": _organization_query,
}
