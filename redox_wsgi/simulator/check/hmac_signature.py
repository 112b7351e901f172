"""Probes of a signature by a shared secret over the body."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.forging import Altered, ForAnother, alter_end
from redox_wsgi.simulator.check.probe import Judgement
from redox_wsgi.simulator.check.rules import skip
from redox_wsgi.simulator.check.strategy import (
    StrategyGroup,
    deliver_with,
    judge_refused,
    judge_replay,
    judge_taken,
)
from redox_wsgi.simulator.credentials import Credential, HmacCredential

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HMAC_SIGNATURE"]

HMAC_SIGNATURE: StrategyGroup[HmacCredential] = StrategyGroup(
    "hmac-signature", "Webhook signing secret (HMAC)", HmacCredential
)

_HOUR = timedelta(hours=1)
_SKEW = timedelta(seconds=10)
_UNDATED = "the credential has no timestampHeader"
_COMPUTE = (
    "Compute the HMAC of the bytes of the body, as they came, and compare all of it in "
    "constant time."
)


@HMAC_SIGNATURE.forge(
    "hmac-wrong-signature",
    sends="a right signature with an altered digit, one that is cut, one by another "
    "secret, and none behind the prefix; 401 should come",
    why="Anybody can put patients' data into your system.",
    mend=_COMPUTE + " Do not start without a configured secret.",
)
def _wrong(bench: Bench, right: HmacCredential) -> Judgement:
    forged: dict[str, Credential] = {
        "an altered digit": _alter(right, alter_end),
        "cut": _alter(right, lambda value: value[: len(value) // 2]),
        "the prefix alone": _replace(right, right.prefix),
        "another secret": replace(right, secret=bench.wrong_token),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@HMAC_SIGNATURE.forge(
    "hmac-changed-body",
    sends="the signature of another body; 401 should come",
    why="Who sits between Redox and you can change what a patient's record says.",
    mend=_COMPUTE,
)
def _body(bench: Bench, right: HmacCredential) -> Judgement:
    forged = ForAnother(right, body=bench.material.arrival())
    return judge_refused(bench, deliver_with(bench, {"POST": forged}))


@HMAC_SIGNATURE.forge(
    "hmac-malformed",
    sends="signatures with characters that their encoding does not have; 401 should "
    "come",
    why="What a stranger sends must not make an endpoint fail.",
    mend="Compare bytes, and refuse what does not decode.",
)
def _malformed(bench: Bench, right: HmacCredential) -> Judgement:
    values = {
        "no signature": "not a signature",
        "an odd digit": f"{right.prefix}abc",
        "bytes beyond ASCII": f"{right.prefix}t\xf6ken",
    }
    forged = {label: _replace(right, sent) for label, sent in values.items()}
    return judge_refused(bench, deliver_with(bench, forged))


@HMAC_SIGNATURE.forge(
    "hmac-expired",
    sends="right signatures of an hour ago and of an hour ahead, and with a time that "
    "is none; 401 should come",
    why="A request that was seen once, in a log or a backup, works for ever.",
    mend="Refuse a time of signing more than five minutes away from your clock.",
)
def _expired(bench: Bench, right: HmacCredential) -> Judgement:
    if right.timestamp_header is None:
        return skip(_UNDATED)
    name = right.timestamp_header
    forged: dict[str, Credential] = {
        "an hour ago": replace(right, now=lambda: right.now() - _HOUR),
        "an hour ahead": replace(right, now=lambda: right.now() + _HOUR),
        "no number": Altered(right, lambda it: [it[0], (name, "yesterday")]),
        "without end": Altered(right, lambda it: [it[0], (name, "9" * 400)]),
        "no time": Altered(right, lambda it: it[:1]),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@HMAC_SIGNATURE.forge(
    "hmac-unsigned-time",
    sends="a right signature with the time of a second later; 401 should come",
    why="Who repeats an old request only has to date it anew.",
    mend="Sign and verify the time together with the body.",
)
def _unsigned_time(bench: Bench, right: HmacCredential) -> Judgement:
    if right.timestamp_header is None:
        return skip(_UNDATED)
    forged = Altered(right, lambda it: [it[0], (it[1][0], str(int(it[1][1]) + 1))])
    return judge_refused(bench, deliver_with(bench, {"POST": forged}))


@HMAC_SIGNATURE.forge(
    "hmac-replayed",
    sends="one right request twice; 401 should come to the second",
    why="Who reads a request on its way can repeat it for some minutes. Against that, "
    "TLS helps as well.",
    mend="Keep each signature for as long as it is valid, for all workers, and refuse "
    "a second use.",
)
def _replayed(bench: Bench, right: HmacCredential) -> Judgement:
    if right.timestamp_header is None:
        return skip(_UNDATED)
    return judge_replay(bench, right)


@HMAC_SIGNATURE.forge(
    "hmac-clock-skew",
    sends="right signatures of senders whose clocks are 10 seconds ahead and behind; "
    "200 should come",
    why="No two clocks agree. Refused, a right transmission stops its subscription.",
    mend="Allow five minutes between the time of signing and your clock.",
)
def _skew(bench: Bench, right: HmacCredential) -> Judgement:
    if right.timestamp_header is None:
        return skip(_UNDATED)
    skewed: dict[str, Credential] = {
        "ahead": replace(right, now=lambda: right.now() + _SKEW),
        "behind": replace(right, now=lambda: right.now() - _SKEW),
    }
    return judge_taken(bench, deliver_with(bench, skewed))


def _alter(right: HmacCredential, change: Callable[[str], str]) -> Altered:
    """Change the signature, and leave its time as it is."""
    return Altered(right, lambda it: [(it[0][0], change(it[0][1])), *it[1:]])


def _replace(right: HmacCredential, signature: str) -> Altered:
    return _alter(right, lambda _: signature)
