"""The board of the example: who sees it, and what it shows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from redox_wsgi.simulator import PATIENTS
from tests.test_example_ward import ADDRESS, PASSWORD, Ward, read_form_token

ZOE, LUKASZ, MINGXIA, SIOBHAN, INIGO, ZOE_AGAIN = PATIENTS
CANARY = "Canaryname"


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    """An empty ward."""
    return Ward(tmp_path)


def get(browser: FlaskClient, path: str = "/") -> Any:
    """Ask for a page over HTTPS."""
    return browser.get(path, base_url=ADDRESS)


def post(browser: FlaskClient, path: str, **form: str) -> Any:
    """Send a form over HTTPS."""
    return browser.post(path, base_url=ADDRESS, data=form)


def try_password(ward: Ward, password: str) -> tuple[FlaskClient, Any]:
    """Send the form with a password."""
    browser = ward.app.test_client()
    token = read_form_token(get(browser, "/sign-in").text)
    return browser, post(browser, "/sign-in", form_token=token, password=password)


def test_the_board_shows_who_is_here_expected_and_gone(ward: Ward) -> None:
    """Beds, names, appointments and what else came."""
    ward.tell("PatientAdmin:Arrival", patient=LUKASZ)
    ward.tell("PatientAdmin:PreAdmit", patient=INIGO)
    ward.tell("Scheduling:NoShow", patient=SIOBHAN)
    ward.tell("PatientAdmin:Discharge", patient=MINGXIA)
    ward.tell("Results:New", patient=LUKASZ)
    page = get(ward.sign_in()).text

    for text in (
        LUKASZ.last_name,
        f"{LUKASZ.bed.room} · {LUKASZ.bed.bed}",
        INIGO.last_name,
        MINGXIA.last_name,
        "No-show",
        "Results New",
    ):
        assert text in page


def test_an_empty_ward_has_a_board(ward: Ward) -> None:
    """Before the first message there is a page, too."""
    assert "Nobody is on the ward" in get(ward.sign_in()).text


def test_test_data_is_marked(ward: Ward) -> None:
    """A test patient must not be looked for in the beds."""
    payload = ward.build("PatientAdmin:Arrival")
    payload["Meta"]["Test"] = False
    ward.send(payload)
    browser = ward.sign_in()
    real = get(browser, "/ward").text
    ward.tell("PatientAdmin:Arrival")

    assert ">Test<" not in real
    assert ">Test<" in get(browser, "/ward").text


def test_a_doubtful_identity_is_marked(ward: Ward) -> None:
    """Somebody has to look at it."""
    ward.tell("PatientAdmin:Arrival", patient=ZOE)
    ward.tell("PatientAdmin:Arrival", patient=LUKASZ)
    both = ward.build("PatientAdmin:Arrival", patient=ZOE)
    both["Patient"]["Identifiers"] += [{"ID": LUKASZ.record_number, "IDType": "MR"}]
    ward.send(both)

    assert get(ward.sign_in()).text.count("Check identity") == 2


@pytest.mark.parametrize("field", ["FirstName", "LastName", "DOB", "Sex"])
def test_a_patient_cannot_be_a_script(ward: Ward, field: str) -> None:
    """Whatever a name is, on the page it is text."""
    payload = ward.build("PatientAdmin:Arrival")
    payload["Patient"]["Demographics"][field] = "<script>alert(1)</script>"
    payload["Visit"]["Reason"] = '"><img src=x onerror=alert(1)>'
    payload["Visit"]["Location"]["Department"] = "<b>ward</b>"
    payload["Meta"]["EventType"] = "Arrival"
    ward.send(payload)
    page = get(ward.sign_in()).text

    assert "&lt;script&gt;" in page
    for tag in ("<script>", "<img", "<b>ward"):
        assert tag not in page


def test_the_board_is_closed_without_signing_in(ward: Ward) -> None:
    """The page sends to the form, the part of it says no."""
    ward.tell("PatientAdmin:Arrival")
    browser = ward.app.test_client()
    page, part = get(browser), get(browser, "/ward")

    assert (page.status_code, page.location) == (303, "/sign-in")
    assert part.status_code == 403
    assert ZOE.last_name not in page.text + part.text


def test_the_right_password_opens_the_board(ward: Ward) -> None:
    """And leads to it, wherever the request wanted to go."""
    browser, answer = try_password(ward, PASSWORD)

    assert (answer.status_code, answer.location) == (303, "/")
    assert get(browser).status_code == get(browser, "/ward").status_code == 200


@pytest.mark.parametrize(
    "password", ["", "wrong", PASSWORD.upper(), PASSWORD + " ", "\ud7ff", "é" * 22]
)
def test_any_other_password_does_not(ward: Ward, password: str) -> None:
    """Nothing that is near it, and nothing that is no ASCII."""
    browser, answer = try_password(ward, password)

    assert answer.status_code == 403
    assert get(browser, "/ward").status_code == 403


def test_a_form_from_elsewhere_signs_nobody_in(ward: Ward) -> None:
    """Without the token of this session's form, even the password does not help."""
    browser = ward.app.test_client()
    get(browser, "/sign-in")
    stranger = ward.app.test_client()
    token = read_form_token(get(stranger, "/sign-in").text)
    for form_token in ("", "x", token):
        answer = post(browser, "/sign-in", form_token=form_token, password=PASSWORD)

        assert answer.status_code == 400
        assert get(browser, "/ward").status_code == 403


