"""The application that the contract is run against: a destination per setting.

A module of its own, so that servers can import it. ``GET /calls`` tells which
transmissions reached a handler since the last time it was asked.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask import Flask, Request
from flask import request as flask_request

from redox_wsgi import (
    NO_CREDENTIALS,
    AllOf,
    AnyOf,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    DeliveryFailed,
    Destination,
    InsufficientScope,
    Principal,
    RedoxMiddleware,
    Response,
    Router,
    Transmission,
    VerificationToken,
)
from tests.support.builders import OLD_TOKEN, TOKEN

KEY = "an-access-key-of-the-credential"

CALLS: list[dict[str, str]] = []


def note(body: bytes, destination: str) -> None:
    """Note that a body reached a handler."""
    digest = hashlib.sha256(body).hexdigest()
    CALLS.append({"sha256": digest, "destination": destination})


def receive(transmission: Transmission) -> None:
    """Receive a transmission."""
    note(transmission.body, transmission.destination)


class Credential:
    """Stands for a linked auth credential: the key in ``Authorization: Key``."""

    def authenticate(self, request: Any) -> Principal:
        """Accept the one key; tell a missing scope and a failed dependency."""
        sent = request.header("authorization")
        if sent is None or not sent.startswith("Key "):
            raise AuthenticationFailed(
                NO_CREDENTIALS, www_authenticate='Key realm="redox"'
            )
        match sent.removeprefix("Key "):
            case "unscoped":
                raise InsufficientScope("missing-scope")
            case "unknowable":
                raise AuthenticatorUnavailable("key-set-down", retry_after_seconds=7)
            case key if key == KEY:
                return Principal("key", "client")
        raise AuthenticationFailed("wrong-key")


REPLIES: dict[str, Any] = {
    "None": None,
    "Mapping": {"seen": "Zoë"},
    "Bytes": b'{"seen": 1}',
    "Text": '{"seen": "Zo\u00eb"}',
    "Status404": Response(b"{}", 404),
    "Status201": Response(b"", 201),
    "Redirect": Response.redirect("https://example.com/session"),
    "List": [1, 2],
    "Number": 1,
    "NotANumber": {"value": float("nan")},
    "Object": {"value": object()},
    "Failed": DeliveryFailed("disk-full", retry_after_seconds=30),
    "Raised": ValueError("a patient's name"),
}


def answer(transmission: Transmission) -> Any:
    """Reply as the event type says; a query's name ends in "Query"."""
    receive(transmission)
    reply = REPLIES[(transmission.event_type or "").removesuffix("Query")]
    if isinstance(reply, Exception):
        raise reply
    return reply


router = Router()
router.on("Replies")(answer)


@router.on("PatientSearch", "Query")
def search(transmission: Transmission) -> Any:
    """Answer a query."""
    receive(transmission)
    return transmission.reply({"Patient": {"Identifiers": []}})


@router.on("PatientAdmin")
def keep(transmission: Transmission) -> None:
    """Receive a notification."""
    receive(transmission)


def other_application(environ: Any, start_response: Any) -> Any:
    """Stand for any WSGI application in the mapping."""
    body = b"issued at " + environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


def build_destinations() -> dict[str, Any]:
    """Build the destinations, a new one for each application."""
    return {
        "/redox": Destination(receive, verification_token=[TOKEN, OLD_TOKEN]),
        "/reloaded": Destination(receive, verification_token=lambda: [TOKEN]),
        "/failing-reload": Destination(receive, verification_token=lambda: []),
        "/routed": Destination(router, verification_token=TOKEN),
        "/small": Destination(receive, verification_token=TOKEN, max_body_bytes=4096),
        "/redox-https": Destination(
            receive, verification_token=TOKEN, require_https=True
        ),
        "/guard": Destination(None, verification_token=TOKEN),
        "/key": Destination(receive, authenticator=Credential()),
        "/key-and-token": Destination(
            receive, authenticator=Credential(), verification_token=TOKEN
        ),
        "/all-of": Destination(
            receive, authenticator=AllOf(VerificationToken(TOKEN), Credential())
        ),
        "/any-of": Destination(
            receive, authenticator=AnyOf(VerificationToken(TOKEN), Credential())
        ),
        "/token-as-authenticator": Destination(
            receive, authenticator=VerificationToken(TOKEN)
        ),
        "/other/application/": other_application,
    }


def build_calls() -> str:
    """Tell what reached a handler since the last time, as JSON."""
    calls = json.dumps(CALLS)
    CALLS.clear()
    return calls


def build_flask() -> Any:
    """Wrap a Flask application with a route of its own for guard mode."""
    app = Flask(__name__)

    @app.get("/calls")
    def calls() -> str:
        return build_calls()

    @app.post("/guard")
    def guarded() -> dict[str, Any]:
        request: Request = flask_request
        transmission = request.environ["redox_wsgi.transmission"]
        note(request.get_data(), transmission.destination)
        return {"length": len(request.get_data()), "event": transmission.event_type}

    @app.route("/ours", methods=["GET", "POST"])
    def ours() -> dict[str, Any]:
        request: Request = flask_request
        return {"body": request.get_data(as_text=True), "query": dict(request.args)}

    app.wsgi_app = RedoxMiddleware(app.wsgi_app, build_destinations())  # type: ignore[method-assign]
    return app


application = build_flask()
