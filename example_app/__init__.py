"""A ward board fed by Redox: the reference application of ``redox_wsgi``.

Read ``application.py`` first, it wires everything; then ``handlers.py``, one function
per event. Run it with ``python -m example_app``.
"""

from __future__ import annotations
