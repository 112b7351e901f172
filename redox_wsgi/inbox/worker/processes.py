"""Several processes that each run a worker: killed where they hang, and replaced.

A thread that hangs cannot be ended; a process can. So this is for handlers that may
hang, that may crash, or that keep a processor busy.
"""

from __future__ import annotations

import logging
import mmap
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.service import ENDED_AT_ONCE, serve
from redox_wsgi.inbox.worker.signals import Signals
from redox_wsgi.inbox.worker.worker import Worker
from redox_wsgi.reporting import describe_exception

#: The exit status of a process whose settings are wrong: no other would do better.
WRONG_SETTINGS = 2

#: Builds the worker of a new process. It is given what the worker must call as its
#: ``watch``.
BuildWorker: TypeAlias = Callable[[Callable[[float | None], None]], Worker]

_LOOK_SECONDS = 0.5

# Who lived that long did not die of its start.
_HEALTHY_SECONDS = 10.0

# The process may be about to notice by itself.
_PATIENCE_SECONDS = 1.0

_IN_CHARGE = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}

_logger = logging.getLogger("redox_wsgi")


class Watched:
    """A moment that one process writes and another reads: make it before the fork."""

    def __init__(self) -> None:
        # Shared memory; a double that is aligned is written in one piece.
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._moments = memoryview(self._memory).cast("d")

    def write(self, moment: float | None) -> None:
        """Write a moment, or None."""
        self._moments[0] = moment or 0.0

    def read(self) -> float | None:
        """Return the moment that was written last."""
        return self._moments[0] or None

    def close(self) -> None:
        """Give the memory back."""
        self._moments.release()
        self._memory.close()


@dataclass(slots=True)
class _Place:
    """One of the processes, and those that were there before it.

    Attributes:
        pid: Its number; None while there is none.
        watched: When the oldest entry in its hands was claimed.
        started_at: When it was started.
        starts_at: When it may be started.
        crashes: How many ended one after the other by themselves.
        was_told: Whether it was told to end.
    """

    pid: int | None = None
    watched: Watched = field(default_factory=Watched)
    started_at: float = 0.0
    starts_at: float = 0.0
    crashes: int = 0
    was_told: bool = False


