"""Delivery as Redox does it: in order in a subscription, paused and sent again."""

from __future__ import annotations

import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi.simulator import Answer, SimulatorError
from redox_wsgi.simulator.answer import Problem
from redox_wsgi.simulator.delivery import (
    NO_RETRIES,
    Attempt,
    Deliverer,
    Envelope,
    Plan,
    Retries,
    split_stream,
)
from redox_wsgi.simulator.delivery.queues import Queues, Turn

#: When the same is sent again and again, in seconds since the first attempt.
SCHEDULE = [0, 0, 10, 20, 40, 70, 120, 200, 320, 440, 560]


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 1_000.0
    sleeps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.sleeps.append(seconds)
        self.now += seconds


@dataclass(frozen=True)
class Message:
    """Something to deliver, which counts its attempts in its body."""

    name: str
    subscription: str = "one"
    is_query: bool = False

    @property
    def envelope(self) -> Envelope:
        """Return where it stands."""
        return Envelope("A:B", self.subscription, self.is_query)

    def bodies(self) -> Iterator[bytes]:
        """Yield ``name/1``, ``name/2`` and so on."""
        for number in itertools.count(1):
            yield f"{self.name}/{number}".encode()


def answer(status: int | None = 200) -> Answer:
    """Build an answer that is right if it is a 200."""
    problem: Problem = "no-answer" if status is None else "status-not-200"
    return Answer(status, (), b"", 0.0, None, None if status == 200 else problem)


@dataclass
class Destination:
    """Fails as often as it is told, for each message, and remembers what came."""

    failures: dict[str, int] = field(default_factory=dict)
    status: int | None = 500
    bodies: list[str] = field(default_factory=list)

    def __call__(self, body: bytes) -> Answer:
        """Answer one body."""
        self.bodies.append(body.decode())
        name, _, number = body.decode().partition("/")
        fails = int(number) <= self.failures.get(name, 0)
        return answer(self.status if fails else 200)


def deliver(
    messages: list[Message], send: Destination, **arguments: object
) -> tuple[list[Attempt], Clock]:
    """Deliver in time that does not pass; return the attempts and the clock."""
    clock = Clock()
    given_arguments = {"retries": Retries(), **arguments}
    deliverer = Deliverer(send, clock=clock, sleep=clock.sleep, **given_arguments)  # type: ignore[arg-type]
    return list(deliverer.deliver(messages)), clock


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, None])
def test_what_fails_is_sent_again_exactly_on_the_schedule(status):
    """At once, then after 10, 10, 20, 30, 50, 80 and 120 seconds, then every 120."""
    send = Destination({"a": 10}, status)
    attempts, clock = deliver([Message("a")], send)

    assert [attempt.at_seconds for attempt in attempts] == SCHEDULE
    assert [attempt.number for attempt in attempts] == list(range(1, 12))
    pauses = [attempt.retry_after_seconds for attempt in attempts]
    assert pauses == [0, 10, 10, 20, 30, 50, 80, 120, 120, 120, None]
    assert clock.sleeps == [10, 10, 20, 30, 50, 80, 120, 120, 120]
    assert [attempt.is_last for attempt in attempts] == [False] * 10 + [True]


@pytest.mark.parametrize("status", [201, 204, 301, 302, 399])
def test_an_undefined_status_neither_pauses_nor_repeats(status):
    """It is wrong all the same, and its answer says so."""
    attempts, clock = deliver([Message("a")], Destination({"a": 1}, status))

    assert [attempt.answer.is_right for attempt in attempts] == [False]
    assert attempts[0].is_last
    assert clock.sleeps == []


def test_a_wanted_refusal_is_no_failure():
    """A wrong token that gets its 401 is done with."""
    refused = Answer(401, (), b"", 0.0, None, None)
    deliverer = Deliverer(lambda _: refused, retries=Retries())

    assert [each.is_last for each in deliverer.deliver([Message("a")])] == [True]


def test_a_query_is_not_sent_again():
    """The asker got an error; the next one in the queue goes."""
    messages = [Message("a", is_query=True), Message("b")]
    attempts, _ = deliver(messages, Destination({"a": 5}))

    assert [each.outgoing.name for each in attempts] == ["a", "b"]
    assert all(each.is_last for each in attempts)


def test_without_retries_each_goes_once():
    """So it is in development and staging."""
    messages = [Message("a"), Message("b")]
    attempts, clock = deliver(messages, Destination({"a": 5}), retries=NO_RETRIES)

    assert [each.answer.is_right for each in attempts] == [False, True]
    assert clock.sleeps == []


