"""What an entry is filed under: its lane, and the names that may be shown.

A lane is one subscription; its key is written so that any store can keep it.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from redox_wsgi.meta import Meta
from redox_wsgi.reporting import loggable
from redox_wsgi.transmission import fold_name, is_query

# Characters of source ID, data model and event type together. Longer ones are nobody's,
# and not to be remembered.
_MOST_CHARACTERS = 256


class Label(NamedTuple):
    """What the transmissions of one subscription and event type have in common.

    Attributes:
        lane: The key of the lane.
        data_model: As sent if harmless to show, else ``other``; None if absent.
        event_type: See ``data_model``.
        is_query: Whether somebody waits for the answer.
    """

    lane: str
    data_model: str | None
    event_type: str | None
    is_query: bool


def build_label(destination: str, meta: Meta) -> Label:
    r"""Build what a transmission is filed under.

    The key of the lane is ``Transmission.subscription`` with whatever is not a short
    plain word replaced by its hash: those parts are the sender's text, of any length
    and with any character in it. A hash begins with ``~``, which no plain word holds.
    So the key is printable text without blanks at its ends, of at most 400 characters.

    Args:
        destination: The name of the destination.
        meta: The envelope of the transmission.

    Example:
        >>> meta = Meta({"DataModel": "Order", "Source": {"ID": "Zoë"}})
        >>> build_label("/redox", meta).lane
        '/redox|~c6a12698582fc1104ea24107a2d72681|order'
    """
    source_id, data_model, event_type = meta.source_id, meta.data_model, meta.event_type
    if len(f"{source_id}{data_model}{event_type}") > _MOST_CHARACTERS:
        return _build(destination, source_id, data_model, event_type)
    return _build_or_remember(destination, source_id, data_model, event_type)


def _build(
    destination: str,
    source_id: str | None,
    data_model: str | None,
    event_type: str | None,
) -> Label:
    model, event = fold_name(data_model), fold_name(event_type)
    parts = (source_id or "-", model or "-")
    return Label(
        "|".join([destination, *map(_bound, parts)]),
        loggable(data_model),
        loggable(event_type),
        is_query(model, event),
    )


# A process receives from a few subscriptions, over and over.
_build_or_remember = lru_cache(maxsize=256)(_build)


def _bound(text: str) -> str:
    if loggable(text) == text:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"~{digest[:32]}"
