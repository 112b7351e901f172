"""Deliver in threads what the queues decide: the only part that waits and sends."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from redox_wsgi.simulator.answer import Answer
from redox_wsgi.simulator.delivery.outgoing import Attempt
from redox_wsgi.simulator.delivery.queues import Queues, Turn
from redox_wsgi.simulator.delivery.retries import NO_RETRIES, Retries
from redox_wsgi.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from redox_wsgi.simulator.delivery.outgoing import Outgoing

__all__ = ["Deliverer"]

# Much more the operating system does not wait at a stretch.
_LONGEST_WAIT_SECONDS = 86_400.0


class Deliverer:
    """Delivers as Redox does: in order in a subscription, subscriptions in parallel.

    Args:
        send: Sends one body and waits for its answer, such as ``Sender.send``. Several
            threads call it at once.
        retries: When to send again what failed; by default never, as Redox in
            development and staging.
        rate_per_second: How many transmissions come in per second, whether or not
            those before them were answered; None: all at once.
        connections: How many may be under way at once.
        clock: Seconds from some beginning; it never goes back.
        sleep: Waits so many seconds. It is called only while nothing is under way, so
            that a test may move its clock there.

    Raises:
        SimulatorError: The rate is not above 0, or ``connections`` is below 1.
    """

    def __init__(
        self,
        send: Callable[[bytes], Answer],
        *,
        retries: Retries = NO_RETRIES,
        rate_per_second: float | None = None,
        connections: int = 64,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if rate_per_second is not None and not rate_per_second > 0:
            raise SimulatorError("rate_per_second must be above 0.")
        if connections < 1:
            raise SimulatorError("connections must be at least 1.")
        self._send = send
        self._retries = retries
        self._rate_per_second = rate_per_second
        self._connections = connections
        self._clock = clock
        self._sleep = sleep

    def deliver(self, outgoing: Iterable[Outgoing]) -> Generator[Attempt, None, None]:
        """Deliver everything, and yield each attempt as soon as it is answered.

        Nothing new is sent once the iteration is left; what is under way then is not
        waited for.

        Raises:
            BaseException: Whatever ``send`` or ``Outgoing.bodies`` raised.
        """
        queues = Queues(
            outgoing, retries=self._retries, rate_per_second=self._rate_per_second
        )
        began = self._clock()
        with _Crew(self._send) as crew:
            while True:
                self._start_what_may_go(queues, crew, began)
                wait = queues.seconds_until_next(self._clock() - began)
                if wait is not None:
                    wait = min(wait, _LONGEST_WAIT_SECONDS)
                if crew.busy:
                    is_full = crew.busy >= self._connections
                    landed = crew.wait(None if is_full else wait)
                    if landed is not None:
                        now = self._clock() - began
                        yield _settle(queues, landed, now)
                elif wait is None:
                    return
                else:
                    self._sleep(wait)

    def _start_what_may_go(self, queues: Queues, crew: _Crew, began: float) -> None:
        while crew.busy < self._connections:
            now = self._clock() - began
            turn = queues.take(now)
            if turn is None:
                return
            crew.start(turn, now)


def _settle(queues: Queues, landed: tuple[Turn, float, Answer], now: float) -> Attempt:
    turn, at_seconds, answer = landed
    number = turn.number
    pause = queues.settle(turn, answer, now)
    return Attempt(turn.outgoing, turn.position, number, at_seconds, answer, pause)


class _Crew:
    """Threads that send; as many as were ever busy at once."""

    def __init__(self, send: Callable[[bytes], Answer]) -> None:
        self._send = send
        self._jobs: SimpleQueue[tuple[Turn, float] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Turn, float, Answer | BaseException]]
        self._done = SimpleQueue()
        self._threads: list[threading.Thread] = []
        #: How many transmissions are under way.
        self.busy = 0

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._jobs.put(None)
        # One that still waits for an answer would keep an interrupted run waiting.
        if not self.busy:
            for thread in self._threads:
                thread.join()

    def start(self, turn: Turn, at_seconds: float) -> None:
        self.busy += 1
        if len(self._threads) < self.busy:
            # A daemon, so that the process can end although an answer is outstanding.
            self._threads.append(threading.Thread(target=self._work, daemon=True))
            self._threads[-1].start()
        self._jobs.put((turn, at_seconds))

    def wait(self, seconds: float | None) -> tuple[Turn, float, Answer] | None:
        try:
            turn, at_seconds, answer = self._done.get(timeout=seconds)
        except Empty:
            return None
        self.busy -= 1
        if isinstance(answer, BaseException):
            raise answer
        return turn, at_seconds, answer

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            turn, at_seconds = job
            answer: Answer | BaseException
            try:
                answer = self._send(next(turn.bodies))
            # Everything: the thread that waits for it would wait for ever.
            except BaseException as error:
                answer = error
            self._done.put((turn, at_seconds, answer))
