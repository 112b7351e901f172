"""The board: who is on the ward, expected or gone, as a page that renews itself."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from itertools import groupby

from flask import Blueprint, Response, abort, make_response, render_template
from werkzeug.wrappers import Response as AnyResponse

from example_app.reading import read_text
from example_app.record import get_database
from example_app.sign_in import build_form_token, go_to_sign_in, is_signed_in
from redox_wsgi import DeliveryFailed

board = Blueprint("board", __name__)

_FORBIDDEN = 403
_UNAVAILABLE = 503

# Nothing from elsewhere, nothing inline, and no page around ours.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# The lists of the page: each is cut, so that the page stays a page.
_LISTS = {
    "here": """
        SELECT * FROM board WHERE state = 'here'
        ORDER BY department IS NULL, department, room, bed LIMIT 500""",
    "expected": """
        SELECT * FROM board WHERE state = 'expected'
        ORDER BY starts_at LIMIT 50""",
    "appointments": """
        SELECT * FROM board WHERE state IN ('booked', 'missed')
        ORDER BY starts_at LIMIT 50""",
    "left": """
        SELECT * FROM board WHERE state = 'left' ORDER BY at DESC LIMIT 10""",
}
_TALLY = "SELECT * FROM tally ORDER BY received DESC, data_model, event_type LIMIT 50"
_RECEIVED = "SELECT sum(received) AS number, max(last_at) AS last_at FROM tally"


@dataclass(frozen=True, slots=True)
class Row:
    """One visit as the board shows it; a field that is None is unknown."""

    last_name: str | None
    first_name: str | None
    birth_date: str | None
    sex: str | None
    state: str
    department: str | None
    bed: str | None
    reason: str | None
    provider: str | None
    starts_at: str | None
    at: str
    is_test: bool
    is_doubtful: bool


@board.get("/")
def show_board() -> AnyResponse:
    """Show the whole page."""
    if not is_signed_in():
        return go_to_sign_in()
    page = render_template("board.html", form_token=build_form_token(), **_read_ward())
    return make_response(page)


@board.get("/ward")
def show_ward() -> AnyResponse:
    """Show what changes on the page; the page asks for it every few seconds."""
    if not is_signed_in():
        abort(_FORBIDDEN)
    return make_response(render_template("ward.html", **_read_ward()))


@board.after_app_request
def protect(response: Response) -> Response:
    """Keep the pages from caches, from other sites' frames and from foreign scripts."""
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    # Style sheet and script are nobody's secret, and may be asked for again.
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response


def explain_failure(_: DeliveryFailed) -> tuple[str, int]:
    """Say that the database cannot be read, without what it said."""
    return "The ward cannot be read just now. Please try again.", _UNAVAILABLE


def _read_ward() -> dict[str, object]:
    with get_database().snapshot() as db:
        lists = {
            name: [_build_row(row) for row in db.execute(query)]
            for name, query in _LISTS.items()
        }
        tally = db.execute(_TALLY).fetchall()
        received = db.execute(_RECEIVED).fetchone()
    beds = groupby(lists["here"], lambda row: row.department)
    departments = [(department, list(rows)) for department, rows in beds]
    return {**lists, "departments": departments, "tally": tally, "received": received}


def _build_row(row: sqlite3.Row) -> Row:
    demographics = json.loads(row["demographics"])
    place = [row["room"], row["bed"]]
    return Row(
        last_name=read_text(demographics, "LastName"),
        first_name=read_text(demographics, "FirstName"),
        birth_date=read_text(demographics, "DOB"),
        sex=read_text(demographics, "Sex"),
        state=row["state"],
        department=row["department"],
        bed=" · ".join(part for part in place if part) or None,
        reason=row["reason"],
        provider=row["provider"],
        starts_at=row["starts_at"],
        at=row["at"],
        is_test=bool(row["is_test"]),
        is_doubtful=bool(row["is_doubtful"]),
    )
