"""What an operator mistypes, and what he does in the midst of live traffic."""

from __future__ import annotations

import random
import re
import sys
import threading
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from werkzeug.exceptions import NotFound

from redox_wsgi import ConfigurationError, RedoxMiddleware, Transmission
from redox_wsgi.cli.work import work
from redox_wsgi.contrib.prometheus import InboxCollector, Metrics
from redox_wsgi.inbox import Inbox, Selection, State, Store
from redox_wsgi.inbox.memory import MemoryStore
from redox_wsgi.inbox.worker.worker import Worker
from tests.support.arrivals import build_arrival
from tests.support.builders import NOTIFICATION, TOKEN
from tests.support.command_line import CommandLine
from tests.support.leaks import capture_logs
from tests.support.operated import BROKEN_LANE, find_ids
from tests.support.operated_fixtures import clock, inbox, run
from tests.support.work import Running, put, read_number, wait_until
from tests.support.wsgi import send

# Fixtures.
__all__ = ["clock", "inbox", "run"]

MODELS = ("Order", "Results", "Notes")
EACH = 40
STEPS = 300

MISTYPED = [
    "SQLITE:///nothing.db",
    " sqlite:///nothing.db",
    "sqlite:///nothing.db\n",
    "sqlite:///nothing.db ",
    "sqlite:///nothing\tdb",
    "sqlite:///:memory:",
    "sqlite:///nothing.db/",
    "Memory://",
]


@pytest.mark.parametrize("url", MISTYPED, ids=ascii)
@pytest.mark.parametrize("command", ["list", "doctor"])
def test_no_mistyped_url_makes_an_inbox(
    run: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    url: str,
) -> None:
    """An empty one would look as if all were well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDOX_INBOX", url)
    status, out, err = run(command)

    assert (status, out) == (2, "")
    assert "Error: " in err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("url", MISTYPED[1:6], ids=ascii)
def test_no_application_starts_with_such_a_url(url: str) -> None:
    """The blank of one environment is not in the other: two inboxes, one worked on."""
    with pytest.raises(ConfigurationError) as refused:
        Inbox(url)

    assert "nothing" not in str(refused.value)


def test_a_url_is_named_without_its_password() -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ConfigurationError) as refused:
        Inbox("postgresql://user:pa55word@host/database\n")

    assert "pa55word" not in str(refused.value)


@pytest.mark.postgres
def test_a_wrong_database_gets_no_tables(run: CommandLine, postgresql_url: str) -> None:
    """Such as the one of the application, on the same server."""
    status, out, err = run("list", "--inbox", postgresql_url)
    with psycopg.connect(postgresql_url) as connection:
        found = connection.execute("SELECT to_regclass('redox_schema')").fetchone()
    inbox = Inbox(postgresql_url)
    put(inbox, 1)
    inbox.close()

    assert (status, out) == (2, "")
    assert "There is no inbox in that database" in err
    assert found == (None,)
    assert run("list", "--inbox", postgresql_url).status == 0


def test_a_worker_of_an_inbox_that_is_not_there_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the first to start; but it would wait in silence at a wrong path."""
    monkeypatch.chdir(tmp_path)
    arguments = ["builtins:print", "--drain", "--inbox", "sqlite:///new.db"]
    with capture_logs() as records:
        first = CliRunner().invoke(work, arguments)
        second = CliRunner().invoke(work, arguments)

    assert (first.exit_code, second.exit_code) == (0, 0)
    [warning] = [record.getMessage() for record in records]
    assert "There is no inbox at 'new.db'" in warning
    assert warning.endswith("It is made now, and it is empty.")


