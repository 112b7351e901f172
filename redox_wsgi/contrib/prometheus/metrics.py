"""Count what destinations and workers do, and serve the counts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from redox_wsgi.contrib.prometheus.labels import MISSING, BoundedLabels
from redox_wsgi.errors import ConfigurationError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

    from redox_wsgi.inbox.worker.handling_report import HandledOutcome
    from redox_wsgi.reporting import Outcome

_EVENT = ("data_model", "event_type")
_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120)
# Redox sends up to 40 MB.
_BYTES = (1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 40e6)


class Metrics:
    """The counters and histograms of a process; make one for all destinations.

    Args:
        collectors: What else is told at each scrape, such as ``InboxCollector``.
        most_events: So many pairs of data model and event type are told apart by each
            process; any further one is ``other``.

    Raises:
        ConfigurationError: prometheus_client is not installed, or
            ``PROMETHEUS_MULTIPROC_DIR`` names no folder.

    Example:
        >>> metrics = Metrics()
        >>> from redox_wsgi import Destination
        >>> destination = Destination(
        ...     print, verification_token="x" * 32, observer=metrics.observe_request
        ... )
        >>> paths = {"/redox": destination, "/metrics": metrics.application}
    """

    def __init__(self, *collectors: Collector, most_events: int = 100) -> None:
        try:
            from prometheus_client import (  # noqa: PLC0415 - an extra
                CollectorRegistry,
                Counter,
                Histogram,
                make_wsgi_app,
            )
        except ImportError as error:
            raise ConfigurationError(MISSING) from error
        #: What is told; a worker gives it to ``prometheus_client.start_http_server``.
        self.registry: CollectorRegistry = _build_registry()
        for collector in collectors:
            self.registry.register(collector)
        #: Tells it over WSGI: for a path of its own in ``RedoxMiddleware``.
        self.application: WSGIApplication = make_wsgi_app(self.registry)
        self._bounded = BoundedLabels(most_events)
        # Of many processes the sum is told, and not what this one counts.
        is_alone = "PROMETHEUS_MULTIPROC_DIR" not in os.environ
        own = self.registry if is_alone else CollectorRegistry()
        self._requests = Counter(
            "redox_requests",
            "Requests to destinations, by what they came to.",
            ("destination", "word", "status", *_EVENT),
            registry=own,
        )
        self._request_seconds = Histogram(
            "redox_request_seconds",
            "From request to answer.",
            ("destination", "word"),
            buckets=_SECONDS,
            registry=own,
        )
        self._body_bytes = Histogram(
            "redox_body_bytes",
            "Lengths of the bodies of transmissions.",
            ("destination",),
            buckets=_BYTES,
            registry=own,
        )
        self._attempts = Counter(
            "redox_work_attempts",
            "Attempts to handle an entry, by what they came to.",
            ("word", *_EVENT),
            registry=own,
        )
        self._attempt_seconds = Histogram(
            "redox_work_seconds",
            "From claim to end of an attempt.",
            ("word",),
            buckets=_SECONDS,
            registry=own,
        )

    def observe_request(self, outcome: Outcome) -> None:
        """Count one request: the ``observer`` of a ``Destination``."""
        name, word = outcome.destination, outcome.word
        event = self._bounded(outcome.data_model, outcome.event_type)
        status = str(outcome.status or "-")
        self._requests.labels(name, word, status, *event).inc()
        self._request_seconds.labels(name, word).observe(outcome.seconds)
        if outcome.body_bytes:
            self._body_bytes.labels(name).observe(outcome.body_bytes)

    def observe_work(self, outcome: HandledOutcome) -> None:
        """Count one attempt: the ``observer`` of a ``Worker``."""
        event = self._bounded(outcome.data_model, outcome.event_type)
        self._attempts.labels(outcome.word, *event).inc()
        self._attempt_seconds.labels(outcome.word).observe(outcome.seconds)


def _build_registry() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, multiprocess  # noqa: PLC0415

    registry = CollectorRegistry(support_collectors_without_names=True)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        try:
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise ConfigurationError(
                "PROMETHEUS_MULTIPROC_DIR must name a folder; empty it at each start."
            ) from error
    return registry
