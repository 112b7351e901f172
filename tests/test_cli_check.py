"""The command ``redox-wsgi check``, as it is typed and as it is read."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from redox_wsgi.cli.check import check
from redox_wsgi.cli.check_report import CheckReport
from redox_wsgi.simulator.check import (
    Finding,
    Verdict,
    run_probes,
    select_probes,
)
from redox_wsgi.simulator.check.bench import Bench
from tests.gallery.content import Creates, ReadsJson
from tests.gallery.refusals import TellsTheToken
from tests.gallery.right import TOKEN, Answer, RightEndpoint
from tests.gallery.serving import serve
from tests.support.builders import QUERY
from tests.support.servers import find_free_port


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", TOKEN)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command; return its exit status and both outputs, free of the token."""
    status = 0
    try:
        check.main([str(it) for it in arguments], prog_name="redox-wsgi check")
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    assert TOKEN.lower() not in (out + err).lower()
    return status, out, err


def test_a_right_endpoint_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each probe, a heading for each group, and the sum."""
    with serve(RightEndpoint()) as url:
        status, out, err = run(capsys, url)

    assert (status, err) == (0, "")
    assert out.startswith(
        f"{url}\n\nIs anybody there? (connection)\npass     reachable"
    )
    assert "pass     large-body               status 200\n" in out
    assert out.endswith("48 passed, 0 with a warning, 0 failed, 55 skipped.\n")
    assert "Failed:" not in out
    assert "mend" not in out


def test_a_failure_is_explained_and_ends_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was sent, what came, why it matters, how to mend it."""
    with serve(Creates()) as url:
        status, out, _ = run(capsys, url, "--only", "success-is-200")

    assert status == 1
    _, _, report = out.partition("(content)\n")
    assert report == (
        "fail     success-is-200\n"
        "         sent  nothing more: the status of the usual transmission; exactly "
        "200\n               should come\n"
        "         came  POST: status 201 (the status should be 200)\n"
        "         why   Only 200 is documented as success. What 201, 202 or 204 do is\n"
        "               undefined.\n"
        "         mend  Answer 200, with or without a body.\n"
        "\n"
        "Failed: success-is-200\n"
        "3 passed, 0 with a warning, 1 failed, 0 skipped.\n"
    )


def test_an_echoed_token_is_blanked_everywhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With the escape sequences around it: in text, JSON and XML."""
    junit = tmp_path / "junit.xml"
    with serve(TellsTheToken()) as url:
        _, text, _ = run(capsys, url, "--only", "refusals", "--junit", junit)
        _, lines, _ = run(capsys, url, "--only", "refusals", "--json")

    assert "expected \ufffd[31m***\ufffd[0m" in text
    assert r"expected \ufffd[31m***\ufffd[0m" in lines
    assert "\x1b" not in text + lines
    assert TOKEN not in junit.read_text()
    assert "***" in junit.read_text()


def test_no_line_is_too_wide_or_ends_in_blanks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At 80 columns, piped, with everything explained; no colour codes either."""
    with serve(ReadsJson()) as url:
        _, out, _ = run(capsys, url, "--skip", "large-body", "--verbose")

    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in out
    assert out.count("         mend  ") == len(select_probes()) - 1
    assert "Failed: not-json, content-type, fhir-bundle\n" in out


