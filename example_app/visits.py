"""Where a patient is: visits, known by their number within a source.

A visit is the steps it went through; the last one says how things stand.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal, TypeAlias

from example_app.reading import read_text, read_time
from redox_wsgi import JsonObject

#: ``booked``, ``missed``: an appointment; ``expected``: announced; ``here``, ``left``.
State: TypeAlias = Literal["booked", "missed", "expected", "here", "left", "canceled"]

#: Department, room and bed.
Place: TypeAlias = tuple[str | None, str | None, str | None]

_NOWHERE: Place = (None, None, None)


def find_visit(
    db: sqlite3.Connection, source: str, number: str, patient_id: int
) -> Visit:
    """Find a visit or begin it, and give it to this patient.

    The newest message decides whose it is, so a ``VisitMerge`` needs no more than this.
    """
    db.execute(
        "INSERT INTO visit (source, number, patient_id, is_test) VALUES (?, ?, ?, 0) "
        "ON CONFLICT DO UPDATE SET patient_id = excluded.patient_id",
        (source, number, patient_id),
    )
    row = db.execute(
        "SELECT visit_id FROM visit WHERE source = ? AND number = ?", (source, number)
    ).fetchone()
    return Visit(db, row["visit_id"])


def renumber(db: sqlite3.Connection, source: str, old: str, new: str) -> None:
    """Give a visit its new number, unless there is a visit of that number already."""
    db.execute(
        "UPDATE OR IGNORE visit SET number = ? WHERE source = ? AND number = ?",
        (new, source, old),
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit, within a transaction."""

    db: sqlite3.Connection
    visit_id: int

    @property
    def state(self) -> State | None:
        """How things stand; None before the first step."""
        last = self._last_step()
        return last["state"] if last else None

    @property
    def place(self) -> Place:
        """Where the visit is, as far as anybody said."""
        last = self._last_step()
        return (last["department"], last["room"], last["bed"]) if last else _NOWHERE

    def describe(self, payload: JsonObject, *, is_test: bool) -> None:
        """Keep what a payload tells of the visit; what is null stays as it was."""
        self.db.execute(
            "UPDATE visit SET reason = coalesce(?, reason), "
            "provider = coalesce(?, provider), starts_at = coalesce(?, starts_at), "
            "is_test = ? WHERE visit_id = ?",
            (
                read_text(payload, "Visit", "Reason"),
                _read_provider(payload),
                read_time(payload, "Visit", "VisitDateTime"),
                is_test,
                self.visit_id,
            ),
        )

    def take_step(self, event: str, state: State, at: str, place: Place) -> None:
        """Add a step.

        Args:
            event: The event type that made it.
            state: How things stand from now on.
            at: Since when, as ``write_time`` writes it.
            place: Where; nowhere means where the visit was before.
        """
        self.db.execute(
            "INSERT INTO step (visit_id, event, state, at, department, room, bed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self.visit_id, event, state, at, *(place if any(place) else self.place)),
        )

    def correct_place(self, place: Place) -> None:
        """Put the last step somewhere else, because only the place became known."""
        if any(place):
            self.db.execute(
                "UPDATE step SET department = ?, room = ?, bed = ? WHERE step_id = "
                "(SELECT max(step_id) FROM step WHERE visit_id = ?)",
                (*place, self.visit_id),
            )

    def undo(self, event: str | None) -> None:
        """Take back the last step of this event and what followed; None: the last one.

        What was never told cannot be taken back: then nothing happens.
        """
        self.db.execute(
            "DELETE FROM step WHERE visit_id = :visit_id AND step_id >= ("
            "    SELECT max(step_id) FROM step WHERE visit_id = :visit_id"
            "    AND (:event IS NULL OR event = :event)"
            ")",
            {"visit_id": self.visit_id, "event": event},
        )

    def _last_step(self) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.db.execute(
            "SELECT * FROM step WHERE visit_id = ? ORDER BY step_id DESC LIMIT 1",
            (self.visit_id,),
        ).fetchone()
        return row


def read_place(payload: JsonObject) -> Place:
    """Read the place of ``Visit.Location``; nowhere if it names none."""
    location = ("Visit", "Location")
    return (
        read_text(payload, *location, "Department"),
        read_text(payload, *location, "Room"),
        read_text(payload, *location, "Bed"),
    )


def _read_provider(payload: JsonObject) -> str | None:
    for role in ("VisitProvider", "AttendingProvider", "AdmittingProvider"):
        names = [
            read_text(payload, "Visit", role, name)
            for name in ("FirstName", "LastName")
        ]
        if all(names):
            return " ".join(name for name in names if name)
    return None
