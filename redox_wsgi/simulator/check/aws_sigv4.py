"""Probes of AWS signatures: altered requests, other scopes, old ones, old tricks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.forging import Altered, Fixed, ForAnother, alter_end
from redox_wsgi.simulator.check.probe import Judgement
from redox_wsgi.simulator.check.rules import skip
from redox_wsgi.simulator.check.strategy import (
    StrategyGroup,
    deliver_with,
    judge_refused,
    judge_refused_or_warn,
    judge_replay,
    judge_taken,
)
from redox_wsgi.simulator.credentials import AwsSigV4Credential, Credential
from redox_wsgi.simulator.exchange import Request

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["AWS_SIGV4"]

AWS_SIGV4: StrategyGroup[AwsSigV4Credential] = StrategyGroup(
    "aws-sigv4", "AWS Signature Version 4", AwsSigV4Credential
)

_HOUR = timedelta(hours=1)
_SKEW = timedelta(seconds=10)

_ALTERED = "Who sits between Redox and you can change what a patient's record says."
_COMPUTE = (
    "Compute the signature from the request itself, as it came, and from your own "
    "region, service and secret; compare in constant time."
)


@AWS_SIGV4.forge(
    "sigv4-wrong-signature",
    sends="a right signature with an altered digit, one by another secret, and one of "
    "an unknown access key; 401 should come",
    why="Anybody can put patients' data into your system.",
    mend=_COMPUTE,
)
def _wrong(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    forged: dict[str, Credential] = {
        "an altered digit": Altered(
            right, lambda it: [*it[:-1], (it[-1][0], alter_end(it[-1][1]))]
        ),
        "another secret": replace(right, secret_key=bench.wrong_token),
        "an unknown access key": replace(right, access_key="REDOXWSGICHECK"),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@AWS_SIGV4.forge(
    "sigv4-changed-body",
    sends="signatures of another body: with its hash in x-amz-content-sha256, and with "
    "that of the body that came; 401 should come",
    why=_ALTERED,
    mend="Hash the body that came, and use that hash; where x-amz-content-sha256 is "
    "another, refuse.",
)
def _body(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    body, other = bench.material.arrival(), bench.material.arrival()
    digest = dict(right.sign(Request("POST", str(bench.address), (), body)))
    name = "x-amz-content-sha256"
    signs_other = ForAnother(right, body=other)
    forged: dict[str, Credential] = {
        "the hash of another": signs_other,
        "the right hash": Altered(
            signs_other, lambda it: [(n, digest[n] if n == name else v) for n, v in it]
        ),
    }
    replies = {
        label: bench.deliver(body, credential=credential)
        for label, credential in forged.items()
    }
    return judge_refused(bench, replies)


@AWS_SIGV4.forge(
    "sigv4-changed-head",
    sends="right signatures of another method, of another query, and of another "
    "content type; 401 should come",
    why="A signature that was seen once is used for another request.",
    mend=_COMPUTE,
)
def _head(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    address = str(bench.address)
    query = f"{address}{'&' if '?' in address else '?'}redox-wsgi=check"
    kind = (("host", bench.address.authority), ("content-type", "text/plain"))
    forged = {
        "another method": ForAnother(right, method="PUT"),
        "another query": ForAnother(right, url=query),
        "another content type": ForAnother(right, headers=kind),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@AWS_SIGV4.forge(
    "sigv4-wrong-scope",
    sends="right signatures for another region, and for another service; 401 should "
    "come",
    why="What was signed for somebody else's service with the same key is none for "
    "you.",
    mend="Compare the whole scope with your configuration; read none of it from the "
    "request.",
)
def _scope(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    forged: dict[str, Credential] = {
        "another region": replace(right, aws_region="redox-wsgi-1"),
        "another service": replace(right, service_name="redox-wsgi"),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@AWS_SIGV4.forge(
    "sigv4-expired",
    sends="right signatures of an hour ago, and of an hour ahead; 401 should come",
    why="A request that was seen once, in a log or a backup, works for ever.",
    mend="Refuse an x-amz-date more than five minutes away from your clock.",
)
def _expired(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    forged: dict[str, Credential] = {
        "an hour ago": replace(right, now=lambda: right.now() - _HOUR),
        "an hour ahead": replace(right, now=lambda: right.now() + _HOUR),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@AWS_SIGV4.forge(
    "sigv4-unsigned-header",
    sends="right signatures that do not cover the host, or the date; 401 should come",
    why="What a signature does not cover, anybody can change: the request can go to "
    "another destination, or be dated anew.",
    mend="Demand host, content-type and every x-amz-* header in SignedHeaders.",
)
def _uncovered(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    forged: dict[str, Credential] = {
        f"without {name}": _Leaving(right, [name]) for name in ("host", "x-amz-date")
    }
    return judge_refused(bench, deliver_with(bench, forged))


@AWS_SIGV4.forge(
    "sigv4-unsigned-payload",
    sends="a right signature with UNSIGNED-PAYLOAD in place of the hash of the body; "
    "401 should come",
    why=_ALTERED,
    mend="Refuse UNSIGNED-PAYLOAD and STREAMING-*, unless you know that Redox sends "
    "them.",
)
def _unsigned(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    forged = _Leaving(right, [], "UNSIGNED-PAYLOAD")
    return judge_refused_or_warn(bench, deliver_with(bench, {"POST": forged}))


@AWS_SIGV4.forge(
    "sigv4-session-token",
    sends="right signatures with another session token, and without one; 401 should "
    "come",
    why="Half of a temporary credential is none.",
    mend="Compare x-amz-security-token with the configured one.",
)
def _session(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    if right.session_token is None:
        return skip("the credential has no sessionToken")
    forged: dict[str, Credential] = {
        "another": replace(right, session_token=bench.wrong_token),
        "none": replace(right, session_token=None),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@AWS_SIGV4.forge(
    "sigv4-malformed",
    sends="Authorization headers that are nearly signatures, and dates that are none; "
    "401 should come",
    why="What a stranger sends must not make an endpoint fail.",
    mend="Match the whole header, and x-amz-date, before anything parses them.",
)
def _malformed(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    request = Request("POST", str(bench.address), (), b"")
    *_, (name, value) = right.sign(request)
    dated = ("x-amz-date", f"{right.now():%Y%m%dT%H%M%SZ}")
    values = {
        "the scheme alone": "AWS4-HMAC-SHA256",
        "nothing after it": "AWS4-HMAC-SHA256 ",
        "no scope": re.sub(r"Credential=[^,]*", "Credential=a", value),
        "no signed headers": re.sub(r"SignedHeaders=[^,]*", "SignedHeaders=", value),
        "a short signature": value[:-1],
        "bytes beyond ASCII": re.sub(r"Signature=.*", "Signature=\xff", value),
    }
    forged: dict[str, Credential] = {
        label: Fixed((dated, (name, text))) for label, text in values.items()
    }
    forged["a date that is none"] = Fixed((("x-amz-date", "yesterday"), (name, value)))
    forged["a 13th month"] = Fixed((("x-amz-date", "20261301T000000Z"), (name, value)))
    forged["no date"] = Fixed(((name, value),))
    return judge_refused(bench, deliver_with(bench, forged))


@AWS_SIGV4.forge(
    "sigv4-replayed",
    sends="one right request twice; 401 should come to the second",
    why="Who reads a request on its way can repeat it for some minutes. Against that, "
    "TLS helps as well.",
    mend="Keep each signature for as long as it is valid, for all workers, and refuse "
    "a second use.",
)
def _replayed(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    return judge_replay(bench, right)


@AWS_SIGV4.forge(
    "sigv4-clock-skew",
    sends="right signatures of senders whose clocks are 10 seconds ahead and behind; "
    "200 should come",
    why="No two clocks agree. Refused, a right transmission stops its subscription.",
    mend="Allow five minutes between x-amz-date and your clock.",
)
def _skew(bench: Bench, right: AwsSigV4Credential) -> Judgement:
    skewed: dict[str, Credential] = {
        "ahead": replace(right, now=lambda: right.now() + _SKEW),
        "behind": replace(right, now=lambda: right.now() - _SKEW),
    }
    return judge_taken(bench, deliver_with(bench, skewed))


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Signs rightly, and leaves something out."""

    right: AwsSigV4Credential
    names: Collection[str]
    payload_hash: str | None = None

    def headers(self, request: Request) -> list[tuple[str, str]]:
        return self.right.sign(
            request, leave_unsigned=self.names, payload_hash=self.payload_hash
        )
