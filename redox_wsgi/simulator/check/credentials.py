"""Probes of the verification token on transmissions: who may send?"""

from __future__ import annotations

from urllib.parse import quote

from redox_wsgi.simulator.check.bench import Bench, bearer, token_header
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import (
    is_refusal,
    is_success,
    judge_acceptance,
    judge_refusal,
    skip,
    weigh,
)
from redox_wsgi.simulator.check.wire import Reply

__all__ = ["CREDENTIALS"]

CREDENTIALS = Group("credentials", "Who may send")

# Below what common servers take for one header, so that the endpoint is asked.
_LONG_CHARACTERS = 6000

_STOPPED = "Redox pauses the subscription and sends the same transmission for ever."
_LINKED = "a credential is linked: it decides, not the token alone"
_INJECTED = "Anybody who knows the address can put patients' data into your system."
_REFUSE = (
    "Compare the configured token with the whole header, in constant time, byte for "
    "byte, before the body is read; refuse all else with one 401. Do not start "
    "without a configured token."
)


@CREDENTIALS.probe(
    "token-both",
    sends="a transmission as Redox sends it: with verification-token and "
    "authorization: Bearer, the same token in both; or with the linked credential; "
    "200 should come",
    why=_STOPPED,
    mend="Accept what carries the configured token, or the proof of the linked "
    "credential; see the log of the endpoint for why it did not. What needs this probe "
    "is skipped until then.",
)
def _both(bench: Bench) -> Judgement:
    return weigh(bench, [("POST", bench.usual, judge_acceptance(bench.usual))])


@CREDENTIALS.probe(
    "token-header-only",
    sends="a transmission with the verification-token header alone; 200 should come",
    why=_STOPPED + " Destinations of the older documentation get this header alone.",
    mend="Do not demand authorization where verification-token is right.",
)
def _header_only(bench: Bench) -> Judgement:
    if bench.linked is not None:
        return skip(_LINKED)
    reply = bench.post(token_header(bench.token))
    return weigh(bench, [("POST", reply, judge_acceptance(reply))])


@CREDENTIALS.probe(
    "token-bearer-only",
    sends="a transmission with authorization: Bearer alone; 200 should come",
    why="The newer documentation names both headers; one that relies on Bearer alone "
    "would be refused. Nobody has seen Redox do so.",
    mend="Look into authorization: Bearer where verification-token is absent.",
)
def _bearer_only(bench: Bench) -> Judgement:
    if bench.linked is not None:
        return skip(_LINKED)
    reply = bench.post(bearer(bench.token))
    opinion = judge_acceptance(reply)
    if is_refusal(reply):
        opinion = Verdict.WARNING, "refused"
    return weigh(bench, [("POST", reply, opinion)])


@CREDENTIALS.probe(
    "token-one-wrong",
    sends="both headers, one right and one wrong; 401 should come",
    why="Redox sends the same token twice. Where they differ, somebody between Redox "
    "and you, or a stranger with half a secret, wrote one of them.",
    mend="Check every token that is present, and refuse if one of them is wrong.",
)
def _one_wrong(bench: Bench) -> Judgement:
    if bench.linked is not None:
        return skip(_LINKED)
    right, wrong = bench.token, bench.wrong_token
    replies = {
        "wrong Bearer": bench.post(token_header(right), bearer(wrong)),
        "wrong header": bench.post(token_header(wrong), bearer(right)),
    }
    steps = []
    for label, reply in replies.items():
        opinion = judge_refusal(reply)
        # Who sent it does know the token.
        if is_success(reply):
            opinion = Verdict.WARNING, "accepted"
        steps.append((label, reply, opinion))
    return weigh(bench, steps)


@CREDENTIALS.probe(
    "token-wrong",
    sends="a wrong token in both headers, in each alone, and the right one with a "
    "character too few and too many; 401 should come",
    why=_INJECTED,
    mend=_REFUSE,
)
def _wrong(bench: Bench) -> Judgement:
    replies = {
        "both headers": bench.refused,
        "header": bench.post(token_header(bench.wrong_token)),
        "Bearer": bench.post(bearer(bench.wrong_token)),
        "a character too few": bench.post(token_header(bench.token[:-1])),
        "a character too many": bench.post(token_header(bench.token + "x")),
    }
    return _weigh_refusals(bench, replies)


