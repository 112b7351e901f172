"""Probe of a query: whoever asked waits for the body of the answer."""

from __future__ import annotations

import json
from typing import Any

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import OK, Opinion, skip, weigh
from redox_wsgi.simulator.check.wire import Reply

__all__ = ["QUERIES"]

QUERIES = Group("queries", "Queries and their answers", needs=("token-both",))

_HTTP_OK = 200
_FOUND = 302
# "A query must be answered within 120 seconds", end to end.
_MAX_SECONDS = 120.0
# Data models and event types, without blanks and in lower case.
_SIGN_ON = ("sso", "sign-on")
_ANSWERED_BY_RESPONSE = {("patientsearch", "query"), ("clinicaldecisions", "request")}


@QUERIES.probe(
    "query-answer",
    sends="the query of --query; 200 with JSON should come, whose Meta names the data "
    "model and the response event",
    why="Redox hands the body to whoever asked. Without it a person waits in vain.",
    mend="Answer with JSON: the same DataModel, and the EventType with Response at "
    "its end (just Response for PatientSearch:Query and Clinical Decisions:Request).",
)
def _answer(bench: Bench) -> Judgement:
    if bench.query is None:
        return skip("no query was given; --query FILE sends one")
    meta = json.loads(bench.query)["Meta"]
    asked = meta["DataModel"], meta["EventType"]
    reply = bench.deliver(bench.query)
    return weigh(bench, [(":".join(asked), reply, _judge(asked, reply))])


def _judge(asked: tuple[str, str], reply: Reply) -> Opinion:
    if reply.status is None:
        return Verdict.FAILED, ""
    if reply.seconds > _MAX_SECONDS:
        return Verdict.FAILED, f"it took more than {_MAX_SECONDS:.0f} seconds"
    if _fold(asked) == _SIGN_ON and reply.status == _FOUND:
        if reply.header("location"):
            return OK
        return Verdict.FAILED, "the redirect lacks a Location"
    if reply.status != _HTTP_OK:
        return Verdict.FAILED, "the status should be 200"
    return _judge_meta(asked, reply.body)


def _judge_meta(asked: tuple[str, str], body: bytes) -> Opinion:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return Verdict.FAILED, "a query wants JSON"
    meta = answer.get("Meta") if isinstance(answer, dict) else None
    if not isinstance(meta, dict):
        return Verdict.FAILED, "the Meta is missing"
    expected = _response_to(asked)
    found = meta.get("DataModel"), meta.get("EventType")
    if _fold(found) != _fold(expected):
        return Verdict.FAILED, f"the Meta should name {':'.join(expected)}"
    if meta.get("Errors"):
        return Verdict.WARNING, "answered with Meta.Errors"
    return OK


def _response_to(asked: tuple[str, str]) -> tuple[str, str]:
    data_model, event_type = asked
    if _fold(asked) in _ANSWERED_BY_RESPONSE:
        return data_model, "Response"
    return data_model, f"{event_type}Response"


def _fold(event: tuple[Any, Any]) -> tuple[str, str]:
    data_model, event_type = event
    return str(data_model).replace(" ", "").lower(), str(event_type).replace(
        " ", ""
    ).lower()
