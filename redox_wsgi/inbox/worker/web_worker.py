"""A worker inside a web process, for deployments too small for a process of its own."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable

from redox_wsgi.inbox.worker.worker import Worker
from redox_wsgi.reporting import describe_exception

_logger = logging.getLogger("redox_wsgi")


class WebWorker:
    """Runs a worker in a thread of each process that serves.

    A server such as ``gunicorn --preload`` builds the application in one process and
    serves it from others, which it forks. So building this starts nothing: the thread
    begins in each process by itself, with the first transmission that is kept there.

    To begin at once, so that what a restart left behind waits for nothing, call
    ``begin`` in a hook that the server runs in each process that serves. In
    ``gunicorn.conf.py``::

        def post_worker_init(worker):
            from application import web_worker

            web_worker.begin()

    When the process ends, entries in hand are finished within ``grace_seconds``, or
    given back; so let that be shorter than the server's own patience
    (``graceful_timeout``, 30 s). Do not use it where requests are greenlets: a handler
    that computes would hold them all up.

    Args:
        build_worker: Builds the worker of a process.
    """

    def __init__(self, build_worker: Callable[[], Worker]) -> None:
        self._build_worker = build_worker
        # By process: a child inherits what its parent has begun, but not the thread.
        self._running: dict[int, _Running] = {}

    def begin(self) -> None:
        """Begin in this process, unless it has begun already.

        Nothing is raised: what was kept is kept, and the next call tries again.
        """
        process = os.getpid()
        if process in self._running:
            return
        running = _Running(self._build_worker(), self._forget)
        # One step, so that no lock is needed, which a fork might find taken.
        if self._running.setdefault(process, running) is not running:
            return
        try:
            running.thread.start()
        except RuntimeError:
            del self._running[process]
            _logger.error("No thread for a worker can be started in this process.")
            return
        # A process that is forked later inherits this call, and has nothing to stop.
        atexit.register(self.stop)

    def _forget(self) -> None:
        # The next transmission that is kept tries again.
        self._running.pop(os.getpid(), None)

    def stop(self) -> None:
        """Claim no more in this process, and wait until what is in hand has ended."""
        running = self._running.get(os.getpid())
        if running is not None and running.thread.ident is not None:
            running.worker.stop()
            running.thread.join()


class _Running:
    def __init__(self, worker: Worker, forget: Callable[[], None]) -> None:
        self.worker = worker
        self._forget = forget
        # Daemons: Python waits for all other threads before it calls what is
        # registered to stop this one.
        self.thread = threading.Thread(
            target=self._run, name="redox-watch", daemon=True
        )

    def _run(self) -> None:
        try:
            self.worker.run()
        # Python would print the text of the exception.
        except BaseException as error:
            _logger.critical("The worker ended: %s", describe_exception(error))
            self._forget()
