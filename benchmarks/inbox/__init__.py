"""The inbox: what it costs to keep a transmission, and to take it out again."""

from __future__ import annotations
