"""One framework a file; the core imports none of them."""

from __future__ import annotations
