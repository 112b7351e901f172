"""Judge an endpoint that Redox shall send to, whatever it is written in.

>>> from redox_wsgi.simulator.check import select_probes
>>> [probe.name for probe in select_probes(only=["success-is-200"])]
['reachable', 'no-redirect', 'token-both', 'success-is-200']

``Bench`` is what probes send with, ``run_probes`` yields one ``Finding`` after the
other. Only marked test data is sent, about people who do not exist, and no finding
holds the token.
"""

from __future__ import annotations

from redox_wsgi.simulator.check.bench import Bench as Bench
from redox_wsgi.simulator.check.junit import build_junit as build_junit
from redox_wsgi.simulator.check.probe import Finding as Finding
from redox_wsgi.simulator.check.probe import Group as Group
from redox_wsgi.simulator.check.probe import Judgement as Judgement
from redox_wsgi.simulator.check.probe import Probe as Probe
from redox_wsgi.simulator.check.probe import Verdict as Verdict
from redox_wsgi.simulator.check.run import GROUPS as GROUPS
from redox_wsgi.simulator.check.run import run_probes as run_probes
from redox_wsgi.simulator.check.run import select_probes as select_probes

__all__ = [
    "GROUPS",
    "Bench",
    "Finding",
    "Group",
    "Judgement",
    "Probe",
    "Verdict",
    "build_junit",
    "run_probes",
    "select_probes",
]
