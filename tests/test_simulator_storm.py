"""What a storm is made of: its plan, its bodies, its numbers."""

from __future__ import annotations

import json
import math
import socket
import statistics
from array import array
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.storm import (
    Latencies,
    SizeShare,
    StormPlan,
    Tally,
    loopback,
    parse_sizes,
)
from redox_wsgi.simulator.storm.bodies import (
    Identities,
    build_body,
    build_template,
    choose_templates,
)
from redox_wsgi.simulator.storm.loopback import Place, find_place
from redox_wsgi.simulator.storm.task import Report, Task

SEEDED = Random(1)  # noqa: S311 - test data
TOKEN = "canary-5up3r-53cr3t"


def build_plan(**settings):
    """Build a plan; nothing is sent by that."""
    return StormPlan(
        **{"url": "http://localhost/", "verification_token": TOKEN, **settings}
    )


# The plan.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("processes", 0),
        ("processes", 65),
        ("subscriptions", 0),
        ("subscriptions", 1001),
        ("rate", 0.0),
        ("rate", math.nan),
        ("count", 0),
        ("count", 10**9),
        ("seconds", 0.0),
        ("seconds", 3601.0),
        ("seconds", math.inf),
        ("timeout_seconds", 0.0),
        ("verification_token", ""),
    ],
)
def test_a_plan_is_bounded(name, value):
    """A slip of the finger ends by itself."""
    with pytest.raises(SimulatorError):
        build_plan(**{name: value})


def test_a_plan_within_bounds_is_taken():
    """The defaults are bounded, too; more processes allow more subscriptions."""
    assert build_plan().count == 100_000
    assert build_plan().seconds == 10
    assert build_plan(processes=2, subscriptions=2000, rate=0.5).rate == 0.5
    with pytest.raises(SimulatorError):
        build_plan(processes=2, subscriptions=1)


def test_the_token_is_in_no_repr():
    """Neither of the plan nor of what a worker is told."""
    plan = build_plan(url=f"http://localhost/?key={TOKEN}")

    assert TOKEN not in repr(plan)
    assert TOKEN not in repr(build_task())


@pytest.mark.parametrize(
    ("seconds", "width"), [(1, 0.5), (10, 0.5), (60, 0.5), (61, 0.6), (3600, 30)]
)
def test_a_slot_of_time_is_a_whole_number_of_reports(seconds, width):
    """And there are never more than about 120 of them."""
    assert build_plan(seconds=float(seconds)).slot_seconds == pytest.approx(width)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("2k", [(2048, 1)]),
        ("2K:80, 50k:19 ,1m:1", [(2048, 80), (51_200, 19), (1_048_576, 1)]),
        ("3000:0,64M:2", [(3000, 0), (67_108_864, 2)]),
    ],
)
def test_sizes_are_read(text, sizes):
    """In bytes, with weights."""
    assert parse_sizes(text) == tuple(SizeShare(*share) for share in sizes)


@pytest.mark.parametrize(
    "text", ["", "k", "2g", "2k:", "-1", "2k;3k", "65m", "2k:0", "٣"]
)
def test_what_is_no_mixture_of_sizes_is_refused(text):
    """With an example in the sentence, or the limit."""
    with pytest.raises(SimulatorError):
        parse_sizes(text)


# Where it may go.


def resolve_to(monkeypatch, *numbers):
    """Let every name resolve to these numbers."""

    def getaddrinfo(host, port, **_):
        return [
            (
                socket.AF_INET6 if ":" in number else socket.AF_INET,
                1,
                6,
                "",
                (number, port),
            )
            for number in numbers
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    "numbers",
    [
        ["192.0.2.1"],
        ["127.0.0.1", "192.0.2.1"],
        ["0.0.0.0"],  # noqa: S104 - it is refused
        ["::ffff:192.0.2.1"],
        ["fe80::1%lo"],
    ],
)
def test_another_machine_is_refused_unless_it_is_the_users_own(monkeypatch, numbers):
    """Nothing is sent there, not even a connection is tried."""
    tried = []

    def listens(place):
        tried.append(place)
        return True

    resolve_to(monkeypatch, *numbers)
    monkeypatch.setattr(loopback, "_listens", listens)
    address = parse_address("http://example.org/redox")

    with pytest.raises(SimulatorError, match="--i-own-this-host"):
        find_place(address)
    assert tried == []
    assert find_place(address, own_host=True).host == numbers[0]


@pytest.mark.parametrize(
    "number", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]
)
def test_this_machine_is_loaded_whatever_its_name(monkeypatch, number):
    """A number goes on, so that no name is looked up again."""
    resolve_to(monkeypatch, number)
    monkeypatch.setattr(loopback, "_listens", lambda place: True)

    assert find_place(parse_address("http://my.test:81/")) == Place(
        number, 81, ":" in number
    )


