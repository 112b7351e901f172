"""What the worker runs: ``redox-wsgi work example_app.worker:handle``.

It fills the board with what the inbox has kept.
"""

from __future__ import annotations

from example_app.application import create_app, in_context_of
from example_app.handlers import notifications
from example_app.settings import read_settings

handle = in_context_of(create_app(read_settings()), notifications)
