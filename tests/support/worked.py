"""Handlers that a worker's process is started with; the payload says what they do.

Each notes what it does in the file that ``WORK_LOG`` names. A handler that waits goes
on when that file with the suffix ``.go-on`` is there.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from redox_wsgi import Transmission
from tests.support.leaks import SENTENCE


def note(word: str, transmission: Transmission) -> None:
    """Append one line, in one step."""
    entry = transmission.entry
    assert entry is not None
    number = transmission.json()["Number"]
    line = f"{word} {number} {entry.attempt} {os.getpid()}\n"
    log = os.open(os.environ["WORK_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, line.encode())
    os.close(log)


def _wait(transmission: Transmission) -> None:
    if transmission.attempt == 1:
        _hang(transmission)


def _hang(_: Transmission) -> None:
    while not Path(os.environ["WORK_LOG"] + ".go-on").exists():
        time.sleep(0.01)


def _fork(_: Transmission) -> None:
    if os.fork():
        os.wait()


def _raise(_: Transmission) -> None:
    raise ValueError(SENTENCE)


def _exit(_: Transmission) -> None:
    sys.exit(SENTENCE)


def _interrupt(_: Transmission) -> None:
    raise KeyboardInterrupt(SENTENCE)


def _die(_: Transmission) -> None:
    os._exit(9)


def _die_once(transmission: Transmission) -> None:
    if transmission.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)


EFFECTS: dict[str | None, Callable[[Transmission], None]] = {
    None: lambda _: None,
    "wait": _wait,
    "hang": _hang,
    "fork": _fork,
    "raise": _raise,
    "exit": _exit,
    "interrupt": _interrupt,
    "die": _die,
    "die once": _die_once,
}


def handle(transmission: Transmission) -> None:
    """Do what the payload says."""
    note("begun", transmission)
    EFFECTS[transmission.json()["Effect"]](transmission)
    note("done", transmission)
