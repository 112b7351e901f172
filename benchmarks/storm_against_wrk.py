"""Does ``redox-wsgi storm`` measure what wrk measures?

Run it as ``python -m benchmarks.storm_against_wrk``. Both ask the same server by turns,
with bodies of the same size and as many connections; told is the median of the ratios
of neighbouring turns. The server has one core and the client another, so that neither
takes from the other; what else the machine does takes from both, but not equally: run
it on a quiet one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from werkzeug.exceptions import NotFound

from redox_wsgi import Destination, RedoxMiddleware
from redox_wsgi.simulator.storm import Storm, StormPlan
from redox_wsgi.simulator.storm.bodies import build_body

TOKEN = "correct-horse-battery-staple-0123456789"
BODY_BYTES = 2048
CONNECTIONS = (1, 8, 32)
#: gthread keeps connections alive; sync closes each after one answer.
SERVERS = {
    "gunicorn gthread": ("-k", "gthread", "--threads", "4"),
    "gunicorn sync": ("-k", "sync"),
}
START_SECONDS = 20
_ROOT = Path(__file__).parent.parent
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}

application = RedoxMiddleware(
    NotFound(), {"/redox": Destination(lambda _: None, verification_token=TOKEN)}
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one client measured in one turn; latencies in seconds."""

    rate: float
    median: float
    p99: float
    #: Why the client says that it was the limit.
    limit: str | None = None


def ask_with_wrk(url: str, connections: int, seconds: int, script: str) -> Turn:
    """Measure with wrk."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--latency"]
    command += ["--duration", f"{seconds}s", "--script", script, url]
    # The command is ours, and wrk is looked up on PATH as one would by hand.
    report = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=True, timeout=seconds + 30
    ).stdout
    if "Non-2xx" in report or "Socket errors" in report:
        raise SystemExit(f"wrk did not get an answer to every request:\n{report}")
    [rate] = re.findall(r"Requests/sec: +([0-9.]+)", report)
    quantiles = re.findall(r"^ +(\d+)% +([0-9.]+)(us|ms|s)$", report, re.MULTILINE)
    at = {share: float(number) * _UNITS[unit] for share, number, unit in quantiles}
    return Turn(float(rate), at["50"], at["99"])


def ask_with_storm(url: str, connections: int, seconds: int) -> Turn:
    """Measure with our own client."""
    plan = StormPlan(
        url=url,
        verification_token=TOKEN,
        subscriptions=connections,
        count=10_000_000,
        seconds=seconds,
    )
    with Storm(plan) as storm:
        for _ in storm.watch():
            pass
    tally = storm.tally
    if not tally.is_right:
        raise SystemExit("storm did not get a right answer to every request.")
    median, p99 = tally.latencies.quantiles([0.5, 0.99])
    return Turn(tally.rate, median or 0.0, p99 or 0.0, tally.client_limit)


@contextmanager
def serve(options: tuple[str, ...], core: int | None) -> Iterator[str]:
    """Run the server on one core; yield the address of its destination."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--log-level", "error", *options]
    command += ["--bind", f"127.0.0.1:{port}", f"{__spec__.name}:application"]
    with subprocess.Popen(command, cwd=_ROOT) as process:  # noqa: S603 - as above
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}/redox"
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("gunicorn did not start.")


@contextmanager
def write_script() -> Iterator[str]:
    """Write what wrk shall send: a body of the size that storm sends."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(
            'wrk.method = "POST"\n'
            f"wrk.body = [==[{build_body(BODY_BYTES).decode()}]==]\n"
            'wrk.headers["content-type"] = "application/json"\n'
            f'wrk.headers["verification-token"] = "{TOKEN}"\n'
            f'wrk.headers["authorization"] = "Bearer {TOKEN}"\n'
        )
        file.flush()
        yield file.name


def compare(url: str, connections: int, seconds: int, rounds: int, script: str) -> str:
    """Measure with both by turns, and write a line about it."""
    pairs = []
    for number in range(rounds):
        # Whoever is first in one round is second in the next.
        if number % 2:
            ours = ask_with_storm(url, connections, seconds)
            theirs = ask_with_wrk(url, connections, seconds, script)
        else:
            theirs = ask_with_wrk(url, connections, seconds, script)
            ours = ask_with_storm(url, connections, seconds)
        pairs.append((ours, theirs))
    rate = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
    median = statistics.median(ours.median / theirs.median for ours, theirs in pairs)
    p99 = statistics.median(ours.p99 / theirs.p99 for ours, theirs in pairs)
    limits = sum(ours.limit is not None for ours, _ in pairs)
    return (
        f"{connections:11d} {statistics.median(t.rate for _, t in pairs):8.0f} "
        f"{statistics.median(o.rate for o, _ in pairs):8.0f} "
        f"{rate:6.2f} {median:9.2f} {p99:9.2f}   {limits} of {rounds}"
    )


def main() -> int:
    """Measure every server with every number of connections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="length of a turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each client")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed.")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[1:]))
    with write_script() as script:
        for name, server in SERVERS.items():
            print(
                f"\n{name}\nconnections    wrk/s  storm/s  ratio  of 50 %  of 99 %"
                "   says it was the limit"
            )
            with serve(server, cores[0] if len(cores) > 1 else None) as url:
                ask_with_wrk(url, 1, 1, script)
                for connections in CONNECTIONS:
                    print(
                        compare(
                            url, connections, options.seconds, options.rounds, script
                        )
                    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
