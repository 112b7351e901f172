"""A file that travels inside payloads, as base64."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redox_wsgi.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from pathlib import Path

    from redox_wsgi.simulator.payloads import JsonObject

__all__ = ["Attachment", "read_attachment"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to embed."""

    name: str
    #: Such as ``"PDF"``; None if the name does not tell.
    file_type: str | None
    #: The contents, as base64.
    encoded: str = field(repr=False)

    def embed(self, payload: JsonObject) -> bool:
        """Put the file where the data model has a place for one.

        That is ``Media`` and ``Note`` (but for a ``Delete``, which carries none), and
        the first of ``Results``.

        Args:
            payload: Is changed.

        Returns:
            Whether there was a place.
        """
        document = payload.get("Media", payload.get("Note"))
        if isinstance(document, dict) and not _is_delete(payload):
            document["FileContents"] = self.encoded
            document["FileName"] = self.name
            document["FileType"] = self.file_type
            return True
        result = _first(_first(payload.get("Orders")).get("Results"))
        if "Value" not in result:
            return False
        # So Redox sends a file as the value of a result.
        result["ValueType"] = "Encapsulated Data"
        result["Value"] = self.encoded
        result["FileType"] = self.file_type
        return True


def read_attachment(path: Path) -> Attachment:
    """Read a file to embed.

    Raises:
        SimulatorError: It cannot be read.
    """
    try:
        encoded = b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise SimulatorError(f"{path} cannot be read: {error.strerror}.") from error
    return Attachment(path.name, path.suffix[1:].upper() or None, encoded)


def _is_delete(payload: JsonObject) -> bool:
    meta = payload.get("Meta")
    return isinstance(meta, dict) and meta.get("EventType") == "Delete"


def _first(values: Any) -> JsonObject:
    """Return the first object of a list; an empty one if there is none."""
    first = values[0] if isinstance(values, list) and values else None
    return first if isinstance(first, dict) else {}