@pytest.mark.parametrize("columns", ["10", "40", "200"])
def test_other_widths_are_readable_too(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However narrow it is, no word is lost."""
    monkeypatch.setenv("COLUMNS", columns)
    status, out, _ = run(capsys, "--list", "--only", "success-is-200")

    assert status == 0
    assert "Answer 200, with or without a body." in " ".join(out.split())


def test_what_is_skipped_for_one_reason_is_one_line_a_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One clear failure where nobody answers, and not fifty lines around it."""
    url = f"http://127.0.0.1:{find_free_port()}/redox"
    status, out, _ = run(capsys, url, "--only", "content,queries")

    assert status == 1
    _, _, report = out.partition("for this name.\n")
    assert report == (
        "skipped  no-redirect              no connection since reachable\n"
        "\n"
        "Who may send (credentials)\n"
        "skipped  token-both               no connection since reachable\n"
        "\n"
        "What is sent (content)\n"
        "skipped  9 probes                 no connection since reachable\n"
        "\n"
        "Queries and their answers (queries)\n"
        "skipped  query-answer             no connection since reachable\n"
        "\n"
        "Failed: reachable\n"
        "0 passed, 0 with a warning, 1 failed, 12 skipped.\n"
    )


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With all that the text says, and what a probe needs."""
    with serve(Creates()) as url:
        status, out, _ = run(capsys, url, "--only", "success-is-200", "--json")

    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [line["verdict"] for line in lines] == ["pass", "pass", "pass", "fail"]
    assert lines[-1].pop("seconds") >= 0
    assert lines[-1].pop("why").startswith("Only 200")
    assert lines[-1] == {
        "probe": "success-is-200",
        "group": "content",
        "sent": "nothing more: the status of the usual transmission; exactly 200 "
        "should come",
        "came": "POST: status 201 (the status should be 200)",
        "mend": "Answer 200, with or without a body.",
        "needs": ["token-both"],
        "verdict": "fail",
    }


def test_junit_is_written_beside_the_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The address in it has no query, which may hold a secret."""
    path = tmp_path / "junit.xml"
    with serve(Creates()) as url:
        address = f"{url}?key=canary"
        _, out, _ = run(capsys, address, "--only", "success-is-200", "--junit", path)

    suite = ElementTree.parse(path).getroot()  # noqa: S314 - our own
    assert suite.attrib["failures"] == "1"
    assert suite.attrib["tests"] == "4"
    assert "canary" not in out + path.read_text()


def test_all_probes_are_explained_without_sending_any(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address and no token is needed for that."""
    monkeypatch.delenv("REDOX_VERIFICATION_TOKEN")
    status, out, err = run(capsys, "--list")
    listed = [line for line in out.splitlines() if line and not line.startswith(" ")]
    names = [probe.name for probe in select_probes()]

    assert (status, err) == (0, "")
    assert [line for line in listed if not line.endswith(")")] == names
    assert max(map(len, out.splitlines())) <= 80

    _, out, _ = run(capsys, "--list", "--json", "--skip", "bodies,queries")
    assert len(out.splitlines()) == len(names) - 6
    assert json.loads(out.splitlines()[0])["probe"] == "reachable"


def test_names_are_given_with_commas_or_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Blanks around them make no difference."""
    given = ("--only", "token-none, token-empty,", "--only", "token-case")
    _, out, _ = run(capsys, "--list", *given, "--skip", "connection")

    names = [line for line in out.splitlines() if line.startswith("token")]
    assert names == ["token-none", "token-empty", "token-case"]


def test_a_query_is_sent_out_of_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its answer is judged by the event that the file names."""
    path = tmp_path / "query.json"
    path.write_bytes(QUERY)
    with serve(RightEndpoint()) as url:
        status, out, _ = run(capsys, url, "--only", "queries", "--query", path)

    assert status == 1
    assert "PatientSearch:Query: status 200 (a query wants JSON)" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "No URL"),
        (("ftp://localhost/",), "must begin with http"),
        (("http://localhost/", "--token", ""), "No token"),
        (("http://localhost/", "--token", "two words"), "visible ASCII"),
        (("http://localhost/", "--only", "token-nown"), "did you mean"),
        (("http://localhost/", "--time-out", "0"), "--time-out"),
        (("http://localhost/", "--query", "absent.json"), "absent.json"),
        (("http://localhost/", "--junit", "absent/junit.xml"), "absent/junit.xml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_usage_ends_with_2(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is sent, and with the cure."""
    status, out, err = run(capsys, *arguments)

    assert (status, out) == (2, "")
    assert words in " ".join(err.split())


@pytest.mark.parametrize("form", ["--verbose", "--json"])
def test_an_interruption_ends_with_130_and_the_report_so_far(
    form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By Ctrl-C, in the middle of an exchange."""
    junit = tmp_path / "junit.xml"
    main = threading.get_ident()

    class Interrupting(RightEndpoint):
        def receive(self, environ: Any, body: bytes) -> Answer:
            signal.pthread_kill(main, signal.SIGINT)
            return Answer(200)

    with serve(Interrupting()) as url:
        status, out, _ = run(capsys, url, form, "--only", "content", "--junit", junit)

    assert status == 130
    sent = ElementTree.parse(junit).getroot().attrib["tests"]  # noqa: S314 - our own
    assert sent == "2"
    if form == "--json":
        assert len(out.splitlines()) == 2
    else:
        assert "\nInterrupted after 2 of 12.\n2 passed," in out


def test_on_a_terminal_a_line_says_what_is_sent() -> None:
    """With colours there, and gone at the end."""
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, width=80, color_system="standard", _environ={}
    )
    report = CheckReport(console, as_json=False, is_verbose=False)
    with serve(RightEndpoint()) as url:
        probes = select_probes(["no-redirect"])
        with report.open(url, probes):
            for finding in run_probes(Bench(url, token=TOKEN), probes):
                report.add(finding)

    assert report.exit_status == 0
    assert "Sending reachable ..." in out.getvalue()
    assert "\x1b[32mpass     \x1b[0mreachable" in out.getvalue()


def test_what_the_output_cannot_encode_is_escaped() -> None:
    """A pipe of a plain system takes ASCII only."""
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, "ascii", write_through=True), width=80)
    report = CheckReport(console, as_json=False, is_verbose=False)
    [probe, *_] = select_probes()
    with report.open("http://localhost/", [probe]):
        report.add(Finding(probe, Verdict.WARNING, "Zo\xeb \ufffd", 0.0))

    assert b"came  Zo\\xeb \\ufffd\n" in raw.getvalue()
    assert b"Warned: reachable\n" in raw.getvalue()
    assert os.linesep.encode() in raw.getvalue()
