"""Run ``redox-wsgi work`` as a process, and see what its handlers do."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from redox_wsgi.inbox import Inbox
from tests.support.work import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
_MAIN = "import sys; from redox_wsgi.cli import main; sys.exit(main())"


class Note(NamedTuple):
    """One line of what a handler noted."""

    word: str
    number: int
    attempt: int
    pid: int


class Site:
    """A folder with an inbox, what handlers noted, and the processes that work."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'inbox.db'}"
        self.inbox = Inbox(self.url)
        self.log = folder / "work.log"
        self.output = folder / "output"

    @property
    def notes(self) -> list[Note]:
        """What handlers noted so far."""
        if not self.log.exists():
            return []
        words = [line.split() for line in self.log.read_text().splitlines()]
        return [Note(word, *map(int, numbers)) for word, *numbers in words]

    def numbers(self, word: str) -> list[int]:
        """Return the numbers that were noted with a word."""
        return [note.number for note in self.notes if note.word == word]

    def wait_for(self, word: str, number: int) -> Note:
        """Wait until a handler has noted something."""
        wait_until(lambda: number in self.numbers(word))
        return next(n for n in self.notes if n[:2] == (word, number))

    def let_go_on(self) -> None:
        """Let handlers that wait go on."""
        Path(f"{self.log}.go-on").touch()

    def freeze(self, process: subprocess.Popen[bytes]) -> None:
        """Stop a process, but not at an instant at which it holds the gate.

        Nobody can take the lock of a file from a process that is stopped with it.
        """

        def is_frozen_outside() -> bool:
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            if self._is_gate_free():
                return True
            process.send_signal(signal.SIGCONT)
            return False

        wait_until(is_frozen_outside)

    def _is_gate_free(self) -> bool:
        if not self.url.startswith("sqlite"):
            return True
        with open(f"{self.url.removeprefix('sqlite:///')}.gate", "rb") as gate:
            try:
                fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def start(
        self, *options: str, handler: str = "tests.support.worked:handle"
    ) -> subprocess.Popen[bytes]:
        """Start a worker; end it with ``end``."""
        environment = {**os.environ, "WORK_LOG": str(self.log), "PYTHONPATH": str(ROOT)}
        environment["REDOX_INBOX"] = self.url
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-c", _MAIN, "work", handler, *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @contextmanager
    def working(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker until the block ends, then see that nothing of it is left."""
        process = self.start(*options)
        try:
            yield process
            if process.poll() is None:
                end(process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def end(process: subprocess.Popen[bytes]) -> int:
    """Ask a worker to stop, and return its exit status."""
    process.terminate()
    return process.wait(PATIENCE_SECONDS)
