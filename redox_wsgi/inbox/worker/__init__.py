"""Handle what an inbox keeps: each lane in order, several lanes at once."""

from __future__ import annotations
