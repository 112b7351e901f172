"""The loop of a storm's process, and its connections, against servers of all kinds."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import socket
import ssl
import threading
import time

import pytest

from redox_wsgi.simulator.storm import parse_sizes
from redox_wsgi.simulator.storm.connection import Connection
from redox_wsgi.simulator.storm.loopback import Place
from redox_wsgi.simulator.storm.task import Report, Task
from redox_wsgi.simulator.storm.worker import Worker, main
from tests.support.storm_server import (
    OK,
    UNAUTHORIZED,
    answering,
    build_certificate,
    serve,
)

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        """Tell the time."""
        return self.now


def build_task(port, **settings):
    """Build a task towards this machine."""
    fields = {
        "place": Place("127.0.0.1", port, is_ipv6=False),
        "tls_name": None,
        "target": "/redox?key=1",
        "headers": (("host", "localhost"), ("verification-token", "made-up")),
        "worker": 0,
        "workers": 1,
        "subscriptions": 1,
        "rate": None,
        "count": 10,
        "seconds": 10.0,
        "sizes": parse_sizes("2k"),
        "timeout_seconds": 30.0,
    }
    return Task(**{**fields, **settings})


def run(task, *, clock=time.monotonic, on_report=None, start_at=None):
    """Run a worker in this thread; return the sum of its reports, and the last."""
    reports = []
    with selectors.DefaultSelector() as selector:

        def report(one):
            reports.append(one)
            if on_report is not None:
                on_report(worker, one)

        worker = Worker(task, selector=selector, report=report, clock=clock)
        worker.run(clock() if start_at is None else start_at)
        assert not selector.get_map()
    total = Report()
    for one in reports:
        total.sent += one.sent
        total.latencies.extend(one.latencies)
        total.lags.extend(one.lags)
        total.statuses += one.statuses
        total.errors += one.errors
    assert [one.is_last for one in reports] == [False] * (len(reports) - 1) + [True]
    return total, reports[-1]


def test_what_is_sent_is_a_transmission():
    """Head and body as announced, each body another one."""
    requests = []

    def answer(head, body):
        requests.append((head, body))
        return OK

    with serve(answering(answer)) as port:
        total, last = run(build_task(port, count=3))

    heads = {head for head, _ in requests}
    assert len(heads) == 1
    assert heads.pop().split(b"\r\n")[:3] == [
        b"POST /redox?key=1 HTTP/1.1",
        b"host: localhost",
        b"verification-token: made-up",
    ]
    assert len({body for _, body in requests}) == 3
    assert (total.sent, total.statuses, last.in_flight) == (3, {"200": 3}, 0)


def test_a_connection_is_kept_alive_and_shared_by_nobody():
    """As many connections as subscriptions, each with one source."""
    sources: dict[object, set[bytes]] = {}
    lock = threading.Lock()

    def handle(peer):
        while request := peer.read():
            [source] = re.findall(rb'"Source":\{"ID":"([^"]+)"', request[1])
            with lock:
                sources.setdefault(peer, set()).add(source)
            peer.write(OK)

    with serve(handle) as port:
        total, last = run(build_task(port, subscriptions=4, count=80))

    assert (total.sent, last.opened, len(sources)) == (80, 4, 4)
    assert all(len(seen) == 1 for seen in sources.values())
    assert len(set.union(*sources.values())) == 4


def test_a_subscription_has_at_most_one_transmission_in_flight():
    """Whatever is due, the next one waits for the answer."""
    pipelined = []

    def handle(peer):
        while peer.read():
            peer.connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                pipelined.append(peer.connection.recv(1))
            peer.connection.setblocking(True)
            peer.write(OK)

    with serve(handle) as port:
        total, _ = run(build_task(port, rate=100_000.0, count=50))

    assert (pipelined, total.statuses) == ([], {"200": 50})


def test_latencies_count_from_when_a_transmission_was_due():
    """Coordinated omission: what one slow answer delays is told of all it delayed."""
    clock = Clock()
    all_are_due = threading.Event()

    def handle(peer):
        peer.read()
        clock.now = 1.0
        all_are_due.wait()
        peer.write(OK)
        answering(OK)(peer)

    def on_report(_, report):
        if report.waiting == 4:
            all_are_due.set()

    with serve(handle) as port:
        task = build_task(port, rate=100.0, count=5)
        total, _ = run(task, clock=clock, on_report=on_report)

    assert list(total.latencies) == [1_000_000, 990_000, 980_000, 970_000, 960_000]
    assert list(total.lags) == [0]


def test_without_a_rate_latencies_count_from_sending():
    """The closed loop: the next one is not due before the last was answered."""
    clock = Clock()

    def answer(*_):
        clock.now += 0.25
        return OK

    with serve(answering(answer)) as port:
        total, _ = run(build_task(port, count=3), clock=clock)

    assert list(total.latencies) == [250_000] * 3
    assert list(total.lags) == []


def test_without_a_rate_connecting_is_not_in_the_latency(monkeypatch):
    """With one it is: from when it was due, everything counts."""
    clock = Clock()
    connect_ex = socket.socket.connect_ex

    def slow(self, address):
        clock.now += 0.5
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect_ex", slow)
    with serve(answering(OK)) as port:
        closed_loop, _ = run(build_task(port, count=2), clock=clock)
        open_loop, _ = run(build_task(port, rate=10.0, count=1), clock=clock)

    assert list(closed_loop.latencies) == [0, 0]
    assert list(open_loop.latencies) == [500_000]


def test_the_workers_own_delay_is_told():
    """An idle subscription was sent for too late: that is nobody else's fault."""
    clock = Clock()

    def answer(*_):
        clock.now = 0.5
        return OK

    with serve(answering(answer)) as port:
        total, _ = run(
            build_task(port, rate=10.0, subscriptions=2, count=2), clock=clock
        )

    assert list(total.lags) == [0, 400_000]


