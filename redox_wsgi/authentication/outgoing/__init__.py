"""Questions to other servers, bounded in time and size, and what they answered."""

from __future__ import annotations
