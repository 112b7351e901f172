"""``python -m redox_wsgi.cli`` is the command ``redox-wsgi``."""

from __future__ import annotations

import sys

from redox_wsgi.cli import main

sys.exit(main())