def test_order_is_kept_within_a_subscription_and_not_across():
    """While the first of one queue fails, all of the other one passes it."""
    messages = [
        Message(f"{subscription}{number}", subscription)
        for number in range(3)
        for subscription in ("x", "y")
    ]
    attempts, _ = deliver(messages, Destination({"x0": 3, "y1": 2}))
    succeeded = [each.outgoing.name for each in attempts if each.answer.is_right]
    queues = [[name for name in succeeded if name[0] == queue] for queue in "xy"]
    times = {each.outgoing.name: each.at_seconds for each in attempts}

    assert queues == [["x0", "x1", "x2"], ["y0", "y1", "y2"]]
    assert times == {"y0": 0, "y1": 10, "y2": 10, "x0": 20, "x1": 20, "x2": 20}


def test_a_transmission_that_is_given_up_makes_room_for_the_next():
    """As when a person skips it; the count of attempts begins anew."""
    messages = [Message("a"), Message("b")]
    attempts, _ = deliver(
        messages, Destination({"a": 9, "b": 9}), retries=Retries(give_up_after=3)
    )

    assert [each.outgoing.name for each in attempts] == list("aaabbb")
    assert [each.number for each in attempts] == [1, 2, 3, 1, 2, 3]
    assert [each.at_seconds for each in attempts] == [0, 0, 10, 10, 10, 20]


def test_pauses_are_scaled():
    """An hour of patience in half a minute; the schedule keeps its shape."""
    attempts, _ = deliver(
        [Message("a")], Destination({"a": 10}), retries=Retries(time_scale=0.01)
    )
    times = [attempt.at_seconds for attempt in attempts]

    assert times == pytest.approx([seconds / 100 for seconds in SCHEDULE])


def test_a_body_is_made_for_each_attempt_in_its_turn():
    """One iteration for each transmission, one step for each attempt."""
    send = Destination({"a": 2, "b": 1})
    deliver([Message("a"), Message("b")], send)

    assert send.bodies == ["a/1", "a/2", "a/3", "b/1", "b/2"]


def test_with_a_rate_transmissions_come_in_however_they_are_answered():
    """Open loop: the third comes after one second although the first still fails."""
    messages = [Message(name, name) for name in "abc"]
    attempts, _ = deliver(messages, Destination({"a": 2}), rate_per_second=2)
    times = [(each.outgoing.name, each.at_seconds) for each in attempts]

    assert times == [("a", 0), ("a", 0), ("b", 0.5), ("c", 1), ("a", 10)]


def test_a_place_says_which_of_all_it_is():
    """Names need not differ."""
    attempts, _ = deliver([Message("a")] * 3, Destination())

    assert [each.position for each in attempts] == [0, 1, 2]


def test_nothing_to_deliver_is_delivered_at_once():
    """Without a thread, and without a sleep."""
    assert deliver([], Destination())[0] == []


def test_subscriptions_are_under_way_side_by_side():
    """Each answer waits until all three have come."""
    barrier = threading.Barrier(3, timeout=30)

    def send(_: bytes) -> Answer:
        barrier.wait()
        return answer()

    messages = [Message(name, name) for name in "abc"]

    assert len(list(Deliverer(send).deliver(messages))) == 3


@dataclass(frozen=True)
class Counted(Message):
    """Reports that its turn has come."""

    begin: Callable[[], None] = lambda: None

    def bodies(self) -> Iterator[bytes]:
        """Report, and yield as ever."""
        self.begin()
        return super().bodies()


@pytest.mark.parametrize("connections", [1, 2, 20])
def test_no_more_are_under_way_than_there_are_connections(connections):
    """However many subscriptions there are."""
    under_way = [0]

    def begin() -> None:
        under_way.append(under_way[-1] + 1)

    def send(_: bytes) -> Answer:
        return answer()

    names = [str(number) for number in range(20)]
    messages = [Counted(name, name, begin=begin) for name in names]
    for _ in Deliverer(send, connections=connections).deliver(messages):
        under_way.append(under_way[-1] - 1)

    assert max(under_way) == connections
    assert under_way[-1] == 0


def test_one_that_comes_in_later_does_not_wait_for_the_answer_to_another():
    """The first is answered only after the second has come."""
    has_come = threading.Event()

    def send(body: bytes) -> Answer:
        if body == b"b/1":
            has_come.set()
        assert has_come.wait(30)
        return answer()

    deliverer = Deliverer(send, rate_per_second=50)
    messages = [Message("a", "a"), Message("b", "b")]

    assert len(list(deliverer.deliver(messages))) == 2


