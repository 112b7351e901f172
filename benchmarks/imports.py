"""What ``import redox_wsgi`` adds to the start of a worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import Effort, Samples
from benchmarks.table import Row, milliseconds

_OURS = "redox_wsgi"
_REQUIRED = "werkzeug.wsgi, msgspec"

# The clock runs inside the interpreter, so its own start does not count.
_PROGRAM = """
import time
started_at = time.perf_counter()
import {modules}
print(time.perf_counter() - started_at)
"""


def measure(effort: Effort) -> Iterator[Row]:
    """Time imports in fresh interpreters, ours beside what it requires."""
    samples = Samples([_REQUIRED, _OURS])
    for name in samples.seconds:
        # Writes the byte code, if that is missing.
        _import(name)
    for _ in range(effort.slow_rounds * 2):
        for name, seconds in samples.seconds.items():
            seconds.append(_import(name))
    yield Row(f"import {_REQUIRED}", milliseconds(samples.typical(_REQUIRED)))
    yield Row(
        f"import {_OURS}",
        milliseconds(samples.typical(_OURS)),
        samples.ratio(_OURS, _REQUIRED),
        f"import {_REQUIRED}",
        at_most=1.2,
    )


def _import(modules: str) -> float:
    # Isolated: neither the working directory nor the user's settings take part.
    command = [sys.executable, "-I", "-c", _PROGRAM.format(modules=modules)]
    # The command is made of nothing but names of our own.
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=True
    )
    return float(done.stdout)
