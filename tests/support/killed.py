"""What is killed: a destination with an inbox, and a worker that tells what it does.

``killed:application`` is served by gunicorn; ``python -m tests.support.killed URL LOG``
is the worker. What each handler did is appended to one file, a line at a time.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound

from redox_wsgi import Destination, RedoxMiddleware, Transmission
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.builders import TOKEN

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

# Long enough to be killed within, short enough for thousands.
HANDLING_SECONDS = 0.002
LEASE_SECONDS = 0.5


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Keep what comes, in the inbox that the environment names."""
    answer: Iterable[bytes] = _serve()(environ, start_response)
    return answer


_served: list[Any] = []


def _serve() -> Any:
    if not _served:
        inbox = Inbox(os.environ["KILLED_INBOX"])
        destination = Destination(inbox, verification_token=TOKEN)
        _served.append(RedoxMiddleware(NotFound(), {"/redox": destination}))
    return _served[0]


def work(url: str, log_path: str) -> None:
    """Handle entries until killed."""
    inbox = Inbox(url)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    running = threading.local()

    def handle(transmission: Transmission) -> None:
        entry = transmission.entry
        assert entry is not None
        running.line = f"{entry.lane} {entry.fence} {entry.id}"
        os.write(log, f"begun {running.line}\n".encode())
        time.sleep(HANDLING_SECONDS)

    def observe(outcome: Any) -> None:
        # After the store has committed: so a begin with a higher fence is a mistake.
        if outcome.word == "handled":
            os.write(log, f"done {running.line}\n".encode())

    Worker(
        inbox,
        handle,
        concurrency=3,
        lease_seconds=LEASE_SECONDS,
        observer=observe,
    ).run()


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2])
