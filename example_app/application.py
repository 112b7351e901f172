"""The application, wired: a Flask application, one Redox destination, an inbox."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from example_app.authentication import build_credential
from example_app.board import board, explain_failure
from example_app.database import Database
from example_app.handlers import build_door
from example_app.settings import Settings
from example_app.sign_in import sign_in
from redox_wsgi import (
    DeliveryFailed,
    Destination,
    Handler,
    RedoxMiddleware,
    Reply,
    Transmission,
)
from redox_wsgi.inbox import Inbox

# A sign-in lasts as long as a shift.
_SHIFT = timedelta(hours=12)

# For our own forms only: transmissions never get as far as Flask.
_MAX_FORM_BYTES = 16 * 1024


def create_app(settings: Settings) -> Flask:
    """Build the application; nothing is opened before the first request.

    Raises:
        example_app.settings.SettingsError: The authenticator's description is wrong.
        redox_wsgi.ConfigurationError: A token or an encryption key cannot be one, or
            the URL names no inbox.
    """
    app = Flask(__name__)
    is_secure = not settings.is_cookie_insecure
    app.config.update(
        SECRET_KEY=settings.secret_key,
        BOARD_PASSWORD=settings.board_password,
        MAX_CONTENT_LENGTH=_MAX_FORM_BYTES,
        PERMANENT_SESSION_LIFETIME=_SHIFT,
        # "__Host-": browsers take such a cookie from this very host only, over HTTPS.
        SESSION_COOKIE_NAME="__Host-board" if is_secure else "board",
        SESSION_COOKIE_SECURE=is_secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.extensions["database"] = Database(settings.database)
    inbox = Inbox(settings.inbox, encryption_keys=settings.inbox_keys or None)
    app.extensions["inbox"] = inbox

    if settings.board_password is None:
        app.logger.warning("BOARD_PASSWORD is not set, so there is no board.")
    else:
        app.register_blueprint(board)
        app.register_blueprint(sign_in)
        app.register_error_handler(DeliveryFailed, explain_failure)

    described = settings.authenticator
    credential = None if described is None else build_credential(described)
    destination = Destination(
        in_context_of(app, build_door(inbox)),
        verification_token=list(settings.verification_tokens),
        authenticator=credential.authenticator if credential else None,
    )
    app.wsgi_app = RedoxMiddleware(  # type: ignore[method-assign]
        app.wsgi_app,
        {
            **(credential.applications if credential else {}),
            settings.path: destination,
        },
    )
    return app


def in_context_of(app: Flask, handler: Handler) -> Handler:
    """Give a handler Flask's application context: ``current_app`` and extensions.

    The middleware stands before Flask, and the worker has no Flask around it at all, so
    there is no context yet when they call.
    """

    def receive(transmission: Transmission) -> Reply:
        with app.app_context():
            return handler(transmission)

    return receive
