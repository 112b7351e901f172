"""Probes of how an endpoint refuses: quietly, equally, and before it reads."""

from __future__ import annotations

import re

from redox_wsgi.simulator.check.bench import Bench, bearer, token_header
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import OK, describe, is_refusal, skip, weigh
from redox_wsgi.simulator.check.wire import Reply

__all__ = ["REFUSALS", "weigh_equality"]

REFUSALS = Group("refusals", "How it refuses")

_REFUSALS = (401, 403)
# Times and identifiers of a request may differ in two answers that say the same.
_CHANGING = re.compile(r"[0-9a-f-]*[0-9][0-9a-f-]*", re.IGNORECASE)
_NOTHING_REFUSED = "nothing was refused"


@REFUSALS.probe(
    "refusal-status",
    sends="nothing more: the status for a wrong token; 401 should come",
    why="Redox's people, and yours, look for 401 or 403 when a token is wrong.",
    mend="Answer 401 with a WWW-Authenticate header.",
)
def _status(bench: Bench) -> Judgement:
    if not is_refusal(bench.refused):
        return skip(_NOTHING_REFUSED)
    is_usual = bench.refused.status in _REFUSALS
    opinion = OK if is_usual else (Verdict.WARNING, "401 should come")
    return weigh(bench, [("POST", bench.refused, opinion)])


@REFUSALS.probe(
    "refusal-secret",
    sends="requests without the token, by POST and GET; no answer should hold it",
    why="Some error messages name the token they expected: to anybody.",
    mend="Send one fixed text with every 401, and log no token either.",
)
def _secret(bench: Bench) -> Judgement:
    if not bench.redaction.is_telling:
        return skip("the token is too short to be told from other text")
    replies = {
        "no token": bench.post(),
        "a wrong token": bench.refused,
        "a challenge with a wrong token": bench.ask_by_post(bench.wrong_token).reply,
        "a GET without anything": bench.request("GET"),
    }
    steps = []
    for label, reply in replies.items():
        headers = "\n".join(value for _, value in reply.headers)
        text = reply.body.decode(errors="replace")
        told = bench.redaction.finds(headers) or bench.redaction.finds(text)
        opinion = (Verdict.FAILED, "the token is in the answer") if told else OK
        steps.append((label, reply, opinion))
    return weigh(bench, steps)


@REFUSALS.probe(
    "refusal-equal",
    sends="transmissions with no token, an empty, a wrong and a nearly right one, in "
    "either header; all refusals should be equal",
    why="An answer that says which header was wrong, or how, helps whoever guesses.",
    mend="Send the same status and the same fixed text whatever was wrong.",
)
def _equal(bench: Bench) -> Judgement:
    if bench.linked is not None:
        return skip("a credential is linked: linked-equal judges this")
    right, wrong = bench.token, bench.wrong_token
    replies = {
        "wrong in both": bench.refused,
        "no token": bench.post(),
        "an empty token": bench.post(token_header("")),
        "wrong header": bench.post(token_header(wrong)),
        "wrong Bearer": bench.post(bearer(wrong)),
        "nearly right": bench.post(token_header(right + "x")),
        "wrong Bearer, right header": bench.post(token_header(right), bearer(wrong)),
        "wrong header, right Bearer": bench.post(token_header(wrong), bearer(right)),
    }
    refused = {name: reply for name, reply in replies.items() if is_refusal(reply)}
    return weigh_equality(bench, refused)


@REFUSALS.probe(
    "refusal-before-reading",
    sends="a wrong token with a body that is no JSON, and with one of another type; "
    "the answer should be the same 401",
    why="Who parses before asking who sent it hands strangers a parser.",
    mend="Judge the headers before anything reads the body, also before a body parser "
    "of the framework. Only a verification by POST has its token in the body.",
)
def _before_reading(bench: Bench) -> Judgement:
    if not is_refusal(bench.refused):
        return skip(_NOTHING_REFUSED)
    credentials = [token_header(bench.wrong_token), bearer(bench.wrong_token)]
    replies = {"JSON": bench.refused}
    for label, body in bench.material.not_json().items():
        replies[label] = bench.post(*credentials, body=body)
    xml = [("content-type", "application/xml"), *credentials]
    replies["XML"] = bench.request("POST", xml, b"<test/>")
    return weigh_equality(bench, replies)


def weigh_equality(bench: Bench, replies: dict[str, Reply]) -> Judgement:
    """Judge whether all answers are equal to the first, but for times and numbers."""
    if not replies:
        return skip(_NOTHING_REFUSED)
    (first, model), *_ = replies.items()
    steps = []
    for label, reply in replies.items():
        is_equal = _essence(reply) == _essence(model)
        opinion = OK if is_equal else (Verdict.FAILED, f"other than for {first}")
        steps.append((label, reply, opinion))
    judgement = weigh(bench, steps)
    if judgement.verdict is Verdict.PASSED:
        return judgement
    came = f"{first}: {describe(bench, model)}\n{judgement.came}"
    return Judgement(judgement.verdict, came)


def _essence(reply: Reply) -> tuple[int | None, str]:
    return reply.status, _CHANGING.sub("#", reply.body.decode(errors="replace"))
