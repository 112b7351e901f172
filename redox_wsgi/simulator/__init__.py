"""Play Redox's side: verify a destination, send transmissions, judge the answers.

Over real HTTP, or to a WSGI application in this process. It imports nothing of the
receiver, so that one mistake cannot hide in both.
"""

from __future__ import annotations

from redox_wsgi.simulator.answer import Answer as Answer
from redox_wsgi.simulator.credentials import AwsSigV4Credential as AwsSigV4Credential
from redox_wsgi.simulator.credentials import Credential as Credential
from redox_wsgi.simulator.credentials import HmacCredential as HmacCredential
from redox_wsgi.simulator.credentials import JwtCredential as JwtCredential
from redox_wsgi.simulator.credentials import OAuthCredential as OAuthCredential
from redox_wsgi.simulator.credentials import (
    SmartBackendCredential as SmartBackendCredential,
)
from redox_wsgi.simulator.credentials import TokenCredential as TokenCredential
from redox_wsgi.simulator.credentials import (
    read_credential_file as read_credential_file,
)
from redox_wsgi.simulator.errors import SimulatorError as SimulatorError
from redox_wsgi.simulator.exchange import NoAnswer as NoAnswer
from redox_wsgi.simulator.exchange import Request as Request
from redox_wsgi.simulator.exchange import Response as Response
from redox_wsgi.simulator.exchange import Transport as Transport
from redox_wsgi.simulator.in_process import InProcess as InProcess
from redox_wsgi.simulator.over_http import OverHttp as OverHttp
from redox_wsgi.simulator.payloads import EVENTS as EVENTS
from redox_wsgi.simulator.payloads import PATIENTS as PATIENTS
from redox_wsgi.simulator.payloads import Patient as Patient
from redox_wsgi.simulator.payloads import build_payload as build_payload
from redox_wsgi.simulator.payloads import encode_payload as encode_payload
from redox_wsgi.simulator.sender import Sender as Sender

__all__ = [
    "EVENTS",
    "PATIENTS",
    "Answer",
    "AwsSigV4Credential",
    "Credential",
    "HmacCredential",
    "InProcess",
    "JwtCredential",
    "NoAnswer",
    "OAuthCredential",
    "OverHttp",
    "Patient",
    "Request",
    "Response",
    "Sender",
    "SimulatorError",
    "SmartBackendCredential",
    "TokenCredential",
    "Transport",
    "build_payload",
    "encode_payload",
    "read_credential_file",
]
