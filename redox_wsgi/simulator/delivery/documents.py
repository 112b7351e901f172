"""Read what users have: files, folders, JSON lines and streams, byte for byte."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from redox_wsgi.simulator.delivery.envelope import read_json
from redox_wsgi.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Document", "read_paths", "split_stream"]

_LINES = ".jsonl"


class Document(Protocol):
    """One body that is there already."""

    @property
    def name(self) -> str:
        """What to call it in a report."""
        ...

    def read(self) -> bytes:
        """Return the body; it is asked again for every copy.

        Raises:
            SimulatorError: It cannot be read (any more).
        """
        ...


@dataclass(frozen=True, slots=True)
class _File:
    """A file, or one line of it; it is not kept in memory."""

    name: str
    path: Path
    offset: int = 0
    #: None: to the end.
    size_bytes: int | None = None

    def read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                return file.read(self.size_bytes)
        except OSError as error:
            raise _unreadable(self.path, error) from error


@dataclass(frozen=True, slots=True)
class _Held:
    """A body that can be had only once."""

    name: str
    body: bytes = field(repr=False)

    def read(self) -> bytes:
        return self.body


def read_paths(paths: Iterable[Path]) -> list[Document]:
    """List the bodies in files and folders.

    Args:
        paths: A file is one body, a ``.jsonl`` one a line that is not blank. Of a
            folder, ``*.json`` and ``*.jsonl`` are taken, in order of name.

    Raises:
        SimulatorError: There is nothing in a folder or file of lines, or a path cannot
            be read.
    """
    files = [file for path in paths for file in _list_files(path)]
    return [document for file in files for document in _open_file(file)]


def split_stream(contents: bytes, name: str) -> list[Document]:
    """Tell whether a stream is one body or one a line.

    It is one a line if it is no JSON as a whole, and every line that is not blank is a
    JSON object.

    Args:
        contents: All of the stream.
        name: What to call it in a report.

    Raises:
        SimulatorError: It is blank.
    """
    if not contents.strip():
        raise SimulatorError(f"There is nothing in {name}.")
    lines = list(_split_lines(io.BytesIO(contents)))
    bodies = [contents[offset : offset + size] for _, offset, size in lines]
    are_objects = all(isinstance(read_json(body), dict) for body in bodies)
    if read_json(contents) is not None or not are_objects:
        return [_Held(name, contents)]
    return [
        _Held(f"{name}:{number}", body)
        for (number, _, _), body in zip(lines, bodies, strict=True)
    ]


def _list_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [
        file
        for file in sorted(path.iterdir())
        if file.suffix in (".json", _LINES) and file.is_file()
    ]
    if not files:
        raise SimulatorError(f"The folder {path} holds no *.json and no *.jsonl.")
    return files


def _open_file(path: Path) -> Iterator[Document]:
    if path.suffix != _LINES:
        yield _File(str(path), path)
        return
    try:
        with path.open("rb") as file:
            lines = list(_split_lines(file))
    except OSError as error:
        raise _unreadable(path, error) from error
    if not lines:
        raise SimulatorError(f"There is no line in {path}.")
    for number, offset, size in lines:
        yield _File(f"{path}:{number}", path, offset, size)


def _split_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield the number, the offset and the size of each line that is not blank."""
    offset = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, offset, len(line.rstrip(b"\r\n"))
        offset += len(line)


def _unreadable(path: Path, error: OSError) -> SimulatorError:
    return SimulatorError(f"{path} cannot be read: {error.strerror}.")
