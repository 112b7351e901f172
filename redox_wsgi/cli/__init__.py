"""The command ``redox-wsgi``: thin commands over the simulator and the inbox."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; None: those of the process.

    Returns:
        The exit status: 0 all was as it should be, 1 something was not,
        2 the command was used wrongly or its packages are missing, 130 interrupted.
    """
    try:
        for package in ("click", "rich", "urllib3"):
            importlib.import_module(package)
    except ModuleNotFoundError:
        sys.stderr.write(
            "redox-wsgi needs packages that are not installed: "
            'install them with pip install "redox_wsgi[cli]".\n'
        )
        return 2

    from redox_wsgi.cli.commands import application  # noqa: PLC0415 - needs click

    try:
        application.main(
            args=None if argv is None else list(argv), prog_name="redox-wsgi"
        )
    except SystemExit as error:
        return int(error.code or 0)
