"""The fixtures that users' own tests have, seen from a test suite of theirs."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from redox_wsgi.simulator import PATIENTS
from tests.support.builders import TOKEN, build_application

pytest_plugins = ["pytester"]

SUITE = f'''
import pytest
from redox_wsgi import Destination, RedoxMiddleware

received = []


@pytest.fixture
def application():
    def missing(environ, start_response):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found"]

    destination = Destination(received.append, verification_token="{TOKEN}")
    return RedoxMiddleware(missing, {{"/redox": destination}})


def test_an_arrival_is_received(application, redox_sender, redox_payload):
    sender = redox_sender(application, token="{TOKEN}")
    answer = sender.send(redox_payload("PatientAdmin:Arrival"))
    assert answer.is_right, answer
    assert received[-1].event_type == "Arrival"


def test_that_fails(application, redox_sender, redox_payload):
    answer = redox_sender(application, token="wrong").send(b"{{}}")
    assert answer.is_right
'''


@pytest.fixture
def application(received):
    """An application with a destination at ``/redox``."""
    return build_application(received)


def test_a_suite_has_the_fixtures_without_asking_for_them(pytester):
    """The entry point makes them known; a wrong answer says what is wrong with it."""
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:randomly")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Answer(status=401*problem='status-not-200')*"])


def test_the_tests_of_the_documentation_pass(pytester):
    """What is shown there is what is copied; it is a whole test file."""
    shown = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text("utf-8")
    [suite] = [
        block
        for block in re.findall(r"```python\n(.*?)```", shown, re.DOTALL)
        if "redox_sender" in block
    ]
    pytester.makepyfile(suite)
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:randomly")

    result.assert_outcomes(passed=3)


def test_the_plugin_imports_nothing_optional():
    """It is loaded in every suite of whoever has the package installed."""
    program = (
        "import sys, redox_wsgi.simulator.pytest_plugin;"
        "print(*{'urllib3', 'rich', 'click', 'httptools', 'matplotlib', 'flask',"
        "'django', 'redox_wsgi.cli'} & set(sys.modules))"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    run = subprocess.run(command, capture_output=True, check=True, text=True)

    assert run.stdout == "\n"


def test_an_application_is_asked_at_its_destination(
    application, received, redox_sender
):
    """``/redox`` unless said otherwise; every form of verification is there."""
    sender = redox_sender(application, token=TOKEN)
    elsewhere = redox_sender(application, token=TOKEN, path="/elsewhere")

    assert sender.verify_by_post().is_right
    assert sender.verify_by_get().is_right
    assert sender.verify_by_get_old().is_right
    assert sender.send(b"anything").is_right
    assert [elsewhere.send(b"{}").status, len(received)] == [404, 1]


def test_a_wrong_token_on_purpose_wants_a_refusal(application, received, redox_sender):
    """So that both sides of the check are one line each."""
    refused = redox_sender(application, token="made-up", wrong_token=True)
    accepted = redox_sender(application, token=TOKEN, wrong_token=True)

    assert refused.send(b"{}").is_right
    assert accepted.send(b"{}").problem == "not-refused"
    assert len(received) == 1


def test_a_linked_credential_goes_along(application, received, redox_sender):
    """It stands in for the token."""

    class Key:
        def headers(self, request):
            return [("authorization", f"Bearer {TOKEN}")]

    sender = redox_sender(application, token="unused", credential=Key())

    assert sender.send(b"{}").is_right


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.parametrize(("rest", "path"), [("/redox", None), ("", "/redox")])
def test_a_url_is_sent_to_over_http(received, redox_sender, rest, path):
    """The same sender, towards a server: as it stands, or at another path of it."""
    application = build_application(received)
    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}{rest}"
        answer = redox_sender(url, token=TOKEN, path=path).send(b"{}")
        thread.join()

    assert (answer.status, len(received)) == (200, 1)


def test_payloads_have_identifiers_of_their_own(redox_payload):
    """Two deliveries are two, and whom they are about can be chosen."""
    first, second = (redox_payload("PatientAdmin:Arrival") for _ in range(2))
    other = redox_payload("PatientAdmin:Arrival", patient=PATIENTS[1])

    assert first["Meta"]["Logs"] != second["Meta"]["Logs"]
    assert first["Patient"] == second["Patient"]
    assert first["Patient"] != other["Patient"]
