"""Measure what receiving a transmission costs, beside other ways to do the same.

Run ``python -m benchmarks``; ``docs/performance.md`` explains every row.
"""

from __future__ import annotations
