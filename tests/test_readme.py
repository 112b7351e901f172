"""The README and the documentation: what they show works, what they say is so."""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import conf
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import clear_url_caches, path
from werkzeug.exceptions import NotFound

import redox_wsgi
from redox_wsgi import Destination, RedoxMiddleware
from redox_wsgi.inbox import Inbox
from tests.support.builders import build_payload, encode
from tests.support.django_app import build_django
from tests.support.wsgi import send

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TOKEN = "correct-horse-battery-staple"
HEADERS = {"verification-token": TOKEN}


def find_blocks() -> Iterator[Any]:
    """Find every Python block that the verification token opens.

    Those with an authenticator are run in ``test_docs_authentication.py``.
    """
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"```python\n(.*?)```", file.read_text(), re.DOTALL)
        for number, block in enumerate(blocks, start=1):
            if "authenticator=" not in block:
                yield pytest.param(block, id=f"{file.name} {number}")


BLOCKS = list(find_blocks())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[None]:
    """A migrated database for what is shown of Django."""
    build_django()
    before = {**connection.settings_dict}
    connection.close()
    connection.settings_dict.update(NAME=str(tmp_path / "db.sqlite3"))
    call_command("migrate", verbosity=0)
    yield
    connection.close()
    connection.settings_dict.update(before)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a block as a module, with the variables that it reads."""
    for name in ("REDOX_VERIFICATION_TOKEN", "STAGING_TOKEN", "PRODUCTION_TOKEN"):
        monkeypatch.setenv(name, TOKEN)
    read_text = Path.read_text

    def read(path: Path, *arguments: Any, **how: Any) -> str:
        # The file of a secret, which is on the reader's machine only.
        if not path.exists():
            return f"{TOKEN}\n"
        return read_text(path, *arguments, **how)

    monkeypatch.setattr(Path, "read_text", read)
    # An inbox is a file below the current folder.
    monkeypatch.chdir(tmp_path)

    def run(block: str) -> dict[str, Any]:
        module = types.ModuleType("shown")
        monkeypatch.setitem(sys.modules, "shown", module)
        exec(compile(block, "shown", "exec"), module.__dict__)  # noqa: S102 - our own
        return module.__dict__

    return run


def build_shown_application(
    shown: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Build what a block means: an application, a destination, or a guarded view."""
    if "guard" in shown:
        urls = types.ModuleType("urls")
        urls.urlpatterns = [path("redox", shown["receive"])]  # type: ignore[attr-defined]
        monkeypatch.setattr(conf.settings, "ROOT_URLCONF", urls)
        clear_url_caches()
        return shown["guard"](get_wsgi_application())
    if "destination" in shown and "application" not in shown and "app" not in shown:
        return RedoxMiddleware(NotFound(), {"/redox": shown["destination"]})
    return shown.get("application") or shown["app"]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_of_the_documentation_receives_a_transmission(
    block: str, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown is what is copied: it must run as it stands."""
    application = build_shown_application(example(block), monkeypatch)
    place = "/redox/staging" if "/redox/staging" in block else "/redox"
    body = encode(build_payload("PatientAdmin", "Arrival"))
    https = {"wsgi.url_scheme": "https", "HTTP_X_FORWARDED_PROTO": "https"}

    reply = send(application, path=place, body=body, headers=HEADERS, **https)
    forged = send(application, path=place, body=body, **https)
    clear_url_caches()

    assert (reply.status, forged.status) == (200, 401)


def test_the_query_of_the_readme_is_answered(example: Any) -> None:
    """With the right Meta, and by the function that is registered for it."""
    block = next(
        str(param.values[0]) for param in BLOCKS if "router.on" in str(param.values[0])
    )
    application = RedoxMiddleware(NotFound(), {"/redox": example(block)["destination"]})
    query = encode(build_payload("PatientSearch", "Query"))

    reply = send(application, body=query, headers=HEADERS)
    answer = json.loads(reply.body)

    assert answer["Meta"]["EventType"] == "Response"
    assert answer["Patient"]["Identifiers"][0] == {"ID": "0000000001", "IDType": "MR"}


def test_the_documentation_shows_every_kind_of_use() -> None:
    """A list that became empty would prove nothing."""
    assert len(BLOCKS) >= 8


@pytest.mark.parametrize(
    ("module", "extra"), [("example_app", "example"), ("pytest", "test")]
)
def test_both_commands_stand_in_the_readme_to_the_letter(
    module: str, extra: str
) -> None:
    """The first ten minutes of a newcomer depend on them; CI runs them."""
    command = (
        f'python3 -m venv .venv && .venv/bin/pip install -e ".[{extra}]" '
        f"&& .venv/bin/python -m {module}"
    )

    assert README.count(f"```sh\n{command}\n```") == 1


def test_every_setting_of_a_destination_is_in_the_table() -> None:
    """And none that does not exist; with the defaults that hold."""
    table = README.split("| `Destination(...)`")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    parameters = inspect.signature(Destination).parameters

    assert list(rows) == list(parameters)
    for name, parameter in parameters.items():
        if rows[name].startswith("`"):
            assert rows[name] == f"`{parameter.default}`"
    assert rows["max_body_bytes"] == str(parameters["max_body_bytes"].default)


def test_every_setting_of_an_inbox_is_in_the_table() -> None:
    """As those of a destination."""
    table = README.split("| `Inbox(...)`")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)

    assert rows == list(inspect.signature(Inbox).parameters)


def test_every_status_is_in_the_table() -> None:
    """A reader at night finds what Redox does next."""
    table = README.split("## How it answers Redox")[1].split("##")[0]
    for error in vars(redox_wsgi.errors).values():
        if inspect.isclass(error) and hasattr(error, "status"):
            assert f"| {error.status}" in table, error


def test_every_link_within_the_documentation_leads_somewhere() -> None:
    """A dead link in the middle of the night is worse than none."""
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", file.read_text())
        for link in links:
            if not link.startswith("http"):
                assert (file.parent / link).exists(), f"{file.name}: {link}"


def test_the_changelog_has_a_place_for_what_comes() -> None:
    """``Unreleased`` is always there, newest first."""
    changes = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", changes, re.MULTILINE)

    assert headings[0] == "Unreleased"
