"""The SQL of a store stands in ``.sql`` files beside it, one name a statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files

_NAME = re.compile(r"-- name: ([a-z_]+)")
_MIGRATION = re.compile(r"([0-9]{4})\.sql")


def load_statements(package: str, file: str = "statements.sql") -> Mapping[str, str]:
    """Read the named statements of a file.

    A line ``-- name: put_lane`` begins a statement; other lines of comment are left
    out, since a driver may look for parameters in them.

    Args:
        package: The full name of the package that the file lies in.
        file: The name of the file.

    Returns:
        Each statement by its name, without its semicolon.

    Raises:
        ValueError: A name stands there twice, or a statement has none.

    Example:
        >>> load_statements("redox_wsgi.inbox.sqlite")["look"].split()[0]
        'SELECT'
    """
    statements: dict[str, str] = {}
    for name, statement in _split(files(package).joinpath(file).read_text("utf-8")):
        if name in statements:
            raise ValueError(f"{file} has two statements named {name}.")
        statements[name] = statement
    return statements


def load_migrations(package: str) -> list[tuple[int, str]]:
    """Read ``migrations/0001.sql`` and what follows it, in order.

    Args:
        package: The full name of the package that the folder lies in.

    Returns:
        The schema version that each of them leads to, and its statements.
    """
    found = (
        (_MIGRATION.fullmatch(file.name), file)
        for file in files(package).joinpath("migrations").iterdir()
    )
    return sorted(
        (int(match[1]), file.read_text("utf-8")) for match, file in found if match
    )


def _split(text: str) -> Iterator[tuple[str, str]]:
    before, *parts = _NAME.split(text)
    if _strip(before):
        raise ValueError("A statement stands before the first name.")
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        yield name, _strip(part).removesuffix(";")


def _strip(part: str) -> str:
    lines = part.splitlines()
    return "\n".join(
        line for line in lines if line.strip() and not line.lstrip().startswith("--")
    ).strip()
