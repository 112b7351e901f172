"""What is right and what is wrong in an answer; the same rules for all probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from redox_wsgi.simulator.check.probe import Judgement, Verdict

if TYPE_CHECKING:
    from redox_wsgi.simulator.check.bench import Asked, Bench
    from redox_wsgi.simulator.check.wire import Reply

__all__ = [
    "OK",
    "Opinion",
    "Step",
    "describe",
    "is_redirect",
    "is_refusal",
    "is_success",
    "judge_acceptance",
    "judge_delivery",
    "judge_echo",
    "judge_refusal",
    "judge_refused_challenge",
    "skip",
    "weigh",
]

#: A verdict, and a remark if it is no good one.
Opinion: TypeAlias = tuple[Verdict, str]
#: Which of a probe's requests it was, what came, and what to think of it.
Step: TypeAlias = "tuple[str, Reply, Opinion]"

OK: Opinion = (Verdict.PASSED, "")
_HTTP_OK = 200
_SHOWN_STEPS = 3
# By how bad they are.
_BADNESS = [Verdict.PASSED, Verdict.WARNING, Verdict.FAILED]


def is_success(reply: Reply) -> bool:
    """Tell whether the status is one of 200 to 299."""
    return reply.status in range(200, 300)


def is_redirect(reply: Reply) -> bool:
    """Tell whether the status is one of 300 to 399."""
    return reply.status in range(300, 400)


def is_refusal(reply: Reply) -> bool:
    """Tell whether the status is one of 400 to 499."""
    return reply.status in range(400, 500)


# The challenge has to come back in the body; only older pages want it alone there.
# -- https://docs.redoxengine.com/how-to/manage-your-redox-configuration/create-and-verify-an-endpoint
def judge_echo(asked: Asked) -> Opinion:
    """Judge the answer to a right verification request."""
    if asked.reply.status is None:
        return Verdict.FAILED, ""
    if asked.reply.status != _HTTP_OK:
        return Verdict.FAILED, "the status should be 200"
    return OK if asked.is_echoed else (Verdict.FAILED, "the challenge is missing")


def judge_refused_challenge(asked: Asked) -> Opinion:
    """Judge the answer to a verification request that proves nothing."""
    if asked.is_echoed:
        return Verdict.FAILED, "the challenge was echoed"
    if is_success(asked.reply):
        return Verdict.WARNING, "not echoed, but the status says that all is well"
    return judge_refusal(asked.reply)


def judge_refusal(reply: Reply) -> Opinion:
    """Judge the answer to a transmission that proves nothing."""
    if reply.status is None or is_refusal(reply):
        return OK if is_refusal(reply) else (Verdict.FAILED, "")
    if is_success(reply):
        return Verdict.FAILED, "accepted"
    if is_redirect(reply):
        return Verdict.FAILED, "a redirect is no refusal"
    return Verdict.FAILED, "an error, which any stranger can cause"


def judge_acceptance(reply: Reply) -> Opinion:
    """Judge the answer to a request that proves what it must."""
    if is_success(reply):
        return OK
    if reply.status is None:
        return Verdict.FAILED, ""
    return Verdict.FAILED, "refused" if is_refusal(reply) else "not accepted"


# "A 200 response indicates that your system has successfully processed the most
# recent data received."
# -- https://developer.redoxengine.com/redox-json-api/processing-requests/receive/
def judge_delivery(bench: Bench, reply: Reply) -> Opinion:
    """Judge the answer to a right transmission that is unusual in something.

    The success that the endpoint usually answers is one here too: that it is not 200
    is the finding of one probe, not of all.
    """
    if reply.status == _HTTP_OK:
        return OK
    if is_success(reply) and reply.status == bench.usual.status:
        return OK
    return Verdict.FAILED, "" if reply.status is None else "the status should be 200"


def describe(bench: Bench, reply: Reply) -> str:
    """Say in words what came: status, type, where to, and how it begins."""
    if reply.status is None:
        return f"no answer: {reply.error}"
    show = bench.redaction.show
    words = [f"status {reply.status}"]
    if location := reply.header("location"):
        words.append(f"to {show(location)}")
    if reply.body:
        kind = show(reply.media_type) or "of no type"
        words.append(f"{kind}: {show(reply.body.decode(errors='replace'))}")
    return ", ".join(words)


def skip(reason: str) -> Judgement:
    """Judge nothing, and say why."""
    return Judgement(Verdict.SKIPPED, reason)


def weigh(bench: Bench, steps: Sequence[Step]) -> Judgement:
    """Sum up the requests of one probe: the worst verdict counts, and is shown."""
    worst = max((verdict for _, _, (verdict, _) in steps), key=_BADNESS.index)
    if worst is Verdict.PASSED:
        statuses = dict.fromkeys(str(reply.status) for _, reply, _ in steps)
        return Judgement(worst, f"status {', '.join(statuses)}")
    lines = []
    for label, reply, (verdict, remark) in steps:
        if verdict is worst:
            line = f"{label}: {describe(bench, reply)}"
            lines.append(f"{line} ({remark})" if remark else line)
    if len(lines) > _SHOWN_STEPS:
        lines[_SHOWN_STEPS:] = [f"and so in {len(lines) - _SHOWN_STEPS} more"]
    return Judgement(worst, "\n".join(lines))
