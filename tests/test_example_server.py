"""The example as it is run: under gunicorn, and by ``python -m example_app``."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import pytest

from example_app.play import judge_search
from redox_wsgi.simulator import PATIENTS, Answer, Sender, build_payload, encode_payload
from tests.support.builders import TOKEN
from tests.support.servers import ROOT, find_free_port, run_server
from tests.test_example_ward import PASSWORD, read_form_token

CONFIGURATION = "example_app/gunicorn.conf.py"
SECONDS = 60


def build_environment(directory: Path) -> dict[str, str]:
    """Build the environment of a server."""
    return {
        "REDOX_VERIFICATION_TOKEN": TOKEN,
        "SECRET_KEY": "k" * 32,
        "BOARD_PASSWORD": PASSWORD,
        "WARD_DATABASE": str(directory / "ward.db"),
        "REDOX_INBOX": f"sqlite:///{directory / 'inbox.db'}",
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the server writes."""
    return tmp_path / "server.log"


@pytest.fixture
def port(tmp_path: Path, log: Path) -> Iterator[int]:
    """A server with two workers, configured by the example's own file."""
    with run_server(
        "gunicorn gthread",
        "example_app.wsgi:application",
        log,
        *("-c", CONFIGURATION, "--workers", "2"),
        env=build_environment(tmp_path),
    ) as port:
        yield port