def test_each_worker_sends_its_share_of_the_schedule():
    """The second of two has every second transmission: here, two of five."""
    clock = Clock()

    def answer(*_):
        clock.now += 0.3
        return OK

    with serve(answering(answer)) as port:
        clock.now = 0.1
        task = build_task(port, rate=10.0, count=5, worker=1, workers=2)
        total, _ = run(task, clock=clock, start_at=0.0)

    assert total.sent == 2
    # Due at 0.1 and at 0.3; answered at 0.4 and at 0.7.
    assert list(total.latencies) == [300_000, 400_000]


def test_nothing_new_is_sent_after_the_time():
    """What is in flight is waited for, however long it takes."""
    clock = Clock()

    def answer(*_):
        clock.now += 20.0
        return OK

    with serve(answering(answer)) as port:
        open_loop, _ = run(build_task(port, rate=1.0), clock=clock)
        closed_loop, _ = run(build_task(port, count=100), clock=clock)

    assert (open_loop.sent, open_loop.statuses) == (1, {"200": 1})
    assert (closed_loop.sent, closed_loop.statuses) == (1, {"200": 1})


def test_what_is_due_after_the_time_is_not_sent():
    """Although another one is still waited for."""
    clock = Clock()
    is_reported = threading.Event()

    def handle(peer):
        while peer.read():
            clock.now = 5.0
            is_reported.wait()
            peer.write(OK)

    with serve(handle) as port:
        task = build_task(port, rate=1.0, seconds=1.5, subscriptions=9)
        total, last = run(task, clock=clock, on_report=lambda *_: is_reported.set())

    # Those of the seconds 0 and 1.
    assert (total.sent, total.statuses, last.waiting) == (2, {"200": 2}, 0)


def test_what_was_due_and_is_not_sent_in_time_is_told():
    """The destination is slower than the rate."""
    clock = Clock()
    some_wait = threading.Event()

    def handle(peer):
        peer.read()
        clock.now = 5.0
        some_wait.wait()
        clock.now = 99.0
        peer.write(OK)
        peer.read()

    def on_report(_, report):
        if report.waiting:
            some_wait.set()

    with serve(handle) as port:
        task = build_task(port, rate=1.0, count=9)
        total, last = run(task, clock=clock, on_report=on_report)

    assert (total.sent, last.waiting, last.in_flight) == (1, 5, 0)


def test_no_answer_in_time_is_given_up():
    """After it, the subscription goes on with a new connection."""
    clock = Clock()
    answered: list[bool] = []

    def handle(peer):
        while peer.read():
            if not answered:
                clock.now += 31
                answered.append(False)
                peer.read()
                return
            answered.append(True)
            clock.now += 1
            peer.write(OK)

    def on_report(_, report):
        # The pause after it.
        clock.now += 0.2 if report.errors else 0

    with serve(handle) as port:
        task = build_task(port, count=2, seconds=100.0)
        total, last = run(task, clock=clock, on_report=on_report)

    assert total.errors == {"timed-out": 1}
    assert (total.statuses, last.opened) == ({"200": 1}, 2)