def test_a_form_too_old_is_shown_again(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a token that is valid now."""
    monkeypatch.setattr("example_app.sign_in._FORM_SECONDS", -1)
    _, answer = try_password(ward, PASSWORD)

    assert answer.status_code == 400
    assert read_form_token(answer.text)


def test_signing_out_closes_the_board(ward: Ward) -> None:
    """But only by our own form."""
    browser = ward.sign_in()
    token = read_form_token(get(browser).text)
    post(browser, "/sign-out", form_token="x")
    before = get(browser, "/ward").status_code
    post(browser, "/sign-out", form_token=token)

    assert (before, get(browser, "/ward").status_code) == (200, 403)


def test_a_cookie_that_was_changed_opens_nothing(ward: Ward) -> None:
    """It is signed with the secret key."""
    browser = ward.sign_in()
    cookie = browser.get_cookie("__Host-board", domain="ward.example")
    assert cookie
    # Not the last character, of which base64 leaves some bits unused.
    changed = "A" if cookie.value[-2] != "A" else "B"
    value = cookie.value[:-2] + changed + cookie.value[-1]
    browser.set_cookie("__Host-board", value, domain="ward.example", secure=True)

    assert get(browser, "/ward").status_code == 403


def test_a_new_password_ends_the_sessions_of_the_old(tmp_path: Path) -> None:
    """Who should no longer see the board has a cookie left."""
    browser = Ward(tmp_path).sign_in()
    cookie = browser.get_cookie("__Host-board", domain="ward.example")
    assert cookie
    other = Ward(tmp_path, board_password="another-password-now").app.test_client()
    other.set_cookie("__Host-board", cookie.value, domain="ward.example", secure=True)

    assert get(other, "/ward").status_code == 403


@pytest.mark.parametrize("path", ["/", "/ward", "/sign-in", "/sign-out"])
def test_without_a_password_there_is_no_board(tmp_path: Path, path: str) -> None:
    """Never an open one; transmissions are received all the same."""
    ward = Ward(tmp_path, board_password=None)
    ward.tell("PatientAdmin:Arrival")

    assert get(ward.app.test_client(), path).status_code == 404


def test_the_cookie_is_for_this_host_and_its_pages_only(ward: Ward) -> None:
    """Not for scripts, not for other sites, not over plain HTTP."""
    _, answer = try_password(ward, PASSWORD)
    cookie = answer.headers["Set-Cookie"]

    assert cookie.startswith("__Host-board=")
    for flag in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/", "Expires="):
        assert flag in cookie
    assert "Domain" not in cookie


def test_plain_http_must_be_meant(tmp_path: Path) -> None:
    """Then the cookie is not secure, and not called so."""
    ward = Ward(tmp_path, is_cookie_insecure=True)
    cookie = ward.app.test_client().get("/sign-in").headers["Set-Cookie"]

    assert cookie.startswith("board=")
    assert "Secure" not in cookie


@pytest.mark.parametrize("path", ["/", "/ward", "/sign-in"])
def test_pages_are_not_stored_and_load_nothing_foreign(ward: Ward, path: str) -> None:
    """Nor can they be framed, or run a script that is not ours."""
    headers = get(ward.sign_in(), path).headers

    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_board_that_cannot_be_read_says_so(ward: Ward) -> None:
    """Without what the database said."""
    browser = ward.sign_in()
    ward.settings.database.unlink(missing_ok=True)
    ward.settings.database.mkdir()
    answer = get(browser)

    assert answer.status_code == 503
    assert str(ward.settings.database) not in answer.text


def test_no_patient_is_ever_named_in_a_log(
    ward: Ward, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when it goes well, and not when it fails."""
    caplog.set_level(logging.DEBUG)
    payloads = [
        ward.build(event)
        for event in (
            "PatientAdmin:Arrival",
            "PatientAdmin:PatientMerge",
            "PatientSearch:Query",
            "Results:New",
        )
    ]
    for payload in payloads:
        payload["Patient"]["Demographics"] |= {"LastName": CANARY, "FirstName": CANARY}
        ward.send(payload)
    assert CANARY in get(ward.sign_in()).text

    def fail(*arguments: object, **_: object) -> None:
        raise ValueError(repr(arguments), CANARY)

    monkeypatch.setattr("example_app.record.describe", fail)
    payloads[0]["Meta"]["EventDateTime"] = "2026-02-01T00:00:00Z"
    ward.send(payloads[0])

    assert CANARY not in repr(ward.inbox.stats())
    assert "ValueError" in repr(ward.inbox.stats())
    assert caplog.records
    assert CANARY not in caplog.text
