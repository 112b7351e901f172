"""Read an inbox at each scrape: one process tells it, however many there are."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from redox_wsgi.contrib.prometheus.labels import MISSING
from redox_wsgi.errors import ConfigurationError, InboxUnavailable

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.core import GaugeMetricFamily

    from redox_wsgi.inbox.entry import LaneRecord, Stats
    from redox_wsgi.inbox.inbox import Inbox


class InboxCollector:
    """Tells how an inbox stands; give it to ``Metrics``.

    Args:
        inbox: The inbox. Each scrape counts its entries: once a minute is enough.
        most_lanes: So many lanes are told by name, the worst ones: halted lanes first,
            then those whose head has waited longest.

    Raises:
        ConfigurationError: prometheus_client is not installed.
    """

    def __init__(self, inbox: Inbox, *, most_lanes: int = 20) -> None:
        if importlib.util.find_spec("prometheus_client") is None:
            raise ConfigurationError(MISSING)
        self._inbox = inbox
        self._most_lanes = most_lanes

    def collect(self) -> Iterator[Metric]:
        """Read the inbox; where it cannot be read, ``redox_inbox_up`` is 0."""
        try:
            stats = self._inbox.stats()
        # The other is found at the first use, such as tables of a newer release.
        except (InboxUnavailable, ConfigurationError):
            yield _build("up", "Whether the inbox can be read.", 0)
            return
        yield _build("up", "Whether the inbox can be read.", 1)
        yield from _tell_counts(stats)
        worst = sorted(stats.lanes, key=lambda lane: not lane.is_halted)
        yield from _tell_lanes(stats, worst[: self._most_lanes])


def _tell_counts(stats: Stats) -> Iterator[Metric]:
    entries = _build("entries", "Entries, by their state.", None, "state")
    for state in ("waiting", "done", "dead", "emptied"):
        entries.add_metric([state], getattr(stats, state))
    yield entries
    yield _build("repeats", "Repeated deliveries of what is kept.", stats.repeats)
    yield _build("halted_lanes", "Lanes that wait for an operator.", stats.halted)
    failing = sum(lane.is_failing for lane in stats.lanes)
    yield _build("failing_lanes", "Lanes whose head failed, halted or not.", failing)
    oldest = stats.oldest_waiting_seconds
    yield _build(
        "oldest_waiting_seconds", "How long the oldest one has waited.", oldest
    )


def _tell_lanes(stats: Stats, lanes: list[LaneRecord]) -> Iterator[Metric]:
    waiting = _build("lane_waiting", "Waiting entries of a lane.", None, "lane")
    oldest = _build("lane_oldest_seconds", "Since when its head waits.", None, "lane")
    halted = _build("lane_halted", "Whether it waits for an operator.", None, "lane")
    for lane in lanes:
        since = lane.oldest_at or stats.at
        waiting.add_metric([lane.key], lane.waiting)
        oldest.add_metric([lane.key], max(0.0, (stats.at - since).total_seconds()))
        halted.add_metric([lane.key], lane.is_halted)
    yield from (waiting, oldest, halted)


def _build(
    name: str, text: str, value: float | None, *labels: str
) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - an extra

    return GaugeMetricFamily(
        f"redox_inbox_{name}", text, value=value, labels=labels or None
    )
