"""Fixtures for the tests of whoever receives from Redox; pytest finds them itself.

``redox_sender`` plays Redox's side towards an application in process or over HTTP;
``redox_payload`` builds what Redox would send.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Protocol

import pytest

# This file is loaded whenever pytest starts: nothing here imports an optional package.
from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.credentials import Credential
from redox_wsgi.simulator.in_process import InProcess
from redox_wsgi.simulator.payloads import PATIENTS, JsonObject, Patient, build_payload
from redox_wsgi.simulator.sender import Sender

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["PayloadFactory", "SenderFactory", "redox_payload", "redox_sender"]

_NOW = datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)


class SenderFactory(Protocol):
    """Builds a ``Sender``; what the fixture ``redox_sender`` is."""

    def __call__(
        self,
        application_or_url: WSGIApplication | str,
        *,
        token: str,
        path: str | None = None,
        credential: Credential | None = None,
        wrong_token: bool = False,
    ) -> Sender:
        """Build a sender.

        Args:
            application_or_url: A WSGI application, called in this process under
                ``wsgiref.validate``; or the address of a server.
            token: The verification token of the destination.
            path: Where the destination is. None: ``/redox`` of an application, and
                the address as it stands.
            credential: The linked auth credential, if there is one.
            wrong_token: The token is wrong on purpose: 401 is then the right answer.
        """
        ...


class PayloadFactory(Protocol):
    """Builds a payload; what the fixture ``redox_payload`` is."""

    def __call__(self, event: str, *, patient: Patient = PATIENTS[0]) -> JsonObject:
        """Build the payload of a built-in event, with identifiers not used before.

        Args:
            event: One of ``redox_wsgi.simulator.EVENTS``.
            patient: Whom it is about; ``PATIENTS`` has six.
        """
        ...


@pytest.fixture(scope="session")
def redox_sender() -> SenderFactory:
    """Play Redox's side: ``redox_sender(application, token=...).send(payload)``."""

    def build(
        application_or_url: WSGIApplication | str,
        *,
        token: str,
        path: str | None = None,
        credential: Credential | None = None,
        wrong_token: bool = False,
    ) -> Sender:
        if isinstance(application_or_url, str):
            address, transport = parse_address(application_or_url), None
        else:
            address = parse_address("http://localhost/redox")
            transport = InProcess(application_or_url)
        return Sender(
            str(address if path is None else address.at(path)),
            verification_token=token,
            credential=credential,
            expect="refused" if wrong_token else "accepted",
            transport=transport,
        )

    return build


@pytest.fixture
def redox_payload() -> PayloadFactory:
    """Build payloads: ``redox_payload("PatientAdmin:Arrival")``.

    Always the same ones in the same order, so that a test that fails fails again.
    """
    random = Random(0)  # noqa: S311 - identifiers of test data

    def build(event: str, *, patient: Patient = PATIENTS[0]) -> JsonObject:
        return build_payload(event, patient=patient, now=_NOW, random=random)

    return build
