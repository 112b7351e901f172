"""Files that hold secrets: readable by their owner only, from the first byte on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["add_line", "create", "replace"]

_OWNER_ONLY = 0o600


def create(path: Path, text: str) -> None:
    """Write a new file.

    Raises:
        OSError: It exists already, or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def replace(path: Path, text: str) -> None:
    """Write a file whole: who reads it meanwhile sees the old text or the new one.

    Raises:
        OSError: It cannot be written.
    """
    # Its mode is 0600 from the start.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def add_line(path: Path, line: str) -> None:
    """Add a line to a file, which is made if it does not exist.

    Raises:
        OSError: It cannot be written.
    """
    # One write at the end, so that of two commands at once neither is lost; and not a
    # new file in its place, which would be of another owner or no symbolic link.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with open(os.open(path, flags, _OWNER_ONLY), "ab") as file:
        is_cut = file.tell() > 0 and not path.read_bytes().endswith(b"\n")
        file.write(b"\n" * is_cut + line.encode() + b"\n")
