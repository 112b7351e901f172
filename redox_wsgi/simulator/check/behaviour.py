"""Probes of what an endpoint does over several requests."""

from __future__ import annotations

import statistics
import threading

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import OK, Opinion, judge_delivery, weigh
from redox_wsgi.simulator.check.wire import NotConnected, Reply

__all__ = ["BEHAVIOUR"]

BEHAVIOUR = Group("behaviour", "How it behaves", needs=("token-both",))

_SUBSCRIPTIONS = 4
_TIMED_REQUESTS = 3
# Nobody states the limit for a notification. So long should no feed wait for one.
_SLOW_SECONDS = 2.0
_ERRORS = 500
# "This method is not known here": an answer like 405, from the server itself.
_NOT_IMPLEMENTED = 501


@BEHAVIOUR.probe(
    "duplicate-delivery",
    sends="one transmission three times: twice byte for byte, once as a new attempt; "
    "200 should come each time",
    why="Delivery is at least once: duplicates are normal. Refused, one pauses the "
    "subscription for ever.",
    mend="Recognise a duplicate where the data is stored, and answer 200 to it.",
)
def _duplicate(bench: Bench) -> Judgement:
    body = bench.material.arrival()
    replies = {
        "the first": bench.deliver(body),
        "the same again": bench.deliver(body),
        "as a new attempt": bench.deliver(bench.material.retry_of(body)),
    }
    return weigh(bench, [(n, r, judge_delivery(bench, r)) for n, r in replies.items()])


@BEHAVIOUR.probe(
    "several-subscriptions",
    sends=f"transmissions of {_SUBSCRIPTIONS} sources at once; 200 should come to each",
    why="Every subscription is a feed of its own, and they deliver in parallel.",
    mend="Let the server take several requests at once, and guard what they share.",
)
def _subscriptions(bench: Bench) -> Judgement:
    material = bench.material
    sources = [material.new_id() for _ in range(_SUBSCRIPTIONS)]
    replies = _deliver_at_once(bench, [material.arrival_of(it) for it in sources])
    return weigh(
        bench,
        [
            (f"source {number}", reply, judge_delivery(bench, reply))
            for number, reply in enumerate(replies, 1)
        ],
    )


@BEHAVIOUR.probe(
    "time-to-answer",
    sends=f"{_TIMED_REQUESTS} usual transmissions, one after the other; an answer "
    f"should come within {_SLOW_SECONDS:.0f} seconds",
    why="The next message of a feed waits for the answer. How long Redox waits for a "
    "notification is not documented; after that it sends again.",
    mend="Store what comes, answer, and do the work afterwards.",
)
def _time(bench: Bench) -> Judgement:
    replies = [bench.deliver(bench.material.arrival()) for _ in range(_TIMED_REQUESTS)]
    judgement = weigh(
        bench, [("POST", reply, judge_delivery(bench, reply)) for reply in replies]
    )
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    seconds = statistics.median(reply.seconds for reply in replies)
    is_slow = seconds > _SLOW_SECONDS
    came = f"{seconds * 1000:.0f} ms, the median of {_TIMED_REQUESTS}"
    return Judgement(Verdict.WARNING if is_slow else Verdict.PASSED, came)


@BEHAVIOUR.probe(
    "other-methods",
    sends="GET and HEAD without a challenge, PUT, PATCH, DELETE, OPTIONS; anything "
    "but an error should come, best 405",
    why="Monitors, browsers and the dashboard reach the address too; an error is a "
    "false alarm, and accepted data comes by POST only.",
    mend="Answer 405 with Allow: GET, POST.",
)
def _methods(bench: Bench) -> Judgement:
    replies = {
        method: bench.request(method)
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
    }
    return weigh(bench, [(n, r, _judge_method(r)) for n, r in replies.items()])


@BEHAVIOUR.probe(
    "nothing-served",
    sends="a GET without a token, after all that was delivered; no patient should come",
    why="Whoever knows the address could read what Redox sent.",
    mend="Serve nothing that was received at an address which strangers reach.",
)
def _nothing_served(bench: Bench) -> Judgement:
    reply = bench.request("GET")
    traces = bench.material.traces_in(reply.body)
    opinion = (Verdict.FAILED, "the patient is in the answer") if traces else OK
    return weigh(bench, [("GET", reply, opinion)])


def _judge_method(reply: Reply) -> Opinion:
    if reply.status is None:
        return Verdict.FAILED, ""
    if reply.status >= _ERRORS and reply.status != _NOT_IMPLEMENTED:
        return Verdict.FAILED, "an error"
    return OK


def _deliver_at_once(bench: Bench, bodies: list[bytes]) -> list[Reply]:
    replies = [Reply(None, error="interrupted")] * len(bodies)
    lost: list[NotConnected] = []
    together = threading.Barrier(len(bodies))

    def deliver(number: int) -> None:
        together.wait()
        try:
            replies[number] = bench.deliver(bodies[number])
        except NotConnected as error:
            lost.append(error)

    # Daemons: who interrupts the command need not wait for the slowest.
    threads = [
        threading.Thread(target=deliver, args=(number,), daemon=True)
        for number in range(len(bodies))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if lost:
        raise lost[0]
    return replies
