"""The key of a lane: one subscription, written so that any store can keep it."""

from __future__ import annotations

from hashlib import sha256

from redox_wsgi.reporting import loggable
from redox_wsgi.transmission import Transmission


def build_lane_key(transmission: Transmission) -> str:
    r"""Build the key of the lane that a transmission belongs to.

    It is ``Transmission.subscription`` with whatever is not a short plain word replaced
    by its hash: those parts are the sender's text, of any length and with any
    character in it. A hash begins with ``~``, which no plain word holds.

    Returns:
        Printable text without blanks at its ends, of at most 400 characters.

    Example:
        >>> from datetime import UTC, datetime
        >>> body = b'{"Meta": {"DataModel": "Order", "Source": {"ID": "Zo\xc3\xab"}}}'
        >>> build_lane_key(Transmission(body, received_at=datetime.now(UTC)))
        '/redox|~c6a12698582fc1104ea24107a2d72681|order'
    """
    data_model, _ = transmission.folded_names
    parts = (transmission.source_id or "-", data_model or "-")
    return "|".join([transmission.destination, *map(_bound, parts)])


def _bound(text: str) -> str:
    if loggable(text) == text:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"~{digest[:32]}"
