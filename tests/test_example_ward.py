"""The ward of the example: what each message does to patients and visits."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from example_app.application import create_app, in_context_of
from example_app.database import Database
from example_app.handlers import notifications
from example_app.settings import Settings
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.worker.worker import Worker
from redox_wsgi.simulator import EVENTS, PATIENTS, build_payload
from tests.support.builders import TOKEN
from tests.support.wsgi import Reply, send

NOW = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
ADDRESS = "https://ward.example"
PASSWORD = "a-password-of-the-ward"
ZOE, LUKASZ, MINGXIA, SIOBHAN, INIGO, ZOE_AGAIN = PATIENTS


def read_form_token(page: str) -> str:
    """Find the token in a form."""
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found
    return found[1]


class Ward:
    """The example with its own database, and a hospital that sends to it."""

    def __init__(self, directory: Path, **more: Any) -> None:
        defaults: dict[str, Any] = {
            "verification_tokens": (TOKEN,),
            "secret_key": "k" * 32,
            "board_password": PASSWORD,
            "database": directory / "ward.db",
            "inbox": "memory://",
        }
        self.settings = Settings(**{**defaults, **more})
        self.app: Flask = create_app(self.settings)
        self.inbox: Inbox = self.app.extensions["inbox"]
        self.worker = Worker(self.inbox, in_context_of(self.app, notifications))
        self._random = Random(1)  # noqa: S311 - it makes up identifiers

    def build(self, event: str, **arguments: Any) -> dict[str, Any]:
        """Build a payload with identifiers of its own."""
        return build_payload(event, now=NOW, random=self._random, **arguments)

    def send(self, payload: Any) -> Reply:
        """Send a payload and assert that it was answered 200."""
        # JSON has no infinity, but a number may be too large for a float.
        text = json.dumps(payload).replace("Infinity", "1e999")
        reply = self.send_bytes(text.encode())
        assert reply.status == 200
        return reply

    def send_bytes(self, body: bytes) -> Reply:
        """Send a body with the right token, and let the worker handle it."""
        reply = send(self.app, body=body, headers={"verification-token": TOKEN})
        self.worker.drain()
        return reply

    def tell(self, event: str, **arguments: Any) -> dict[str, Any]:
        """Build a payload and send it."""
        payload = self.build(event, **arguments)
        self.send(payload)
        return payload

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with closing(sqlite3.connect(self.settings.database)) as connection:
            return connection.execute(query).fetchall()

    def sign_in(self) -> FlaskClient:
        """Open the board in a browser."""
        browser = self.app.test_client()
        form = browser.get("/sign-in", base_url=ADDRESS).text
        data = {"password": PASSWORD, "form_token": read_form_token(form)}
        browser.post("/sign-in", base_url=ADDRESS, data=data)
        return browser

    def board(self) -> list[tuple[Any, ...]]:
        """Each visit that has a state: number, state and bed."""
        return self.select("SELECT number, state, bed FROM board ORDER BY number")

    def set_aside(self) -> int:
        """Count what is not shown."""
        return int(self.select("SELECT sum(set_aside) FROM tally")[0][0])


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    """An empty ward."""
    return Ward(tmp_path)


def test_an_arrival_is_on_the_ward(ward: Ward) -> None:
    """The first bed is the one of the arrival."""
    ward.tell("PatientAdmin:Arrival")

    assert ward.board() == [(ZOE.visit_number, "here", ZOE.bed.bed)]


def test_a_transfer_moves_the_bed(ward: Ward) -> None:
    """One visit, in the new bed."""
    ward.tell("PatientAdmin:Arrival")
    ward.tell("PatientAdmin:Transfer")

    assert ward.board() == [(ZOE.visit_number, "here", ZOE.next_bed.bed)]


def test_a_transfer_of_somebody_unknown_is_on_the_ward(ward: Ward) -> None:
    """Who came before we listened is here as well."""
    ward.tell("PatientAdmin:Transfer")

    assert ward.board() == [(ZOE.visit_number, "here", ZOE.next_bed.bed)]


def test_a_discharge_ends_the_stay(ward: Ward) -> None:
    """Nobody is here afterwards."""
    ward.tell("PatientAdmin:Arrival")
    ward.tell("PatientAdmin:Discharge")

    assert [row[1] for row in ward.board()] == ["left"]


def test_what_is_not_told_stays_as_it_was(ward: Ward) -> None:
    """A null is no news: neither of the place nor of the reason."""
    ward.tell("PatientAdmin:Arrival")
    discharge = ward.build("PatientAdmin:Discharge")
    discharge["Visit"] |= {"Location": None, "Reason": None}
    ward.send(discharge)

    assert ward.select("SELECT state, bed, reason FROM board") == [
        ("left", ZOE.bed.bed, ZOE.reason)
    ]


def test_a_visit_update_corrects_the_bed(ward: Ward) -> None:
    """It is no step of its own: the arrival can still be canceled."""
    ward.tell("PatientAdmin:Arrival")
    update = ward.build("PatientAdmin:VisitUpdate")
    update["Visit"]["Location"]["Bed"] = "9"
    ward.send(update)
    bed = ward.board()[0][2]
    ward.tell("PatientAdmin:Cancel")

    assert (bed, ward.board()) == ("9", [])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-02-01T10:00:00.000Z", "2026-02-01T10:00:00Z"),
        ("2026-02-01T10:00:00+02:00", "2026-02-01T08:00:00Z"),
        ("2026-02-01T10:00:00", None),
        ("2026-02-01", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("soon", None),
        (20260201, None),
        (None, None),
    ],
)
def test_a_time_is_kept_in_utc_or_not_at_all(
    ward: Ward, sent: Any, kept: str | None
) -> None:
    """Without an offset nobody knows when it was."""
    payload = ward.build("PatientAdmin:Arrival")
    payload["Visit"]["VisitDateTime"] = sent
    ward.send(payload)

    assert ward.select("SELECT starts_at FROM board") == [(kept,)]


def test_a_visit_update_does_not_bring_back_who_left(ward: Ward) -> None:
    """Hospitals amend visits for days after they ended."""
    ward.tell("PatientAdmin:Arrival")
    ward.tell("PatientAdmin:Discharge")
    ward.tell("PatientAdmin:VisitUpdate")

    assert [row[1] for row in ward.board()] == ["left"]


def test_a_registration_after_the_arrival_leaves_the_patient_here(ward: Ward) -> None:
    """Paperwork often follows the patient."""
    ward.tell("PatientAdmin:Arrival")
    ward.tell("PatientAdmin:Registration")

    assert [row[1] for row in ward.board()] == ["here"]


@pytest.mark.parametrize(
    ("told", "canceled", "expected"),
    [
        (["PreAdmit"], "PreAdmit", []),
        (["Arrival"], "Arrival", []),
        (["Arrival"], None, []),
        (["Arrival", "Arrival"], "Arrival", []),
        (["PreAdmit", "Arrival"], "Arrival", [("expected", None)]),
        (["Arrival", "Transfer"], "Transfer", [("here", ZOE.bed.bed)]),
        (["Arrival", "Transfer"], "Arrival", []),
        (["Arrival", "Discharge"], "Discharge", [("here", ZOE.bed.bed)]),
        (["Arrival", "Discharge"], "discharge", [("here", ZOE.bed.bed)]),
        (["Arrival"], "Discharge", [("here", ZOE.bed.bed)]),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, list) else None,
)
def test_a_cancellation_makes_it_as_it_was_before(
    ward: Ward,
    told: list[str],
    canceled: str | None,
    expected: list[tuple[str, str | None]],
) -> None:
    """What was never told cannot be canceled; what followed is canceled too."""
    for event_type in told:
        payload = ward.build(f"PatientAdmin:{event_type}")
        if event_type == "Discharge":
            payload["Visit"]["Location"] = None
        ward.send(payload)
    cancel = ward.build("PatientAdmin:Cancel")
    cancel["Meta"]["CanceledEvent"] = canceled
    ward.send(cancel)

    assert [row[1:] for row in ward.board()] == expected


def test_a_repeated_delivery_changes_nothing_and_is_counted_once(ward: Ward) -> None:
    """Redox delivers at least once; a retry has another attempt ID."""
    arrival = ward.tell("PatientAdmin:Arrival")
    ward.tell("PatientAdmin:Transfer")
    arrival["Meta"]["Logs"][0]["AttemptID"] = "another"
    ward.send(arrival)

    assert ward.board() == [(ZOE.visit_number, "here", ZOE.next_bed.bed)]
    assert ward.select("SELECT sum(received) FROM tally") == [(2,)]


def test_an_appointment_is_booked_moved_and_kept_under_a_new_number(
    ward: Ward,
) -> None:
    """A rescheduled appointment is one appointment."""
    ward.tell("Scheduling:New")
    moved = ward.build("Scheduling:Reschedule")
    moved["Visit"] |= {"VisitNumber": "A-new", "OldVisitNumber": ZOE.appointment_number}
    ward.send(moved)

    assert ward.select("SELECT number, state, starts_at FROM board") == [
        ("A-new", "booked", "2026-02-08T12:30:00Z")
    ]


@pytest.mark.parametrize(
    ("event", "state"), [("Cancel", "canceled"), ("NoShow", "missed")]
)
def test_an_appointment_comes_to_nothing(ward: Ward, event: str, state: str) -> None:
    """A modification afterwards does not book it again, a new one does."""
    ward.tell("Scheduling:New")
    ward.tell(f"Scheduling:{event}")
    ward.tell("Scheduling:Modification")
    after_modification = [row[1] for row in ward.board()]
    ward.tell("Scheduling:New")

    assert after_modification == [state]
    assert [row[1] for row in ward.board()] == ["booked"]


@pytest.mark.parametrize("event", ["New", "Modification", "Cancel", "NoShow"])
def test_no_appointment_sends_away_who_is_here(ward: Ward, event: str) -> None:
    """An arrival may have the number of the appointment it was made for."""
    patient = replace(ZOE, appointment_number=ZOE.visit_number)
    ward.tell("Scheduling:New", patient=patient)
    ward.tell("PatientAdmin:Arrival", patient=patient)
    ward.tell(f"Scheduling:{event}", patient=patient)

    assert ward.board() == [(ZOE.visit_number, "here", ZOE.bed.bed)]


def test_the_same_visit_number_of_two_sources_is_two_visits(ward: Ward) -> None:
    """A number means something within its source only."""
    ward.tell("PatientAdmin:Arrival")
    other = ward.build("PatientAdmin:Arrival", patient=LUKASZ)
    other["Meta"]["Source"]["ID"] = "another source"
    other["Visit"]["VisitNumber"] = ZOE.visit_number
    ward.send(other)

    assert len(ward.board()) == 2


@pytest.mark.parametrize(
    "path",
    [
        ("Patient",),
        ("Patient", "Identifiers"),
        ("Patient", "Identifiers", 0, "IDType"),
        ("Visit",),
        ("Visit", "VisitNumber"),
        ("Meta", "Source"),
        ("Meta", "Source", "ID"),
    ],
    ids=lambda path: " ".join(map(str, path)),
)
def test_a_message_without_what_names_it_is_counted_and_not_shown(
    ward: Ward, path: tuple[Any, ...]
) -> None:
    """Without them it could only be shown as somebody else's."""
    payload = ward.build("PatientAdmin:Arrival")
    del payload["Patient"]["Identifiers"][1:]
    place: Any = payload
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = None
    ward.send(payload)

    assert (ward.board(), ward.set_aside()) == ([], 1)


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"[]", b"null", b'{"resourceType":"Bundle"}', b"\xff", b"{}"],
    ids=repr,
)
def test_what_is_no_payload_is_counted(ward: Ward, body: bytes) -> None:
    """Content is no reason to refuse it: that would stop the subscription."""
    assert ward.send_bytes(body).status == 200
    assert ward.select("SELECT sum(received) FROM tally") == [(1,)]