def test_after_no_answer_a_subscription_pauses_for_a_moment():
    """A dead destination is not asked ten thousand times a second."""

    def handle(peer):
        peer.read()

    with serve(handle) as port:
        total, _ = run(build_task(port, count=100_000, seconds=0.25))

    assert set(total.errors) == {"closed"}
    # A tenth of a second between two.
    assert 1 <= total.sent <= 3


def test_a_paused_subscription_keeps_what_is_due_waiting():
    """With a rate as well: the pause is in the latency of the next one."""
    came = []

    def handle(peer):
        peer.read()
        came.append(1)
        if len(came) > 1:
            peer.write(OK)
            answering(OK)(peer)

    with serve(handle) as port:
        total, _ = run(build_task(port, rate=100.0, count=4))

    assert (total.errors, total.statuses) == ({"closed": 1}, {"200": 3})
    assert max(total.latencies) >= 70_000


def test_stopping_waits_for_no_answer():
    """What is in flight then is told, as abandoned."""
    clock = Clock()

    def handle(peer):
        peer.read()
        clock.now = 1.0
        peer.read()

    with serve(handle) as port:
        total, last = run(
            build_task(port), clock=clock, on_report=lambda worker, _: worker.stop()
        )

    assert (total.sent, last.in_flight, total.latencies.tolist()) == (1, 1, [])


def test_many_answers_are_reported_at_once():
    """Not only by the clock: reports stay small."""
    sizes = []
    with serve(answering(OK)) as port:
        task = build_task(port, subscriptions=8, count=2500)
        total, _ = run(
            task,
            clock=Clock(),
            on_report=lambda _, report: sizes.append(len(report.latencies)),
        )

    assert total.sent == 2500
    assert all(1000 <= size < 1100 for size in sizes[:-1])


# Answers of all kinds.


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK, "200"),
        (UNAUTHORIZED, "401"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (
            b"HTTP/1.1 200 OK\r\n"
            b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "200",
        ),
    ],
)
def test_a_whole_answer_counts_by_its_status(answer, status):
    """The connection stays."""
    with serve(answering(answer)) as port:
        total, last = run(build_task(port, count=3))

    assert (total.statuses, total.errors, last.opened) == ({status: 3}, {}, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ],
)
def test_an_answer_that_ends_its_connection_counts_as_well(answer):
    """The next transmission opens another one."""

    def handle(peer):
        peer.read()
        peer.write(answer)

    with serve(handle) as port:
        total, last = run(build_task(port, count=3))

    assert (total.statuses, total.errors, last.opened) == ({"200": 3}, {}, 3)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "closed"),
        (b"HTTP/1.1 200 OK\r\n", "closed"),
        (b"SMTP ready\r\n\r\n", "not-http"),
        (
            b"HTTP/1.1 101 Other\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "not-http",
        ),
    ],
)
def test_what_is_no_whole_answer_is_none(answer, word):
    """And has no latency."""

    def handle(peer):
        peer.read()
        peer.write(answer)

    with serve(handle) as port:
        total, _ = run(build_task(port, count=1))

    assert (total.errors, len(total.latencies)) == ({word: 1}, 0)


def test_a_connection_that_is_closed_while_idle_is_opened_again():
    """A server may close one that nobody uses; that is no failure."""
    came: list[object] = []

    def handle(peer):
        came.append(peer)
        peer.read()
        peer.write(OK)
        if len(came) > 1:
            peer.read()

    with connect(handle) as (connection, selector, ends):
        exchange(connection, selector, ends)
        while selector.get_map():
            drive(selector)
        exchange(connection, selector, ends)
        connection.close()
        connection.close()

    assert (ends, connection.opened) == ([(200, None)] * 2, 2)


def drive(selector):
    """Let connections go on once."""
    for key, mask in selector.select():
        key.data(mask)


def exchange(
    connection,
    selector,
    ends,
    pieces=(b"POST / HTTP/1.1\r\n", b"content-length: 0\r\n\r\n"),
):
    """Send a request, and drive its connection until it is over."""
    before = len(ends)
    connection.begin(list(pieces))
    while len(ends) == before:
        drive(selector)


@contextlib.contextmanager
def connect(handle, tls=None, context=None):
    """Connect to a server that handles each connection so."""
    ends = []
    with serve(handle, context) as port, selectors.DefaultSelector() as selector:
        place = Place("127.0.0.1", port, is_ipv6=False)
        connection = Connection(selector, place, tls, lambda *end: ends.append(end))
        yield connection, selector, ends
        connection.close()