def ask(
    port: int, method: str, path: str, cookie: str = "", **form: str
) -> tuple[int, str, str]:
    """Send a request on a connection of its own; return status, cookie and page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request(method, path, urlencode(form), headers)
        answer = connection.getresponse()
        given = answer.headers.get("Set-Cookie", cookie).partition(";")[0]
        return answer.status, given, answer.read().decode()
    finally:
        connection.close()


def work_off(directory: Path) -> None:
    """Let the worker handle what is in the inbox, then end."""
    subprocess.run(
        [
            *(sys.executable, "-m", "redox_wsgi.cli", "work", "--drain"),
            "example_app.worker:handle",
        ],
        env={**os.environ, **build_environment(directory)},
        cwd=ROOT,
        check=True,
        timeout=SECONDS,
    )


def test_two_workers_show_one_board(port: int, log: Path, tmp_path: Path) -> None:
    """What one has received, the other one shows."""
    redox = Sender(f"http://127.0.0.1:{port}/redox", verification_token=TOKEN)
    random = Random(1)  # noqa: S311 - it makes up identifiers
    for patient in PATIENTS:
        payload = build_payload(
            "PatientAdmin:Arrival",
            patient=patient,
            now=datetime(2026, 1, 31, tzinfo=UTC),
            random=random,
        )
        assert redox.send(encode_payload(payload)).status == 200
    work_off(tmp_path)
    _, cookie, form = ask(port, "GET", "/sign-in")
    token = read_form_token(form)
    _, cookie, _ = ask(
        port, "POST", "/sign-in", cookie, form_token=token, password=PASSWORD
    )
    pages = {ask(port, "GET", "/ward", cookie)[2] for _ in range(20)}

    assert len(pages) == 1
    for patient in (PATIENTS[1], PATIENTS[2]):
        assert patient.last_name in pages.copy().pop()
    assert log.read_text().count("Booting worker") == 2


def test_the_access_log_has_no_token(port: int, log: Path) -> None:
    """A verification by GET has it in its query."""
    url = f"http://127.0.0.1:{port}/redox"
    redox = Sender(url, verification_token=TOKEN)
    stranger = Sender(url, verification_token=TOKEN[:-1] + "x", expect="refused")
    answers = [redox.verify_by_get(), redox.verify_by_post(), stranger.verify_by_get()]
    wait_for_text(log, '"GET /redox" 401')

    assert [answer.status for answer in answers] == [200, 200, 401]
    assert '"GET /redox" 200' in log.read_text()
    assert TOKEN[:-1] not in log.read_text()


@pytest.mark.parametrize(
    ("authenticator", "secret_key", "sentence"),
    [
        (None, "", "SECRET_KEY must have"),
        ({"strategy": "aws-sigv4", "secret": TOKEN}, "k" * 32, "wrong kind: secret."),
        ({"strategy": "token-introspection"}, "k" * 32, "lacks an argument"),
        ({"strategy": "jwt-bearer", "keys": {"keys": []}}, "k" * 32, "No key is usab"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_one_sentence(
    authenticator: object, secret_key: str, sentence: str, tmp_path: Path
) -> None:
    """And no traceback: whoever starts it has to read it."""
    settings = {**build_environment(tmp_path), "SECRET_KEY": secret_key}
    if authenticator is not None:
        settings["REDOX_AUTHENTICATOR"] = str(tmp_path / "authenticator.json")
        (tmp_path / "authenticator.json").write_text(json.dumps(authenticator))
    command = [sys.executable, "-m", "gunicorn", "-c", CONFIGURATION]
    ended = subprocess.run(
        command,
        env={**os.environ, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert TOKEN not in ended.stderr


def start_demonstration(
    log: Path, *arguments: str, **environment: str
) -> subprocess.Popen[bytes]:
    """Run ``python -m example_app``."""
    with log.open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "example_app", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=ROOT,
            env={**os.environ, **environment},
        )


def wait_for_text(log: Path, text: str) -> str:
    """Wait until a file holds a text."""
    give_up_at = time.monotonic() + SECONDS
    while time.monotonic() < give_up_at:
        written = log.read_text(encoding="utf-8")
        if text in written:
            return written
        time.sleep(0.05)
    raise AssertionError(f"{text!r} does not come; it says: {log.read_text()[-2000:]}")


def test_the_demonstration_ends_with_all_answers_right(log: Path) -> None:
    """It verifies three ways, tells the story, searches, and is refused once."""
    process = start_demonstration(log, "--once", PORT=str(find_free_port()))
    status = process.wait(SECONDS)
    written = log.read_text(encoding="utf-8")

    assert (status, written) == (0, written)
    assert len(re.findall(r"^200 ", written, re.MULTILINE)) == 17
    assert len(re.findall(r"^401 ", written, re.MULTILINE)) == 1
    assert (
        "The inbox kept 12 transmissions, its worker handled them; 1 repeat." in written
    )
    assert "All answers were right." in written
    assert max(map(len, written.splitlines())) <= 80
    assert "\x1b" not in written


@pytest.mark.parametrize(
    ("numbers", "is_right"),
    [
        ([PATIENTS[0].record_number, PATIENTS[5].record_number], True),
        ([PATIENTS[0].record_number], False),
        ([], False),
    ],
    ids=["both numbers", "one of them", "nobody"],
)
def test_the_demonstration_judges_what_the_search_found(
    numbers: list[str], is_right: bool
) -> None:
    """An answer in the right form is not yet the right answer."""
    identifiers = [{"ID": number, "IDType": "MR"} for number in numbers]
    body = json.dumps({"Meta": {}, "Patient": {"Identifiers": identifiers}}).encode()
    scene = judge_search(Answer(200, (), body, 0.0, None, None))

    assert scene.is_right == is_right


def test_the_demonstration_says_that_its_port_is_taken(log: Path) -> None:
    """In a sentence that names the port and the setting."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = str(listener.getsockname()[1])
        status = start_demonstration(log, "--once", PORT=taken).wait(SECONDS)
    written = log.read_text()

    assert status == 1
    assert taken in written
    assert "PORT" in written
    assert "Traceback" not in written


def test_the_demonstration_says_what_gunicorn_said(log: Path) -> None:
    """If it dies early, its last lines are all there is to go by."""
    process = start_demonstration(
        log, "--once", PORT=str(find_free_port()), GUNICORN_CMD_ARGS="--no-such-option"
    )

    assert process.wait(SECONDS) == 1
    assert "--no-such-option" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demonstration_leaves_nobody_behind(log: Path, number: int) -> None:
    """Ctrl-C and a service manager both end gunicorn and its workers."""
    # Where the tests run in the background, Ctrl-C is ignored, and a child inherits it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    port = find_free_port()
    process = start_demonstration(log, PORT=str(port))
    try:
        written = wait_for_text(log, "Ctrl-C ends it.")
        assert "Password:" in written
        assert ask(port, "GET", "/sign-in")[0] == 200
    finally:
        signal.signal(signal.SIGINT, before)
        process.send_signal(number)
        status = process.wait(SECONDS)

    assert status == 0
    with socket.socket() as listener:
        # Nobody listens there any more, and nobody holds the socket.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
