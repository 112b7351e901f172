"""Receive Redox transmissions in any WSGI application."""

from __future__ import annotations

from redox_wsgi.authentication import AllOf, AnyOf, Authenticator, VerificationToken
from redox_wsgi.destination import Destination
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    BodyNotJson,
    BodyTooLarge,
    ConfigurationError,
    DeliveryFailed,
    HandlerFailed,
    HttpsRequired,
    InboxUnavailable,
    InsufficientScope,
    LostLease,
    MalformedRequest,
    MethodNotAllowed,
    PermanentFailure,
    RedoxError,
    RequestRejected,
)
from redox_wsgi.handler import Handler, Reply
from redox_wsgi.meta import Meta
from redox_wsgi.middleware import RedoxMiddleware
from redox_wsgi.principal import Principal
from redox_wsgi.reporting import Observer, Outcome
from redox_wsgi.request import Request
from redox_wsgi.response import Response
from redox_wsgi.routing import Router
from redox_wsgi.transmission import (
    Entry,
    JsonObject,
    PatientIdentifier,
    Transmission,
)

__all__ = [
    "NO_CREDENTIALS",
    "AllOf",
    "AnyOf",
    "AuthenticationFailed",
    "Authenticator",
    "AuthenticatorUnavailable",
    "BodyNotJson",
    "BodyTooLarge",
    "ConfigurationError",
    "DeliveryFailed",
    "Destination",
    "Entry",
    "Handler",
    "HandlerFailed",
    "HttpsRequired",
    "InboxUnavailable",
    "InsufficientScope",
    "JsonObject",
    "LostLease",
    "MalformedRequest",
    "Meta",
    "MethodNotAllowed",
    "Observer",
    "Outcome",
    "PatientIdentifier",
    "PermanentFailure",
    "Principal",
    "RedoxError",
    "RedoxMiddleware",
    "Reply",
    "Request",
    "RequestRejected",
    "Response",
    "Router",
    "Transmission",
    "VerificationToken",
]
