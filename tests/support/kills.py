"""Redox sends, processes are killed, and what was answered 200 is counted.

Used by the tests, for seconds, and by the benchmarks, for as long as it takes.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redox_wsgi.inbox import Inbox, Selection
from tests.support.builders import TOKEN, build_payload, encode
from tests.support.servers import ROOT, run_server

PATIENCE_SECONDS = 120
WORKER_PROCESSES = 3


@dataclass(frozen=True)
class Sent:
    """What one subscription was answered 200 for, in order."""

    source: str
    numbers: list[int] = field(default_factory=list)


class Hospital:
    """Sends as Redox does: one subscription at a time its next, until it is 200."""

    def __init__(self, port: int, subscriptions: int) -> None:
        self._port = port
        self.sent = [Sent(f"source-{number}") for number in range(subscriptions)]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send_all, args=(sent,), daemon=True)
            for sent in self.sent
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, each subscription with an answer to its last transmission."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "A transmission was never answered."

    def count(self) -> int:
        """How many were answered 200."""
        return sum(len(sent.numbers) for sent in self.sent)

    def _send_all(self, sent: Sent) -> None:
        number = 0
        while not self._stopping.is_set():
            body = build_body(sent.source, number)
            while self._post(body) != 200:
                time.sleep(0.01)
            sent.numbers.append(number)
            number += 1

    def _post(self, body: bytes) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", "/redox", body, {"verification-token": TOKEN})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def build_body(source: str, number: int) -> bytes:
    """Build a transmission; its log ID tells its number."""
    payload = build_payload()
    payload["Meta"]["Source"]["ID"] = source
    payload["Meta"]["Logs"] = [{"ID": str(number)}]
    return encode(payload)


@contextmanager
def serve(url: str, log: Path) -> Iterator[tuple[int, Callable[[], list[int]]]]:
    """Serve an inbox under gunicorn; yield its port and who its workers are."""
    env = {"KILLED_INBOX": url}
    written = log.with_suffix(".pid")
    options = ("-w", "4", "--log-level", "error", "--pid", str(written))
    with run_server(
        "gunicorn sync", "tests.support.killed:application", log, *options, env=env
    ) as port:
        master = int(written.read_text())
        yield port, lambda: find_children(master)


@contextmanager
def work(url: str, log: Path) -> Iterator[Callable[[], list[int]]]:
    """Run workers, each started anew when it is gone; yield who they are."""
    stopping = threading.Event()
    command = [sys.executable, "-m", "tests.support.killed", url, str(log)]
    running: list[subprocess.Popen[bytes]] = []

    def keep_running() -> None:
        while not stopping.is_set():
            running[:] = [process for process in running if process.poll() is None]
            while len(running) < WORKER_PROCESSES:
                running.append(subprocess.Popen(command, cwd=ROOT))
            stopping.wait(0.05)

    keeper = threading.Thread(target=keep_running, daemon=True)
    keeper.start()
    try:
        yield lambda: [process.pid for process in running]
    finally:
        stopping.set()
        keeper.join()
        for process in running:
            process.kill()
            process.wait()


def kill_now_and_then(
    find: Callable[[], list[int]],
    until: Callable[[], bool],
    pause_seconds: float,
    *,
    at_least: int = 0,
) -> int:
    """Kill a process without a warning, again and again; return how many."""
    dice = random.Random()  # noqa: S311 - which process, and when
    give_up_at = time.monotonic() + PATIENCE_SECONDS * 10
    count = 0
    while count < at_least or not until():
        assert time.monotonic() < give_up_at, "Nothing goes on any more."
        time.sleep(dice.uniform(0.2, 1.0) * pause_seconds)
        found = find()
        if found:
            try:
                os.kill(dice.choice(found), signal.SIGKILL)
            except ProcessLookupError:
                continue
            count += 1
    return count


def find_children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def check_nothing_was_lost(inbox: Inbox, hospital: Hospital) -> None:
    """Every 200 is one entry, and each lane has its entries in the order sent."""
    stored = defaultdict(list)
    after_id = 0
    while records := inbox.store.find_entries(Selection(), after_id=after_id):
        for record in records:
            stored[record.lane.split("|")[1]].append(int(record.log_id or "-1"))
        after_id = records[-1].id
    for sent in hospital.sent:
        # What was stored while its answer was lost was sent again, and is one entry.
        assert stored[sent.source] == sent.numbers, sent.source


def check_order(log: Path) -> int:
    """Judge by fence what the handlers of each lane did; return how many began.

    No entry begins after a later one of its lane, and none after its completion.
    """
    begun: dict[str, list[tuple[int, int]]] = defaultdict(list)
    done: dict[tuple[str, int], int] = {}
    for line in log.read_text().splitlines():
        word, lane, fence, entry_id = line.rsplit(" ", 3)
        if word == "begun":
            begun[lane].append((int(fence), int(entry_id)))
        else:
            done[lane, int(entry_id)] = int(fence)
    for lane, claims in begun.items():
        claims.sort()
        numbers = [number for _, number in claims]
        assert numbers == sorted(numbers), lane
        for at, number in claims:
            assert at <= done.get((lane, number), at), (lane, number)
    return sum(map(len, begun.values()))


def count_handled(log: Path) -> int:
    """How many entries a handler was given at least once."""
    if not log.exists():
        return 0
    return len(
        {
            line.split(" ", 1)[1].rsplit(" ", 2)[0] + line.rsplit(" ", 1)[1]
            for line in log.read_text().splitlines()
            if line.startswith("begun ")
        }
    )
