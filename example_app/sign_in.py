"""Who may see the board: one password for the ward, and a signed session cookie."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256

from flask import (
    Blueprint,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

sign_in = Blueprint("sign_in", __name__)

_FORM_SECONDS = 3600
_BAD_REQUEST = 400
_FORBIDDEN = 403
_SEE_OTHER = 303


@sign_in.get("/sign-in")
def show_form() -> Response:
    """Show the form."""
    return _render_form(None, 200)


@sign_in.post("/sign-in")
def check_password() -> Response:
    """Sign in with the password of the board."""
    if not is_form_ours():
        return _render_form("That took too long. Please try again.", _BAD_REQUEST)
    given = request.form.get("password", "")
    expected = current_app.config["BOARD_PASSWORD"]
    # Digests, since compare_digest is done sooner where the lengths differ.
    if not hmac.compare_digest(_digest(given), _digest(expected)):
        return _render_form("That is not the password.", _FORBIDDEN)
    session.clear()
    session.permanent = True
    session["proof"] = _build_proof()
    # Always to the board: no address out of the request leads anywhere.
    return redirect(url_for("board.show_board"), _SEE_OTHER)


@sign_in.post("/sign-out")
def forget() -> Response:
    """Sign out."""
    if is_form_ours():
        session.clear()
    return go_to_sign_in()


def is_signed_in() -> bool:
    """Whether this session gave the password that is valid now."""
    return hmac.compare_digest(str(session.get("proof", "")), _build_proof())


def go_to_sign_in() -> Response:
    """Send the browser to the form."""
    return redirect(url_for("sign_in.show_form"), _SEE_OTHER)


def build_form_token() -> str:
    """Build the proof that a form is ours: a signed word that the session knows."""
    word = session.setdefault("form", secrets.token_urlsafe(16))
    return str(_form_signer().dumps(word))


def is_form_ours() -> bool:
    """Whether the form that was sent is ours, of this session and not too old.

    The cookie's ``SameSite`` keeps other sites out already; this also keeps out what
    runs at another port or subdomain of our own.
    """
    try:
        word = _form_signer().loads(
            request.form.get("form_token", ""), max_age=_FORM_SECONDS
        )
    except BadSignature:
        return False
    return isinstance(word, str) and word == session.get("form")


def _render_form(problem: str | None, status: int) -> Response:
    page = render_template(
        "sign_in.html", form_token=build_form_token(), problem=problem
    )
    return make_response(page, status)


def _form_signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="form")


def _build_proof() -> str:
    # Out of the password, so that a new one ends every session of the old.
    key = current_app.config["SECRET_KEY"].encode()
    return hmac.new(
        key, _digest(current_app.config["BOARD_PASSWORD"]), sha256
    ).hexdigest()


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()
