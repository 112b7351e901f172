"""The application, wired: a Flask application behind one Redox destination."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from example_app.board import board, explain_failure
from example_app.database import Database
from example_app.handlers import router
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

# A sign-in lasts as long as a shift.
_SHIFT = timedelta(hours=12)

# For our own forms only: transmissions never get as far as Flask.
_MAX_FORM_BYTES = 16 * 1024


def create_app(settings: Settings) -> Flask:
    """Build the application; nothing is opened before the first request.

    Raises:
        redox_wsgi.ConfigurationError: A token cannot be one.
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

    if settings.board_password is None:
        app.logger.warning("BOARD_PASSWORD is not set, so there is no board.")
    else:
        app.register_blueprint(board)
        app.register_blueprint(sign_in)
        app.register_error_handler(DeliveryFailed, explain_failure)

    destination = Destination(
        in_context_of(app, router),
        verification_token=list(settings.verification_tokens),
    )
    app.wsgi_app = RedoxMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, {settings.path: destination}
    )
    return app


def in_context_of(app: Flask, handler: Handler) -> Handler:
    """Give a handler Flask's application context: ``current_app`` and extensions.

    The middleware stands before Flask, so Flask has no context yet when it calls.
    """

    def receive(transmission: Transmission) -> Reply:
        with app.app_context():
            return handler(transmission)

    return receive
