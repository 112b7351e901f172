"""What workers in tests are given: transmissions, handlers, and ways to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from redox_wsgi import Transmission
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.builders import build_payload, encode
from tests.support.clocks import Clock

PATIENCE_SECONDS = 30

ORDERS = "/redox|7ce6f387-c33c-417d-8682-81e83628cbd9|order"
RESULTS = "/redox|7ce6f387-c33c-417d-8682-81e83628cbd9|results"


def put(
    inbox: Inbox, number: int, data_model: str = "Order", effect: str | None = None
) -> None:
    """Put a transmission with a number in it, and what ``worked`` shall do with it."""
    body = encode(build_payload(data_model, "New", Number=number, Effect=effect))
    inbox(Transmission(body, received_at=datetime.now(UTC)))


def read_number(transmission: Transmission) -> int:
    """Return the number that was put."""
    number: int = transmission.json()["Number"]
    return number


class Handled(list[int]):
    """A handler that keeps the numbers; ``effect`` is called first."""

    def __init__(self, effect: Callable[[Transmission], Any] = lambda _: None) -> None:
        super().__init__()
        self.effect = effect

    def __call__(self, transmission: Transmission) -> Any:
        """Do what the test wants, then keep the number."""
        reply = self.effect(transmission)
        self.append(read_number(transmission))
        return reply


def raising(error: BaseException) -> Callable[[Transmission], None]:
    """Build a handler that raises."""

    def fail(_: Transmission) -> None:
        raise error

    return fail


def build_clocked(
    handler: Callable[[Transmission], Any], **settings: Any
) -> tuple[Inbox, Worker, Clock]:
    """Build an inbox in memory and its worker, with one clock that a test moves."""
    clock = Clock()
    inbox = Inbox("memory://", now=clock.now)
    settings = {"random": lambda: 0.0, **settings}
    worker = Worker(inbox, handler, now=clock.now, timer=clock.timer, **settings)
    return inbox, worker, clock


def wait_until(is_so: Callable[[], Any]) -> None:
    """Wait for what another thread or process is about to do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.01)


class Running:
    """A worker that runs in a thread until the block ends."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.thread = threading.Thread(target=worker.run, daemon=True)

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def stop(self) -> None:
        """Stop it, and wait until it has."""
        self.worker.stop()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()

    def __exit__(self, *_: object) -> None:
        self.stop()