class Processes:
    """Keeps a number of processes at work.

    Start it from a process that has no other thread, before the inbox is used.

    Args:
        build_worker: Called in each new process, so that nothing is shared. A
            ``ConfigurationError`` from it ends all.
        count: How many processes there are.
        max_handling_seconds: How long a handler may run before its process is killed.
        grace_seconds: How long the processes may take to stop.
        timer: A clock that all processes of a machine share, in seconds: that of the
            workers' ``watch``.
        backoff: How long to wait before one that crashed is replaced.
    """

    def __init__(
        self,
        build_worker: BuildWorker,
        count: int,
        *,
        max_handling_seconds: float = 600.0,
        grace_seconds: float = 20.0,
        timer: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        self._build_worker = build_worker
        self._max_handling_seconds = max_handling_seconds
        self._grace_seconds = grace_seconds
        self._timer = timer
        self._backoff = backoff or Backoff(0.5, 30.0)
        self._places = [_Place() for _ in range(count)]
        self._is_wrong = False

    def run(self) -> int:
        """Keep the processes at work until SIGTERM or SIGINT asks this one to stop.

        Returns:
            The exit status: 0; 2 if the settings are wrong; 130 if a second signal
            ended all at once.
        """
        with Signals(waking=[signal.SIGCHLD]) as signals:
            try:
                while not (signals.count or self._is_wrong):
                    self._look()
                    signals.wait(_LOOK_SECONDS)
                return self._stop(signals)
            finally:
                for place in self._places:
                    self._tell(place, signal.SIGKILL)
                    self._reap(place, wait=True)
                    place.watched.close()

    def _look(self) -> None:
        for place in self._places:
            self._reap(place)
            self._end_hanging(place)
            if place.pid is None and self._timer() >= place.starts_at:
                self._start(place)

    def _start(self, place: _Place) -> None:
        place.watched.write(None)
        place.started_at = self._timer()
        place.was_told = False
        # A signal in between would run this process's handler in the new one.
        signal.pthread_sigmask(signal.SIG_BLOCK, _IN_CHARGE)
        try:
            parent = os.getpid()
            place.pid = os.fork()
            if place.pid == 0:
                _run_child(self._build_worker, place.watched, parent)
        except OSError as error:
            # No memory, or no more processes: the others go on.
            place.crashes += 1
            delay_seconds = self._backoff.delay_seconds(place.crashes)
            place.starts_at = place.started_at + delay_seconds
            _logger.error("No process can be started: %s", describe_exception(error))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _IN_CHARGE)

    def _end_hanging(self, place: _Place) -> None:
        claimed_at = place.watched.read()
        if place.pid is None or claimed_at is None:
            return
        limit = self._max_handling_seconds + _PATIENCE_SECONDS
        if self._timer() - claimed_at >= limit:
            _logger.error(
                "A handler takes too long: process %d is killed and replaced. Another "
                "worker takes its lane over when the lease ends.",
                place.pid,
            )
            self._tell(place, signal.SIGKILL)
            place.watched.write(None)

    def _reap(self, place: _Place, *, wait: bool = False) -> None:
        if place.pid is None:
            return
        pid, status = os.waitpid(place.pid, 0 if wait else os.WNOHANG)
        if pid:
            place.pid = None
            self._judge(place, pid, os.waitstatus_to_exitcode(status))

    def _judge(self, place: _Place, pid: int, status: int) -> None:
        """Decide when a process that ended is replaced."""
        now = self._timer()
        if status == WRONG_SETTINGS:
            self._is_wrong = True
        if place.was_told:
            place.starts_at = now
            return
        is_healthy = now - place.started_at >= _HEALTHY_SECONDS
        place.crashes = 1 if is_healthy else place.crashes + 1
        place.starts_at = now + self._backoff.delay_seconds(place.crashes)
        # A negative status is the number of the signal that ended it.
        _logger.error("Process %d ended with status %d.", pid, status)

    def _stop(self, signals: Signals) -> int:
        for place in self._places:
            self._tell(place, signal.SIGTERM)
        # Each process keeps the grace period itself; this is for one that cannot.
        deadline = self._timer() + self._grace_seconds + _PATIENCE_SECONDS
        while any(place.pid is not None for place in self._places):
            if self._timer() >= deadline:
                _logger.error("The grace period is over: what still runs is killed.")
                break
            signals.wait(_LOOK_SECONDS)
            if signals.count > 1:
                return ENDED_AT_ONCE
            for place in self._places:
                self._reap(place)
                self._end_hanging(place)
        return WRONG_SETTINGS if self._is_wrong else 0

    def _tell(self, place: _Place, number: signal.Signals) -> None:
        if place.pid is not None:
            place.was_told = True
            os.kill(place.pid, number)


def _run_child(build_worker: BuildWorker, watched: Watched, parent: int) -> NoReturn:
    """Run a worker in the process that was just forked; never return."""
    status = 1
    try:
        # The terminal interrupts all, and systemd tells all to stop: the parent too,
        # which tells its children, so that asking twice means nothing here.
        with Signals([signal.SIGTERM], ignored=[signal.SIGINT]) as signals:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _IN_CHARGE)
            worker = build_worker(watched.write)
            status = serve(
                worker,
                signals,
                is_orphan=lambda: os.getppid() != parent,
                ends_at_once=False,
            )
    except ConfigurationError as error:
        _logger.error("%s", error)
        status = WRONG_SETTINGS
    except BaseException as error:
        _logger.critical("The process ended: %s", describe_exception(error))
    finally:
        # Nothing of the parent's is cleaned up here.
        os._exit(status)
