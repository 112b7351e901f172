"""A morning on the ward, as Redox would tell it: sent by the simulator, one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from redox_wsgi.simulator import (
    PATIENTS,
    Answer,
    Patient,
    Sender,
    build_payload,
    encode_payload,
)

ZOE, LUKASZ, MINGXIA, SIOBHAN, INIGO, ZOE_AGAIN = PATIENTS

# Event, patient, hours before now, and what it means. The sixth patient is the first
# one, registered twice by mistake, until the merge says so.
_STORY: tuple[tuple[str, Patient, int, str], ...] = (
    ("PatientAdmin:Arrival", ZOE, 9, "in the emergency room"),
    ("PatientAdmin:Arrival", LUKASZ, 8, "in the emergency room"),
    ("PatientAdmin:Arrival", MINGXIA, 6, "in maternity"),
    ("PatientAdmin:Arrival", SIOBHAN, 5, "in the emergency room"),
    ("PatientAdmin:PreAdmit", INIGO, 4, "expected tomorrow"),
    ("PatientAdmin:Arrival", ZOE_AGAIN, 3, "a second record"),
    ("PatientAdmin:Transfer", LUKASZ, 3, "to cardiology"),
    ("Scheduling:New", INIGO, 2, "an appointment"),
    ("Scheduling:NoShow", SIOBHAN, 2, "an appointment missed"),
    ("PatientAdmin:Discharge", SIOBHAN, 1, "home"),
    ("Results:New", LUKASZ, 1, "only counted"),
    ("PatientAdmin:PatientMerge", ZOE, 0, "two records become one"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """One request of the play and what came of it.

    Attributes:
        title: What was sent.
        about: Whom it was about.
        answer: What came back.
        is_right: Whether that is what should have come back.
        remark: What there is to see in the answer.
    """

    title: str
    about: str
    answer: Answer
    is_right: bool
    remark: str = ""


def play(
    url: str, verification_token: str, now: datetime, settle: Callable[[], None]
) -> Iterator[Scene]:
    """Play Redox's side, one request each time the iterator is asked for the next.

    Args:
        url: The address of the destination.
        verification_token: Its token.
        now: The time of the play; with a time zone.
        settle: Waits until what was sent is handled: a search finds what the worker
            has written, not what is still in the inbox.
    """
    random = Random()  # noqa: S311 - it makes up identifiers
    redox = Sender(url, verification_token=verification_token)
    for title, answer in (
        ("verification by POST", redox.verify_by_post()),
        ("verification by GET", redox.verify_by_get()),
        ("verification by GET, old", redox.verify_by_get_old()),
    ):
        yield Scene(title, "the destination", answer, answer.is_right, "challenge")

    body = b""
    for event, patient, hours, remark in _STORY:
        at = now - timedelta(hours=hours)
        payload = build_payload(event, patient=patient, now=at, random=random)
        body = encode_payload(payload)
        answer = redox.send(body)
        yield Scene(event, _name(patient), answer, answer.is_right, remark)
    # "At least once": nothing happens the second time.
    answer = redox.send(body)
    yield Scene("the same again", _name(ZOE), answer, answer.is_right, "known already")

    settle()
    query = build_payload(
        "PatientSearch:Query", patient=ZOE_AGAIN, now=now, random=random
    )
    answer = redox.send(encode_payload(query))
    yield judge_search(answer)

    forger = Sender(url, verification_token="f" * 32, expect="refused")
    answer = forger.send(body)
    yield Scene("forged, wrong token", _name(ZOE), answer, answer.is_right, "refused")


def judge_search(answer: Answer) -> Scene:
    """Judge the answer to the search for the patient's second record."""
    # The merge made both record numbers one patient's.
    expected = {ZOE.record_number, ZOE_AGAIN.record_number}
    found: set[str] = set()
    if answer.is_right:
        patient = json.loads(answer.body).get("Patient", {})
        found = {
            identifier["ID"]
            for identifier in patient.get("Identifiers", [])
            if identifier["IDType"] == "MR"
        }
    is_right = answer.is_right and found == expected
    remark = "MR " + ", ".join(sorted(found)) if found else "nobody found"
    return Scene("PatientSearch:Query", _name(ZOE_AGAIN), answer, is_right, remark)


def _name(patient: Patient) -> str:
    return f"{patient.first_name} {patient.last_name}"
