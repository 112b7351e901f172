"""Probes of unusual content: once authenticated, it is no reason to refuse."""

from __future__ import annotations

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import OK, is_success, judge_delivery, weigh
from redox_wsgi.simulator.check.wire import Reply

__all__ = ["CONTENT"]

CONTENT = Group("content", "What is sent", needs=("token-both",))

_HTTP_OK = 200

_STOPPED = (
    "An answer of 400 or more pauses the whole subscription: every later message of "
    "it waits behind this one."
)
_KEEP = (
    "Keep the bytes, answer 200, and judge the content afterwards, where a failure "
    "is seen and stops nothing."
)


@CONTENT.probe(
    "success-is-200",
    sends="nothing more: the status of the usual transmission; exactly 200 should come",
    why="Only 200 is documented as success. What 201, 202 or 204 do is undefined.",
    mend="Answer 200, with or without a body.",
)
def _success(bench: Bench) -> Judgement:
    is_exact = bench.usual.status == _HTTP_OK
    opinion = OK if is_exact else (Verdict.FAILED, "the status should be 200")
    return weigh(bench, [("POST", bench.usual, opinion)])


@CONTENT.probe(
    "unknown-data-model",
    sends="a transmission of a data model and event that do not exist; 200 should come",
    why="New data models and event types appear without warning. " + _STOPPED,
    mend=_KEEP,
)
def _unknown(bench: Bench) -> Judgement:
    return _weigh(bench, {"POST": bench.deliver(bench.material.unknown_event())})


@CONTENT.probe(
    "missing-meta",
    sends="JSON without a Meta; 200 should come",
    why=_STOPPED,
    mend=_KEEP,
)
def _no_meta(bench: Bench) -> Judgement:
    return _weigh(bench, {"POST": bench.deliver(bench.material.without_meta())})


@CONTENT.probe(
    "nulls-everywhere",
    sends="a transmission in which all but the event is null or empty; 200 should come",
    why="Everything but DataModel and EventType may be absent or null. " + _STOPPED,
    mend=_KEEP,
)
def _nulls(bench: Bench) -> Judgement:
    body = bench.material.arrival_without_values()
    return _weigh(bench, {"POST": bench.deliver(body)})


@CONTENT.probe(
    "not-json",
    sends="bodies that are no JSON, each with the right token; 200 should come",
    why="HL7v2, XML and CSV are delivered too, where a destination is set up so. "
    + _STOPPED,
    mend=_KEEP + " Do not let the framework parse the body first.",
)
def _not_json(bench: Bench) -> Judgement:
    bodies = bench.material.not_json()
    return _weigh(bench, {name: bench.deliver(body) for name, body in bodies.items()})


@CONTENT.probe(
    "content-type",
    sends="the usual transmission as other types, and without one; 200 should come",
    why=_STOPPED,
    mend="Read the bytes of the body whatever its type says; frameworks answer 415 or "
    "take a form for parameters.",
)
def _content_type(bench: Bench) -> Judgement:
    types = {
        "text/plain": "text/plain",
        "a form": "application/x-www-form-urlencoded",
        "a form of parts, without a boundary": "multipart/form-data",
        "JSON with a character set": "application/json; charset=utf-8",
        "no type": None,
    }
    replies = {
        label: bench.deliver(bench.material.arrival(), content_type=content_type)
        for label, content_type in types.items()
    }
    return _weigh(bench, replies)


@CONTENT.probe(
    "fhir-bundle",
    sends="a FHIR Bundle of type message, as application/json and as "
    "application/fhir+json; 200 should come",
    why="FHIR notifications have no Meta, and nobody states which type they have. "
    + _STOPPED,
    mend=_KEEP,
)
def _fhir(bench: Bench) -> Judgement:
    replies = {
        content_type: bench.deliver(
            bench.material.fhir_bundle(), content_type=content_type
        )
        for content_type in ("application/json", "application/fhir+json")
    }
    return _weigh(bench, replies)


@CONTENT.probe(
    "challenge-in-payload",
    sends="a transmission that has a challenge beside its Meta; 200 should come, and "
    "not the challenge",
    why="Taken for a verification, clinical data is answered and thrown away.",
    mend="Take only a body without Meta and resourceType for a verification.",
)
def _challenge(bench: Bench) -> Judgement:
    challenge = bench.material.new_id()
    # Not the right token: what comes here may be stored.
    members = {"challenge": challenge, "verification-token": bench.wrong_token}
    plain = bench.material.arrival_with(challenge=challenge)
    complete = bench.material.arrival_with(**members)
    replies = {
        "a challenge": bench.deliver(plain),
        "a challenge and a token": bench.deliver(complete),
    }
    steps = []
    for label, reply in replies.items():
        opinion = judge_delivery(bench, reply)
        is_echoed = challenge.encode() in reply.body
        # Who sends everything back has another fault.
        is_payload = bool(bench.material.traces_in(reply.body))
        if is_success(reply) and is_echoed and not is_payload:
            opinion = Verdict.FAILED, "taken for a verification"
        steps.append((label, reply, opinion))
    return weigh(bench, steps)


@CONTENT.probe(
    "nothing-sent-back",
    sends="nothing more: the body of the answer to the usual transmission; it should "
    "hold nothing of the patient",
    why="Redox stores answers and shows them to people: patients' data spreads.",
    mend="Answer a notification with an empty body or a fixed word.",
)
def _nothing_back(bench: Bench) -> Judgement:
    traces = bench.material.traces_in(bench.usual.body)
    opinion = (Verdict.FAILED, "the patient is in the answer") if traces else OK
    return weigh(bench, [("POST", bench.usual, opinion)])


def _weigh(bench: Bench, replies: dict[str, Reply]) -> Judgement:
    return weigh(bench, [(n, r, judge_delivery(bench, r)) for n, r in replies.items()])
