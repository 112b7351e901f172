"""Large bodies as files beside the database, so that they hold up no small ones."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from redox_wsgi.inbox.sqlite.file_system import sync_folder

# Written and forced in pieces: one large forced write holds up the small ones of the
# transactions beside it.
_PIECE_BYTES = 1024 * 1024

_HIDDEN = "."


class Bodies:
    """A folder of bodies, each in a file of its own with a random name.

    Not the hash of its content: no file is shared, so each may be removed with its
    entry.

    Args:
        folder: The folder; it is made when first needed.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def write(self, body: bytes) -> str:
        """Write a body durably: a row may name the file when this returns.

        Returns:
            The name of the file.

        Raises:
            OSError: It cannot be written; nothing of it is left.
        """
        name = secrets.token_hex(16)
        # A file that is not whole yet has another name.
        hidden = self._find(_HIDDEN + name)
        try:
            self._write_whole(hidden, body)
            os.rename(hidden, self._find(name))
            sync_folder(self._folder)
        except BaseException:
            self.remove(_HIDDEN + name)
            self.remove(name)
            raise
        return name

    def read(self, name: str) -> bytes:
        """Read a body.

        Raises:
            FileNotFoundError: It is gone.
        """
        with open(self._find(name), "rb") as file:
            return file.read()

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return os.path.exists(self._find(name))

    def remove(self, name: str) -> None:
        """Remove a file if it can be; ``find_old`` finds it again otherwise."""
        with suppress(OSError):
            os.unlink(self._find(name))

    def find_old(self, before: datetime) -> Iterator[str]:
        """Yield the names of files that were last written before a moment."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as files:
            for file in files:
                if file.stat().st_mtime < before.timestamp():
                    yield file.name

    def _find(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _write_whole(self, path: str, body: bytes) -> None:
        descriptor = self._create(path)
        try:
            rest = memoryview(body)
            while rest:
                # It may write less than it is given.
                rest = rest[os.write(descriptor, rest[:_PIECE_BYTES]) :]
                os.fdatasync(descriptor)
                # Let other greenlets have their turn.
                time.sleep(0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _create(self, path: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(self._folder, 0o700)
                sync_folder(os.path.dirname(self._folder))
            return os.open(path, flags, 0o600)
