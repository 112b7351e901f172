"""What a storm shall be: how much, how fast, how long."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from redox_wsgi.simulator.credentials import TokenCredential
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.storm.sizes import SizeShare, parse_sizes

__all__ = ["StormPlan"]

# Everything is bounded, so that a slip of the finger ends by itself.
_MOST_COUNT = 100_000_000
_MOST_SECONDS = 3600.0
_MOST_PROCESSES = 64
# Below the usual limit of open files, 1024.
_MOST_SUBSCRIPTIONS_A_PROCESS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StormPlan:
    """A load of transmissions, bounded in number and in time.

    Raises:
        SimulatorError: A number is out of its bounds, or the token cannot stand in a
            header.
    """

    #: Address of the destination; a query string may hold a secret.
    url: str = field(repr=False)
    verification_token: str = field(repr=False)
    #: Each has at most one transmission in flight, and a connection of its own.
    subscriptions: int = 10
    #: Transmissions a second in all, sent whether or not earlier ones were answered
    #: (open loop). None: each subscription sends the next one when its last one was
    #: answered (closed loop).
    rate: float | None = None
    #: Most transmissions to send, in all.
    count: int = 100_000
    #: Longest time in which new ones are sent.
    seconds: float = 10.0
    sizes: tuple[SizeShare, ...] = parse_sizes("2k")
    #: Processes that share the work; more than one if one cannot keep up.
    processes: int = 1
    #: Longest wait for an answer, in seconds.
    timeout_seconds: float = 30.0
    #: The status that is right: 401 if the token is wrong on purpose.
    expected_status: int = 200
    #: The host is not this machine, and the user says that it is theirs.
    own_host: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        TokenCredential(self.verification_token)
        most_subscriptions = _MOST_SUBSCRIPTIONS_A_PROCESS * self.processes
        for name, value, least, most in (
            ("processes", self.processes, 1, _MOST_PROCESSES),
            ("subscriptions", self.subscriptions, self.processes, most_subscriptions),
            ("rate", 1.0 if self.rate is None else self.rate, 0.01, 1_000_000),
            ("count", self.count, 1, _MOST_COUNT),
            ("seconds", self.seconds, 0.01, _MOST_SECONDS),
            ("timeout_seconds", self.timeout_seconds, 0.01, _MOST_SECONDS),
        ):
            if not least <= value <= most:
                raise SimulatorError(f"{name} must be from {least:g} to {most:g}.")

    @property
    def slot_seconds(self) -> float:
        """The width of a slot of time in the series of latencies.

        A whole number of the tenths in which reports come, or they would beat.
        """
        return max(5, math.ceil(self.seconds / 12)) / 10