def test_events_without_a_handler_are_counted_by_name(ward: Ward) -> None:
    """The board shows what else comes in."""
    ward.tell("Results:New")
    ward.tell("Results:New")

    assert ward.select("SELECT data_model, event_type, received FROM tally") == [
        ("Results", "New", 2)
    ]


def test_a_query_that_nobody_answers_gets_errors(ward: Ward) -> None:
    """The asker shall learn that nobody answers."""
    reply = ward.send(ward.build("PatientAdmin:CensusQuery"))

    assert json.loads(reply.body)["Meta"]["Errors"]


def test_a_query_is_refused_while_the_database_cannot_be_read(tmp_path: Path) -> None:
    """The asker waits, so there is no later; 503 says that it is our fault."""
    database = tmp_path / "ward.db"
    database.mkdir()
    ward = Ward(tmp_path, database=database)
    query = json.dumps(ward.build("PatientSearch:Query")).encode()
    reply = ward.send_bytes(query)

    assert (reply.status, "retry-after" in reply.headers) == (503, True)


def test_a_notification_is_kept_while_the_database_cannot_be_written(
    tmp_path: Path,
) -> None:
    """Redox goes on; the worker tries again until the ward has it."""
    database = tmp_path / "ward.db"
    database.mkdir()
    ward = Ward(tmp_path, database=database)
    ward.tell("PatientAdmin:Arrival")
    (lane,) = ward.inbox.stats().lanes
    database.rmdir()
    try_again(ward)

    assert (lane.waiting, lane.attempts) == (1, 1)
    assert len(ward.board()) == 1


