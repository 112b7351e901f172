"""What each event means for the ward: one function per event.

``notifications`` is run by the worker, over what the inbox has kept; ``build_door``
stands where Redox waits for an answer. A message that no function is registered for is
counted, and its subscription goes on.
"""

from __future__ import annotations

from example_app.patients import merge
from example_app.reading import (
    read_id,
    read_identifiers,
    read_payload,
    read_text,
    read_time,
)
from example_app.record import Record, count, fold_event, get_database, recorded
from example_app.search import search
from example_app.visits import renumber
from redox_wsgi import JsonObject, Router, Transmission
from redox_wsgi.inbox import Inbox

notifications = Router()


@notifications.on("PatientAdmin", "NewPatient")
@notifications.on("PatientAdmin", "PatientUpdate")
@recorded
def keep_patient(record: Record) -> None:
    """Somebody became known, or better known."""
    record.patient()


@notifications.on("PatientAdmin", "PreAdmit")
@notifications.on("PatientAdmin", "Registration")
@recorded
def expect(record: Record) -> None:
    """Somebody is announced; a registration may also come after the arrival."""
    visit = record.visit()
    if visit.state in ("expected", "here"):
        visit.correct_place(record.place)
    else:
        visit.take_step(record.event, "expected", record.happened_at, record.place)


@notifications.on("PatientAdmin", "Arrival")
@recorded
def arrive(record: Record) -> None:
    """Somebody is here."""
    visit = record.visit()
    if visit.state == "here":
        visit.correct_place(record.place)
    else:
        visit.take_step(record.event, "here", record.happened_at, record.place)


@notifications.on("PatientAdmin", "Transfer")
@recorded
def transfer(record: Record) -> None:
    """Somebody lies in another bed; who came before we listened is here as well."""
    visit = record.visit()
    if visit.state != "here" or visit.place != record.place:
        visit.take_step(record.event, "here", record.happened_at, record.place)


@notifications.on("PatientAdmin", "Discharge")
@recorded
def discharge(record: Record) -> None:
    """Somebody left."""
    visit = record.visit()
    if visit.state != "left":
        left_at = read_time(record.payload, "Visit", "DischargeDateTime")
        visit.take_step(
            record.event, "left", left_at or record.happened_at, record.place
        )


@notifications.on("PatientAdmin", "Cancel")
@recorded
def cancel(record: Record) -> None:
    """What was told was a mistake: things stand again as they did before."""
    canceled = read_text(record.payload, "Meta", "CanceledEvent")
    record.visit().undo(fold_event(canceled))


@notifications.on("PatientAdmin", "VisitUpdate")
@recorded
def update_visit(record: Record) -> None:
    """More is known of a visit; of an unknown one not whether the patient is here."""
    visit = record.visit()
    if visit.state is None:
        visit.take_step(record.event, "expected", record.happened_at, record.place)
    else:
        visit.correct_place(record.place)


@notifications.on("PatientAdmin", "PatientMerge")
@recorded
def merge_patients(record: Record) -> None:
    """Two records are one person: the previous identifiers go over to the patient.

    Spec:
        https://docs.redoxengine.com/api-reference/redox-data-model-api/datamodels/patient-admin/patient-admin-patient-merge/
    """
    survivor = record.patient()
    previous = read_identifiers(record.payload, "Patient", "PreviousIdentifiers")
    merge(record.db, record.source, survivor, previous)


@notifications.on("PatientAdmin", "VisitMerge")
@recorded
def merge_visit(record: Record) -> None:
    """A visit was under the wrong patient: only the visit moves."""
    record.visit()


@notifications.on("Scheduling", "New")
@notifications.on("Scheduling", "Reschedule")
@notifications.on("Scheduling", "Modification")
@recorded
def book(record: Record) -> None:
    """There is an appointment, perhaps under another number than before."""
    old = read_id(record.payload, "Visit", "OldVisitNumber")
    new = read_id(record.payload, "Visit", "VisitNumber")
    if old and new:
        renumber(record.db, record.source, old, new)
    visit = record.visit()
    # Who is here or left is not sent back to the appointment; and a modification of a
    # canceled one is no new appointment.
    is_gone = visit.state in ("canceled", "missed")
    if visit.state is None or (is_gone and record.event != "modification"):
        visit.take_step(record.event, "booked", record.happened_at, record.place)
    elif visit.state == "booked":
        visit.correct_place(record.place)


@notifications.on("Scheduling", "Cancel")
@recorded
def cancel_appointment(record: Record) -> None:
    """There will be no appointment."""
    visit = record.visit()
    if visit.state in (None, "booked", "missed"):
        visit.take_step(record.event, "canceled", record.happened_at, record.place)


@notifications.on("Scheduling", "NoShow")
@recorded
def miss_appointment(record: Record) -> None:
    """Somebody did not come."""
    visit = record.visit()
    if visit.state in (None, "booked"):
        visit.take_step(record.event, "missed", record.happened_at, record.place)


@notifications.otherwise
@recorded
def only_count(record: Record) -> None:
    """Count it."""


def answer_search(transmission: Transmission) -> JsonObject:
    """Tell who it is; the asker waits for it."""
    payload = read_payload(transmission)
    with get_database().transaction() as db:
        count(db, transmission, payload)
        found = search(db, payload, read_id(payload, "Meta", "Source", "ID"))
    return transmission.reply(found)


def build_door(inbox: Inbox) -> Router:
    """Answer queries at once, since somebody waits; keep everything else first."""
    door = Router()
    door.on("PatientSearch", "Query")(answer_search)
    door.otherwise(inbox)
    return door
