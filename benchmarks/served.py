"""Behind a real server: gunicorn with one sync worker, asked by wrk over loopback.

All servers run for the whole time and one is asked at a time, by short turns. gunicorn
itself takes most of the time, so the ratio says what a deployment would notice.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import Effort, Samples
from benchmarks.table import Row, microseconds
from benchmarks.traffic import PATH, TOKEN, build_body
from tests.support.servers import find_free_port

_FLOOR = "WSGI, body read"
_OURS = "RedoxMiddleware"
_APPLICATIONS = {
    _FLOOR: "benchmarks.contenders:bare",
    "WSGI, token and envelope": "benchmarks.contenders:checked",
    _OURS: "benchmarks.contenders:build_ours()",
}
_CONNECTIONS = 8
_ROOT = Path(__file__).parent.parent
_START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Server:
    """One gunicorn, and the port it serves."""

    port: int
    #: The process ID of gunicorn's master.
    master: int

    def worker_seconds(self) -> float | None:
        """Return the processor time of one worker so far; None unless on Linux."""
        try:
            children = Path(f"/proc/{self.master}/task/{self.master}/children")
            worker = children.read_text().split()[0]
            nanoseconds = Path(f"/proc/{worker}/schedstat").read_text().split()[0]
        except (OSError, IndexError):
            return None
        return int(nanoseconds) / 1e9


def measure(effort: Effort) -> Iterator[Row]:
    """Count the requests per second that a worker answers, and its time for each.

    The rate is what was promised. It depends on the neighbours of the machine much
    more than the worker's own processor time, so that stands beside it.
    """
    missing = [] if shutil.which("wrk") else ["wrk"]
    missing += [] if find_spec("gunicorn") else ["gunicorn"]
    if missing:
        yield Row(f"skipped, not installed: {', '.join(missing)}", at_least=0.97)
        return
    walls, workers = Samples(_APPLICATIONS), Samples(_APPLICATIONS)
    with ExitStack() as stack:
        script = stack.enter_context(_script())
        servers = {
            name: stack.enter_context(run_gunicorn(application))
            for name, application in _APPLICATIONS.items()
        }
        for server in servers.values():
            _ask(server, script, 1)
        names = list(servers)
        for number in range(effort.served_rounds):
            for name in names if number % 2 else reversed(names):
                wall, worker = _ask(servers[name], script, effort.served_seconds)
                walls.seconds[name].append(wall)
                if worker is not None:
                    workers.seconds[name].append(worker)
    for name in names:
        yield Row(
            name,
            f"{1 / walls.typical(name):.0f} /s",
            None if name == _FLOOR else walls.ratio(_FLOOR, name),
            "" if name == _FLOOR else _FLOOR,
            at_least=0.97 if name == _OURS else None,
        )
    for name in names if all(workers.seconds.values()) else []:
        yield Row(
            f"{name}: processor time",
            microseconds(workers.typical(name)),
            None if name == _FLOOR else workers.ratio(name, _FLOOR),
            "" if name == _FLOOR else _FLOOR,
        )


@contextmanager
def _script() -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(
            'wrk.method = "POST"\n'
            f"wrk.body = [==[{build_body().decode()}]==]\n"
            'wrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.headers["Verification-Token"] = "{TOKEN}"\n'
            f'wrk.headers["Authorization"] = "Bearer {TOKEN}"\n'
        )
        file.flush()
        yield file.name


@contextmanager
def run_gunicorn(
    application: str,
    *,
    workers: int = 1,
    threads: int = 0,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serve an application until the block ends, by sync workers or by threads."""
    port = find_free_port()
    command = [sys.executable, "-m", "gunicorn", "--log-level", "warning"]
    command += ["--workers", str(workers)]
    command += ["-k", "gthread", "--threads", str(threads)] if threads else []
    command += ["--bind", f"127.0.0.1:{port}", application]
    environment = {**os.environ, **(env or {})}
    with subprocess.Popen(  # noqa: S603 - as above
        command, cwd=_ROOT, env=environment
    ) as process:
        try:
            _wait_for(port, process)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("gunicorn did not start.")


def _ask(server: Server, script: str, seconds: int) -> tuple[float, float | None]:
    """Return the seconds a request took: by the clock, and of the worker's processor.

    Every answer must be a success.
    """
    command = ["wrk", "--threads", "1", "--connections", str(_CONNECTIONS)]
    command += ["--duration", f"{seconds}s", "--script", script]
    command += [f"http://127.0.0.1:{server.port}{PATH}"]
    before = server.worker_seconds()
    # The command is ours, and wrk is looked up on PATH as one would by hand.
    report = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=True, timeout=seconds + 30
    ).stdout
    after = server.worker_seconds()
    rate = re.search(r"Requests/sec: +([0-9.]+)", report)
    count = re.search(r"([0-9]+) requests in", report)
    if not rate or not count or "Non-2xx" in report or "Socket errors" in report:
        raise SystemExit(f"wrk did not get an answer to every request:\n{report}")
    worker = None if before is None or after is None else after - before
    return 1 / float(rate[1]), worker and worker / int(count[1])
