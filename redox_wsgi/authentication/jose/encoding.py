"""The two strict readers that tokens and keys share: JSON objects and base64url.

Do not replace them by ``json.loads`` and ``urlsafe_b64decode``: what two programs read
differently is how a token means one thing to its checker and another to its user.
"""

from __future__ import annotations

import binascii
import contextlib
import json
from typing import Any, NoReturn

_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"===", b"==", b"=")

# Raised where no error of a decoder is at hand: those hold what they decode, and it
# would hang on ours as its context.
_NOT_BASE64URL = "This is not canonical base64url."
_NOT_JSON = "This is no JSON object of one meaning."


def decode_base64url(text: str) -> bytes:
    """Decode base64url without padding, in its one canonical spelling.

    Raises:
        ValueError: It holds other characters or padding, or its last character has bits
            that decode to nothing, so that other texts would decode to the same bytes.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7515#section-2
    """
    with contextlib.suppress(ValueError):
        encoded = text.encode("ascii")
        standard = encoded.translate(_TO_BASE64)
        decoded = binascii.a2b_base64(standard + _PADDING[len(encoded) % 4])
        # The decoder skips what it does not know, so only this comparison is the check.
        # "+" and "/" must not pass for "-" and "_".
        again = binascii.b2a_base64(decoded, newline=False).rstrip(b"=")
        if again == standard and b"+" not in encoded and b"/" not in encoded:
            return decoded
    raise ValueError(_NOT_BASE64URL)


# Many times what a set of 50 keys with their certificates has.
_MOST_BRACKETS = 900


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    by_name = dict(members)
    if len(by_name) != len(members):
        raise ValueError(_NOT_JSON)
    return by_name


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError(_NOT_JSON)


# "The Claim Names within a JWT Claims Set MUST be unique": refused rather than the last
# one taken, since other programs take the first.
# -- https://www.rfc-editor.org/rfc/rfc7519#section-4
_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def parse_object(document: bytes) -> dict[str, Any]:
    """Parse a JSON object of which no two programs can disagree.

    Returns:
        The object. A number such as ``1e400`` is infinite: check ranges.

    Raises:
        ValueError: It is not UTF-8, not JSON, no object, nested too deeply, or has a
            number of thousands of digits, two members of one name at any depth, NaN,
            Infinity or half a surrogate pair.

    Spec:
        https://www.rfc-editor.org/rfc/rfc8259
    """
    with contextlib.suppress(ValueError, RecursionError):
        text = document.decode("utf-8")
        # How deep Python can go differs between its versions, so the depth is bounded
        # here: by the number of brackets, those within strings included.
        if text.count("{") + text.count("[") > _MOST_BRACKETS:
            raise ValueError(_NOT_JSON)
        parsed: Any = _decoder.decode(text)
        # Half a pair can stand in an escape only. Nothing could encode it again: not a
        # log, not a database.
        if "\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
        if isinstance(parsed, dict):
            return parsed
    raise ValueError(_NOT_JSON)
