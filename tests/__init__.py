"""What must hold, and a proof that it does."""

from __future__ import annotations
