"""The recipes of docs/hand-off.md, with a real broker between both sides."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi import Transmission
from redox_wsgi.inbox import Inbox
from tests.support.builders import build_payload, encode
from tests.support.leaks import build_patient
from tests.support.stores import utc_now

PAGE = (Path(__file__).parents[1] / "docs" / "hand-off.md").read_text()
BLOCKS = dict(re.findall(r"^## ([\w ]+)\n.*?```python\n(.*?)```", PAGE, re.M | re.S))
PATIENCE_SECONDS = 60
# The page's code, whose words go to a file in place of a terminal.
PRINT_TO_A_FILE = """
def print(*words):
    with open("seen", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program in the folder of the test; end it afterwards."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*command: str, **environment: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{len(running)}.log").open("wb") as log:
            running.append(
                subprocess.Popen(
                    command, cwd=tmp_path, env=environment, stdout=log, stderr=log
                )
            )
        return running[-1]

    yield begin
    for process in reversed(running):
        process.terminate()
    for process in running:
        process.wait(PATIENCE_SECONDS)


@pytest.fixture
def broker(start: Start, tmp_path: Path) -> str:
    """Run a Redis that writes to disk before it confirms; give its URL."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed.")
    path = tmp_path / "redis.sock"
    settings = ("--appendonly", "yes", "--appendfsync", "always")
    start(program, "--port", "0", "--unixsocket", str(path), *settings)
    wait_for(path.exists)
    return str(path)


def wait_for(is_so: Callable[[], Any]) -> None:
    """Wait until something is so; fail the test if it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.05)


def put_some(inbox: Inbox) -> None:
    for number in range(3):
        body = encode(build_payload(event_type=f"Arrival{number}"))
        inbox(Transmission(body, received_at=utc_now()))
    inbox(Transmission(build_patient(), received_at=utc_now()))


OTHER_SIDES = {
    "Celery": ("redis+socket", "celery -A handing_on worker --pool solo"),
    "RQ": ("unix", "rq worker --worker-class rq.SimpleWorker --url"),
}


@pytest.mark.parametrize("recipe", OTHER_SIDES)
def test_what_is_handed_on_arrives_in_another_process(
    recipe: str, broker: str, start: Start, tmp_path: Path
) -> None:
    """From the inbox by its worker through the broker, each once and none lost."""
    (tmp_path / "handing_on.py").write_text(PRINT_TO_A_FILE + BLOCKS[recipe])
    scheme, other_side = OTHER_SIDES[recipe]
    url = f"{scheme}://{broker}"
    programs = Path(sys.executable).parent
    environment = {
        "PATH": str(programs),
        "PYTHONPATH": str(tmp_path),
        "HOME": str(tmp_path),
        "REDOX_VERIFICATION_TOKEN": "correct-horse-battery-staple",
        "CELERY_BROKER_URL": url,
        "REDIS_URL": url,
    }
    name, *arguments = other_side.split()
    if recipe == "RQ":
        arguments.append(url)
    start(str(programs / name), *arguments, **environment)
    start(
        str(programs / "redox-wsgi"),
        *("work", "--inbox", "sqlite:///inbox.db", "handing_on:hand_off"),
        **environment,
    )
    inbox = Inbox(f"sqlite:///{tmp_path / 'inbox.db'}")
    put_some(inbox)
    seen = tmp_path / "seen"

    wait_for(lambda: seen.exists() and len(seen.read_text().splitlines()) >= 4)
    wait_for(lambda: inbox.stats().done == 4)
    lines = seen.read_text().splitlines()
    assert [line.split()[1] for line in lines] == [
        "Arrival0",
        "Arrival1",
        "Arrival2",
        "Arrival",
    ]
    # No patient's data went through the broker.
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("appendonlydir/*"))
    assert b"Kanarienvogel" not in kept
    assert b"redox" in kept
    inbox.close()


def test_every_recipe_of_the_page_is_known() -> None:
    """The page lost none of them."""
    assert list(BLOCKS) == ["Celery", "RQ", "Kafka", "SQS FIFO"]