def test_the_place_is_where_somebody_listens():
    """``localhost`` may be two numbers of which a server has one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        address = parse_address(f"http://localhost:{port}/")
        assert find_place(address) == Place("127.0.0.1", port, is_ipv6=False)
    with pytest.raises(SimulatorError, match="Nobody listens"):
        find_place(address)


def test_a_name_that_does_not_resolve_is_refused(monkeypatch):
    """With its name, which is the user's own."""

    def fail(*_, **__):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(SimulatorError, match=r"nowhere\.test cannot be found"):
        find_place(parse_address("http://nowhere.test/"))


# The bodies.


@pytest.mark.parametrize("size", [2048, 5000, 51_200, 1_048_576])
def test_a_body_has_the_size_asked_for(size):
    """But for what base64 leaves; and it is test data that decodes."""
    body = build_body(size)
    payload = json.loads(body)

    assert size - 4 < len(body) <= size
    assert payload["Meta"]["Test"] is True
    assert payload["Meta"]["DataModel"] == "Media"


def test_a_size_below_every_payload_is_refused():
    """The sentence names the smallest, and that one can be built."""
    with pytest.raises(SimulatorError) as caught:
        build_template(10)
    smallest = int("".join(filter(str.isdigit, str(caught.value))))

    assert build_template(smallest).size_bytes == smallest


def test_each_transmission_has_an_identity_of_its_own():
    """And each subscription a source: that is what Redox's queues go by."""
    template = build_template(2048)
    identities = Identities(SEEDED)
    source = identities.take()
    bodies = [
        json.loads(
            b"".join(template.fill(source, identities.take(), identities.take()))
        )
        for _ in range(3)
    ]

    assert {body["Meta"]["Source"]["ID"] for body in bodies} == {source.decode()}
    logs = [body["Meta"]["Logs"][0] for body in bodies]
    assert len({log["ID"] for log in logs} | {log["AttemptID"] for log in logs}) == 6
    assert Identities(SEEDED).take() != source


