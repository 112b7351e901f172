"""The inbox: a handler that keeps a transmission durably, and returns."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from redox_wsgi.inbox.entry import UNANSWERED_QUERY, Arrival, Receipt, State, Stats
from redox_wsgi.inbox.lane import build_lane_key
from redox_wsgi.inbox.location import open_store
from redox_wsgi.inbox.store import Store
from redox_wsgi.principal import Principal
from redox_wsgi.reporting import loggable
from redox_wsgi.transmission import Entry, JsonObject, Transmission

# What a header may be to be kept beside a body: one line of it, of a sane length.
_CONTENT_TYPE = re.compile(r"[ -~]{1,255}")

_logger = logging.getLogger("redox_wsgi")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Inbox:
    """Keeps every transmission that it is given; a ``Worker`` handles them afterwards.

    An inbox is a handler: the destination answers 200 when, and only when, the store
    has committed. A repeated delivery is kept once. Queries need their answer at once,
    so put a ``Router`` in front that answers them.

    Args:
        url: Where to keep them: ``sqlite:///inbox.db`` (a path below the current
            folder), ``sqlite:////var/lib/inbox.db`` (an absolute one),
            ``postgresql://user@host/database``, or ``memory://`` for tests.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: The URL names no store, or its extra is not installed.

    Example:
        >>> from redox_wsgi import Destination
        >>> inbox = Inbox("memory://")
        >>> destination = Destination(inbox, verification_token="x" * 32)
        >>> inbox.stats().waiting
        0
    """

    def __init__(self, url: str, *, now: Callable[[], datetime] = _utc_now) -> None:
        #: What keeps the entries.
        self.store: Store = open_store(url, now)

    def __repr__(self) -> str:
        return f"<Inbox in {type(self.store).__name__}>"

    def __call__(self, transmission: Transmission) -> JsonObject | None:
        """Keep a transmission: committed when this returns.

        Returns:
            None for a notification. A query cannot be answered later: it is kept as
            dead, and its asker is told so.

        Raises:
            InboxUnavailable: It is not known to be kept; Redox sees 503 and sends it
                again.
        """
        arrival = _build_arrival(transmission)
        receipt = self.store.put(arrival)
        if arrival.state is State.DEAD:
            _logger.error(
                "A query reached an inbox, where nobody can answer it: lane=%r "
                "event_type=%r. Put a Router with a handler for it in front.",
                arrival.lane,
                arrival.event_type,
            )
            return transmission.reply_errors("No handler answers this query.")
        if receipt is not Receipt.STORED:
            _logger.info("Delivered again: %s lane=%r", receipt.name, arrival.lane)
        return None

    def stats(self) -> Stats:
        """Count the entries and the lanes.

        Raises:
            InboxUnavailable: The store cannot be read now.
        """
        return self.store.stats()

    def read(
        self,
        entry_id: int,
        head: str,
        received_at: datetime,
        entry: Entry | None = None,
    ) -> Transmission:
        """Read the transmission that an entry keeps, equal to the one that was put.

        Args:
            entry_id: The number of the entry.
            head: As the store has it.
            received_at: As the store has it.
            entry: What the handler shall find as ``transmission.entry``.

        Raises:
            BodyDamaged: The body is missing or not what was put.
            InboxUnavailable: The store cannot be read now.
        """
        facts = json.loads(head)
        principal = facts.get("principal")
        return Transmission(
            self.store.read_body(entry_id),
            received_at=received_at,
            content_type=facts.get("content_type"),
            principal=principal and _build_principal(*principal),
            destination=facts["destination"],
            entry=entry,
        )

    def close(self) -> None:
        """Close the connections of this process."""
        self.store.close()


def _build_arrival(transmission: Transmission) -> Arrival:
    is_query = transmission.is_query
    return Arrival(
        lane=build_lane_key(transmission),
        identity=transmission.identity,
        received_at=transmission.received_at,
        body=transmission.body,
        head=_write_head(transmission),
        data_model=loggable(transmission.data_model),
        event_type=loggable(transmission.event_type),
        log_id=loggable(transmission.log_id),
        state=State.DEAD if is_query else State.WAITING,
        error=UNANSWERED_QUERY if is_query else None,
    )


def _write_head(transmission: Transmission) -> str:
    """Write what a worker's ``Transmission`` needs beside the body; no header else."""
    head: dict[str, Any] = {"destination": transmission.destination}
    content_type = transmission.content_type
    if content_type is not None and _CONTENT_TYPE.fullmatch(content_type):
        head["content_type"] = content_type
    principal = transmission.principal
    if principal is not None:
        head["principal"] = [
            principal.scheme,
            principal.subject,
            sorted(principal.scopes),
        ]
    return json.dumps(head, separators=(",", ":"))


def _build_principal(scheme: str, subject: str, scopes: list[str]) -> Principal:
    return Principal(scheme, subject, frozenset(scopes))
