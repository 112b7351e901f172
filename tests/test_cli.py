"""The command line, against real destinations on loopback."""

from __future__ import annotations

import io
import json
import sys
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from rich.console import Console

from redox_wsgi.cli import main
from redox_wsgi.cli.report import Report
from redox_wsgi.simulator import EVENTS, Answer

TOKEN = "canary-5up3r-53cr3t"
META = b'{"Meta":{"DataModel":"PatientSearch","EventType":"Response"}}'


class RightHandler(BaseHTTPRequestHandler):
    """Answers as it should: 401 to a wrong token, the challenge, 200, a Meta."""

    server: Any

    def do_GET(self):
        """Take both forms of verification."""
        query = self.path.partition("?")[2].encode()
        token = b"" if b"verification-token" in query else self.token_header()
        self.judge(query + token, query)

    def do_POST(self):
        """Take a verification, a notification or a query."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(body)
        if body.startswith(b'{"verification-token"'):
            self.judge(body, body)
        else:
            self.judge(self.token_header(), self.server.reply(body))

    def token_header(self):
        """Return the header's value, if any."""
        return (self.headers["verification-token"] or "").encode()

    def judge(self, place, body):
        """Answer with the body if the token is in its place; an open door asks not."""
        is_right = self.server.is_open or self.server.token.encode() in place
        self.answer(body if is_right else None)

    def answer(self, body):
        """Send the body, or refuse."""
        self.send_response(401 if body is None else 200)
        self.send_header("content-length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def destination():
    """Serve a right destination, until a test changes the server's attributes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), RightHandler) as server:
        bodies: list[bytes] = []
        vars(server).update(
            bodies=bodies, reply=lambda _: META, token=TOKEN, is_open=False
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/redox"
        yield SimpleNamespace(url=url, bodies=bodies, server=server)
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", TOKEN)


def run(capsys, *arguments):
    """Run the command; return its exit status and both outputs, free of the token."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert TOKEN not in out + err
    return status, out, err


def test_a_right_destination_is_verified_in_three_ways(capsys, destination):
    """All three forms of the request are alive."""
    status, out, err = run(capsys, "verify", destination.url)

    assert (status, err) == (0, "")
    assert out.count("right") == 3
    assert "3 of 3 answered as they should be." in out
    assert len(destination.bodies) == 1


def test_a_destination_that_does_not_echo_is_found_wrong(capsys, destination):
    """A destination that has another token answers 401."""
    status, out, _ = run(capsys, "verify", destination.url, "--token", "another")

    assert status == 1
    assert out.count("wrong: the status should be 200") == 3


def test_a_wrong_token_wants_to_be_refused(capsys, destination):
    """Then a refusal is the right answer, and the real token is not sent."""
    verified = run(capsys, "verify", destination.url, "--wrong-token")
    sent = run(capsys, "send", destination.url, "--wrong-token", "--event", EVENTS[0])

    assert (verified[0], sent[0]) == (0, 0)
    assert TOKEN.encode() not in b"".join(destination.bodies)


def test_an_open_door_is_found_out(capsys, destination):
    """A destination that accepts a made-up token fails."""
    destination.server.is_open = True
    verified = run(capsys, "verify", destination.url, "--wrong-token")
    sent = run(capsys, "send", destination.url, "--wrong-token", "--event", EVENTS[0])

    assert (verified[0], sent[0]) == (1, 1)
    assert "0 of 3 answered as they should be." in verified[1]
    assert "0 of 1 answered as they should be." in sent[1]


def test_the_option_goes_before_the_environment(capsys, destination, monkeypatch):
    """As everywhere."""
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", "another")
    status = main(["verify", destination.url, "--token", TOKEN, "--json"])

    assert status == 0
    assert TOKEN not in "".join(capsys.readouterr())


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nothing_is_sent(capsys, destination, monkeypatch, token):
    """The sentence names the variable."""
    monkeypatch.delenv("REDOX_VERIFICATION_TOKEN")
    if token is not None:
        monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", token)
    status, _, err = run(capsys, "verify", destination.url)

    assert status == 2
    assert "REDOX_VERIFICATION_TOKEN" in err
    assert destination.bodies == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "ftp://localhost/"),
        ("verify", f"http://me:{TOKEN}@localhost/"),
        ("verify", "http://localhost/", "--token", "two words"),
        ("verify", "http://localhost/", "--timeout-seconds", "0"),
        ("send", "http://localhost/", "--file-bytes", "-1"),
        ("send", "http://localhost/", "no-such-file.json"),
        ("frobnicate",),
        ("verify",),
    ],
    ids=lambda arguments: " ".join(arguments[-2:]),
)
def test_wrong_use_ends_with_2(capsys, arguments):
    """And says so on standard error only."""
    status, out, err = run(capsys, *arguments)

    assert (status, out) == (2, "")
    assert "Error: " in err


