"""Probes of a token endpoint that takes signed assertions, as SMART has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.forging import (
    bear,
    list_confused,
    list_damaged,
    list_unsigned,
    sign,
)
from redox_wsgi.simulator.check.oauth import ELSEWHERE, ask, is_elsewhere
from redox_wsgi.simulator.check.probe import Judgement, Verdict
from redox_wsgi.simulator.check.rules import skip
from redox_wsgi.simulator.check.strategy import (
    StrategyGroup,
    deliver_with,
    judge_refused,
    judge_taken,
)
from redox_wsgi.simulator.credentials import SmartBackendCredential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redox_wsgi.simulator.check.wire import Reply

__all__ = ["SMART_BACKEND"]

SMART_BACKEND: StrategyGroup[SmartBackendCredential] = StrategyGroup(
    "smart-backend", "Signed assertions (SMART Backend)", SmartBackendCredential
)

_HOUR_SECONDS = 3600
_FORGED = "Anybody gets an access token, and can put patients' data into your system."
_BY_LIBRARY = (
    "Verify with a maintained library, and give it the algorithms and the keys that "
    "are registered for this client."
)
_BY_STANDARD = (
    "Check the claims as the SMART guide says, under client-confidential-asymmetric: "
    "Authentication to the Token Endpoint."
)


@SMART_BACKEND.forge(
    "smart-expired",
    sends="rightly signed assertions that expired, that have no exp, and that live for "
    "an hour; 401 or 400 should come",
    why="An assertion that was seen once works again. SMART allows five minutes.",
    mend=_BY_STANDARD,
)
def _expired(bench: Bench, right: SmartBackendCredential) -> Judgement:
    now = int(right.now().timestamp())
    assertions = {
        "expired": sign(right, exp=now - _HOUR_SECONDS),
        "without exp": sign(right, leave_out=["exp"]),
        "an hour long": sign(right, exp=now + _HOUR_SECONDS),
    }
    return _judge(bench, right, assertions)


@SMART_BACKEND.forge(
    "smart-wrong-audience",
    sends="rightly signed assertions for another token endpoint, for nearly the right "
    "one, and for none; 401 or 400 should come",
    why="An assertion that was made for somebody else lets that somebody in.",
    mend="Compare aud with the address of your token endpoint, as a whole.",
)
def _audience(bench: Bench, right: SmartBackendCredential) -> Judgement:
    another = "https://somebody-else.example/token"
    assertions = {
        "another": sign(right, aud=another),
        "a character too many": sign(right, aud=(right.audience or right.url) + "x"),
        "none": sign(right, leave_out=["aud"]),
    }
    return _judge(bench, right, assertions)


@SMART_BACKEND.forge(
    "smart-wrong-client",
    sends="rightly signed assertions in the name of another client, as issuer and as "
    "subject; 401 or 400 should come",
    why="One client could act as another.",
    mend="Look up the keys by iss, and demand that sub is the same.",
)
def _client(bench: Bench, right: SmartBackendCredential) -> Judgement:
    assertions = {
        "another issuer": sign(right, iss="redox-wsgi-check"),
        "another subject": sign(right, sub="redox-wsgi-check"),
    }
    return _judge(bench, right, assertions)


@SMART_BACKEND.forge(
    "smart-alg-none",
    sends="assertions whose header says that nobody signed them; 401 or 400 should "
    "come",
    why=_FORGED,
    mend=_BY_LIBRARY,
)
def _unsigned(bench: Bench, right: SmartBackendCredential) -> Judgement:
    return _judge(bench, right, list_unsigned(right))


@SMART_BACKEND.forge(
    "smart-key-confusion",
    sends="assertions with HS256, whose secret is the public key in each of its forms; "
    "401 or 400 should come",
    why="The public key is public. " + _FORGED,
    mend=_BY_LIBRARY,
)
def _confused(bench: Bench, right: SmartBackendCredential) -> Judgement:
    return _judge(bench, right, list_confused(right))


@SMART_BACKEND.forge(
    "smart-wrong-signature",
    sends="a right assertion with altered claims, with an altered signature, with "
    "none, and one that another key signed; 401 or 400 should come",
    why=_FORGED,
    mend=_BY_LIBRARY,
)
def _damaged(bench: Bench, right: SmartBackendCredential) -> Judgement:
    return _judge(bench, right, list_damaged(right))


@SMART_BACKEND.forge(
    "smart-replayed",
    sends="one right assertion twice; 200 should come to the first, 401 or 400 to the "
    "second",
    why="Who reads an assertion, in a log for example, gets access tokens by it.",
    mend="Keep each jti until its exp, for all workers, and refuse a second use.",
)
def _replayed(bench: Bench, right: SmartBackendCredential) -> Judgement:
    if is_elsewhere(bench, right):
        return skip(ELSEWHERE)
    once = right.build_request(sign(right))
    judgement = judge_taken(bench, {"the first": ask(bench, right, once)})
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    return judge_refused(bench, {"the second": ask(bench, right, once)})


@SMART_BACKEND.forge(
    "smart-as-access-token",
    sends="a transmission with a right assertion as its Bearer token; 401 should come",
    why="An assertion is for the token endpoint: taken elsewhere, it is a token of "
    "whatever scope, and is used twice.",
    mend="Take only what your token endpoint issued.",
)
def _as_token(bench: Bench, right: SmartBackendCredential) -> Judgement:
    return judge_refused(bench, deliver_with(bench, {"POST": bear(sign(right))}))


def _judge(
    bench: Bench, right: SmartBackendCredential, assertions: Mapping[str, str]
) -> Judgement:
    if is_elsewhere(bench, right):
        return skip(ELSEWHERE)
    replies: dict[str, Reply] = {
        label: ask(bench, right, right.build_request(assertion))
        for label, assertion in assertions.items()
    }
    return judge_refused(bench, replies)
