"""gunicorn's configuration as the documentation of ``WebWorker`` shows it.

Without ``WEB_BEGIN`` no process begins before its first transmission. The first process
notes the names of its threads at its end.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


def post_worker_init(_: object) -> None:
    """Begin in each process that serves."""
    from tests.support.web_worker_app import web_worker  # noqa: PLC0415 - after the fork

    if "WEB_BEGIN" in os.environ:
        web_worker.begin()


def on_exit(_: object) -> None:
    """Tell the threads of the process that only forks."""
    names = [thread.name for thread in threading.enumerate()]
    Path(os.environ["WORK_LOG"] + ".first").write_text("\n".join(names))
