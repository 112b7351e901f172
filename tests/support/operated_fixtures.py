"""Fixtures of the tests that operate an inbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from redox_wsgi.cli.inbox import moments
from redox_wsgi.inbox import Inbox
from tests.support.command_line import CommandLine
from tests.support.operated import Clock, open_filled


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the inbox and of the commands."""
    clock = Clock()
    monkeypatch.setattr(moments, "now", clock)
    return clock


@pytest.fixture
def inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> Iterator[Inbox]:
    """An inbox with a halted lane, which the environment names."""
    path = tmp_path / "inbox.db"
    monkeypatch.setenv("REDOX_INBOX", f"sqlite:///{path}")
    with open_filled(path, clock) as inbox:
        yield inbox


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """Run a command of ``redox-wsgi inbox``."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return CommandLine(capsys)