def test_a_failure_halfway_keeps_nothing(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same transmission is new again when the worker tries again."""

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("example_app.visits.Visit.take_step", fail)
        ward.tell("PatientAdmin:Arrival")
    kept = ward.select("SELECT * FROM patient") + ward.select("SELECT * FROM seen")
    try_again(ward)

    assert kept == []
    assert len(ward.board()) == 1


def try_again(ward: Ward) -> None:
    """Do not wait for the backoff, as an operator does not."""
    (lane,) = ward.inbox.stats().lanes
    ward.inbox.store.halt_lane(lane.key)
    ward.inbox.store.resume_lane(lane.key)
    ward.worker.drain()


def test_many_first_starts_at_once_make_one_database(tmp_path: Path) -> None:
    """All workers may be the first one."""
    path = tmp_path / "ward.db"

    def begin(number: int) -> None:
        with Database(path, busy_seconds=30).transaction() as db:
            db.execute("INSERT INTO seen VALUES (?, '')", (str(number),))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(16)))

    with Database(path).snapshot() as db:
        assert db.execute("SELECT count(*) FROM seen").fetchone()[0] == 16
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_first_start_beside_another_one_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite refuses to change the journal beside a writer, and does not wait."""
    path = tmp_path / "ward.db"
    pauses = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if other.in_transaction:
                other.execute("ROLLBACK")

        monkeypatch.setattr("example_app.database.time.sleep", pause)
        with Database(path, busy_seconds=0.5).transaction() as db:
            tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]

    assert tables > 0
    assert pauses


