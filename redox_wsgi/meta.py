"""The ``Meta`` object of a payload, read tolerantly out of the bytes of a body.

Fields are judged one by one and only when asked for: one of a wrong type is absent,
never an error, because new fields and types appear without warning.
"""

from __future__ import annotations

import codecs
import json
from datetime import datetime
from typing import Any, Literal, NoReturn, TypeAlias

import msgspec

#: ``data-model``: a Redox payload with a ``Meta``; ``fhir``: a FHIR resource;
#: ``unknown``: anything else, readable or not.
Format: TypeAlias = Literal["data-model", "fhir", "unknown"]

_CHUNK_BYTES = 64 * 1024


class _Envelope(msgspec.Struct):
    # Any: a wrong type inside must not make the rest unreadable.
    meta: Any = msgspec.field(name="Meta", default=None)
    resource_type: Any = msgspec.field(name="resourceType", default=None)


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def read_text(value: object) -> str | None:
    """Return a string as it is, anything else as None."""
    return value if isinstance(value, str) else None


def read_id(value: object) -> str | None:
    """Return an ID as text, None if it is neither a string nor a number."""
    if isinstance(value, str):
        return value
    # Older payloads carry JSON numbers, above 2**32 in real data.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def read_member(value: object, name: str) -> object:
    """Return a member of a JSON object, None if it is absent or there is no object."""
    return value.get(name) if isinstance(value, dict) else None


def read_list(value: object) -> list[object]:
    """Return a JSON array as it is, anything else as an empty list."""
    return value if isinstance(value, list) else []


class Meta:
    """What the envelope of a payload says; anything may be None.

    Only ``DataModel`` and ``EventType`` are always sent; the rest may be absent, null
    or, against the documentation, of another type.

    Args:
        fields: The decoded ``Meta``, under Redox's names.

    Example:
        >>> Meta({"DataModel": "PatientAdmin", "Message": {"ID": 5565}}).message_id
        '5565'
    """

    __slots__ = (
        "attempt_id",
        "data_model",
        "event_type",
        "fields",
        "log_id",
        "source_id",
    )

    def __init__(self, fields: dict[str, Any]) -> None:
        #: All fields under Redox's names, as decoded.
        self.fields = fields
        # What is asked for of each transmission, more than once, is read at once.
        #: ``PatientAdmin``, ``Clinical Summary``: an open set, as sent.
        self.data_model = read_text(fields.get("DataModel"))
        #: ``NewPatient``, ``Query``: an open set, as sent.
        self.event_type = read_text(fields.get("EventType"))
        #: The ID of the source, a UUID.
        self.source_id = read_id(read_member(fields.get("Source"), "ID"))
        logs = read_list(fields.get("Logs"))
        log = logs[0] if logs else None
        #: The ID of the record in Redox's dashboard, for people; newer payloads.
        self.log_id = read_id(read_member(log, "ID"))
        #: The ID of this attempt to deliver; a retry has another one.
        self.attempt_id = read_id(read_member(log, "AttemptID"))

    @property
    def event_datetime(self) -> datetime | None:
        """When it happened, aware; None without an offset or if it is no ISO 8601."""
        text = read_text(self.fields.get("EventDateTime"))
        try:
            parsed = datetime.fromisoformat(text) if text else None
        except ValueError:
            return None
        return parsed if parsed and parsed.tzinfo else None

    @property
    def is_test(self) -> bool:
        """Whether the source marked this as test data."""
        return self.fields.get("Test") is True

    @property
    def destination_ids(self) -> tuple[str, ...]:
        """The IDs of all destinations that the message was routed to."""
        destinations = read_list(self.fields.get("Destinations"))
        ids = (read_id(read_member(destination, "ID")) for destination in destinations)
        return tuple(id_ for id_ in ids if id_ is not None)

    @property
    def message_id(self) -> str | None:
        """The ID of the message, for people; older payloads. Never order by it."""
        return read_id(read_member(self.fields.get("Message"), "ID"))

    @property
    def transmission_id(self) -> str | None:
        """The ID of the transmission, for people; older payloads."""
        return read_id(read_member(self.fields.get("Transmission"), "ID"))

    @property
    def facility_code(self) -> str | None:
        """The code of the facility within the source."""
        return read_text(self.fields.get("FacilityCode"))


def read_meta(body: bytes) -> tuple[Format, Meta]:
    """Read the envelope of a body; the rest is skipped, not decoded.

    Args:
        body: The body as sent.

    Returns:
        What the body is, and its ``Meta``: an empty one unless it is ``data-model``.
        Whatever is no JSON object in UTF-8 without a byte order mark is ``unknown``.

    Example:
        >>> read_meta(b'{"resourceType": "Bundle"}')[0]
        'fhir'
    """
    try:
        envelope = _decode_envelope(body)
        is_readable = _is_utf8(body)
        meta = envelope.meta if is_readable else None
        resource_type = envelope.resource_type if is_readable else None
    except RecursionError:
        meta = resource_type = None
    except ValueError:
        meta, resource_type = _read_by_the_letter(body)
    if isinstance(meta, dict):
        return "data-model", Meta(meta)
    return ("fhir" if isinstance(resource_type, str) else "unknown"), Meta({})


def _is_utf8(body: bytes) -> bool:
    # What msgspec skips, it does not check; but the last byte is a brace or a blank, so
    # that no character is cut off there. In chunks: a str of 40 MB that is not ASCII
    # could take 160 MB.
    if body.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    try:
        for start in range(0, len(body), _CHUNK_BYTES):
            decoder.decode(view[start : start + _CHUNK_BYTES])
    except UnicodeDecodeError:
        return False
    return True


def _read_by_the_letter(body: bytes) -> tuple[object, object]:
    # msgspec refuses two things that are JSON: half a surrogate pair (text cut within
    # an emoji) and numbers beyond 64 bits. Rare, so the whole body may be decoded.
    try:
        payload = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None, None
    return read_member(payload, "Meta"), read_member(payload, "resourceType")


def _refuse_constant(name: str) -> NoReturn:
    # "Numeric values that cannot be represented in the grammar below (such as Infinity
    # and NaN) are not permitted."
    # -- https://www.rfc-editor.org/rfc/rfc8259#section-6
    raise ValueError
