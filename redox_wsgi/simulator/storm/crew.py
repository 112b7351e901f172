"""Run a storm: start its processes, read what they report, end them."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Self, cast

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.credentials import TokenCredential
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.exchange import Request
from redox_wsgi.simulator.storm.loopback import find_place
from redox_wsgi.simulator.storm.tally import Tally
from redox_wsgi.simulator.storm.task import Report, Task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from redox_wsgi.simulator.storm.plan import StormPlan

__all__ = ["Storm"]

# Nothing in a worker makes circles that only the collector finds, and a collection
# would stand in the measured time.
_PROGRAM = """
import gc, sys
from redox_wsgi.simulator.storm.worker import main
gc.disable()
main(sys.stdin.buffer, sys.stdout.buffer)
"""
# So much later than the last worker is ready, all begin at once.
_START_SECONDS = 0.05
_READ_BYTES = 65_536


class Storm:
    """A storm, inside a ``with`` block; its end ends every process.

    Args:
        plan: What to send, where, and how fast.

    Raises:
        SimulatorError: httptools is not installed, the address is none, its host is
            not this machine (and not said to be the user's), or nobody listens.

    Example:
        ``with Storm(plan) as storm: tallies = list(storm.watch())``
    """

    def __init__(self, plan: StormPlan) -> None:
        try:
            import httptools  # noqa: F401, PLC0415 - the processes need it
        except ModuleNotFoundError as error:
            raise SimulatorError(
                "A storm needs httptools: "
                'install it with pip install "redox_wsgi[storm]".'
            ) from error
        address = parse_address(plan.url)
        self._plan = plan
        self._url = str(address)
        self._tls_name = address.host if address.scheme == "https" else None
        self._authority, self._target = address.authority, address.target
        self._place = find_place(address, own_host=plan.own_host)
        self._processes: list[subprocess.Popen[bytes]] = []
        #: Of each process, what came of a line that is not whole yet.
        self._rests = [b""] * plan.processes
        self._has_begun = False
        #: What was reported so far; complete after the block.
        self.tally = Tally(plan)

    def __enter__(self) -> Self:
        """Start the processes; nothing is sent yet."""
        # As this process finds its modules, and nothing from the current folder else.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        for _ in range(self._plan.processes):
            self._processes.append(
                subprocess.Popen(  # noqa: S603 - this interpreter, our own program
                    [sys.executable, "-P", "-c", _PROGRAM],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": path},
                    # Ctrl-C is this process's to hear; it ends the others in order.
                    process_group=0,
                )
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop every process, and take its last report."""
        try:
            for worker, process in enumerate(self._processes):
                # The end of its input tells it to stop; its last report follows.
                rest, _ = process.communicate()
                if self._has_begun:
                    self._take(worker, rest)
        finally:
            for process in self._processes:
                process.kill()
                process.wait()

    def watch(self) -> Iterator[Tally]:
        """Send, and yield the sum so far about ten times a second until it is over.

        Raises:
            SimulatorError: A process ended before its time.
        """
        self._start()
        with selectors.DefaultSelector() as selector:
            for worker, process in enumerate(self._processes):
                selector.register(_output_of(process), selectors.EVENT_READ, worker)
            while not self.tally.is_over:
                for key, _ in selector.select():
                    received = os.read(key.fd, _READ_BYTES)
                    if not received:
                        raise SimulatorError("A sending process ended too early.")
                    self._take(key.data, received)
                    if self.tally.has_ended(key.data):
                        selector.unregister(key.fileobj)
                yield self.tally

    def _start(self) -> None:
        for worker, process in enumerate(self._processes):
            self._write(process, self._build_task(worker).to_line())
        for process in self._processes:
            # Exactly the line that says that it is ready.
            if os.read(_output_of(process).fileno(), 1) != b"\n":
                raise SimulatorError("A sending process did not start.")
        self._has_begun = True
        start_at = time.monotonic() + _START_SECONDS
        for process in self._processes:
            self._write(process, f"{start_at}\n")

    def _write(self, process: subprocess.Popen[bytes], line: str) -> None:
        pipe = cast("IO[bytes]", process.stdin)
        try:
            pipe.write(line.encode())
            pipe.flush()
        except BrokenPipeError:
            raise SimulatorError("A sending process did not start.") from None

    def _take(self, worker: int, received: bytes) -> None:
        *lines, self._rests[worker] = (self._rests[worker] + received).split(b"\n")
        for line in lines:
            self.tally.add(worker, Report.from_line(line.decode()))

    def _build_task(self, worker: int) -> Task:
        plan = self._plan
        unsigned = Request("POST", self._url, (), b"")
        return Task(
            place=self._place,
            tls_name=self._tls_name,
            target=self._target,
            headers=(
                ("host", self._authority),
                ("content-type", "application/json"),
                *TokenCredential(plan.verification_token).headers(unsigned),
            ),
            worker=worker,
            workers=plan.processes,
            subscriptions=len(range(worker, plan.subscriptions, plan.processes)),
            rate=plan.rate,
            count=plan.count,
            seconds=plan.seconds,
            sizes=plan.sizes,
            timeout_seconds=plan.timeout_seconds,
        )


def _output_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdout)
