"""What a handler needs in Django outside of Django's own request cycle.

``RedoxMiddleware`` stands in front of Django, so that Django's signals are not sent
for a transmission: connections would outlive ``CONN_MAX_AGE``, a broken one would stay
broken, and ``DEBUG`` would collect queries for ever. In guard mode, with
``Destination(None, ...)``, the view runs inside the cycle and needs none of this.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.handler import check_is_handler

if TYPE_CHECKING:
    from redox_wsgi.handler import Handler, Reply
    from redox_wsgi.transmission import Transmission


def with_database_connections(handler: Handler) -> Handler:
    """Wrap a handler so that it may use Django's models.

    Before and after each transmission, connections that are broken or older than
    ``CONN_MAX_AGE`` are closed, as Django does around a request of its own.

    Args:
        handler: The handler; a ``Router`` is one.

    Raises:
        ConfigurationError: Django is not installed, or this is no handler.

    Spec:
        https://docs.djangoproject.com/en/stable/ref/databases/#connection-management
    """
    check_is_handler(handler)
    try:
        from django.db import close_old_connections, reset_queries  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "redox_wsgi.contrib.django needs Django: pip install django"
        ) from error

    @functools.wraps(handler, updated=())
    def handle(transmission: Transmission) -> Reply:
        reset_queries()
        close_old_connections()
        try:
            return handler(transmission)
        finally:
            close_old_connections()

    return handle
