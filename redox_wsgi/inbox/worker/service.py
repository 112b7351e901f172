"""Run a worker as a process: until a signal, or until its parent is gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from redox_wsgi.inbox.worker.signals import Signals
from redox_wsgi.inbox.worker.worker import Worker
from redox_wsgi.reporting import describe_exception

# Only what no signal tells is looked for so often.
_LOOK_SECONDS = 1.0

# A signal does not end the wait for a thread.
_JOIN_SECONDS = 0.1

_FAILED = 1

#: The exit status of a process that was told to end at once.
ENDED_AT_ONCE = 130

_logger = logging.getLogger("redox_wsgi")


def serve(
    worker: Worker,
    signals: Signals,
    *,
    is_orphan: Callable[[], bool] = lambda: False,
    ends_at_once: bool = True,
) -> int:
    """Run a worker until the process is asked to stop, and let it finish.

    Args:
        worker: The worker.
        signals: The signals that ask to stop, already in use.
        is_orphan: Asked now and then; if so, the process stops as if it were asked to.
        ends_at_once: Whether a second signal ends what the first would let finish.

    Returns:
        The exit status: 0; 1 if the worker ended by itself; 130 if a second signal
        ended it. Then, or if ``worker.has_left`` is false, a handler is still running.
    """
    statuses: list[int] = []
    thread = threading.Thread(
        target=lambda: statuses.append(_run(worker)), name="redox-watch", daemon=True
    )
    thread.start()
    while not (signals.count or is_orphan()) and thread.is_alive():
        signals.wait(_LOOK_SECONDS)
    worker.stop()
    while thread.is_alive():
        if signals.count > 1 and ends_at_once:
            return ENDED_AT_ONCE
        thread.join(_JOIN_SECONDS)
    if worker.has_left:
        worker.inbox.close()
    return statuses[0]


def _run(worker: Worker) -> int:
    try:
        worker.run()
    # Python would print the text of the exception, and the process would end as if it
    # had been told to.
    except BaseException as error:
        _logger.critical("The worker ended: %s", describe_exception(error))
        return _FAILED
    return 0