def test_help_says_that_an_option_is_visible(capsys):
    """A token belongs into the environment."""
    status, out, _ = run(capsys, "send", "--help")

    assert status == 0
    assert "visible in process lists" in " ".join(out.split())
    assert all(event.split()[-1] in out for event in EVENTS)


def test_with_neither_paths_nor_events_every_built_in_event_is_sent(
    capsys, destination
):
    """In the order of ``EVENTS``, each with its name in the table."""
    status, out, _ = run(capsys, "send", destination.url)
    sent = [json.loads(body)["Meta"] for body in destination.bodies]

    assert status == 0
    assert [f"{m['DataModel']}:{m['EventType']}" for m in sent] == list(EVENTS)
    assert f"{len(EVENTS)} of {len(EVENTS)} answered as they should be." in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "\x1b" not in out


def test_files_are_sent_byte_for_byte_and_folders_in_order_of_name(
    capsys, destination, tmp_path
):
    """First the paths as given, then the events."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.json").write_bytes(b"\xff second")
    (folder / "a.json").write_bytes(b" first\r\n")
    (folder / "c.txt").write_bytes(b"not sent")
    (folder / "d.json").mkdir()
    single = tmp_path / "single.hl7"
    single.write_bytes(b"MSH|\r")
    status, _, _ = run(
        capsys, "send", destination.url, folder, single, "--event", "Media:New"
    )

    assert status == 0
    assert destination.bodies[:3] == [b" first\r\n", b"\xff second", b"MSH|\r"]
    assert len(destination.bodies) == 4


def test_a_folder_without_json_is_wrong_use(capsys, destination, tmp_path):
    """Better than a run that sends nothing and says all is well."""
    status, _, err = run(capsys, "send", destination.url, tmp_path)

    assert status == 2
    assert "*.json" in err


def test_a_file_that_vanishes_ends_the_run_with_the_sum_so_far(
    capsys, destination, tmp_path
):
    """What was answered before is still shown."""
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    first.write_bytes(b"{}")
    second.write_bytes(b"{}")
    destination.server.reply = lambda _: second.unlink() or b""
    status, out, err = run(capsys, "send", destination.url, first, second)

    assert status == 1
    assert "1 of 1 answered as they should be." in out
    assert "2.json" in err


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("patientadmin:arival", "PatientAdmin:Arrival"),
        ("ClinicalSummary:PatientPush", "Clinical Summary:PatientPush"),
        ("xyzzy", "none comes close"),
    ],
)
def test_an_unknown_event_is_answered_with_those_that_come_close(
    capsys, destination, name, cure
):
    """Nothing is sent, not even the known ones."""
    status, _, err = run(
        capsys, "send", destination.url, "--event", "Media:New", "--event", name
    )

    assert status == 2
    assert cure in err
    assert destination.bodies == []


def test_the_file_of_a_built_in_event_has_the_size_asked_for(capsys, destination):
    """For trying the limits of a destination."""
    run(capsys, "send", destination.url, "--event", "Notes:New", "--file-bytes", 70_000)
    note = json.loads(destination.bodies[0])["Note"]

    assert len(b64decode(note["FileContents"])) == 70_000


def test_json_output_is_one_object_a_line(capsys, destination):
    """For machines: no table, no sum; the body of an answer only for a query."""
    status, out, _ = run(
        capsys,
        *("send", destination.url, "--json"),
        *("--event", "PatientSearch:Query", "--event", "PatientAdmin:Arrival"),
    )
    query, notification = map(json.loads, out.splitlines())

    assert status == 0
    assert query.pop("seconds") > 0
    assert query == {
        "sent": "PatientSearch:Query",
        "status": 200,
        "right": True,
        "problem": None,
        "error": None,
        "answer": META.decode(),
    }
    assert notification["answer"] is None


def test_nobody_listening_is_told_in_words_and_in_json(capsys):
    """The fixed words are for machines, the sentence is for people."""
    with ThreadingHTTPServer(("127.0.0.1", 0), RightHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
    status, out, _ = run(capsys, "send", url, "--event", EVENTS[0])
    _, lines, _ = run(capsys, "send", url, "--event", EVENTS[0], "--json")
    line = json.loads(lines)

    assert status == 1
    assert "wrong: no answer (connection-refused)" in " ".join(out.split())
    assert (line["status"], line["error"]) == (None, "connection-refused")
    assert (line["right"], line["problem"]) == (False, "no-answer")


def test_the_answer_to_a_query_is_shown_shortened(capsys, destination):
    """Enough to see who answered."""
    answer = json.dumps({"Meta": {}, "text": "x" * 5000}).encode()
    destination.server.reply = lambda _: answer
    _, out, _ = run(capsys, "send", destination.url, "--event", "PatientSearch:Query")

    assert "PatientSearch:Query was answered:" in out
    assert f"xxx ... ({len(answer)} characters)" in out


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
@pytest.mark.parametrize("token", [TOKEN, 'with"quote', "with/slash&"])
def test_a_token_that_the_destination_echoes_is_blanked(
    capsys, destination, token, form
):
    """As it stands, inside JSON, and inside an address."""
    forms = [token, json.dumps(token)[1:-1], quote(token, safe="")]
    echoed = json.dumps({"Meta": {}, "a": forms}).encode()
    destination.server.token = token
    destination.server.reply = lambda _: echoed
    arguments = ["--token", token, "--event", "PatientSearch:Query", *form]
    status = main(["send", destination.url, *arguments])
    out = capsys.readouterr().out

    assert status == 0
    assert "***" in out
    assert not any(each in out for each in forms)


def test_escape_sequences_of_a_destination_do_not_reach_the_terminal(
    capsys, destination
):
    """Nor does it matter if it writes what looks like markup."""
    destination.server.reply = lambda _: b'{"Meta":{}} \x1b[31m[/bold] \xff'
    _, out, _ = run(capsys, "send", destination.url, "--event", "PatientSearch:Query")

    assert "\x1b" not in out
    assert '{"Meta":{}} \ufffd[31m[/bold] \ufffd' in out


def test_what_the_output_cannot_encode_is_escaped():
    """A name in any letters must not end the run."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with Report(Console(file=stream), token=TOKEN, as_json=False) as report:
        report.add("Łukasz", Answer(200, (), b"", 0.1, None, None))
    stream.flush()

    assert b"\\u0141ukasz" in raw.getvalue()


