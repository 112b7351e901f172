"""The page for the person on call: each of its commands is run, in its order."""

from __future__ import annotations

import os
import re
import runpy
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from redox_wsgi import Transmission
from redox_wsgi.cli.inbox import inbox as inbox_commands
from redox_wsgi.inbox import Inbox, Selection, State
from redox_wsgi.inbox.worker.worker import Worker
from tests.support import leaks
from tests.support.builders import NOTIFICATION, TOKEN
from tests.support.operated import build_body, fail_for_one
from tests.support.wsgi import send

PAGE = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()

# Fails for two patients until somebody mends it.
WARD = """
from pathlib import Path

def receive(transmission):
    number = transmission.json()["Number"]
    if number in (2, 6) and not Path("mended").exists():
        raise ValueError(f"no bed for {transmission.json()['Patient']}")
    with Path("handled").open("a") as file:
        file.write(f"{number}\\n")

def count(transmission):
    with Path("counted").open("a") as file:
        file.write(f"{transmission.entry.id}\\n")
"""

# Those that may say that something is not well.
MAY_END_WITH_1 = ("redox-wsgi inbox doctor",)


def find_blocks(language: str) -> list[str]:
    """Find the blocks in one language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


class Shell:
    """Somebody at a terminal without colours, in the folder of the application."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Each line, and what it printed.
        self.ran: list[tuple[str, str]] = []
        binaries = Path(sys.executable).parent
        self._environment = {
            **os.environ,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "80",
        }

    def run(self, line: str) -> None:
        """Run one line of the page, as it stands."""
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self._environment[name] = value
            return
        ended = subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        allowed = {0, 1} if line.startswith(MAY_END_WITH_1) else {0}
        assert ended.returncode in allowed, (line, ended.stdout, ended.stderr)
        if "--show-body" not in line:
            assert leaks.find(ended.stdout, ended.stderr) == [], line
        self.ran.append((line, ended.stdout))

    def find(self, line: str) -> list[str]:
        """List what a line printed, each time that it was run."""
        return [output for ran, output in self.ran if ran == line]

    def read_numbers(self, name: str) -> list[int]:
        """Read the numbers that a handler wrote into a file."""
        return [*map(int, (self.folder / name).read_text().split())]


def put(inbox: Inbox, number: int, age: timedelta, *names: str) -> None:
    """Put one transmission that was received some time ago; the first is large."""
    body = build_body(number, *names)
    if number == 1:
        body += b" " * 2_000_000
    # Half a minute more, so that the ages that are shown stay the same for a while.
    moment = datetime.now(UTC) - age - timedelta(seconds=30)
    inbox(Transmission(body, received_at=moment, destination="/redox"))


def fill(folder: Path) -> None:
    """Fill an inbox of which two lanes halt."""
    inbox = Inbox(f"sqlite:///{folder}/inbox.db")
    for number in (1, 2, 3, 4):
        age = timedelta(hours=4 - number / 2)
        put(inbox, number, age, "hospital-a", "PatientAdmin", "Arrival")
    for number in (5, 6):
        put(inbox, number, timedelta(hours=1), "hospital-b", "Results", "New")
    ward = runpy.run_path(str(folder / "ward.py"))
    Worker(inbox, ward["receive"], max_attempts=1).drain()
    inbox.close()


def add_what_cannot_be_drained(folder: Path) -> None:
    """Put one that waits in a halted lane when the inbox moves."""
    inbox = Inbox(f"sqlite:///{folder}/inbox.db")
    put(inbox, 7, timedelta(0), "hospital-c", "Order", "New")
    inbox.store.halt_lane("/redox|hospital-c|order")
    inbox.close()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in which the whole page was typed."""
    folder = tmp_path_factory.mktemp("application")
    (folder / "ward.py").write_text(WARD)
    [move] = [block for block in find_blocks("py") if "NEW_INBOX" in block]
    (folder / "move.py").write_text(move)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fill(folder)
    # What the person on call does beside typing.
    meanwhile: dict[str, Callable[[], object]] = {
        "redox-wsgi inbox resume '/redox|hospital-a|patientadmin'": (
            (folder / "mended").touch
        ),
        "export NEW_INBOX=sqlite:///new.db": partial(
            add_what_cannot_be_drained, folder
        ),
    }
    shell = Shell(folder)
    for block in find_blocks("sh"):
        for line in block.splitlines():
            meanwhile.pop(line, lambda: None)()
            shell.run(line)
    assert not meanwhile
    return shell


def test_every_command_is_on_the_page_and_was_run(shell: Shell) -> None:
    """Each ended as it should, or the fixture would have failed."""
    commands = re.findall(
        r"^redox-wsgi inbox (\S+)",
        "\n".join(line for line, _ in shell.ran),
        re.MULTILINE,
    )

    assert len(shell.ran) >= 25
    assert {*commands} == {*inbox_commands.commands} - {"new-key"}


def test_the_list_of_the_page_is_what_is_printed(shell: Shell) -> None:
    """Except for the places in files, which are each one's own."""
    [shown] = find_blocks("text")

    def strip(text: str) -> list[str]:
        places = r"ValueError\s+<.*?(?=\n +redox-wsgi)"
        text = re.sub(places, "", text, flags=re.DOTALL)
        return [line for line in text.splitlines() if line]

    assert strip(shell.find("redox-wsgi inbox list")[0]) == strip(shown)


