"""What Prometheus is told, by one process and by many."""

from __future__ import annotations

import http.client
import re
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.exceptions import NotFound

from redox_wsgi import (
    ConfigurationError,
    Destination,
    InboxUnavailable,
    RedoxMiddleware,
)
from redox_wsgi.contrib.prometheus import InboxCollector, Metrics
from redox_wsgi.contrib.prometheus.labels import BoundedLabels
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.memory import MemoryStore
from tests.support import leaks
from tests.support.builders import NOTIFICATION, TOKEN, build_payload, encode
from tests.support.operated import BROKEN_LANE, SOUND_LANE, Clock, fill, put, work
from tests.support.servers import build_raw_request, exchange, run_server
from tests.support.wsgi import send

HEADERS = {"verification-token": TOKEN}


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """An inbox with a halted lane."""
    clock = Clock()
    inbox = Inbox("memory://", now=clock)
    fill(inbox, clock)
    yield inbox
    inbox.close()


def build(metrics: Metrics, handler: Any = lambda _: None) -> Any:
    """Build an application that counts, and tells at ``/metrics``."""
    observe = metrics.observe_request
    destination = Destination(handler, verification_token=TOKEN, observer=observe)
    paths: dict[str, Any] = {"/redox": destination, "/metrics": metrics.application}
    return RedoxMiddleware(NotFound(), paths)


def scrape(application: Any) -> dict[str, float]:
    """Read what is told, by name and labels, as Prometheus does."""
    reply = send(application, method="GET", path="/metrics")
    assert reply.status == 200
    return parse(reply.body)


