"""The command ``work``, as a person or a service file starts it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import redox_wsgi.cli.work
from redox_wsgi import InboxUnavailable, Transmission
from redox_wsgi.cli.work import work
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.encryption import build_encryption_key
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.leaks import find
from tests.support.work import put, wait_until
from tests.support.working import Site

HANDLER = "tests.support.worked:handle"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A folder with an empty inbox, which the environment names."""
    site = Site(tmp_path)
    monkeypatch.setenv("REDOX_INBOX", site.url)
    monkeypatch.setenv("WORK_LOG", str(site.log))
    yield site
    site.inbox.close()


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(work, arguments, env={"COLUMNS": "80"})


def test_what_is_due_is_handled_and_the_command_ends(site: Site) -> None:
    """For cron, or to see a handler work."""
    put(site.inbox, 1)
    put(site.inbox, 2)
    put(site.inbox, 3, "Results", "raise")
    result = run(
        HANDLER, "--drain", "--max-attempts", "1", "--dead-letter", "*|results"
    )

    assert (result.exit_code, result.stdout) == (0, "Attempts: 3\n")
    assert site.numbers("done") == [1, 2]
    assert (site.inbox.stats().done, site.inbox.stats().dead) == (2, 1)
    assert find(result.output) == []


def test_draining_can_be_interrupted(site: Site, monkeypatch: Any) -> None:
    """What is in hand is finished, the rest stays."""
    put(site.inbox, 1)
    put(site.inbox, 2)

    def interrupt(_: str) -> Any:
        return lambda _: os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(redox_wsgi.cli.work, "load_handler", interrupt)
    result = run(HANDLER, "--drain")

    assert (result.exit_code, result.stdout) == (130, "Attempts: 1\n")
    assert (site.inbox.stats().done, site.inbox.stats().waiting) == (1, 1)


def test_an_inbox_that_cannot_be_used_is_said(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain does not wait for it."""

    def fail(_: Worker) -> bool:
        raise InboxUnavailable("disk-full")

    monkeypatch.setattr(Worker, "run_once", fail)
    result = run(HANDLER, "--drain")

    assert result.exit_code == 1
    assert "The inbox cannot be used: disk-full" in result.output


def test_what_was_sealed_is_opened_with_the_keys_of_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option would show them in process lists."""
    old, new = build_encryption_key(), build_encryption_key()
    sealed = Inbox(site.url, encryption_keys=[old])
    put(sealed, 1)
    sealed.close()
    monkeypatch.setenv("REDOX_INBOX_KEYS", f"{new} {old}")
    run(HANDLER, "--drain")

    assert site.numbers("done") == [1]


def set_handler(monkeypatch: pytest.MonkeyPatch, handler: Any) -> None:
    """Let the command find a handler of this file."""
    monkeypatch.setattr(redox_wsgi.cli.work, "load_handler", lambda _: handler)


def test_the_command_works_until_it_is_told_to_stop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 0: that is how it should end."""
    put(site.inbox, 1)
    set_handler(monkeypatch, lambda _: os.kill(os.getpid(), signal.SIGTERM))

    assert run(HANDLER).exit_code == 0
    assert site.inbox.stats().done == 1


def test_a_handler_that_still_runs_does_not_keep_the_process(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything cleaned up that it uses."""
    go_on, ended = threading.Event(), threading.Event()
    statuses: list[int] = []
    closed: list[bool] = []

    def handle(_: Transmission) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert go_on.wait(30)
        ended.set()

    monkeypatch.setattr(logging, "shutdown", lambda: closed.append(True))
    monkeypatch.setattr(os, "_exit", statuses.append)
    set_handler(monkeypatch, handle)
    put(site.inbox, 1)
    run(HANDLER, "--grace-seconds", "0")
    go_on.set()
    assert ended.wait(30)
    wait_until(lambda: not any(t.name == "redox-worker" for t in threading.enumerate()))

    assert statuses == [0]
    assert closed == [True]


def test_the_settings_reach_the_worker(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each option is one of ``Worker``'s arguments."""
    seen: list[dict[str, Any]] = []

    class Noted(Worker):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            seen.append(settings)
            super().__init__(*arguments, **settings)

    monkeypatch.setattr(redox_wsgi.cli.work, "Worker", Noted)
    run(HANDLER, "--drain")
    run(HANDLER, "--drain", "--concurrency", "2", "--keep-body-days", "1")

    assert seen[0]["concurrency"] == 4
    assert seen[1]["concurrency"] == 2
    assert (seen[0]["lease_seconds"], seen[0]["grace_seconds"]) == (30.0, 20.0)
    assert (seen[0]["max_attempts"], seen[0]["max_handling_seconds"]) == (20, 600.0)
    assert (seen[0]["retention"].body_days, seen[1]["retention"].body_days) == (7, 1)
    assert seen[0]["retention"].identity_days == 90


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--inbox", "", HANDLER], "REDOX_INBOX"),
        (["--inbox", "memory://", HANDLER], "that others can put into"),
        (["--inbox", "mysql://x", HANDLER, "--drain"], "postgresql://"),
        (["no.such.module:handle", "--drain"], "no.such.module"),
        ([HANDLER.replace(":", "."), "--drain"], "package.module:name"),
        ([HANDLER + "r", "--drain"], "There is no handler"),
        ([HANDLER, "--drain", "--processes", "2"], "--drain"),
        ([HANDLER, "--keep-body-days", "91"], "identities"),
        (["no.such.module:handle", "--processes", "1"], ""),
    ],
    ids=str,
)
@pytest.mark.usefixtures("site")
def test_what_cannot_be_done_is_exit_status_2(
    arguments: list[str], sentence: str
) -> None:
    """By a sentence that says how to mend it."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert sentence in result.output.replace("\n", " ")


def test_in_processes_the_reason_stands_in_the_log(site: Site) -> None:
    """The handler is imported there, so that nothing of it is shared."""
    with site.working("--processes", "1") as process:
        site.start(handler="no.such.module:handle").wait(30)
        process.terminate()
        wrong = site.start("--processes", "1", handler="no.such.module:handle")

        assert wrong.wait(30) == 2
    assert "ERROR There is no handler 'no.such.module:handle'" in (
        site.output.read_text()
    )


def test_the_help_says_how_it_is_stopped() -> None:
    """That is what a service file needs to know."""
    text = " ".join(run("--help").output.split())

    for words in ("SIGTERM", "130", "at least once", "PACKAGE.MODULE:HANDLER"):
        assert words in text


def test_a_module_that_cannot_start_says_why_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its handler may be there; a setting of it is wrong."""
    code = (
        "from redox_wsgi import ConfigurationError\nraise ConfigurationError('No key.')"
    )
    (tmp_path / "broken_start.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'inbox.db'}"

    assert (
        redox_wsgi.cli.main(["work", "--inbox", url, "--drain", "broken_start:handle"])
        == 2
    )
    message = capsys.readouterr().err
    assert "broken_start cannot start: No key." in message
    assert "no handler" not in message
