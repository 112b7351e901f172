"""The inbox: a handler that keeps a transmission durably, and returns."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from redox_wsgi.clock import utc_now
from redox_wsgi.errors import ConfigurationError, InboxUnavailable
from redox_wsgi.handler import Handler
from redox_wsgi.inbox.encryption import Sealer, is_sealed
from redox_wsgi.inbox.entry import (
    UNANSWERED_QUERY,
    Arrival,
    Claim,
    EntryRecord,
    Receipt,
    State,
    Stats,
)
from redox_wsgi.inbox.lane import build_label
from redox_wsgi.inbox.location import open_store
from redox_wsgi.inbox.store import BodyDamaged, Store
from redox_wsgi.inbox.worker.housekeeping import Retention, prune
from redox_wsgi.inbox.worker.web_worker import WebWorker
from redox_wsgi.inbox.worker.worker import Worker
from redox_wsgi.principal import Principal
from redox_wsgi.reporting import loggable
from redox_wsgi.transmission import Entry, JsonObject, Transmission

# What a header may be to be kept beside a body: one line of it, of a sane length.
_CONTENT_TYPE = re.compile(r"[ -~]{1,255}")

_logger = logging.getLogger("redox_wsgi")


class Inbox:
    """Keeps every transmission that it is given; a ``Worker`` handles them afterwards.

    An inbox is a handler: the destination answers 200 when, and only when, the store
    has committed. A repeated delivery is kept once. Queries need their answer at once,
    so put a ``Router`` in front that answers them.

    Args:
        url: Where to keep them: ``sqlite:///inbox.db`` (a path below the current
            folder), ``sqlite:////var/lib/inbox.db`` (an absolute one),
            ``postgresql://user@host/database``, or ``memory://`` for tests.
        encryption_keys: Seal bodies with the first of these, open them with any; see
            ``build_encryption_key``. None keeps them as they came.
        notify: Let PostgreSQL wake the workers at each put, in place of their asking
            now and then. It costs the puts more than it saves, unless entries are few
            and a second matters.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: The URL names no store, a key is malformed, an extra is not
            installed, or ``notify`` is not for this store.

    Example:
        >>> from redox_wsgi import Destination
        >>> inbox = Inbox("memory://")
        >>> destination = Destination(inbox, verification_token="x" * 32)
        >>> inbox.stats().waiting
        0
    """

    def __init__(
        self,
        url: str,
        *,
        encryption_keys: Sequence[str] | None = None,
        notify: bool = False,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        #: What keeps the entries.
        self.store: Store = open_store(url, now, notify=notify)
        self._sealer = None if encryption_keys is None else Sealer(encryption_keys)
        self._now = now
        self._web_worker: WebWorker | None = None

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
        if self._sealer is not None:
            sealed = self._sealer.seal(arrival.body, _bind(arrival))
            arrival = replace(arrival, body=sealed)
        try:
            receipt = self.store.put(arrival)
        # Found at the first use, such as tables of a newer release: not kept, and not
        # a fault of this transmission.
        except ConfigurationError as error:
            _logger.error("The inbox cannot be used: %s", error)
            raise InboxUnavailable("inbox-misconfigured") from error
        if self._web_worker is not None:
            self._web_worker.begin()
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
        self, kept: Claim | EntryRecord, entry: Entry | None = None
    ) -> Transmission:
        """Read the transmission that an entry keeps, equal to the one that was put.

        Args:
            kept: The entry, as claimed or as found.
            entry: What the handler shall find as ``transmission.entry``.

        Raises:
            BodyDamaged: The body is missing or not what was put.
            InboxUnavailable: The store cannot be read now.
        """
        body = self.store.read_body(
            kept.entry_id if isinstance(kept, Claim) else kept.id
        )
        if self._sealer is not None:
            body = self._sealer.open(body, _bind(kept))
        elif is_sealed(body):
            # A handler would take it for noise, and it would be done.
            raise BodyDamaged("body-sealed-and-no-key-configured")
        facts = json.loads(kept.head)
        principal = facts.get("principal")
        transmission = Transmission(
            body,
            received_at=kept.received_at,
            content_type=facts.get("content_type"),
            principal=principal and _build_principal(*principal),
            destination=facts["destination"],
            entry=entry,
        )
        # It is a hash of the content, so that no other one is needed beside the body.
        if transmission.identity != kept.identity:
            raise BodyDamaged("body-changed")
        return transmission

    def read_entry(self, entry_id: int) -> Transmission:
        """Read the transmission of one entry, by the number that was handed on.

        Raises:
            BodyDamaged: There is no such entry, its body was pruned, or it is not what
                was put.
            InboxUnavailable: The store cannot be read now.
        """
        record = self.store.find_entry(entry_id)
        if record is None or record.state is State.EMPTIED:
            raise BodyDamaged("body-missing")
        return self.read(record)

    def start_worker(self, handler: Handler, **settings: Any) -> WebWorker:
        """Let a thread of each web process handle what is kept here.

        For small deployments, in place of the command ``redox-wsgi work``. It may be
        called while the application is built, in a process that forks those that serve.

        Args:
            handler: Called with each transmission; see ``Worker``.
            settings: What else ``Worker`` takes, by name.

        Returns:
            What begins with the first transmission that a process keeps; to begin at
            once, call its ``begin`` in a hook of the server.

        Raises:
            ConfigurationError: A setting is wrong, or this was called before.
        """
        if self._web_worker is not None:
            raise ConfigurationError("This inbox has a worker already; keep one.")
        build_worker = partial(Worker, self, handler, **settings)
        # So that a wrong setting is found now; it starts nothing.
        build_worker()
        self._web_worker = WebWorker(build_worker)
        return self._web_worker

    def prune(self, retention: Retention | None = None) -> int:
        """Take away what was handled so long ago that it need not be kept.

        A ``Worker`` does this about once an hour.

        Args:
            retention: How long what is kept; None for bodies 7 days, identities 90.

        Returns:
            How many bodies and identities went.

        Raises:
            InboxUnavailable: The store cannot be used now.
        """
        return prune(self.store, self._now(), retention or Retention())

    def close(self) -> None:
        """Close the connections of this process."""
        self.store.close()


def _build_arrival(transmission: Transmission) -> Arrival:
    meta = transmission.meta
    label = build_label(transmission.destination, meta)
    return Arrival(
        lane=label.lane,
        identity=transmission.identity,
        received_at=transmission.received_at,
        body=transmission.body,
        head=_write_head(transmission),
        data_model=label.data_model,
        event_type=label.event_type,
        log_id=loggable(meta.log_id),
        state=State.DEAD if label.is_query else State.WAITING,
        error=UNANSWERED_QUERY if label.is_query else None,
    )


def _bind(kept: Arrival | Claim | EntryRecord) -> bytes:
    # The body of one entry must not pass for that of another.
    return "\0".join([kept.lane, kept.identity, kept.head]).encode()


def _write_head(transmission: Transmission) -> str:
    """Write what a worker's ``Transmission`` needs beside the body; no header else."""
    principal, content_type = transmission.principal, transmission.content_type
    if content_type is not None and not _CONTENT_TYPE.fullmatch(content_type):
        content_type = None
    return _encode_head(
        transmission.destination,
        content_type,
        principal and (principal.scheme, principal.subject, principal.scopes),
    )


# Nearly all transmissions of a process have one of a few heads, and none is long.
@lru_cache(maxsize=64)
def _encode_head(
    destination: str,
    content_type: str | None,
    principal: tuple[str, str, frozenset[str]] | None,
) -> str:
    head: dict[str, Any] = {"destination": destination}
    if content_type is not None:
        head["content_type"] = content_type
    if principal is not None:
        scheme, subject, scopes = principal
        head["principal"] = [scheme, subject, sorted(scopes)]
    return json.dumps(head, separators=(",", ":"))


def _build_principal(scheme: str, subject: str, scopes: list[str]) -> Principal:
    return Principal(scheme, subject, frozenset(scopes))
