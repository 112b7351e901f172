"""The key of a lane: one subscription, written so that any store can keep it."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from redox_wsgi.meta import Meta
from redox_wsgi.reporting import loggable
from redox_wsgi.transmission import fold_name

# Longer names are nobody's, and not to be remembered.
_LONGEST_NAME = 64


def build_lane_key(destination: str, meta: Meta) -> str:
    r"""Build the key of the lane that a transmission belongs to.

    It is ``Transmission.subscription`` with whatever is not a short plain word replaced
    by its hash: those parts are the sender's text, of any length and with any
    character in it. A hash begins with ``~``, which no plain word holds.

    Args:
        destination: The name of the destination.
        meta: The envelope of the transmission.

    Returns:
        Printable text without blanks at its ends, of at most 400 characters.

    Example:
        >>> meta = Meta({"DataModel": "Order", "Source": {"ID": "Zoë"}})
        >>> build_lane_key("/redox", meta)
        '/redox|~c6a12698582fc1104ea24107a2d72681|order'
    """
    source_id, data_model = meta.source_id or "-", meta.data_model or "-"
    if len(source_id) > _LONGEST_NAME or len(data_model) > _LONGEST_NAME:
        return _join(destination, source_id, data_model)
    return _join_again(destination, source_id, data_model)


def _join(destination: str, source_id: str, data_model: str) -> str:
    parts = (source_id, fold_name(data_model) or "-")
    return "|".join([destination, *map(_bound, parts)])


# A process receives from a few subscriptions, over and over.
_join_again = lru_cache(maxsize=256)(_join)


def _bound(text: str) -> str:
    if loggable(text) == text:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"~{digest[:32]}"