def parse(body: bytes) -> dict[str, float]:
    """Parse the text format."""
    assert leaks.find(body) == []
    return {
        f"{sample.name}{{{_join(sample.labels)}}}": sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def _join(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def test_requests_are_counted_by_what_they_came_to() -> None:
    """Received, refused, failed: each with its status and its event."""

    def receive(transmission: Any) -> None:
        if transmission.event_type == "Discharge":
            leaks.fail(transmission)

    application = build(Metrics(), receive)
    for _ in range(2):
        send(application, body=leaks.build_patient(), headers=HEADERS)
    send(application, body=NOTIFICATION)
    failing = encode(build_payload("PatientAdmin", "Discharge"))
    send(application, body=failing, headers=HEADERS)
    told = scrape(application)
    counts = {name: v for name, v in told.items() if "requests_total" in name}

    assert counts == {
        "redox_requests_total{data_model=PatientAdmin,destination=/redox,"
        "event_type=Arrival,status=200,word=received}": 2.0,
        "redox_requests_total{data_model=-,destination=/redox,"
        "event_type=-,status=401,word=refused}": 1.0,
        "redox_requests_total{data_model=PatientAdmin,destination=/redox,"
        "event_type=Discharge,status=500,word=failed}": 1.0,
    }
    seconds = "redox_request_seconds_count{destination=/redox,word=received}"
    assert told[seconds] == 2.0
    assert told["redox_body_bytes_count{destination=/redox}"] == 3.0
    sizes = "redox_body_bytes_bucket{destination=/redox,le=1000.0}"
    assert told[sizes] == 3.0


def test_what_the_wrapped_application_answers_has_no_status() -> None:
    """In guard mode the destination does not know it."""
    metrics = Metrics()
    observe = metrics.observe_request
    destination = Destination(None, verification_token=TOKEN, observer=observe)
    paths: dict[str, Any] = {"/redox": destination, "/metrics": metrics.application}
    application = RedoxMiddleware(NotFound(), paths)
    send(application, body=NOTIFICATION, headers=HEADERS)

    assert any("status=-,word=handed-on" in name for name in scrape(application))


def test_attempts_of_a_worker_are_counted(inbox: Inbox) -> None:
    """By what they came to, with the time they took."""
    clock = Clock()
    inbox.store.resume_lane(BROKEN_LANE)
    metrics = Metrics()
    work(inbox, clock, observer=metrics.observe_work)
    put(inbox, 7, age=timedelta(0))
    told = scrape(build(metrics))
    event = "data_model=PatientAdmin,event_type=Arrival"

    assert told[f"redox_work_attempts_total{{{event},word=halted}}"] == 1.0
    assert told["redox_work_seconds_count{word=halted}"] == 1.0


def test_an_inbox_is_read_at_each_scrape(inbox: Inbox) -> None:
    """Its states, its age, its lanes: the halted one first."""
    application = build(Metrics(InboxCollector(inbox, most_lanes=1)))
    told = scrape(application)
    inbox.store.halt_lane(SOUND_LANE)
    later = scrape(application)

    assert {name: value for name, value in told.items() if "redox_inbox" in name} == {
        "redox_inbox_up{}": 1.0,
        "redox_inbox_entries{state=waiting}": 3.0,
        "redox_inbox_entries{state=done}": 3.0,
        "redox_inbox_entries{state=dead}": 0.0,
        "redox_inbox_entries{state=emptied}": 0.0,
        "redox_inbox_repeats{}": 0.0,
        "redox_inbox_halted_lanes{}": 1.0,
        "redox_inbox_failing_lanes{}": 1.0,
        "redox_inbox_oldest_waiting_seconds{}": 10800.0,
        f"redox_inbox_lane_waiting{{lane={BROKEN_LANE}}}": 3.0,
        f"redox_inbox_lane_oldest_seconds{{lane={BROKEN_LANE}}}": 10800.0,
        f"redox_inbox_lane_halted{{lane={BROKEN_LANE}}}": 1.0,
    }
    assert later["redox_inbox_halted_lanes{}"] == 2.0


def test_a_halted_lane_is_worse_than_an_old_one() -> None:
    """It does not go on by itself."""
    clock = Clock()
    inbox = Inbox("memory://", now=clock)
    put(inbox, 1, age=timedelta(hours=9), source="old")
    put(inbox, 2, age=timedelta(hours=1), source="halted")
    inbox.store.halt_lane("/redox|halted|patientadmin")
    told = scrape(build(Metrics(InboxCollector(inbox, most_lanes=1))))

    assert "redox_inbox_lane_halted{lane=/redox|halted|patientadmin}" in told
    assert not any("|old|" in name for name in told)


def test_an_inbox_that_is_down_is_told_and_stops_no_scrape(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else is counted is still told."""

    def fail(_: object) -> None:
        raise InboxUnavailable("database-locked")

    monkeypatch.setattr(MemoryStore, "stats", fail)
    application = build(Metrics(InboxCollector(inbox)))
    send(application, body=NOTIFICATION, headers=HEADERS)
    told = scrape(application)

    assert told["redox_inbox_up{}"] == 0.0
    assert sum("redox_inbox" in name for name in told) == 1
    assert any("redox_requests_total" in name for name in told)


def test_events_are_bounded_in_number() -> None:
    """A sender that makes up event types makes up no time series."""
    application = build(Metrics(most_events=2))
    for number in range(5):
        body = encode(build_payload("PatientAdmin", f"Made up {number}"))
        send(application, body=body, headers=HEADERS)
    told = scrape(application)
    counts = {name: v for name, v in told.items() if "requests_total" in name}

    assert len(counts) == 3
    assert [value for name, value in counts.items() if "event_type=other" in name] == [
        3.0
    ]


def test_names_that_are_not_plain_are_other() -> None:
    """So that nobody's name becomes a label."""
    application = build(Metrics())
    payload = build_payload("PatientAdmin", leaks.LAST_NAME)
    send(application, body=encode(payload), headers=HEADERS)

    assert any("event_type=other" in name for name in scrape(application))


def test_labels_are_bounded_among_threads_too() -> None:
    """Two threads at the last free place do not both get it."""
    bounded = BoundedLabels(5)
    seen: list[tuple[str, ...]] = []

    def ask(start: int) -> None:
        seen.extend(bounded(str(number)) for number in range(start, start + 50))

    threads = [threading.Thread(target=ask, args=(n * 50,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(seen) - {("other",)}) == 5


@pytest.mark.parametrize("most", [0, -1, True, "9"])
def test_a_bound_is_a_number_above_zero(most: Any) -> None:
    """Anything else is a mistake of the configuration."""
    with pytest.raises(ConfigurationError, match="above 0"):
        Metrics(most_events=most)


@pytest.mark.parametrize(
    "build_one", [Metrics, lambda: InboxCollector(Inbox("memory://"))]
)
def test_without_its_package_the_sentence_says_what_to_install(
    build_one: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no dependency of the package."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[prometheus\]"):
        build_one()


def test_a_folder_of_many_processes_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or nothing would be counted, and nobody would know."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "nothing"))

    with pytest.raises(ConfigurationError, match="PROMETHEUS_MULTIPROC_DIR"):
        Metrics()


def test_in_many_processes_what_a_folder_holds_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not what this process counts beside it, or it would be counted twice."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    metrics = Metrics()
    application = build(metrics)
    send(application, body=NOTIFICATION, headers=HEADERS)

    assert isinstance(metrics.registry, CollectorRegistry)
    assert not any("redox_requests_total" in name for name in scrape(application))


def build_counting_application() -> Any:
    """Build the application that gunicorn runs, which tells who answered."""
    import os  # noqa: PLC0415 - in the server only

    def tell(transmission: Any) -> str:
        return f'{{"pid": {os.getpid()}}}'

    inbox = Inbox("memory://")
    return build(Metrics(InboxCollector(inbox)), tell)


@pytest.mark.parametrize("server", ["gunicorn sync", "gunicorn preloaded"])
def test_a_scrape_sums_both_workers_of_gunicorn(server: str, tmp_path: Path) -> None:
    """Whichever of them is asked."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    application = "tests.test_contrib_prometheus:build_counting_application()"
    raw = build_raw_request("POST", "/redox", [*HEADERS.items()], NOTIFICATION)
    env = {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    with run_server(
        server, application, tmp_path / "log", "--workers", "2", env=env
    ) as port:
        pids: set[bytes] = set()
        sent = 0
        while len(pids) < 2 and sent < 1000:
            reply = exchange(port, raw)
            assert reply is not None
            assert reply.status == 200
            sent += 1
            pids |= set(re.findall(rb"\d+", reply.body))
        told = [parse(ask(port)) for _ in range(4)]

    assert len(pids) == 2
    name = (
        "redox_requests_total{data_model=PatientAdmin,destination=/redox,"
        "event_type=Arrival,status=200,word=received}"
    )
    assert [it[name] for it in told] == [sent] * 4
    assert [it["redox_inbox_up{}"] for it in told] == [1.0] * 4


def ask(port: int) -> bytes:
    """Scrape a server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    body = connection.getresponse().read()
    connection.close()
    return body