def test_the_database_is_readable_by_its_owner_only(ward: Ward) -> None:
    """It holds patients' data."""
    ward.tell("PatientAdmin:Arrival")

    assert ward.settings.database.stat().st_mode & 0o077 == 0


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=300),
    st.sampled_from(
        ["\ud800", "\x00", "<script>", "x" * 10_000, 10**400, "9999-12-31T23:59-23:59"]
    ),
    st.lists(st.none() | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@pytest.fixture(scope="module")
def old_ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    """A ward that has seen a lot."""
    return Ward(tmp_path_factory.mktemp("old-ward"))


@pytest.fixture(scope="module")
def browser(old_ward: Ward) -> FlaskClient:
    """A browser that shows its board."""
    return old_ward.sign_in()


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the path of every member of a payload."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        yield (*path, name)
        if isinstance(member, dict | list):
            yield from walk(member, (*path, name))


@given(data=st.data(), event=st.sampled_from(EVENTS), patient=st.sampled_from(PATIENTS))
@settings(max_examples=150, deadline=None)
def test_any_odd_payload_is_kept_and_the_board_still_shows(
    old_ward: Ward, browser: FlaskClient, data: st.DataObject, event: str, patient: Any
) -> None:
    """One odd message must not stop a subscription, nor take the board away."""
    payload = old_ward.build(event, patient=patient, file_bytes=10)
    paths = st.sampled_from(sorted(walk(payload), key=str))
    for path in data.draw(st.lists(paths, min_size=1, max_size=5)):
        place: Any = payload
        for name in path[:-1]:
            place = place[name] if _has(place, name) else None
        if _has(place, path[-1]):
            place[path[-1]] = data.draw(ODD_VALUES)
    reply = old_ward.send(payload)
    page = browser.get("/ward", base_url=ADDRESS)

    assert (reply.status, page.status_code) == (200, 200)
    assert "<script>" not in page.text


def _has(place: Any, name: Any) -> bool:
    if isinstance(place, dict):
        return name in place
    return isinstance(place, list) and isinstance(name, int) and name < len(place)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=50, deadline=None)
def test_any_json_is_answered_200(old_ward: Ward, value: Any) -> None:
    """Whatever it is: it was received."""
    assert old_ward.send_bytes(json.dumps(value).encode()).status == 200
