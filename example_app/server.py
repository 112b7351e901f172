"""gunicorn and the worker as child processes, which are never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_CONFIGURATION = Path(__file__).with_name("gunicorn.conf.py")
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_LAST_LINES = 15


class ServerFailed(Exception):
    """A program ended, or nothing came of it; the text is what it said last."""


class Program:
    """One child process.

    Args:
        name: For people, and for the name of its log.
        arguments: What Python shall run.
        environment: The environment of its processes.
        directory: Where its output goes: ``<name>.out``, and ``<name>.log`` for errors.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        output = directory / f"{name}.out"
        with output.open("wb") as standard, self.log.open("wb") as errors:
            # A session of its own: Ctrl-C reaches us alone, and we stop it in order.
            self._process = subprocess.Popen(  # noqa: S603 - all of it is ours
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=standard,
                stderr=errors,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, which nobody expects."""
        return self._process.poll() is not None

    def fail(self) -> NoReturn:
        """Say that it does not serve.

        Raises:
            ServerFailed: Always.
        """
        text = self.log.read_text(encoding="utf-8", errors="replace")
        last = "\n".join(text.splitlines()[-_LAST_LINES:])
        raise ServerFailed(f"{self.name} does not serve. It said last:\n{last}")

    def stop(self) -> None:
        """Stop it with all its processes: politely, and if need be otherwise."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
        # Workers whose master was killed are still there, in its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Server:
    """The application under gunicorn, and the worker of its inbox.

    Args:
        environment: The environment of their processes.
        directory: Where their output goes.
    """

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        gunicorn = ["gunicorn", "-c", str(_CONFIGURATION)]
        work = ["redox_wsgi.cli", "work", "example_app.worker:handle"]
        self._programs = [
            Program("gunicorn", gunicorn, environment, directory),
            Program("worker", work, environment, directory),
        ]

    @property
    def logs(self) -> list[Path]:
        """What each of them says."""
        return [program.log for program in self._programs]

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            ServerFailed: One of them ended, or it took too long.
        """
        give_up_at = time.monotonic() + _START_SECONDS
        while not is_so():
            self._check()
            if time.monotonic() > give_up_at:
                self._programs[0].fail()
            time.sleep(_PAUSE_SECONDS)

    def wait(self) -> None:
        """Wait for an end, which nobody expects.

        Raises:
            ServerFailed: One of them ended.
        """
        while True:
            self._check()
            time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """Stop both: first who takes in, then who works it off."""
        for program in self._programs:
            program.stop()

    def _check(self) -> None:
        for program in self._programs:
            if program.has_ended:
                program.fail()


def is_port_free(host: str, port: int) -> bool:
    """Whether we could listen at this address."""
    try:
        _listen_once(host, port)
    except OSError:
        return False
    return True


def find_free_port(host: str) -> int:
    """Find a port that nobody listens at.

    Raises:
        OSError: The host is not one of this machine's.
    """
    return _listen_once(host, 0)


def _listen_once(host: str, port: int) -> int:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        # As gunicorn does: a port that was just closed is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        return int(listener.getsockname()[1])