def test_metrics_are_told_though_the_tables_are_newer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The release that reads them is older: that is an inbox that is down."""

    def fail(_: object) -> None:
        raise ConfigurationError("The tables have version 999.")

    monkeypatch.setattr(MemoryStore, "stats", fail)
    metrics = Metrics(InboxCollector(Inbox("memory://")))
    application = RedoxMiddleware(NotFound(), {"/metrics": metrics.application})
    reply = send(application, "GET", "/metrics")

    assert reply.status == 200
    assert b"redox_inbox_up 0.0" in reply.body


class Operator:
    """Does whatever an operator can, in an order by chance that never changes."""

    def __init__(self, inbox: Inbox) -> None:
        self.store = inbox.store
        self.lanes = [lane.key for lane in inbox.stats().lanes]
        self.dice = random.Random(7)  # noqa: S311 - the same each time
        #: The entries that are not held to their place any more.
        self.moved: set[int] = set()

    def step(self) -> None:
        """Do one thing."""
        lane = self.dice.choice(self.lanes)
        deed = self.dice.choice(("halt", "resume", "resume", "skip", "replay", "prune"))
        if deed == "halt":
            assert self.store.halt_lane(lane)
        elif deed == "resume":
            self.store.resume_lane(lane)
        elif deed == "skip":
            skipped = self.store.skip_head(lane)
            self.moved |= set() if skipped is None else {skipped}
        elif deed == "replay":
            number = self.dice.randint(1, len(MODELS) * EACH)
            self.moved |= {number} if self.store.replay(number) else set()
        else:
            self.store.prune(State.DONE, datetime.now(UTC), limit=3)

    def end(self) -> None:
        """Let everything go on."""
        for lane in self.lanes:
            self.store.resume_lane(lane)


def test_an_operator_in_live_traffic_loses_nothing_and_no_order(
    lasting_inbox_url: str,
) -> None:
    """He halts, resumes, skips, replays and prunes while entries come and are handled.

    Each entry is handled in its turn, unless he skipped or replayed it.
    """
    inbox = Inbox(lasting_inbox_url)
    handled: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def handle(transmission: Transmission) -> None:
        entry = transmission.entry
        assert entry is not None
        handled[entry.lane].append((entry.id, read_number(transmission)))

    def put_all(numbers: range) -> None:
        for number in numbers:
            for model in MODELS:
                put(inbox, number, model)

    put_all(range(5))
    operator = Operator(inbox)
    sending = threading.Thread(target=put_all, args=[range(5, EACH)])
    with Running(Worker(inbox, handle, concurrency=3)):
        sending.start()
        for _ in range(STEPS):
            operator.step()
        sending.join()
        operator.end()
        wait_until(lambda: inbox.stats().waiting == 0)
    stats = inbox.stats()
    dead = inbox.store.find_entries(Selection(states=frozenset({State.DEAD})))
    inbox.close()

    assert stats.done + stats.emptied + stats.dead == len(MODELS) * EACH
    assert {record.error for record in dead} <= {"skipped"}
    given_up = {record.id for record in dead}
    assert given_up <= operator.moved
    for lane in operator.lanes:
        in_place = [it for it in handled[lane] if it[0] not in operator.moved]
        assert in_place == sorted(set(in_place))
    seen = {entry for lane in operator.lanes for entry, _ in handled[lane]}
    assert seen | given_up == {*range(1, len(MODELS) * EACH + 1)}


def test_another_head_than_the_one_asked_about_is_not_skipped(
    inbox: Inbox, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the question was on the screen, a colleague skipped it; the next failed."""

    class Answering:
        def readline(self) -> str:
            assert inbox.store.skip_head(BROKEN_LANE) == 2
            inbox.store.halt_lane(BROKEN_LANE)
            return "y\n"

    monkeypatch.setattr("sys.stdin", Answering())
    status, _, err = run("skip", BROKEN_LANE)

    assert status == 1
    assert "somebody else" in err
    assert find_ids(inbox, State.DEAD) == [2]


def test_a_lane_that_goes_on_without_its_dead_does_not_fail(store: Store) -> None:
    """Its last error is that of the dead one; what is handled now has not failed."""
    store.put(build_arrival(1))
    store.put(build_arrival(2))
    first = store.claim("first", 30)
    assert first is not None
    store.bury(first, "word")
    assert store.claim("second", 30) is not None
    [lane] = store.stats().lanes
    failing = InboxCollector(Inbox("memory://"))
    failing._inbox.store = store
    told = {metric.name: metric.samples[0].value for metric in failing.collect()}

    assert (lane.attempts, lane.last_error, lane.is_failing) == (1, "word", False)
    assert told["redox_inbox_failing_lanes"] == 0


def test_two_destinations_of_one_content_are_two_messages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A queue that took the second for a repeat would drop it, and it would be done."""
    page = (Path(__file__).parents[1] / "docs" / "hand-off.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    [block] = [block for block in blocks if "boto3" in block]
    sent: list[dict[str, str]] = []
    client = SimpleNamespace(send_message=lambda **message: sent.append(message))
    fake = SimpleNamespace(client=lambda _: client)
    monkeypatch.setitem(sys.modules, "boto3", fake)
    monkeypatch.setenv("REDOX_INBOX", f"sqlite:///{tmp_path / 'inbox.db'}")
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", TOKEN)
    monkeypatch.setenv("SQS_QUEUE_URL", "queue")
    module: dict[str, Any] = {}
    exec(compile(block, "handing_on.py", "exec"), module)  # noqa: S102 - our own page
    inbox = module["inbox"]
    for destination in ("/north", "/south"):
        inbox(
            Transmission(
                NOTIFICATION, received_at=datetime.now(UTC), destination=destination
            )
        )
    Worker(inbox, module["hand_off"]).drain()
    inbox.close()

    assert len({message["MessageGroupId"] for message in sent}) == 2
    assert len({message["MessageDeduplicationId"] for message in sent}) == 2
    assert "transmission.identity" not in "".join(blocks)