def test_words_that_nobody_asked_for_end_the_connection():
    """What comes next would be taken for the answer to something else."""
    spoken = threading.Event()

    def handle(peer):
        peer.read()
        peer.write(OK)
        peer.write(b"HTTP/1.1 200 OK\r\n") if spoken.wait() else None
        peer.read()

    with connect(handle) as (connection, selector, ends):
        exchange(connection, selector, ends)
        spoken.set()
        while selector.get_map():
            drive(selector)

    assert ends == [(200, None)]


def test_an_answer_that_comes_first_is_not_the_one_that_counts():
    """A server may say that it goes on; then it does."""
    is_seen = threading.Event()

    def handle(peer):
        peer.read()
        peer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        is_seen.wait()
        peer.write(OK)
        peer.read()

    with connect(handle) as (connection, selector, ends):
        connection.begin([b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"])
        drive(selector)
        assert ends == []
        is_seen.set()
        while not ends:
            drive(selector)

    assert ends == [(200, None)]


LARGE = [b"POST / HTTP/1.1\r\ncontent-length: 50000000\r\n\r\n", bytes(50_000_000)]


def test_a_large_body_goes_out_in_parts():
    """Never waiting for the socket."""
    lengths = []

    def handle(peer):
        lengths.append(len(peer.read()[1]))
        peer.write(OK)
        peer.read()

    with connect(handle) as (connection, selector, ends):
        exchange(connection, selector, ends, LARGE)

    assert (lengths, ends) == ([50_000_000], [(200, None)])


def test_an_answer_before_the_whole_body_was_sent_counts():
    """A refusal reads no body; that connection cannot be used again."""

    def handle(peer):
        peer.connection.recv(1000)
        peer.write(UNAUTHORIZED)
        peer.connection.recv(1)

    with connect(handle) as (connection, selector, ends):
        exchange(connection, selector, ends, LARGE)
        assert not selector.get_map()

    assert ends == [(401, None)]


def test_an_event_with_nothing_behind_it_changes_nothing():
    """A selector may err."""
    with connect(answering(OK)) as (connection, selector, ends):
        exchange(connection, selector, ends)
        connection.on_event(selectors.EVENT_READ)
        exchange(connection, selector, ends)

    assert (ends, connection.opened) == ([(200, None)] * 2, 1)


def test_an_event_of_a_connection_that_is_closed_is_nobodys():
    """It may stand in the same batch as the one that closed it."""
    with connect(answering(OK)) as (connection, _, ends):
        connection.on_event(selectors.EVENT_READ)

    assert ends == []


class FakeSocket:
    """A socket whose system calls answer as a test wants them to."""

    def __init__(self, **answers):
        self.answers = answers
        self.called: list[str] = []
        self.closed = False

    def __getattr__(self, name):
        """Answer with what was given, or with nothing."""

        def call(*_):
            self.called.append(name)
            answer = self.answers.get(name, 0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def close(self):
        """Note it."""
        self.closed = True


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ({"connect_ex": 111}, "connection-refused"),
        ({"connect_ex": 101}, "unreachable"),
        ({"sendmsg": ConnectionAbortedError()}, "closed"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told(monkeypatch, answers, word):
    """By a fixed word."""
    fake = FakeSocket(**answers)
    monkeypatch.setattr("socket.socket", lambda *_: fake)
    ends = []
    connection = Connection(
        selectors.SelectSelector(),
        Place("::1", 80, is_ipv6=True),
        None,
        lambda *end: ends.append(end),
    )
    connection.begin([b"x"])

    assert (ends, fake.closed) == ([(None, word)], True)


@contextlib.contextmanager
def connect_to(monkeypatch, **answers):
    """Begin a request over a socket that answers so."""
    reading, writing = os.pipe()
    fake = FakeSocket(fileno=reading, **answers)
    monkeypatch.setattr("socket.socket", lambda *_: fake)
    ends: list[object] = []
    place = Place("127.0.0.1", 80, is_ipv6=False)
    with selectors.SelectSelector() as selector:
        connection = Connection(selector, place, None, lambda *end: ends.append(end))
        connection.begin([b"x"])
        [watched] = selector.get_map().values()
        yield connection, fake, watched.events, ends
        connection.close()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("failed", "words"), [(0, []), (111, [(None, "connection-refused")])]
)
def test_a_connection_that_takes_its_time_is_waited_for(monkeypatch, failed, words):
    """Over a network it is not there at once."""
    answers = {
        "connect_ex": 115,
        "getpeername": OSError(107, ""),
        "getsockopt": failed,
        "sendmsg": 1,
    }
    with connect_to(monkeypatch, **answers) as (connection, fake, watched, ends):
        before = fake.called.count("sendmsg")
        connection.on_event(selectors.EVENT_WRITE)

    assert (watched, before) == (selectors.EVENT_WRITE, 0)
    assert ends == words
    assert fake.called.count("sendmsg") == (0 if failed else 1)


@pytest.mark.parametrize(
    ("received", "end"), [(UNAUTHORIZED, (401, None)), (b"", (None, "closed"))]
)
def test_what_was_said_before_hanging_up_is_heard(monkeypatch, received, end):
    """The body cannot be sent any more, but the answer is there."""
    answers = {"sendmsg": BrokenPipeError(), "recv": received}
    with connect_to(monkeypatch, **answers) as (connection, _, watched, ends):
        connection.on_event(selectors.EVENT_READ)

    assert (watched, ends) == (selectors.EVENT_READ, [end])


# TLS.


@needs_openssl
def test_a_destination_with_tls_is_loaded_over_tls(tmp_path, monkeypatch):
    """Its certificate is checked, by the name in the address."""
    certificate, context = build_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve(answering(OK), context) as port:
        right, last = run(build_task(port, tls_name="localhost", count=5))
        task = build_task(port, tls_name="example.org", count=1)
        wrong, _ = run(task)

    assert (right.statuses, last.opened) == ({"200": 5}, 1)
    assert wrong.errors == {"tls-failed": 1}


@needs_openssl
def test_a_large_body_and_a_large_answer_go_over_tls(tmp_path):
    """In parts, both ways; what is decrypted already is not forgotten."""
    certificate, context = build_certificate(tmp_path)
    client = ssl.create_default_context(cafile=certificate)
    large = b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + bytes(3_000_000)
    tls = (client, "localhost")
    with connect(answering(large), tls, context) as (connection, selector, ends):
        exchange(connection, selector, ends, LARGE)
        exchange(connection, selector, ends)

    assert (ends, connection.opened) == ([(200, None)] * 2, 1)


def test_plain_http_behind_an_https_address_fails_as_tls():
    """A fixed word, as from the sender."""

    def handle(peer):
        peer.connection.recv(1000)
        peer.write(OK)

    tls = (ssl.create_default_context(), "localhost")
    with connect(handle, tls) as (connection, selector, ends):
        exchange(connection, selector, ends)

    assert ends == [(None, "tls-failed")]


# The process.


@contextlib.contextmanager
def pipes():
    """Two pipes: to the worker, and back."""
    with contextlib.ExitStack() as stack:
        pairs = [
            [
                stack.enter_context(os.fdopen(end, mode))
                for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
            ]
            for _ in range(2)
        ]
        yield (*pairs[0], *pairs[1])


def test_a_process_reads_its_task_and_writes_reports():
    """First an empty line: it is ready; the last report says so."""
    with serve(answering(OK)) as port, pipes() as (reads, tells, reports, writes):
        start_at = time.monotonic() + 0.01
        tells.write(build_task(port, count=5).to_line().encode())
        tells.write(f"{start_at}\n".encode())
        tells.flush()
        main(reads, writes)
        writes.close()
        first, *lines = reports.read().decode().splitlines(keepends=True)

    assert first == "\n"
    assert Report.from_line(lines[-1]).is_last
    assert sum(Report.from_line(line).sent for line in lines) == 5


@pytest.mark.parametrize("is_started", [False, True])
def test_a_process_ends_with_its_input(is_started):
    """Whoever started it may be gone: it sends nothing, or no more."""
    with serve(answering(OK)) as port, pipes() as (reads, tells, reports, writes):
        tells.write(build_task(port, count=10**6, seconds=600.0).to_line().encode())
        if is_started:
            tells.write(f"{time.monotonic() + 600}\n".encode())
        tells.close()
        main(reads, writes)
        writes.close()
        lines = reports.read().decode().splitlines(keepends=True)[1:]

    assert [Report.from_line(line).sent for line in lines] == [0] * is_started


def test_a_process_without_a_task_ends_in_silence():
    """Whoever started it thought better of it."""
    with pipes() as (reads, tells, reports, writes):
        tells.close()
        main(reads, writes)
        writes.close()

        assert reports.read() == b""