def test_sizes_are_mixed_by_weight():
    """One of weight 0 never comes."""
    shares = parse_sizes("2k:3,3k:1,4k:0")
    templates = choose_templates(shares, SEEDED)
    counts = Counter(next(templates).size_bytes // 1000 for _ in range(4000))

    assert set(counts) == {2, 3}
    assert 2.5 < counts[2] / counts[3] < 3.5


# The numbers.


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_quantiles_are_those_of_the_values_to_three_digits(values):
    """Never below the truth, and above it by less than one in a hundred."""
    latencies = Latencies()
    latencies.add(values)
    ordered = sorted(values)
    for share in (0.0, 0.5, 0.9, 0.99, 1.0):
        rank = max(math.ceil(round(share * len(values), 6)), 0)
        exact = ordered[rank - 1] / 1e6 if rank else 0.0
        found = latencies.quantile(share)
        assert found is not None
        assert exact - 1e-9 <= found <= exact * 1.01 + 1e-9

    assert len(latencies) == len(values)
    assert latencies.largest == max(values) / 1e6
    assert latencies.mean == pytest.approx(statistics.fmean(values) / 1e6)


def test_without_values_there_is_no_quantile():
    """None, not nought: nought would be fast."""
    latencies = Latencies()

    assert latencies.quantiles([0.5, 0.99]) == [None, None]
    assert (latencies.mean, latencies.largest) == (None, None)


def build_report(at, latencies=(), **settings):
    """Build a report; latencies in milliseconds."""
    microseconds = array("I", [round(value * 1000) for value in latencies])
    statuses = Counter({"200": len(microseconds)})
    fields = {"statuses": statuses, "sent": len(microseconds), **settings}
    return Report(at=at, latencies=microseconds, **fields)


def test_reports_are_added_up():
    """Counts and latencies of all, the present state of each worker's last."""
    tally = Tally(build_plan(processes=2, subscriptions=2))
    tally.add(0, build_report(0.1, [1, 2], in_flight=3, waiting=1, opened=5, busy=0.2))
    tally.add(1, build_report(0.1, [3], in_flight=1, opened=1, busy=0.4))
    tally.add(0, build_report(0.2, [4], in_flight=1, opened=6, busy=0.3, is_last=True))

    assert (tally.sent, tally.answered, tally.failed) == (4, 4, 0)
    assert (tally.in_flight, tally.waiting, tally.opened) == (2, 0, 7)
    assert (tally.busy, tally.elapsed, tally.rate) == (0.4, 0.2, 20)
    assert (tally.at, tally.recent_rate, len(tally.recent)) == (0.2, 20, 4)
    assert tally.is_right
    assert (tally.has_ended(0), tally.has_ended(1), tally.is_over) == (
        True,
        False,
        False,
    )
    tally.add(1, build_report(0.3, is_last=True))
    assert tally.is_over
    assert tally.elapsed == 0.2


def test_before_the_first_report_there_is_nothing():
    """And nothing fails."""
    tally = Tally(build_plan())

    assert (tally.rate, tally.recent_rate, tally.busy, tally.at) == (0, 0, 0, 0)
    assert (tally.is_over, tally.client_limit, tally.slots) == (False, None, [])


def test_a_wrong_status_and_no_answer_are_failures():
    """Of the two, only the first has a latency."""
    tally = Tally(build_plan())
    statuses, errors = Counter({"200": 1, "500": 1}), Counter({"closed": 2})
    report = build_report(0.1, [1, 2], statuses=statuses, errors=errors, sent=5)
    tally.add(0, report)

    assert (tally.answered, tally.failed, tally.slots[0].failed) == (2, 3, 3)
    assert not tally.is_right


def test_a_refusal_is_right_if_it_is_expected():
    """Then an acceptance is not."""
    tally = Tally(build_plan(expected_status=401))
    tally.add(0, build_report(0.1, [1], statuses=Counter({"401": 1})))
    assert tally.is_right
    tally.add(0, build_report(0.2, [1]))
    assert not tally.is_right


def test_latencies_stand_in_their_slots_of_time():
    """By the middle of the time that a report tells of; an empty one makes none."""
    tally = Tally(build_plan(seconds=10.0))
    for at, latencies in ((0.4, [1]), (0.58, [2]), (1.2, []), (1.7, [3])):
        tally.add(0, build_report(at, latencies))

    assert [slot.begins for slot in tally.slots] == [0, 0.5, 1]
    assert [len(slot.latencies) for slot in tally.slots] == [2, 0, 1]
    # What is longer ago than a second is not recent.
    assert len(tally.recent) == 1


@pytest.mark.parametrize(
    ("settings", "report", "word"),
    [
        ({}, {"busy": 0.95}, "--processes"),
        ({}, {"busy": 0.85}, None),
        ({"subscriptions": 1}, {"busy": 0.15}, "--connections"),
        ({"subscriptions": 1}, {"busy": 0.05}, None),
        ({"rate": 10.0, "subscriptions": 1}, {"busy": 0.15}, None),
        ({"rate": 10.0, "subscriptions": 1}, {"busy": 0.95}, "--processes"),
        ({}, {"busy": 0.2, "opened": 2}, "ends each connection"),
        ({}, {"busy": 0.05, "opened": 2}, None),
        ({}, {"busy": 0.2, "opened": 1}, None),
        ({"rate": 10.0}, {"lags": array("I", [100, 5000])}, "--rate"),
        ({"rate": 10.0}, {"lags": array("I", [100, 900])}, None),
    ],
)
def test_the_client_says_when_it_is_the_limit(settings, report, word):
    """By its own work, or by how late it was; the sentence says what to change."""
    tally = Tally(build_plan(**settings))
    tally.add(0, build_report(1.0, [2, 2], **report))

    assert (tally.client_limit is None) is (word is None)
    assert (word or "") in (tally.client_limit or "")


def test_a_lag_that_is_small_beside_the_latencies_is_no_limit():
    """Two milliseconds late do not matter where an answer takes a hundred."""
    tally = Tally(build_plan(rate=10.0))
    tally.add(0, build_report(1.0, [100, 100], lags=array("I", [2000])))

    assert tally.client_limit is None


def test_a_run_that_was_over_at_once_says_nothing_about_the_client():
    """It began and ended; nothing had settled."""
    tally = Tally(build_plan())
    tally.add(0, build_report(0.1, [1], busy=1.0))

    assert tally.client_limit is None


# What goes between the processes.


def build_task(**settings):
    """Build a task."""
    fields = {
        "place": Place("127.0.0.1", 80, is_ipv6=False),
        "tls_name": None,
        "target": f"/?key={TOKEN}",
        "headers": (("verification-token", TOKEN),),
        "worker": 0,
        "workers": 1,
        "subscriptions": 1,
        "rate": None,
        "count": 10,
        "seconds": 10.0,
        "sizes": parse_sizes("2k:3,3k"),
        "timeout_seconds": 1.0,
    }
    return Task(**{**fields, **settings})


def test_tasks_and_reports_are_the_same_on_the_other_side():
    """One line each."""
    task = build_task(rate=2.5)
    report = build_report(0.25, [1, 70], lags=array("I", [2**32 - 1]), is_last=True)

    assert Task.from_line(task.to_line()) == task
    assert Report.from_line(report.to_line()) == report
    assert task.to_line().count("\n") == report.to_line().count("\n") == 1


@given(count=st.integers(1, 200), workers=st.integers(1, 9))
def test_the_transmissions_are_shared_out_completely(count, workers):
    """None is sent twice, none by nobody."""
    shares = [
        build_task(count=count, worker=worker, workers=workers).own_count
        for worker in range(workers)
    ]

    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1
