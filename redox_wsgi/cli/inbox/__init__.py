"""The commands ``redox-wsgi inbox ...``: look into an inbox, and mend it.

No command shows a body unless it is told to: bodies are patients' data.
"""

from __future__ import annotations

from redox_wsgi.cli.inbox.group import inbox

__all__ = ["inbox"]
