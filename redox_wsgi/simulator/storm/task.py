"""What a worker is told, and what it tells: lines of JSON over its pipes."""

from __future__ import annotations

import base64
import json
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Self

from redox_wsgi.simulator.answer import Headers
from redox_wsgi.simulator.storm.loopback import Place
from redox_wsgi.simulator.storm.sizes import SizeShare

__all__ = ["Report", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One worker's share of a storm."""

    place: Place
    #: The name in the certificate; None: plain HTTP.
    tls_name: str | None
    target: str = field(repr=False)
    #: Those that are the same for every transmission.
    headers: Headers = field(repr=False)
    #: This worker's number, from 0, and how many there are.
    worker: int
    workers: int
    subscriptions: int
    #: Transmissions a second of all workers together; None: closed loop.
    rate: float | None
    #: Of all workers together.
    count: int
    seconds: float
    sizes: tuple[SizeShare, ...]
    timeout_seconds: float

    @property
    def own_count(self) -> int:
        """How many of the transmissions are this worker's: each ``workers``-th one."""
        return (self.count - self.worker + self.workers - 1) // self.workers

    def to_line(self) -> str:
        """Write the task as one line."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a task back."""
        task = json.loads(line)
        task["place"] = Place(**task["place"])
        task["headers"] = tuple((name, value) for name, value in task["headers"])
        task["sizes"] = tuple(SizeShare(**share) for share in task["sizes"])
        return cls(**task)


@dataclass(slots=True)
class Report:
    """What happened in one worker since its last report."""

    #: Seconds since the start.
    at: float = 0.0
    sent: int = 0
    #: To the end of the answer, in microseconds: from the time at which it was due,
    #: or, in a closed loop, from the first byte of the request.
    latencies: array[int] = field(default_factory=lambda: array("I"))
    #: How much later than intended an idle subscription was made to send: this is the
    #: worker's own delay, in microseconds.
    lags: array[int] = field(default_factory=lambda: array("I"))
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    #: Now, not since the last report: unanswered, and due but not yet sent.
    in_flight: int = 0
    waiting: int = 0
    #: Connections opened, since the start.
    opened: int = 0
    #: Share of the time until now in which this worker had something to do.
    busy: float = 0.0
    #: Nothing more will come.
    is_last: bool = False

    def to_line(self) -> str:
        """Write the report as one line."""
        # Not by asdict, which would copy each number.
        fields = {name: getattr(self, name) for name in self.__slots__}
        for name in ("latencies", "lags"):
            fields[name] = base64.b64encode(fields[name].tobytes()).decode()
        return json.dumps(fields) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a report back."""
        fields = json.loads(line)
        for name in ("latencies", "lags"):
            fields[name] = array("I", base64.b64decode(fields[name]))
        for name in ("statuses", "errors"):
            fields[name] = Counter(fields[name])
        return cls(**fields)
