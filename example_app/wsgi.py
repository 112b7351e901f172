"""What a WSGI server imports: ``gunicorn example_app.wsgi:application``."""

from __future__ import annotations

import logging

from example_app.application import create_app
from example_app.settings import read_settings

# One line for each transmission, without anything of the patient, to standard error.
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

application = create_app(read_settings())
