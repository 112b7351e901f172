"""Run the command line in this process, as somebody does in a pipe."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from redox_wsgi.cli import main
from tests.support import leaks


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class CommandLine:
    """Runs commands, and looks for canaries in whatever they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object, shows_bodies: bool = False) -> Ended:
        """Run ``redox-wsgi inbox`` with some arguments."""
        status = main(["inbox", *(str(it) for it in arguments)])
        out, err = self._capsys.readouterr()
        assert bool(leaks.find(out, err)) == shows_bodies
        return Ended(status, out, err)
