"""A transmission that holds a large file: its time, and the memory it takes.

Each body is read from a file without a buffer, so that the first copy in memory is
made by whoever reads it, as behind a server. Above bare is RedoxMiddleware's time or
memory less that of the bare application, which reads the same body and does nothing
else. Run as a module, this file is one process whose memory is measured.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, BinaryIO

from benchmarks import contenders
from benchmarks.measure import Effort, Samples, start_response
from benchmarks.table import Row, milliseconds
from benchmarks.traffic import PATH, TOKEN, build_head, build_large_body

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

#: For each form of a request: the name of the file in it, and whether it is chunked.
_FORMS = {
    "length announced": ("scan.pdf", False),
    "chunked": ("scan.pdf", True),
    "a name not ASCII": ("Zoë.pdf", False),
}
_ROOT = Path(__file__).parent.parent


def measure(effort: Effort) -> Iterator[Row]:
    """Measure each form of the request, its time first, then its memory."""
    with ExitStack() as stack:
        for form, (file_name, is_chunked) in _FORMS.items():
            file = stack.enter_context(tempfile.NamedTemporaryFile())
            file.write(build_large_body(effort.large_megabytes, file_name))
            file.flush()
            yield from _measure_time(form, file.name, is_chunked, effort.slow_rounds)
            yield from _measure_memory(form, file.name, is_chunked, effort.slow_rounds)


def _measure_time(form: str, path: str, is_chunked: bool, rounds: int) -> Iterator[Row]:
    applications = {"bare": contenders.bare, "ours": contenders.build_ours()}
    body = Path(path).read_bytes()
    samples = Samples([*applications, "json.loads"])
    for number in range(rounds):
        names = list(applications)
        for name in names if number % 2 else reversed(names):
            seconds = _time(applications[name], path, is_chunked)
            samples.seconds[name].append(seconds)
        started_at = time.perf_counter()
        json.loads(body)
        samples.seconds["json.loads"].append(time.perf_counter() - started_at)
    above = samples.difference("ours", "bare")
    yield Row(f"{form}: json.loads", milliseconds(samples.typical("json.loads")))
    yield Row(
        f"{form}: time above bare",
        milliseconds(above),
        above / samples.typical("json.loads"),
        "json.loads",
        at_most=0.25,
    )


def _time(application: WSGIApplication, path: str, is_chunked: bool) -> float:
    with open(path, "rb", buffering=0) as stream:
        environ = _build_environ(stream, is_chunked)
        started_at = time.perf_counter()
        for _ in application(environ, start_response):
            pass
        return time.perf_counter() - started_at


def _build_environ(stream: BinaryIO, is_chunked: bool) -> WSGIEnvironment:
    environ = build_head("POST", PATH)
    environ["wsgi.input"] = stream
    environ["CONTENT_TYPE"] = "application/json"
    environ["HTTP_VERIFICATION_TOKEN"] = TOKEN
    environ["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    if is_chunked:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        environ["CONTENT_LENGTH"] = str(Path(str(stream.name)).stat().st_size)
    return environ


def _measure_memory(
    form: str, path: str, is_chunked: bool, rounds: int
) -> Iterator[Row]:
    size = Path(path).stat().st_size
    above = []
    for _ in range(min(rounds, 3)):
        floor, ours = (
            _peak_in_a_process(name, path, is_chunked) for name in ("bare", "ours")
        )
        above.append(ours - floor)
    yield Row(
        f"{form}: peak memory above bare",
        f"{median(above) / 1e6:.1f} MB",
        median(above) / size,
        "the body",
        at_most=1.05,
    )


def _peak_in_a_process(name: str, path: str, is_chunked: bool) -> int:
    command = [sys.executable, "-m", "benchmarks.large", name, path, str(is_chunked)]
    # The command is made of nothing but names of our own.
    done = subprocess.run(  # noqa: S603
        command, cwd=_ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def _peak_bytes() -> int:
    # ru_maxrss outlives exec, so it may be the parent's: the kernel's own high-water
    # mark where there is one.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    # Both have imported the same modules, so only what they do differs.
    chosen = contenders.build_ours() if sys.argv[1] == "ours" else contenders.bare
    _time(chosen, sys.argv[2], sys.argv[3] == "True")
    print(_peak_bytes())
