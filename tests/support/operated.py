"""An inbox in the state in which somebody is called at night."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redox_wsgi import Transmission
from redox_wsgi.inbox import Inbox, Selection, State
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.builders import build_payload, encode
from tests.support.leaks import DIAGNOSIS, LAST_NAME

#: When it is looked at.
NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)

#: The sources of the lanes; the handler fails for a patient of the first.
BROKEN, SOUND = "hospital-a", "hospital-b"
BROKEN_LANE = f"/redox|{BROKEN}|patientadmin"
SOUND_LANE = f"/redox|{SOUND}|results"


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


def build_body(number: int, source: str, data_model: str, event_type: str) -> bytes:
    """Build a body about a patient whose data are canaries."""
    payload = build_payload(data_model, event_type)
    payload["Meta"]["Source"]["ID"] = source
    payload["Meta"]["Logs"][0]["ID"] = f"log-{number}"
    payload["Patient"]["Demographics"]["LastName"] = LAST_NAME
    payload["Patient"]["Diagnoses"] = [{"Name": DIAGNOSIS}]
    payload["Number"] = number
    return encode(payload)


def put(inbox: Inbox, number: int, *, age: timedelta, **more: Any) -> None:
    """Put one transmission that was received some time ago."""
    names = {"source": BROKEN, "data_model": "PatientAdmin", "event_type": "Arrival"}
    body = build_body(number, **{**names, **more})
    inbox(Transmission(body, received_at=NOW - age, content_type="application/json"))


def fail_for_one(transmission: Transmission) -> None:
    """Fail for the entry with number 2, quoting the patient as handlers do."""
    if transmission.json()["Number"] == 2:
        raise ValueError(f"no bed for {transmission.json()['Patient']}")


def work(
    inbox: Inbox,
    clock: Callable[[], datetime],
    handler: Callable[[Transmission], Any] = fail_for_one,
    **settings: Any,
) -> None:
    """Let a worker handle what is due, each entry once at most."""
    settings = {"max_attempts": 1, **settings}
    Worker(inbox, handler, now=clock, **settings).drain()


def fill(inbox: Inbox, clock: Callable[[], datetime]) -> None:
    """Put four entries in a lane that halts at its second, and two in another.

    Afterwards 1, 5 and 6 are done, 2 is the head of the halted lane, 3 and 4 wait.
    """
    for number in (1, 2, 3, 4):
        put(inbox, number, age=timedelta(hours=4 - number / 2))
    for number in (5, 6):
        more = {"source": SOUND, "data_model": "Results", "event_type": "New"}
        put(inbox, number, age=timedelta(hours=1), **more)
    work(inbox, clock)


@contextmanager
def open_filled(path: Path, clock: Clock) -> Iterator[Inbox]:
    """Make such an inbox at a path."""
    inbox = Inbox(f"sqlite:///{path}", now=clock)
    fill(inbox, clock)
    yield inbox
    inbox.close()


def find_ids(inbox: Inbox, *states: State) -> list[int]:
    """List the numbers of the entries in some states."""
    found = inbox.store.find_entries(Selection(states=frozenset(states)))
    return [entry.id for entry in found]
