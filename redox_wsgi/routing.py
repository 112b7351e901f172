"""One handler per data model and event type."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.handler import Handler, Reply, check_is_handler
from redox_wsgi.reporting import loggable
from redox_wsgi.transmission import Transmission, fold_name

_HandlerT = TypeVar("_HandlerT", bound=Handler)

_logger = logging.getLogger("redox_wsgi")


class Router:
    """A handler that hands each transmission to the one registered for its event.

    Names are compared without blanks and case. The most specific handler is chosen:
    data model and event type, then data model, then ``otherwise``. Without any, a
    notification is answered 200 with a warning in the log: one that nobody wants must
    not stop its subscription. A query is answered with ``Meta.Errors``.

    Example:
        >>> router = Router()
        >>> @router.on("PatientAdmin", "Arrival")
        ... def admit(transmission):
        ...     print("welcome")
        >>> from datetime import UTC, datetime
        >>> body = b'{"Meta": {"DataModel": "PatientAdmin", "EventType": "Arrival"}}'
        >>> router(Transmission(body, received_at=datetime.now(UTC)))
        welcome
    """

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._otherwise: Handler | None = None

    def on(
        self, data_model: str, event_type: str | None = None
    ) -> Callable[[_HandlerT], _HandlerT]:
        """Register the handler below for one event, or for a whole data model.

        Args:
            data_model: For example ``PatientAdmin``.
            event_type: For example ``Arrival``; None for all of the data model that
                have no handler of their own.

        Raises:
            ConfigurationError: The event has a handler already, a name is empty, or
                what is registered is no handler.
        """
        if not isinstance(data_model, str) or not isinstance(event_type, str | None):
            raise ConfigurationError(
                "Router.on() needs names: @router.on('PatientAdmin', 'Arrival')."
            )
        names = (fold_name(data_model), fold_name(event_type))
        if not names[0] or (event_type is not None and not names[1]):
            raise ConfigurationError(
                "Router.on() needs the name of a data model, such as 'PatientAdmin', "
                "and of an event type or none at all."
            )

        def register(handler: _HandlerT) -> _HandlerT:
            check_is_handler(handler)
            if names in self._handlers:
                raise ConfigurationError(
                    f"Two handlers for {data_model}:{event_type or '*'}; keep one."
                )
            self._handlers[names] = handler
            return handler

        return register

    def otherwise(self, handler: _HandlerT) -> _HandlerT:
        """Register the handler for everything that no other one is registered for.

        Raises:
            ConfigurationError: There is one already, or this is no handler.
        """
        check_is_handler(handler)
        if self._otherwise is not None:
            raise ConfigurationError("Router.otherwise() was called twice; keep one.")
        self._otherwise = handler
        return handler

    def __call__(self, transmission: Transmission) -> Reply:
        """Call the handler of a transmission and return what it returns."""
        data_model, event_type = transmission.folded_names
        for names in ((data_model, event_type), (data_model, "")):
            if names in self._handlers:
                return self._handlers[names](transmission)
        if self._otherwise is not None:
            return self._otherwise(transmission)
        _logger.warning(
            "No handler for %s:%s; it is answered and dropped. "
            "Register one with Router.on() or Router.otherwise().",
            loggable(transmission.data_model) or "-",
            loggable(transmission.event_type) or "-",
        )
        return None