def test_the_mended_lane_drains_in_order(shell: Shell) -> None:
    """And the skipped entry is handled after its replay."""
    stats = shell.find("redox-wsgi inbox stats")

    assert "halted          2" in stats[0]
    assert "halted          1" in stats[1]
    assert shell.read_numbers("handled") == [1, 5, 2, 3, 4, 6]
    assert "skipped" in shell.find("redox-wsgi inbox list --state dead")[0]


def test_the_body_is_shown_where_the_page_says_so(shell: Shell) -> None:
    """And nowhere else: the shell looks for canaries in all other output."""
    [output] = shell.find("redox-wsgi inbox show 2 --show-body")

    assert leaks.LAST_NAME in output


def test_the_backfill_of_the_page_counts_all(shell: Shell) -> None:
    """Once: its dry run calls nobody."""
    assert shell.read_numbers("counted") == [1, 2, 3, 4, 5, 6]
    assert shell.find("redox-wsgi inbox replay --since 7d --to ward:count") == [
        "6 of 6 handled.\n"
    ]


def test_the_back_up_of_the_page_can_be_used(shell: Shell) -> None:
    """With its large bodies, and readable by its owner only."""
    path = shell.folder / "backup.db"
    modes = {
        stat.S_IMODE(it.stat().st_mode) & 0o077
        for it in (path, *path.parent.glob("backup.db.bodies/*"))
    }
    inbox = Inbox(f"sqlite:///{path}")
    first = inbox.store.find_entry(1)
    assert first is not None
    body = inbox.read(first).body
    inbox.close()

    assert len(body) > 2_000_000
    assert modes == {0}


def test_what_could_not_be_drained_moves_to_the_new_inbox(shell: Shell) -> None:
    """As it was received; the old one keeps it too."""
    inbox = Inbox(f"sqlite:///{shell.folder}/new.db")
    [entry] = inbox.store.find_entries(Selection())
    number = inbox.read(entry).json()["Number"]
    inbox.close()

    assert (entry.lane, entry.state, number) == (
        "/redox|hospital-c|order",
        State.WAITING,
        7,
    )


def test_what_the_page_exported_it_has_deleted(shell: Shell) -> None:
    """The other file holds no body."""
    assert not (shell.folder / "waiting").exists()
    assert leaks.find((shell.folder / "entries.jsonl").read_text()) == []


def test_the_application_of_the_page_tells_the_metrics_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each metric has a row with its labels, and each row a metric."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setenv("REDOX_INBOX", f"sqlite:///{tmp_path}/inbox.db")
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", TOKEN)
    [block] = [block for block in find_blocks("py") if "Metrics" in block]
    shown: dict[str, Any] = {}
    exec(compile(block, "shown", "exec"), shown)  # noqa: S102 - our own
    headers = {"verification-token": TOKEN}
    send(shown["application"], body=NOTIFICATION, headers=headers)
    worker = Worker(
        shown["inbox"], fail_for_one, observer=shown["metrics"].observe_work
    )
    worker.run_once()
    reply = send(shown["application"], method="GET", path="/metrics")
    shown["inbox"].close()

    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        # The client adds those by itself.
        if family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            told.setdefault(name, set()).update({*sample.labels} - {"le"})
    rows = {
        name: {*re.findall(r"`(\w+)`", labels)}
        for name, labels in re.findall(
            r"^\| `(redox_\w+)` \| [^|]* \| ([^|]*)\|$", PAGE, re.MULTILINE
        )
    }

    assert told == rows


def test_alerts_are_about_metrics_that_exist() -> None:
    """A mistyped name would never alert anybody."""
    [block] = find_blocks("yaml")
    named = {*re.findall(r"redox_\w+", block)}
    rows = {*re.findall(r"^\| `(redox_\w+)`", PAGE, re.MULTILINE)}

    assert len(named) >= 5
    assert named <= rows
    assert block.count("expr:") == block.count("alert:")
