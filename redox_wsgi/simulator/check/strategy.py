"""Probes of one auth strategy; without such a credential all are skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from redox_wsgi.simulator.check.forging import Fixed
from redox_wsgi.simulator.check.probe import Group, Judge, Judgement, Verdict
from redox_wsgi.simulator.check.rules import (
    Opinion,
    is_success,
    judge_acceptance,
    judge_refusal,
    skip,
    weigh,
)
from redox_wsgi.simulator.exchange import NoAnswer, Request

if TYPE_CHECKING:
    from redox_wsgi.simulator.check.bench import Bench
    from redox_wsgi.simulator.check.wire import Reply
    from redox_wsgi.simulator.credentials import Credential

__all__ = [
    "StrategyGroup",
    "deliver_with",
    "judge_refused",
    "judge_refused_or_warn",
    "judge_replay",
    "judge_taken",
    "read_bearer",
]

C = TypeVar("C")


class StrategyGroup(Group, Generic[C]):
    """Probes that forge a credential, and so need a right one.

    Args:
        name: What ``--only`` and ``--skip`` may name in place of all its probes.
        title: The heading in the report.
        kinds: The classes of credentials that it is for.
    """

    def __init__(self, name: str, title: str, *kinds: type[Any]) -> None:
        super().__init__(name, title, needs=("reachable", "no-redirect", "token-both"))
        self._kinds = kinds

    def forge(
        self, name: str, *, sends: str, why: str, mend: str
    ) -> Callable[[Callable[[Bench, C], Judgement]], Judge]:
        """Add the decorated function as a probe; it gets the right credential too."""
        add = self.probe(name, sends=sends, why=why, mend=mend)

        def wrap(judge: Callable[[Bench, C], Judgement]) -> Judge:
            def judge_linked(bench: Bench) -> Judgement:
                linked = bench.linked
                if linked is None or not isinstance(linked, self._kinds):
                    return skip(
                        "no such credential was given; --credential FILE gives one"
                    )
                return judge(bench, cast(C, linked))

            return add(judge_linked)

        return wrap


def judge_refused(bench: Bench, replies: Mapping[str, Reply]) -> Judgement:
    """Judge the answers to what proves nothing: each has to be a refusal."""
    return weigh(bench, [(n, r, judge_refusal(r)) for n, r in replies.items()])


def judge_refused_or_warn(bench: Bench, replies: Mapping[str, Reply]) -> Judgement:
    """Judge the answers to what somebody may have a reason to accept."""
    return weigh(bench, [(n, r, _judge_mildly(r)) for n, r in replies.items()])


def judge_taken(bench: Bench, replies: Mapping[str, Reply]) -> Judgement:
    """Judge the answers to right credentials: each has to be accepted."""
    return weigh(bench, [(n, r, judge_acceptance(r)) for n, r in replies.items()])


def judge_replay(bench: Bench, right: Credential) -> Judgement:
    """Deliver one body twice with one proof: the second should be refused."""
    body = bench.material.arrival()
    kind = ("content-type", "application/json")
    host = ("host", bench.address.authority)
    # The length is in no proof: nobody signs it.
    request = Request("POST", str(bench.address), (host, kind), body)
    once = Fixed(tuple(right.headers(request)))
    first = bench.deliver(body, credential=once)
    judgement = judge_taken(bench, {"the first": first})
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    second = bench.deliver(body, credential=once)
    return judge_refused_or_warn(bench, {"the second": second})


def _judge_mildly(reply: Reply) -> Opinion:
    return (Verdict.WARNING, "accepted") if is_success(reply) else judge_refusal(reply)


def read_bearer(bench: Bench, credential: Credential) -> str | None:
    """Return the Bearer token that a credential sends, if it sends one."""
    request = Request("POST", str(bench.address), (), b"")
    try:
        headers = dict(credential.headers(request))
    except NoAnswer:
        return None
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else None


def deliver_with(
    bench: Bench, credentials: Mapping[str, Credential]
) -> dict[str, Reply]:
    """Deliver one transmission with each of these credentials, right or forged."""
    return {
        label: bench.deliver(bench.material.arrival(), credential=credential)
        for label, credential in credentials.items()
    }
