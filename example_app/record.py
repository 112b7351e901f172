"""One notification being recorded: whom and which visit it is about, exactly once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps

from flask import current_app

from example_app.database import Database
from example_app.patients import describe, identify
from example_app.reading import (
    read_id,
    read_identifiers,
    read_member,
    read_payload,
    read_text,
    read_time,
    write_time,
)
from example_app.visits import Place, Visit, find_visit, read_place
from redox_wsgi import JsonObject, Transmission

# Far longer than Redox tries again, and than a person takes to send something anew.
_REMEMBERED = timedelta(days=30)

_LONGEST_NAME = 64


class SetAside(Exception):
    """The message lacks what the board needs: it is counted and not shown."""


@dataclass(frozen=True, slots=True)
class Record:
    """A notification and the transaction that keeps it."""

    db: sqlite3.Connection
    transmission: Transmission
    payload: JsonObject

    @property
    def source(self) -> str:
        """The ID of the source; without one no identifier means anything.

        Raises:
            SetAside: There is none.
        """
        source = read_id(self.payload, "Meta", "Source", "ID")
        if source is None:
            raise SetAside
        return source

    @property
    def event(self) -> str:
        """The event type, without blanks and case, which are not to be relied on."""
        return self.transmission.folded_names[1]

    @property
    def happened_at(self) -> str:
        """When it happened, or else when we received it."""
        happened_at = read_time(self.payload, "Meta", "EventDateTime")
        return happened_at or write_time(self.transmission.received_at)

    @property
    def place(self) -> Place:
        """Where the visit is, as far as this message says."""
        return read_place(self.payload)

    def patient(self) -> int:
        """Identify the patient and keep the demographics.

        Raises:
            SetAside: No identifier has both an ID and a type.
        """
        identifiers = read_identifiers(self.payload, "Patient", "Identifiers")
        retired = read_identifiers(self.payload, "Patient", "PreviousIdentifiers")
        if not identifiers:
            raise SetAside
        patient_id = identify(self.db, self.source, identifiers, retired)
        describe(
            self.db, patient_id, read_member(self.payload, "Patient", "Demographics")
        )
        return patient_id

    def visit(self) -> Visit:
        """Find the visit, of the patient, and keep what is told of it.

        Raises:
            SetAside: The patient has no identifier, or the visit no number.
        """
        patient_id = self.patient()
        number = read_id(self.payload, "Visit", "VisitNumber")
        if number is None:
            raise SetAside
        visit = find_visit(self.db, self.source, number, patient_id)
        visit.describe(self.payload, is_test=self.transmission.is_test)
        return visit


def recorded(keep: Callable[[Record], None]) -> Callable[[Transmission], None]:
    """Make a handler of a function that keeps one notification.

    All of it is one transaction, so Redox gets its 200 for all or for nothing. A
    repeated delivery changes nothing, whatever came in between.
    """

    @wraps(keep)
    def handler(transmission: Transmission) -> None:
        payload = read_payload(transmission)
        with get_database().transaction() as db:
            if not _is_first(db, transmission):
                return
            is_set_aside = False
            try:
                keep(Record(db, transmission, payload))
            except SetAside:
                is_set_aside = True
            count(db, transmission, payload, is_set_aside=is_set_aside)

    return handler


def fold_event(event_type: str | None) -> str | None:
    """Fold an event type for comparison."""
    return event_type.replace(" ", "").lower() if event_type else None


def get_database() -> Database:
    """Return the database of the current application."""
    database: Database = current_app.extensions["database"]
    return database


def count(
    db: sqlite3.Connection,
    transmission: Transmission,
    payload: JsonObject,
    *,
    is_set_aside: bool = False,
) -> None:
    """Count a transmission under its data model and event type."""
    data_model = read_text(payload, "Meta", "DataModel")
    event_type = read_text(payload, "Meta", "EventType")
    db.execute(
        "INSERT INTO tally (data_model, event_type, received, set_aside, last_at) "
        "VALUES (?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET received = received + 1, "
        "set_aside = set_aside + excluded.set_aside, last_at = excluded.last_at",
        (
            (data_model or transmission.format)[:_LONGEST_NAME],
            (event_type or "")[:_LONGEST_NAME],
            is_set_aside,
            write_time(transmission.received_at),
        ),
    )


def _is_first(db: sqlite3.Connection, transmission: Transmission) -> bool:
    db.execute(
        "DELETE FROM seen WHERE received_at < ?",
        (write_time(transmission.received_at - _REMEMBERED),),
    )
    inserted = db.execute(
        "INSERT OR IGNORE INTO seen (identity, received_at) VALUES (?, ?)",
        (transmission.identity, write_time(transmission.received_at)),
    )
    return inserted.rowcount == 1
