"""Print the speed table: ``python -m benchmarks [--quick] [section ...]``."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version

from benchmarks import authentication, imports, in_process, large, served, timing
from benchmarks.inbox import claiming, large_bodies, storing
from benchmarks.inbox import served as inbox_served
from benchmarks.measure import QUICK, Effort
from benchmarks.table import Row, print_rows

#: Each section of the speed table: its title, and what measures it.
SECTIONS: dict[str, tuple[str, Callable[[Effort], Iterator[Row]]]] = {
    "passing": ("A request that is not ours", in_process.measure_passing_on),
    "transmission": ("A transmission, in process", in_process.measure_transmission),
    "refusal": ("A refused request, in process", in_process.measure_refusal),
    "authentication": ("Authenticators, in process", authentication.measure),
    "served": ("Under gunicorn, one sync worker", served.measure),
    "large": ("A body with a large file", large.measure),
    "imports": ("Import", imports.measure),
    "storing": ("Keep a transmission of 4 KB", storing.measure),
    "claiming": ("Claim an entry and complete it", claiming.measure),
    "large-bodies": ("Small transmissions beside large ones", large_bodies.measure),
    "inbox-served": ("The inbox under gunicorn", inbox_served.measure),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print as the figures come.

    Returns:
        0, reached or not: a ratio from a busy machine is no reason to fail a build.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="section",
        help=f"one of {', '.join(SECTIONS)}; or timing, which is not in the table",
    )
    parser.add_argument(
        "--quick", action="store_true", help="only show that everything runs"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.sections) - {*SECTIONS, "timing"}
    if unknown:
        parser.error(f"no section of the name {', '.join(sorted(unknown))}")

    effort = QUICK if options.quick else Effort()
    print(_describe_machine())
    for name in options.sections or SECTIONS:
        if name == "timing":
            timing.report(effort)
        else:
            title, measure = SECTIONS[name]
            print_rows(title, measure(effort))
    return 0


def _describe_machine() -> str:
    packages = ("msgspec", "werkzeug", "flask", "gunicorn", "PyJWT", "botocore")
    return ", ".join(
        [
            f"{platform.python_implementation()} {platform.python_version()}",
            f"{os.cpu_count()} cores",
            *(f"{package} {version(package)}" for package in packages),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
