"""What came back for one request, and whether it is what Redox asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = [
    "Answer",
    "ErrorWord",
    "Headers",
    "Problem",
    "event_of",
    "is_query",
    "judge_refusal",
    "judge_transmission",
    "judge_verification",
]

#: Names as sent, and values, in order.
Headers: TypeAlias = tuple[tuple[str, str], ...]
ErrorWord: TypeAlias = Literal[
    "closed",
    "connection-refused",
    "no-credential",
    "no-such-host",
    "not-http",
    "timed-out",
    "tls-failed",
    "unreachable",
]
Problem: TypeAlias = Literal[
    "no-answer",
    "not-refused",
    "status-not-200",
    "challenge-missing",
    "location-missing",
    "body-not-json",
    "meta-missing",
]

_OK = 200
_FOUND = 302
_UNAUTHORIZED = 401

# Events that need a body in the answer although their names do not end in "Query".
_OTHER_QUERIES = {
    ("clinicaldecisions", "request"),
    ("clinicalsummary", "documentget"),
    ("scheduling", "availableslots"),
    ("scheduling", "booked"),
    ("sso", "sign-on"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, judged. A destination may echo a token: so little is in ``repr``."""

    #: HTTP status, or None when no whole HTTP answer came.
    status: int | None
    headers: Headers = field(repr=False)
    #: The body as sent, undecoded; empty when no answer came.
    body: bytes = field(repr=False)
    #: From connecting to the last byte, in seconds.
    seconds: float
    #: Why no answer came, as a fixed word; None when one came.
    error: ErrorWord | None
    #: What is wrong with the answer, as a fixed word; None when it is right.
    problem: Problem | None

    @property
    def is_right(self) -> bool:
        """Whether Redox would be content (or refused, where that was expected)."""
        return self.problem is None


def judge_refusal(status: int) -> Problem | None:
    """Judge the answer to a request that had a wrong token: only 401 is right."""
    return None if status == _UNAUTHORIZED else "not-refused"


# The challenge has to come back in the body; only older pages want it alone there.
# -- https://docs.redoxengine.com/how-to/manage-your-redox-configuration/create-and-verify-an-endpoint
def judge_verification(status: int, body: bytes, challenge: str) -> Problem | None:
    """Judge the answer to a verification request: 200 and the challenge."""
    if status != _OK:
        return "status-not-200"
    return None if challenge.encode() in body else "challenge-missing"


# "A 200 response indicates that your system has successfully processed the most
# recent data received": a notification has no other right answer.
# -- https://developer.redoxengine.com/redox-json-api/processing-requests/receive/
def judge_transmission(
    sent: bytes, status: int, headers: Headers, body: bytes
) -> Problem | None:
    """Judge the answer to a transmission, by what was sent.

    Args:
        sent: The body of the transmission; says whether it is a query.
        status: HTTP status of the answer.
        headers: Headers of the answer.
        body: Body of the answer.

    Returns:
        None if the answer is right. A query wants 200 and a JSON object with a
        ``Meta`` (which may hold ``Errors``); ``SSO:Sign-on`` may be answered by 302
        with a ``Location`` as well.
    """
    event = event_of(sent)
    if event == ("sso", "sign-on") and status == _FOUND:
        has_location = any(n.lower() == "location" and v for n, v in headers)
        return None if has_location else "location-missing"
    if status != _OK:
        return "status-not-200"
    if not is_query(event):
        return None
    answer = _json_or_none(body)
    if answer is None:
        return "body-not-json"
    has_meta = isinstance(answer, dict) and isinstance(answer.get("Meta"), dict)
    return None if has_meta else "meta-missing"


def event_of(body: bytes) -> tuple[str, str]:
    """Read data model and event type, without blanks and in lower case.

    Returns:
        Two empty strings for a body that has none: that is a notification too.
    """
    payload = _json_or_none(body)
    meta = payload.get("Meta") if isinstance(payload, dict) else None
    if not isinstance(meta, dict):
        return "", ""
    data_model, event_type = meta.get("DataModel"), meta.get("EventType")
    if not isinstance(data_model, str) or not isinstance(event_type, str):
        return "", ""
    return data_model.replace(" ", "").lower(), event_type.replace(" ", "").lower()


def is_query(event: tuple[str, str]) -> bool:
    """Tell whether an event, as ``event_of`` returns it, needs a body in its answer."""
    return event[1].endswith("query") or event in _OTHER_QUERIES


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    # Deep nesting is a RecursionError; bytes that are no UTF are a ValueError.
    except (ValueError, RecursionError):
        return None
