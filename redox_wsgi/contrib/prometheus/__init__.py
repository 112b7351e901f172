"""Tell Prometheus what destinations, workers and an inbox do.

Works in one process and in many: where ``PROMETHEUS_MULTIPROC_DIR`` names an empty
folder before Python starts, every process writes there, and whichever is scraped tells
the sum. No label holds anything of a body but data model and event type.

Do not serve it to everybody: it tells how much a hospital sends.
"""

from __future__ import annotations

from redox_wsgi.contrib.prometheus.inbox import InboxCollector
from redox_wsgi.contrib.prometheus.metrics import Metrics

__all__ = ["InboxCollector", "Metrics"]
