"""Read payloads tolerantly: whatever is odd is absent, and nothing raises.

Real payloads carry nulls, numbers where a text is meant, and fields nobody announced.
What comes out of here is harmless to SQLite, to JSON and to a page.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime
from typing import Any

from redox_wsgi import BodyNotJson, JsonObject, Transmission

#: Type and ID: what names a patient within a source.
Identifier = tuple[str, str]

_LONGEST_TEXT = 200
_MOST_MEMBERS = 100
_DEEPEST = 4

# Letters that Unicode does not take apart into a plain one and an accent.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}
)


def read_payload(transmission: Transmission) -> JsonObject:
    """Return the payload; an empty one if the body is no JSON object."""
    try:
        payload = transmission.json()
    except BodyNotJson:
        return {}
    return payload if isinstance(payload, dict) else {}


def read_member(payload: object, *names: str) -> object:
    """Follow names into a payload; None where there is nothing."""
    for name in names:
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def read_text(payload: object, *names: str) -> str | None:
    """Read a text for people: one line, cut if too long, None if empty."""
    value = read_member(payload, *names)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _clean_text(str(value))[:_LONGEST_TEXT].strip() or None


def read_id(payload: object, *names: str) -> str | None:
    """Read what identifies something: as sent, or not at all."""
    text = read_text(payload, *names)
    # Two numbers that are alike only when cut or cleaned are two people's.
    return text if text == str(read_member(payload, *names)).strip() else None


def read_identifiers(payload: object, *names: str) -> list[Identifier]:
    """Read a list of identifiers, each with its type, in order and each once."""
    value = read_member(payload, *names)
    found: dict[Identifier, None] = {}
    for item in value[:_MOST_MEMBERS] if isinstance(value, list) else ():
        id_type, id_ = read_id(item, "IDType"), read_id(item, "ID")
        if id_type and id_:
            found[id_type, id_] = None
    return list(found)


def read_time(payload: object, *names: str) -> str | None:
    """Read a date-time as ISO 8601 in UTC; None without an offset."""
    try:
        moment = datetime.fromisoformat(read_text(payload, *names) or "")
        return write_time(moment) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def write_time(moment: datetime) -> str:
    """Write a time so that texts sort as times do: in UTC, to the second."""
    text = moment.astimezone(UTC).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


def clean(value: Any, depth: int = 0) -> Any:
    """Copy JSON data without nulls, empty things, what is endless or no number."""
    if isinstance(value, str):
        return _clean_text(value)[:_LONGEST_TEXT] or None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, dict) and depth < _DEEPEST:
        pairs = list(value.items())[:_MOST_MEMBERS]
        members = {_clean_text(k): clean(v, depth + 1) for k, v in pairs}
        return {k: v for k, v in members.items() if v is not None} or None
    if isinstance(value, list) and depth < _DEEPEST:
        items = [clean(item, depth + 1) for item in value[:_MOST_MEMBERS]]
        return [item for item in items if item is not None] or None
    return None


def fold(text: str | None) -> str:
    """Fold a name for comparison: letters and digits without case and accents.

    Example:
        >>> fold("O'Dálaigh"), fold("Żurawiński"), fold("Brontë-Quill")
        ('odalaigh', 'zurawinski', 'brontequill')
    """
    plain = unicodedata.normalize("NFKD", text or "").casefold().translate(_PLAIN)
    return "".join(letter for letter in plain if letter.isalnum())


def _clean_text(text: str) -> str:
    # Not printable is also half a surrogate pair, cut from a longer text, which SQLite
    # does not take.
    return "".join(
        " " if letter.isspace() else letter
        for letter in text
        if letter.isspace() or letter.isprintable()
    )