def test_who_stops_listening_does_not_wait_for_what_is_under_way():
    """An interruption ends at once, and nothing more is sent."""
    has_come, may_answer = threading.Event(), threading.Event()
    has_ended = threading.Event()
    bodies: list[bytes] = []
    was_let_go: list[bool] = []

    def send(body: bytes) -> Answer:
        bodies.append(body)
        if body == b"b/1":
            has_come.set()
            was_let_go.append(may_answer.wait(5))
            has_ended.set()
        assert has_come.wait(30)
        return answer()

    deliverer = Deliverer(send)
    deliveries = deliverer.deliver([Message("a", "a"), Message("b", "b")] * 2)
    next(deliveries)
    deliveries.close()
    may_answer.set()

    assert has_ended.wait(30)
    assert was_let_go == [True]
    assert sorted(bodies) == [b"a/1", b"b/1"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_sending_raises_comes_out(error):
    """In the thread it would be lost, and the delivery would wait for ever."""

    def send(_: bytes) -> Answer:
        raise error

    with pytest.raises(error):
        list(Deliverer(send).deliver([Message("a")]))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Retries(time_scale=0),
        lambda: Retries(time_scale=float("nan")),
        lambda: Retries(time_scale=float("inf")),
        lambda: Retries(give_up_after=0),
        lambda: Deliverer(Destination(), connections=0),
        lambda: Deliverer(Destination(), rate_per_second=0),
        lambda: Deliverer(Destination(), rate_per_second=float("nan")),
        lambda: Plan(count=0),
    ],
)
def test_what_cannot_be_waited_for_or_counted_is_refused(build):
    """While building, before anything is sent."""
    with pytest.raises(SimulatorError):
        build()


def test_a_wait_without_measure_is_cut_into_days():
    """The operating system would refuse to sleep for ten thousand years."""
    attempts, clock = deliver(
        [Message("a")], Destination({"a": 3}), retries=Retries(time_scale=20_000)
    )

    assert clock.sleeps == [86_400, 86_400, 27_200] * 2
    assert attempts[-1].at_seconds == 400_000


@given(
    messages=st.lists(
        st.tuples(st.sampled_from("xyz"), st.integers(0, 4), st.booleans()), max_size=12
    ),
    under_way_at_most=st.integers(1, 4),
)
def test_any_run_keeps_order_and_sends_one_of_a_queue_at_a_time(
    messages, under_way_at_most
):
    """Whatever fails how often, and in whatever order the answers come."""
    planned = [
        Message(str(number), subscription, is_query)
        for number, (subscription, _, is_query) in enumerate(messages)
    ]
    failures = {str(number): fails for number, (_, fails, _) in enumerate(messages)}
    queues = Queues(planned, retries=Retries())
    now = 0.0
    under_way: list[Turn] = []
    log: defaultdict[str, list[str]] = defaultdict(list)
    while True:
        while len(under_way) < under_way_at_most and (turn := queues.take(now)):
            under_way.append(turn)
        subscriptions = [turn.outgoing.envelope.subscription for turn in under_way]
        assert len(set(subscriptions)) == len(subscriptions)
        if under_way:
            turn = under_way.pop()
            name = turn.outgoing.name
            log[turn.outgoing.envelope.subscription].append(name)
            queues.settle(
                turn, answer(500 if turn.number <= failures[name] else 200), now
            )
        elif (wait := queues.seconds_until_next(now)) is None:
            break
        else:
            now += wait

    for subscription, names in log.items():
        expected = [
            [message.name] * (1 if message.is_query else failures[message.name] + 1)
            for message in planned
            if message.subscription == subscription
        ]
        assert names == list(itertools.chain(*expected))
    assert sum(len(set(names)) for names in log.values()) == len(planned)


def test_a_stream_of_lines_is_delivered_from_end_to_end():
    """The parts fit together: bytes in, bytes out."""
    stream = b'{"Meta":{"DataModel":"A","EventType":"B"}}\n{"Meta":{}}\n'
    bodies: list[bytes] = []

    def send(body: bytes) -> Answer:
        bodies.append(body)
        return answer()

    outgoing = Plan(split_stream(stream, "stream")).build()
    list(Deliverer(send, connections=1).deliver(outgoing))

    assert bodies == stream.splitlines()
    assert [json.loads(body)["Meta"].get("DataModel") for body in bodies] == ["A", None]
