"""The command line: what all commands share, and verifying a destination."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from redox_wsgi import cli
from redox_wsgi.cli import main
from redox_wsgi.simulator import EVENTS, Sender
from tests.support.right_destination import TOKEN, serve_right_destination


@pytest.fixture
def destination():
    """Serve a destination that answers as it should."""
    with serve_right_destination() as destination:
        yield destination


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


def test_a_verification_is_told_to_machines_too(capsys, destination):
    """One object a line, each with the same members."""
    _, out, _ = run(capsys, "verify", destination.url, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    members = ["sent", "status", "seconds", "right", "problem", "error", "answer"]

    assert [list(line) for line in lines] == [members] * 3
    assert [line["right"] for line in lines] == [True] * 3


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
    destination.is_open = True
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
        ("verify", "http://localhost/", "--time-out", "0"),
        ("verify", "http://localhost/", "--time-out", "nan"),
        ("send", "http://localhost/", "--file-bytes", "-1"),
        ("send", "http://localhost/", "no-such-file.json"),
        ("send", "http://localhost/", "--count", "0"),
        ("send", "http://localhost/", "--subscriptions", "0"),
        ("send", "http://localhost/", "--rate", "0"),
        ("send", "http://localhost/", "--rate", "nan"),
        ("send", "http://localhost/", "--time-scale", "0"),
        ("send", "http://localhost/", "--set", "no-value"),
        ("send", "http://localhost/", "--attach", "no-such-file.pdf"),
        ("send", "http://localhost/", "--environment", "home"),
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


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_an_interrupted_verification_shows_what_there_is(
    capsys, destination, monkeypatch, form
):
    """Ctrl-C during the second of three: status 130, no traceback."""

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sender, "verify_by_get", interrupt)
    status, out, err = run(capsys, "verify", destination.url, *form)

    assert (status, err) == (130, "")
    assert form or "Interrupted: 1 of 1 answered as they should be." in out
    assert not form or json.loads(out)["right"] is True


def test_an_interruption_before_anything_was_sent_has_the_same_status(
    capsys, destination, monkeypatch
):
    """Such as while the standard input is read."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("redox_wsgi.cli.send.build_plan", interrupt)

    assert run(capsys, "send", destination.url) == (130, "", "")


def test_commands_of_other_files_are_listed_and_found(capsys):
    """They are imported only when they are needed."""
    status, out, _ = run(capsys, "--help")
    unknown, _, err = run(capsys, "sned")

    assert status == 0
    assert all(f"\n  {name} " in out for name in ("send", "verify"))
    assert unknown == 2
    assert "sned" in err


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


def test_the_package_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the scripts of an environment are not on the path."""
    monkeypatch.setattr(sys, "argv", ["redox-wsgi", "--help"])
    program = Path(cli.__file__).with_name("__main__.py")
    with pytest.raises(SystemExit) as ended:
        # By its name, by which its lines are counted.
        runpy.run_path(str(program), run_name="redox_wsgi.cli.__main__")

    assert ended.value.code == 0
    assert "redox-wsgi" in capsys.readouterr().out
