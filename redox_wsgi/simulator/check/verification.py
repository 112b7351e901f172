"""Probes of the request by which Redox verifies a destination, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.check.bench import Asked, Bench, token_header
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import (
    OK,
    Opinion,
    Step,
    judge_echo,
    judge_refused_challenge,
    skip,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["VERIFICATION"]

VERIFICATION = Group("verification", "Verification of the destination")

# Prints an alert where a browser takes the answer for a page.
_SCRIPT = "<script>alert('redox-wsgi')</script>"
# In none of these does a browser run a script.
_HARMLESS_TYPES = ("text/plain", "application/json")

_NOT_VERIFIED = "Redox cannot verify the destination, and sends nothing to it."
_OPEN = "Anybody can have the destination verified who knows its address."
_CHECKED_FIRST = (
    "Compare the token of the challenge with the configured one before answering, in "
    "constant time, byte for byte; refuse an absent or empty one with 401. Do not "
    "start without a configured token."
)
_ALL_FORMS = "by POST, by the newer GET and by the older GET"


@VERIFICATION.probe(
    "verification-by-post",
    sends='the default request, {"verification-token": ..., "challenge": ...}; 200 '
    "and the challenge should come",
    why=_NOT_VERIFIED,
    mend="Answer a POST whose JSON has a challenge, no Meta, and the right token with "
    "200 and the challenge as the body. The token header is usually absent.",
)
def _by_post(bench: Bench) -> Judgement:
    with_header = bench.ask_by_post(bench.token, token_header(bench.token))
    verdict, remark = judge_echo(with_header)
    # Nobody states whether the header comes too, so it decides nothing.
    softened = OK if verdict is Verdict.PASSED else (Verdict.WARNING, remark)
    return weigh(
        bench,
        [
            (
                "without the token header",
                bench.by_post.reply,
                judge_echo(bench.by_post),
            ),
            ("with the token header too", with_header.reply, softened),
        ],
    )


@VERIFICATION.probe(
    "verification-by-get",
    sends="GET ?challenge=...&verification-token=...; 200 and the challenge should "
    "come",
    why=_NOT_VERIFIED + " This is the GET of the newer documentation.",
    mend="Answer GET at the same address; take challenge and token out of the query "
    "with a real query parser.",
)
def _by_get(bench: Bench) -> Judgement:
    return _weigh_echo(bench, bench.by_get)


@VERIFICATION.probe(
    "verification-by-old-get",
    sends="GET ?challenge=... with the token in the verification-token header; 200 "
    "and the challenge should come",
    why=_NOT_VERIFIED + " Destinations of the older documentation are alive.",
    mend="Where the query has no token, look into the verification-token header.",
)
def _by_old_get(bench: Bench) -> Judgement:
    return _weigh_echo(bench, bench.by_old_get)


@VERIFICATION.probe(
    "verification-reordered",
    sends="GET ?verification-token=...&challenge=...: the same the other way round",
    why="No order is promised. Who cuts the query by position echoes the token.",
    mend="Take the parameters by their names, with a real query parser.",
)
def _reordered(bench: Bench) -> Judgement:
    return _weigh_echo(bench, bench.ask_by_get(bench.token, is_token_first=True))


@VERIFICATION.probe(
    "challenge-wrong-token",
    sends=f"challenges with a wrong token, {_ALL_FORMS}; 401 should come",
    why=_OPEN,
    mend=_CHECKED_FIRST,
)
def _wrong_token(bench: Bench) -> Judgement:
    return _weigh_refusals(bench, _ask_in_all_forms(bench, bench.wrong_token))


@VERIFICATION.probe(
    "challenge-no-token",
    sends="challenges without a token, by POST and by GET; 401 should come",
    why=_OPEN,
    mend=_CHECKED_FIRST,
)
def _no_token(bench: Bench) -> Judgement:
    return _weigh_refusals(
        bench,
        {"by POST": bench.ask_by_post(None), "by GET": bench.ask_by_get(None)},
    )


@VERIFICATION.probe(
    "challenge-empty-token",
    sends=f"challenges with an empty token, {_ALL_FORMS}; 401 should come",
    why=_OPEN + " A forgotten variable is an empty token.",
    mend=_CHECKED_FIRST,
)
def _empty_token(bench: Bench) -> Judgement:
    return _weigh_refusals(bench, _ask_in_all_forms(bench, ""))


@VERIFICATION.probe(
    "challenge-token-case",
    sends=f"challenges with the token in the wrong case, {_ALL_FORMS}; 401 should come",
    why="A token that is compared without case is easier to guess.",
    mend=_CHECKED_FIRST,
)
def _token_case(bench: Bench) -> Judgement:
    changed = bench.token.swapcase()
    if changed == bench.token:
        return skip("the token has no letters")
    return _weigh_refusals(bench, _ask_in_all_forms(bench, changed))


@VERIFICATION.probe(
    "challenge-as-html",
    sends="a challenge that is a script, by POST and GET with the token, and by GET "
    "without; it should be refused, or come back as anything but a page",
    why="An endpoint that reflects a challenge as HTML runs a stranger's script in "
    "the browser of whoever follows a link to it.",
    mend="Take only short challenges of visible ASCII, and send them as text/plain; "
    "charset=utf-8 with X-Content-Type-Options: nosniff.",
)
def _as_html(bench: Bench) -> Judgement:
    asked = {
        "by POST": bench.ask_by_post(bench.token, challenge=_SCRIPT),
        "by GET": bench.ask_by_get(bench.token, challenge=_SCRIPT),
        "by GET without a token": bench.ask_by_get(None, challenge=_SCRIPT),
    }
    return weigh(bench, [(n, a.reply, _judge_script(a)) for n, a in asked.items()])


@VERIFICATION.probe(
    "challenge-content-type",
    sends="nothing more: the content type of the answered challenges",
    why="A challenge that is sent as a page, or without a type, is one slip away from "
    "running a script.",
    mend="Send text/plain; charset=utf-8, or JSON as application/json.",
)
def _content_type(bench: Bench) -> Judgement:
    return _weigh_answered(
        bench,
        lambda asked: (
            OK
            if asked.reply.media_type in _HARMLESS_TYPES
            else (Verdict.WARNING, "neither text/plain nor application/json")
        ),
    )


@VERIFICATION.probe(
    "challenge-nosniff",
    sends="nothing more: the headers of the answered challenges",
    why="Without it, some browsers guess: a text that looks like a page becomes one.",
    mend="Add the header X-Content-Type-Options: nosniff.",
)
def _nosniff(bench: Bench) -> Judgement:
    return _weigh_answered(
        bench,
        lambda asked: (
            OK
            if asked.reply.header("x-content-type-options").lower() == "nosniff"
            else (Verdict.WARNING, "X-Content-Type-Options: nosniff is missing")
        ),
    )


def _judge_script(asked: Asked) -> Opinion:
    reply = asked.reply
    if reply.status is None:
        return Verdict.FAILED, ""
    if b"<script>" not in reply.body or reply.media_type in _HARMLESS_TYPES:
        return OK
    return Verdict.FAILED, "the script was reflected"


def _weigh_echo(bench: Bench, asked: Asked) -> Judgement:
    return weigh(bench, [("GET", asked.reply, judge_echo(asked))])


def _ask_in_all_forms(bench: Bench, token: str) -> dict[str, Asked]:
    return {
        "by POST": bench.ask_by_post(token),
        "by GET": bench.ask_by_get(token),
        "by the older GET": bench.ask_by_old_get(token),
    }


def _weigh_refusals(bench: Bench, asked: dict[str, Asked]) -> Judgement:
    return weigh(
        bench, [(n, a.reply, judge_refused_challenge(a)) for n, a in asked.items()]
    )


def _weigh_answered(bench: Bench, judge: Callable[[Asked], Opinion]) -> Judgement:
    forms = {
        "by POST": bench.by_post,
        "by GET": bench.by_get,
        "by the older GET": bench.by_old_get,
    }
    steps: list[Step] = [
        (label, asked.reply, judge(asked))
        for label, asked in forms.items()
        if judge_echo(asked) == OK
    ]
    return weigh(bench, steps) if steps else skip("no challenge was answered")