def test_on_a_terminal_there_are_colours_and_a_line_of_progress():
    """Only there."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with Report(console, token=TOKEN, as_json=False) as report:
        report.announce("[red]first[/red]")
        report.add("first", Answer(200, (), b"", 0.1, None, None))
        report.add("second", Answer(500, (), b"", 0.1, None, "status-not-200"))

    assert "Sending [red]first[/red] ..." in stream.getvalue()
    assert "\x1b[32mright" in stream.getvalue()
    assert "\x1b[31mwrong" in stream.getvalue()
    assert report.exit_status == 1


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_an_interruption_ends_with_the_sum_so_far(
    capsys, destination, monkeypatch, form
):
    """Ctrl-C while the second is read: status 130, no traceback."""
    reads = iter([b"{}"])

    def read(_):
        try:
            return next(reads)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("redox_wsgi.cli.deliveries.encode_payload", read)
    status, out, err = run(capsys, "send", destination.url, *form)

    assert (status, err) == (130, "")
    assert form or "Interrupted: 1 of 1 answered as they should be." in out
    assert not form or json.loads(out)["right"] is True


@pytest.mark.parametrize("package", ["click", "rich", "urllib3"])
def test_without_its_packages_the_command_says_what_to_install(
    capsys, monkeypatch, package
):
    """On standard error, and with status 2."""
    monkeypatch.setitem(sys.modules, package, None)
    status, out, err = run(capsys, "verify", "http://localhost/")

    assert (status, out) == (2, "")
    assert 'pip install "redox_wsgi[cli]"' in err


def test_the_arguments_of_the_process_are_the_default(capsys, monkeypatch):
    """So the console script calls it."""
    monkeypatch.setattr(sys, "argv", ["redox-wsgi", "--help"])

    assert main() == 0
    assert "Usage: redox-wsgi" in capsys.readouterr().out
