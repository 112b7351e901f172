"""Who imports whom: a file imports from lower rows and from its own package only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

import redox_wsgi
import redox_wsgi.authentication
import redox_wsgi.inbox
import redox_wsgi.oauth
import redox_wsgi.simulator

ROOT = Path(__file__).parents[1]
# Where it is installed: CI runs this against the wheel too.
PACKAGE = Path(redox_wsgi.__file__).parent

# Lowest first; a folder stands for all its files.
ROWS = [
    {"clock", "errors"},
    {"principal", "request", "response", "meta", "identity"},
    {"transmission"},
    {"reporting", "handler", "authentication"},
    {"verification", "routing", "inbox", "oauth"},
    {"destination"},
    {"middleware"},
    {"__init__"},
    {"contrib"},
]
ROW = {room: number for number, row in enumerate(ROWS) for room in row}
OUTSIDE_THE_RECEIVER = {"simulator", "cli"}
# A room may know no more than the plan allows, even below itself.
FORBIDDEN = {
    ("authentication", "transmission"),
    ("authentication", "meta"),
    ("verification", "transmission"),
    ("verification", "handler"),
    ("transmission", "request"),
    ("transmission", "response"),
    ("request", "meta"),
    ("response", "meta"),
    ("destination", "routing"),
    ("destination", "inbox"),
    ("destination", "oauth"),
    ("inbox", "authentication"),
    ("inbox", "oauth"),
    ("inbox", "request"),
    ("oauth", "handler"),
    ("oauth", "inbox"),
    ("oauth", "routing"),
    ("oauth", "transmission"),
    ("oauth", "verification"),
}
# The commands that are not the simulator's.
OF_THE_RECEIVER = {"inbox", "keys", "oauth", "private_file", "work"}


def find_imports(path: Path) -> Iterator[str]:
    """Yield the full names of what a file imports, those for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_room(name: str) -> str:
    """Return the room that ``redox_wsgi.room.something`` stands in."""
    return name.split(".")[1]


def find_name(path: Path) -> str:
    """Return the name by which a file is imported."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def rooms() -> list[tuple[str, Path]]:
    """List each file with its room."""
    return [
        (path.relative_to(PACKAGE).with_suffix("").parts[0], path)
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def test_every_file_has_a_row() -> None:
    """A new room is placed on purpose."""
    assert {room for room, _ in rooms()} == set(ROW) | OUTSIDE_THE_RECEIVER


@pytest.mark.parametrize(
    ("room", "path"),
    [(room, path) for room, path in rooms() if room in ROW],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_a_file_of_the_receiver_imports_from_lower_rows_only(
    room: str, path: Path
) -> None:
    """So that every file can be understood from the ones below it."""
    for name in find_imports(path):
        if not name.startswith("redox_wsgi."):
            continue
        imported = find_room(name)
        allowed = imported == room or ROW.get(imported, 99) < ROW[room]
        assert allowed, f"{room} imports {imported}"
        assert (room, imported) not in FORBIDDEN


def test_the_simulator_and_the_receiver_share_no_code() -> None:
    """One mistake must not hide in both."""
    for found, path in rooms():
        if found == "cli":
            continue
        for name in find_imports(path):
            if name.startswith("redox_wsgi."):
                crosses = (found == "simulator") != (find_room(name) == "simulator")
                assert not crosses, f"{path} imports {name}"
            elif found == "simulator":
                assert name != "redox_wsgi"


def test_nothing_needs_the_command_line() -> None:
    """It plays Redox's side and serves the receiver: it imports both, none imports it.

    The commands that play Redox's side know nothing of the receiver all the same.
    """
    for found, path in rooms():
        for name in find_imports(path):
            if not name.startswith("redox_wsgi."):
                continue
            assert found == "cli" or find_room(name) != "cli", path
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            if found == "cli" and OF_THE_RECEIVER.isdisjoint(parts[1:]):
                assert find_room(name) in OUTSIDE_THE_RECEIVER, path


def test_no_value_of_the_receiver_can_be_changed() -> None:
    """What was checked while it was built is what is used: a key, a rule, a client."""
    values = {
        value
        for room, path in rooms()
        if room in ROW and room not in ("inbox", "contrib")
        for value in vars(import_module(find_name(path))).values()
        if isinstance(value, type) and is_dataclass(value)
    }

    assert values
    for value in values:
        assert value.__dataclass_params__.frozen, value  # type: ignore[attr-defined]
        assert "__slots__" in vars(value), value


def test_no_framework_stands_in_the_core() -> None:
    """Flask and Django are the user's; only contrib knows their names."""
    for room, path in rooms():
        if room != "contrib":
            tops = {name.split(".")[0] for name in find_imports(path)}
            assert tops.isdisjoint({"flask", "django"}), path


def test_importing_the_package_loads_the_core_only() -> None:
    """Who needs no simulator, no framework and no command line loads none."""
    code = "import sys, redox_wsgi; print(*sorted(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    loaded = set(output.split())

    assert "redox_wsgi.middleware" in loaded
    optional = (
        *("flask", "django", "click", "rich", "urllib3", "itsdangerous", "jwt"),
        *("cryptography", "sqlite3", "urllib.request", "redox_wsgi.oauth"),
        "redox_wsgi.authentication.jwt_bearer",
    )
    for name in (*optional, "redox_wsgi.simulator", "redox_wsgi.cli"):
        assert name not in loaded


def test_the_example_uses_public_names_only() -> None:
    """It is the documentation: what it imports, a user may import."""
    public = {
        f"{package.__name__}.{name}"
        for package in (
            redox_wsgi,
            redox_wsgi.authentication,
            redox_wsgi.inbox,
            redox_wsgi.oauth,
            redox_wsgi.simulator,
        )
        for name in package.__all__
    }
    files = sorted((ROOT / "example_app").rglob("*.py"))
    used = {
        name
        for path in files
        for name in find_imports(path)
        if name.split(".")[0] == "redox_wsgi"
    }

    assert used
    assert used <= public


def test_every_line_of_the_log_has_the_one_name_that_is_documented() -> None:
    """Who sets up logging for it hears of everything."""
    names = [
        ast.unparse(call.args[0])
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "logging.getLogger"
    ]

    assert names
    assert set(names) == {"'redox_wsgi'"}
