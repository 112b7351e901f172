"""Load a destination with many subscriptions, and measure how it answers.

Open loop (a rate) or closed loop (each subscription sends when it was answered);
bounded in number and time; towards this machine only, unless the user says otherwise.
"""

from __future__ import annotations

from redox_wsgi.simulator.storm.crew import Storm as Storm
from redox_wsgi.simulator.storm.latencies import Latencies as Latencies
from redox_wsgi.simulator.storm.plan import StormPlan as StormPlan
from redox_wsgi.simulator.storm.sizes import SizeShare as SizeShare
from redox_wsgi.simulator.storm.sizes import parse_sizes as parse_sizes
from redox_wsgi.simulator.storm.tally import QUANTILES as QUANTILES
from redox_wsgi.simulator.storm.tally import Slot as Slot
from redox_wsgi.simulator.storm.tally import Tally as Tally

__all__ = [
    "QUANTILES",
    "Latencies",
    "SizeShare",
    "Slot",
    "Storm",
    "StormPlan",
    "Tally",
    "parse_sizes",
]
