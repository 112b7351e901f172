"""gunicorn as a child process: started, waited for, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_CONFIGURATION = Path(__file__).with_name("gunicorn.conf.py")
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_LAST_LINES = 15


class ServerFailed(Exception):
    """gunicorn ended, or did not answer; the text is what it said last."""


class Server:
    """One gunicorn, set up by ``gunicorn.conf.py``.

    Args:
        environment: The environment of its processes.
        directory: Where its output goes: ``access.log`` and ``error.log``.
    """

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self.access_log = directory / "access.log"
        self.error_log = directory / "error.log"
        command = [sys.executable, "-m", "gunicorn", "-c", str(_CONFIGURATION)]
        with self.access_log.open("wb") as output, self.error_log.open("wb") as errors:
            # A session of its own: Ctrl-C reaches us alone, and we stop it in order.
            self._process = subprocess.Popen(  # noqa: S603 - all of it is ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=dict(environment),
                start_new_session=True,
            )

    def wait_until(self, is_answering: Callable[[], bool]) -> None:
        """Wait until it answers.

        Raises:
            ServerFailed: It ended, or took too long.
        """
        give_up_at = time.monotonic() + _START_SECONDS
        while not is_answering():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise ServerFailed(self._read_last_lines())
            time.sleep(_PAUSE_SECONDS)

    def wait(self) -> None:
        """Wait for its end, which nobody expects.

        Raises:
            ServerFailed: It ended.
        """
        self._process.wait()
        raise ServerFailed(self._read_last_lines())

    def stop(self) -> None:
        """Stop it with all its workers: politely, and if need be otherwise."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
        # Workers whose master was killed are still there, in its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_last_lines(self) -> str:
        text = self.error_log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_LAST_LINES:])


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
