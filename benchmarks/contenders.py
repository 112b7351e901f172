"""The applications that are compared, each as one would write it by hand.

All but ``bare`` refuse a wrong token; all answer 200 and keep nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import flask
import msgspec
import werkzeug

from benchmarks.traffic import PATH, TOKEN
from redox_wsgi import Destination, RedoxMiddleware, Transmission

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "0")]


def read_all(environ: WSGIEnvironment) -> bytes:
    """Read a body as trustingly as one can."""
    length = environ.get("CONTENT_LENGTH")
    stream = environ["wsgi.input"]
    body: bytes = stream.read(int(length)) if length else stream.read()
    return body


def passed_on(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Do nothing: the application behind a middleware that passes on."""
    return _NOTHING


_NOTHING = [b""]


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body, answer 200: the floor."""
    read_all(environ)
    start_response("200 OK", _HEADERS)
    return [b""]


class _Envelope(msgspec.Struct):
    meta: dict[str, Any] = msgspec.field(name="Meta")


_decode = msgspec.json.Decoder(_Envelope).decode


def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Compare the tokens, read the body, decode the envelope: the bare necessities."""
    sent = environ.get("HTTP_VERIFICATION_TOKEN", "").encode("latin-1")
    bearer = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1")
    if not (
        hmac.compare_digest(sent, TOKEN.encode())
        and hmac.compare_digest(bearer, b"Bearer " + TOKEN.encode())
    ):
        start_response("401 Unauthorized", _HEADERS)
        return [b""]
    _decode(read_all(environ))
    start_response("200 OK", _HEADERS)
    return [b""]


def werkzeug_function(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Compare the tokens and read the body with werkzeug's request and response."""
    request = werkzeug.Request(environ)
    sent = request.headers.get("verification-token", "").encode()
    bearer = request.headers.get("authorization", "").encode()
    if not (
        hmac.compare_digest(sent, TOKEN.encode())
        and hmac.compare_digest(bearer, b"Bearer " + TOKEN.encode())
    ):
        return werkzeug.Response(status=401)(environ, start_response)
    request.get_data()
    return werkzeug.Response()(environ, start_response)


def build_flask() -> WSGIApplication:
    """Build the Flask view that does the same by hand."""
    app = flask.Flask("by_hand")

    @app.post(PATH)
    def receive() -> tuple[str, int]:
        sent = flask.request.headers.get("verification-token", "").encode()
        bearer = flask.request.headers.get("authorization", "").encode()
        if not (
            hmac.compare_digest(sent, TOKEN.encode())
            and hmac.compare_digest(bearer, b"Bearer " + TOKEN.encode())
        ):
            return "", 401
        meta = flask.request.get_json()["Meta"]
        _read_names(meta["DataModel"], meta["EventType"])
        return "", 200

    return app


def build_ours(application: WSGIApplication = passed_on) -> WSGIApplication:
    """Build the middleware around an application, with a handler that keeps nothing."""
    return RedoxMiddleware(
        application, {PATH: Destination(_receive, verification_token=TOKEN)}
    )


def _receive(transmission: Transmission) -> None:
    _read_names(transmission.data_model, transmission.event_type)


def _read_names(data_model: str | None, event_type: str | None) -> None:
    """Stand for a handler; the names were looked up, as every handler does."""
