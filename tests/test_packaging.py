"""The facts of the package: in one place, and true."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import tomllib
from pathlib import Path

import redox_wsgi

ROOT = Path(__file__).parents[1]


def read_setup() -> configparser.ConfigParser:
    """Read setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def test_the_core_depends_on_two_packages() -> None:
    """Everything else is asked for by an extra."""
    required = read_setup()["options"]["install_requires"]
    names = re.findall(r"^\w+", required, re.MULTILINE)

    assert sorted(names) == ["msgspec", "werkzeug"]


def test_package_facts_stand_in_setup_cfg_only() -> None:
    """Beside a [project] table, setuptools drops what setup.cfg requires."""
    assert set(tomllib.loads((ROOT / "pyproject.toml").read_text())) == {
        "build-system",
        "tool",
    }


def test_what_is_installed_is_what_is_declared() -> None:
    """The version and the extras reach the installed package."""
    metadata = importlib.metadata.metadata("redox_wsgi")

    assert metadata["Version"].startswith(read_setup()["metadata"]["version"][:5])
    extras = set(read_setup()["options.extras_require"])
    assert set(metadata.get_all("Provides-Extra") or []) == extras
    assert metadata["License"] == "MIT"


def test_the_command_line_is_installed() -> None:
    """``redox-wsgi`` is what the README tells to type."""
    [command] = importlib.metadata.entry_points(name="redox-wsgi")

    assert callable(command.load())


def test_the_package_says_that_it_is_typed() -> None:
    """PEP 561: without the marker a type checker ignores every annotation."""
    assert (Path(redox_wsgi.__file__).parent / "py.typed").is_file()
