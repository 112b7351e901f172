"""The identity of a transmission, by which a repeated delivery is recognised.

Redox documents no key for this, and IDs alone must not decide: test messages repeat
theirs. A retry is believed to differ in its attempt IDs only, so the identity is the
content without these, and nothing that differs in anything else is taken for a repeat.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import msgspec

# The tokens of RFC 8259 section 2, white space left out; the body is known to be JSON.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')

_NAME = b'"AttemptID"'

# A letter of the name as an escape, though nobody writes one so.
_ESCAPED_LETTER = re.compile(rb"\\u00[467]")

# While it hashes more than these at once, Python lets other threads go on. To have its
# turn again takes longer than to hash a short body.
_PIECE_BYTES = 2047
_LONG_BYTES = 64 * 1024

# The names under which the containers around an attempt ID were opened.
_LOG = [None, "Meta", "Logs", None]


class _Logs(msgspec.Struct):
    logs: msgspec.Raw = msgspec.field(name="Logs", default=msgspec.Raw(b"null"))


class _Envelope(msgspec.Struct):
    meta: _Logs = msgspec.field(name="Meta")


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def hash_content(body: bytes, attempt_id: str | None = None) -> str:
    """Hash a payload without the values of ``Meta.Logs[].AttemptID``.

    Args:
        body: The bytes of a JSON object whose ``Meta`` is an object.
        attempt_id: That of the first log, where it is a text: so nearly every one is
            found without a look at the rest.

    Returns:
        A SHA-256 in lower-case hexadecimal.

    Example:
        >>> def payload(log_id, attempt_id):
        ...     log = b'{"ID": "%b", "AttemptID": "%b"}' % (log_id, attempt_id)
        ...     return b'{"Meta": {"Logs": [%b]}}' % log
        >>> hash_content(payload(b"1", b"1")) == hash_content(payload(b"1", b"2"))
        True
        >>> hash_content(payload(b"1", b"1")) == hash_content(payload(b"2", b"1"))
        False
    """
    only = None if attempt_id is None else _find_only(body, attempt_id)
    spans = _find_attempt_ids(body) if only is None else (only,)
    digest = hashlib.sha256()
    # A view, so that no part of a large body is copied.
    view = memoryview(body)
    position = 0
    for start, end in spans:
        digest.update(view[position:start])
        position = end
    piece = len(body) if len(body) > _LONG_BYTES else _PIECE_BYTES
    while position < len(body):
        digest.update(view[position : position + piece])
        position += piece
    return digest.hexdigest()


def _find_only(body: bytes, attempt_id: str) -> tuple[int, int] | None:
    """Return start and end of the attempt ID if the body has no other such member.

    None if there may be one, or if this one is not spelled as usual: so the outcome is
    the same as that of a look at every token.
    """
    # The first question takes a tenth of the time, and mostly answers the second.
    if b"\\" in body and _ESCAPED_LETTER.search(body):
        return None
    member = _NAME + b':"' + attempt_id.encode("utf-8", "surrogatepass") + b'"'
    start = body.find(_NAME)
    if not body.startswith(member, start) or body.rfind(_NAME) != start:
        return None
    return start + len(_NAME) + 1, start + len(member)


def _find_attempt_ids(body: bytes) -> Iterator[tuple[int, int]]:
    try:
        logs = bytes(_decode_envelope(body).meta.logs)
    except (ValueError, RecursionError):
        # JSON that msgspec refuses (see meta.py), or not here, deep in the stack of who
        # asks. Then every token is looked at.
        return _scan(body, parents=[], name=None, offset=0)
    if not logs.startswith(b"["):
        return iter(())
    # Should the same list stand earlier in the body too, that copy is left blank: then
    # a retry is not recognised, but still nothing that differs is taken for one.
    offset = body.index(logs)
    return _scan(logs, parents=[None, "Meta"], name="Logs", offset=offset)


def _scan(
    text: bytes, *, parents: list[str | None], name: str | None, offset: int
) -> Iterator[tuple[int, int]]:
    """Yield start and end of each attempt ID in JSON that stands under ``name``."""
    previous = b""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in (b"{", b"["):
            parents.append(name)
            name = None
        elif token in (b"}", b"]"):
            parents.pop()
        elif token == b":":
            name = json.loads(previous)
        elif token == b",":
            name = None
        elif name == "AttemptID" and parents == _LOG:
            yield offset + match.start(), offset + match.end()
        previous = token