@CREDENTIALS.probe(
    "token-none",
    sends="a transmission without any token; 401 should come",
    why=_INJECTED,
    mend=_REFUSE,
)
def _none(bench: Bench) -> Judgement:
    return _weigh_refusals(bench, {"POST": bench.post()})


@CREDENTIALS.probe(
    "token-empty",
    sends="an empty token in both headers and in each alone; 401 should come",
    why=_INJECTED + " A forgotten variable is an empty token.",
    mend=_REFUSE,
)
def _empty(bench: Bench) -> Judgement:
    replies = {
        "both headers": bench.post(token_header(""), bearer("")),
        "header": bench.post(token_header("")),
        "Bearer": bench.post(bearer("")),
    }
    return _weigh_refusals(bench, replies)


@CREDENTIALS.probe(
    "token-case",
    sends="the token in the wrong case, in each header alone; 401 should come",
    why="A token that is compared without case is easier to guess.",
    mend=_REFUSE,
)
def _case(bench: Bench) -> Judgement:
    changed = bench.token.swapcase()
    if changed == bench.token:
        return skip("the token has no letters")
    replies = {
        "header": bench.post(token_header(changed)),
        "Bearer": bench.post(bearer(changed)),
    }
    return _weigh_refusals(bench, replies)


@CREDENTIALS.probe(
    "token-non-ascii",
    sends="tokens with bytes beyond ASCII, in each header alone; 401 should come",
    why="Comparisons in constant time often raise on such text: a stranger fills your "
    "log with tracebacks, and your pager with alerts.",
    mend="Compare bytes or digests, not text; every malformed token gets the one 401.",
)
def _non_ascii(bench: Bench) -> Judgement:
    # Headers go out as latin-1: the first is one byte, the second UTF-8's two.
    replies = {
        "header, latin-1": bench.post(token_header("t\xf6ken")),
        "header, UTF-8": bench.post(token_header("t\xc3\xb6ken")),
        "Bearer, latin-1": bench.post(bearer("t\xf6ken")),
    }
    return _weigh_refusals(bench, replies)


@CREDENTIALS.probe(
    "token-very-long",
    sends=f"a token of {_LONG_CHARACTERS} characters, in each header alone; 401 "
    "should come",
    why="What a stranger sends must not make an endpoint fail.",
    mend="Compare digests of both sides: they have one length.",
)
def _very_long(bench: Bench) -> Judgement:
    replies = {
        "header": bench.post(token_header("x" * _LONG_CHARACTERS)),
        "Bearer": bench.post(bearer("x" * _LONG_CHARACTERS)),
    }
    return _weigh_refusals(bench, replies)


@CREDENTIALS.probe(
    "token-doubled",
    sends="the verification-token header twice, once right and once wrong, in both "
    "orders; 401 should come",
    why="A proxy may judge by one of them and the endpoint by the other. Redox sends "
    "one.",
    mend="Read all headers of that name, and refuse if there is more than one; most "
    "servers join them with a comma, which no token should have.",
)
def _doubled(bench: Bench) -> Judgement:
    right, wrong = token_header(bench.token), token_header(bench.wrong_token)
    replies = {
        "right, then wrong": bench.post(right, wrong),
        "wrong, then right": bench.post(wrong, right),
    }
    return _weigh_refusals(bench, replies)


@CREDENTIALS.probe(
    "token-in-query",
    sends="a transmission with the token in the query and in no header; 401 should "
    "come",
    why="Redox never sends it so. What stands in an address stands in every access "
    "log on the way.",
    mend="Take the token of a transmission out of its headers only.",
)
def _in_query(bench: Bench) -> Judgement:
    query = f"verification-token={quote(bench.token, safe='')}"
    return _weigh_refusals(bench, {"POST": bench.post(query=query)})


def _weigh_refusals(bench: Bench, replies: dict[str, Reply]) -> Judgement:
    return weigh(bench, [(n, r, judge_refusal(r)) for n, r in replies.items()])
