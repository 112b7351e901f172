"""One transmission: the bytes that Redox sent, and what can be said of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import msgspec

from redox_wsgi.errors import BodyNotJson
from redox_wsgi.identity import hash_content
from redox_wsgi.meta import (
    Format,
    Meta,
    read_id,
    read_list,
    read_member,
    read_meta,
    read_text,
)
from redox_wsgi.principal import Principal

#: A parsed JSON object.
JsonObject: TypeAlias = dict[str, Any]

# Queries whose event type does not end in "query": data model and event type, folded.
# -- https://developer.redoxengine.com/redox-json-api/processing-requests/
_OTHER_QUERIES = {
    ("clinicaldecisions", "request"),
    ("clinicalsummary", "documentget"),
    ("scheduling", "availableslots"),
    ("scheduling", "booked"),
    ("sso", "sign-on"),
}
# These are answered by "Response" and not by their own name with "Response" behind.
_ANSWERED_BY_RESPONSE = {("patientsearch", "query"), ("clinicaldecisions", "request")}


def fold_name(name: str | None) -> str:
    """Fold a data model or event type for comparison: no blanks, lower case.

    Example:
        >>> fold_name("Clinical Summary")
        'clinicalsummary'
    """
    return name.replace(" ", "").lower() if name else ""


def is_query(data_model: str, event_type: str) -> bool:
    """Tell whether somebody waits for an answer; both names are folded.

    Example:
        >>> is_query("scheduling", "booked"), is_query("scheduling", "new")
        (True, False)
    """
    return event_type.endswith("query") or (data_model, event_type) in _OTHER_QUERIES


@dataclass(frozen=True, slots=True)
class PatientIdentifier:
    """One of the identifiers of a patient.

    Attributes:
        id: The identifier, as text.
        id_type: Who gave it, such as ``MR``; a patient may have several of one type.
    """

    id: str = field(repr=False)
    id_type: str | None = field(repr=False)


class Entry(Protocol):
    """The entry of an inbox that a handler was given, while it runs.

    Attributes:
        id: Its number; lower means that it arrived earlier within its lane.
        lane: The key of its lane.
        attempt: How often it was given to a handler, this time included.
        fence: The number of this claim on its lane; a later claim has a higher one,
            so that what the handler changes elsewhere can refuse a lower one.
    """

    @property
    def id(self) -> int: ...  # noqa: D102 - described above
    @property
    def lane(self) -> str: ...  # noqa: D102
    @property
    def attempt(self) -> int: ...  # noqa: D102
    @property
    def fence(self) -> int: ...  # noqa: D102
    @property
    def is_lost(self) -> bool:
        """Whether the lease ended: another worker may have the entry by now."""
        ...

    def complete(self, connection: Any) -> None:
        """Complete the entry within a transaction of the handler's own.

        Args:
            connection: A psycopg connection in a transaction of READ COMMITTED, to the
                database of the inbox. The caller commits.

        Raises:
            LostLease: The entry is another worker's; roll back.
            ConfigurationError: The inbox is not in PostgreSQL, or the isolation level
                is another.
        """
        ...


class Transmission:
    """One delivery of a message to one destination.

    Nothing but the envelope is decoded until it is asked for. ``repr`` shows no text
    of the body, since that is a patient's data.

    Args:
        body: The body as sent, undecoded.
        received_at: When the body had been read: aware, in UTC.
        content_type: The request's content type as sent, or None.
        principal: Who was proved to have sent it.
        destination: The name of the destination that received it.
        entry: The inbox's entry that it was read from; None while Redox waits for the
            answer.

    Example:
        >>> from datetime import UTC
        >>> body = b'{"Meta": {"DataModel": "PatientSearch", "EventType": "Query"}}'
        >>> query = Transmission(body, received_at=datetime(2026, 1, 31, tzinfo=UTC))
        >>> query.is_query, query.response_event_type
        (True, 'Response')
    """

    __slots__ = (
        "_folded_names",
        "_format",
        "_identity",
        "_meta",
        "_patient_identifiers",
        "_payload",
        "body",
        "content_type",
        "destination",
        "entry",
        "principal",
        "received_at",
    )

    def __init__(
        self,
        body: bytes,
        *,
        received_at: datetime,
        content_type: str | None = None,
        principal: Principal | None = None,
        destination: str = "/redox",
        entry: Entry | None = None,
    ) -> None:
        self.body = body
        self.received_at = received_at
        self.content_type = content_type
        self.principal = principal
        self.destination = destination
        self.entry = entry
        self._format, self._meta = read_meta(body)
        self._folded_names: tuple[str, str] | None = None
        self._payload: Any = msgspec.UNSET
        self._identity: str | None = None
        self._patient_identifiers: tuple[PatientIdentifier, ...] | None = None

    def __repr__(self) -> str:
        return f"<Transmission: {self._format}, {len(self.body)} bytes>"

    @property
    def attempt(self) -> int:
        """How often a handler was given this, now included; 1 without an inbox."""
        return self.entry.attempt if self.entry is not None else 1

    @property
    def format(self) -> Format:
        """``data-model``, ``fhir``, or ``unknown`` for anything else."""
        return self._format

    @property
    def meta(self) -> Meta:
        """The envelope; an empty one unless the format is ``data-model``."""
        return self._meta

    def json(self) -> Any:
        """Return the whole body decoded by the standard library, once.

        Returns:
            The same object at every call: a dict for every payload of Redox.

        Raises:
            BodyNotJson: The body is not JSON; nothing of it is in the error.
        """
        if self._payload is msgspec.UNSET:
            try:
                self._payload = json.loads(self.body)
            except (ValueError, RecursionError):
                pass
            else:
                return self._payload
            # Outside the except clause: the original error holds the whole body.
            raise BodyNotJson("The body is not JSON.")
        return self._payload

    @property
    def data_model(self) -> str | None:
        """``Meta.data_model``."""
        return self._meta.data_model

    @property
    def event_type(self) -> str | None:
        """``Meta.event_type``."""
        return self._meta.event_type

    @property
    def event_datetime(self) -> datetime | None:
        """``Meta.event_datetime``."""
        return self._meta.event_datetime

    @property
    def source_id(self) -> str | None:
        """``Meta.source_id``."""
        return self._meta.source_id

    @property
    def destination_ids(self) -> tuple[str, ...]:
        """``Meta.destination_ids``."""
        return self._meta.destination_ids

    @property
    def facility_code(self) -> str | None:
        """``Meta.facility_code``."""
        return self._meta.facility_code

    @property
    def is_test(self) -> bool:
        """``Meta.is_test``."""
        return self._meta.is_test

    @property
    def log_id(self) -> str | None:
        """``Meta.log_id``."""
        return self._meta.log_id

    @property
    def attempt_id(self) -> str | None:
        """``Meta.attempt_id``."""
        return self._meta.attempt_id

    @property
    def message_id(self) -> str | None:
        """``Meta.message_id``."""
        return self._meta.message_id

    @property
    def transmission_id(self) -> str | None:
        """``Meta.transmission_id``."""
        return self._meta.transmission_id

    @property
    def folded_names(self) -> tuple[str, str]:
        """Data model and event type for comparison; see ``fold_name``."""
        if self._folded_names is None:
            meta = self._meta
            self._folded_names = fold_name(meta.data_model), fold_name(meta.event_type)
        return self._folded_names

    @property
    def is_query(self) -> bool:
        """Whether somebody waits for an answer, within 120 s from end to end."""
        return is_query(*self.folded_names)

    @property
    def response_event_type(self) -> str | None:
        """The event type that answers this query; None for a notification."""
        if not self.is_query:
            return None
        if self.folded_names in _ANSWERED_BY_RESPONSE:
            return "Response"
        return f"{self.event_type}Response"

    @property
    def subscription(self) -> str:
        """The first-in-first-out feed that this belongs to.

        Destination's name, source ID and folded data model, a hyphen for what is
        absent. ``Meta.Destinations`` does not decide: it names others' too.
        """
        data_model, _ = self.folded_names
        return f"{self.destination}|{self.source_id or '-'}|{data_model or '-'}"

    @property
    def identity(self) -> str:
        """What a repeated delivery has in common with the first: a SHA-256, in hex.

        The content without its attempt IDs; see ``redox_wsgi.identity``.
        """
        if self._identity is None:
            self._identity = (
                hash_content(self.body, self._meta.attempt_id)
                if self._format == "data-model"
                else hashlib.sha256(self.body).hexdigest()
            )
        return self._identity

    @property
    def patient_identifiers(self) -> tuple[PatientIdentifier, ...]:
        """Every ID of ``Patient.Identifiers`` with its type, in the order sent.

        Empty if there are none, or if the body cannot be decoded as a whole.
        """
        if self._patient_identifiers is None:
            self._patient_identifiers = tuple(self._read_patient_identifiers())
        return self._patient_identifiers

    def reply(self, payload: Mapping[str, Any]) -> JsonObject:
        """Build the answer to this query: the right ``Meta``, then ``payload``.

        ``SSO:Sign-on`` is not answered so, but by ``Response.redirect``.

        Args:
            payload: The rest of the answer. Fields of a ``Meta`` in it are added to
                ours, and replace them.

        Raises:
            ValueError: This is no query.

        Spec:
            https://developer.redoxengine.com/redox-json-api/processing-requests/
        """
        event_type = self.response_event_type
        if event_type is None:
            raise ValueError("Only a query has a reply.")
        meta = {
            "DataModel": self.data_model,
            "EventType": event_type,
            "EventDateTime": _format_datetime(self.received_at),
            "Test": self.is_test,
            **(payload.get("Meta") or {}),
        }
        return {"Meta": meta, **{k: v for k, v in payload.items() if k != "Meta"}}

    def reply_errors(self, *texts: str) -> JsonObject:
        """Build an answer that tells the asker of this query what failed.

        Args:
            texts: A sentence for each error, for people; no patient's data.

        Raises:
            ValueError: As ``reply``.
        """
        errors = [
            {"ID": number, "Text": text, "Type": "transmission", "Module": "redox_wsgi"}
            for number, text in enumerate(texts, start=1)
        ]
        return self.reply({"Meta": {"Errors": errors}})

    def _read_patient_identifiers(self) -> Iterator[PatientIdentifier]:
        # A FHIR Patient has another shape.
        if self._format != "data-model":
            return
        try:
            patient = read_member(self.json(), "Patient")
        except BodyNotJson:
            return
        for identifier in read_list(read_member(patient, "Identifiers")):
            id_ = read_id(read_member(identifier, "ID"))
            if id_ is not None:
                id_type = read_text(read_member(identifier, "IDType"))
                yield PatientIdentifier(id_, id_type)


def _format_datetime(moment: datetime) -> str:
    # As Redox writes it: "2016-09-22T10:20:30.000Z".
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
