"""Probes of how a body comes: large, in chunks, or not whole."""

from __future__ import annotations

from redox_wsgi.simulator.check.bench import Bench, bearer, token_header
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import (
    OK,
    Opinion,
    Step,
    describe,
    is_refusal,
    is_success,
    judge_delivery,
    judge_echo,
    skip,
    weigh,
)
from redox_wsgi.simulator.check.wire import CLOSED, Reply

__all__ = ["BODIES"]

BODIES = Group("bodies", "How the body comes", needs=("token-both",))

# In base64 a file takes 4 bytes for 3: these make bodies of 40 MB, and of just above
# 1 MiB, where many servers stop.
_SMALL_FILE_BYTES = 800_000
_LARGEST_FILE_BYTES = 30_000_000
# Far above everything Redox sends.
_BOUNDLESS_BYTES = 2**31
_TOO_LARGE = 413
# Redox takes these, and no answer, for a failure.
_ERRORS = 400


@BODIES.probe(
    "megabyte-body",
    sends="a transmission of a little over 1 MB; 200 should come",
    why="Documents and pictures come inside the JSON. Many servers stop at 1 MB: then "
    "the first scan pauses the subscription.",
    mend="Raise the limits of the proxy and of the framework to 50 MB; nginx calls it "
    "client_max_body_size.",
)
def _megabyte(bench: Bench) -> Judgement:
    return _weigh_file(bench, _SMALL_FILE_BYTES)


@BODIES.probe(
    "large-body",
    sends="a transmission of 40 MB, a file of 30 MB in base64; 200 should come",
    why="Redox sends no larger one. Refused, it pauses the subscription.",
    mend="Raise the limits of the proxy and of the framework to 50 MB, and the time a "
    "request may take.",
    needs=("megabyte-body",),
)
def _large(bench: Bench) -> Judgement:
    return _weigh_file(bench, _LARGEST_FILE_BYTES)


@BODIES.probe(
    "chunked-body",
    sends="a verification and a transmission in chunks, without a length; the "
    "challenge and 200 should come",
    why="Proxies send bodies on in chunks. Who reads by Content-Length alone sees an "
    "empty body: with a 200 the transmission is lost.",
    mend="Read to the end where Transfer-Encoding is chunked, if the server says where "
    "that is; else put a proxy in front that buffers requests.",
)
def _chunked(bench: Bench) -> Judgement:
    reply = bench.deliver(bench.material.arrival(), is_chunked=True)
    steps: list[Step] = [("a transmission", reply, judge_delivery(bench, reply))]
    # Only an echo shows that the body was read.
    if judge_echo(bench.by_post) == OK:
        asked = bench.ask_by_post(bench.token, is_chunked=True)
        steps.append(("a verification", asked.reply, judge_echo(asked)))
    return weigh(bench, steps)


@BODIES.probe(
    "truncated-body",
    sends="a transmission that ends before its announced length; any answer of 400 or "
    "more should come, or none",
    why="An answer of 200 to half a message loses the other half: Redox counts it as "
    "delivered.",
    mend="Compare what was read with Content-Length; answer 400 if it is less.",
)
def _truncated(bench: Bench) -> Judgement:
    if bench.address.scheme == "https":
        return skip("over TLS nobody can end a request and still read the answer")
    body = bench.material.arrival()
    reply = bench.deliver(body[: len(body) // 2], announced_bytes=len(body))
    is_kept = reply.status is not None and reply.status < _ERRORS
    opinion = (Verdict.FAILED, "half of it was accepted") if is_kept else OK
    if reply.status is None:
        return Judgement(Verdict.PASSED, describe(bench, reply))
    return weigh(bench, [("POST", reply, opinion)])


@BODIES.probe(
    "body-limit",
    sends="a transmission that announces 2 GiB and sends little, with a wrong and with "
    "the right token; 401 or 413 should come at once",
    why="Without a limit anybody can fill the memory of the host, and all feeds stop.",
    mend="Refuse a wrong token before reading; read at most 50 MB, and answer 413 to "
    "what announces more.",
)
def _limit(bench: Bench) -> Judgement:
    body = bench.material.arrival()
    wrong = [token_header(bench.wrong_token), bearer(bench.wrong_token)]
    json_type = ("content-type", "application/json")
    stranger = bench.request(
        "POST",
        [json_type, *wrong],
        body,
        announced_bytes=_BOUNDLESS_BYTES,
        patience_seconds=bench.patience_seconds,
    )
    redox = bench.deliver(
        body,
        announced_bytes=_BOUNDLESS_BYTES,
        patience_seconds=bench.patience_seconds,
    )
    return weigh(
        bench,
        [
            ("a wrong token", stranger, _judge_limit(stranger)),
            ("the right token", redox, _judge_limit(redox)),
        ],
    )


def _judge_limit(reply: Reply) -> Opinion:
    # Some servers refuse by hanging up, which fills no memory either.
    is_refused = is_refusal(reply) or reply.error == CLOSED
    if reply.status == _TOO_LARGE or (reply.is_early and is_refused):
        return OK
    return Verdict.FAILED, "not refused before the body came"


def _weigh_file(bench: Bench, file_bytes: int) -> Judgement:
    reply = bench.deliver(bench.material.file_of(file_bytes))
    opinion = judge_delivery(bench, reply)
    if reply.is_early and is_success(reply):
        opinion = Verdict.FAILED, "answered before the body was sent"
    return weigh(bench, [("POST", reply, opinion)])
