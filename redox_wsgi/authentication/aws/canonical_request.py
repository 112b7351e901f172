"""The steps of AWS Signature Version 4, from what was sent to a signature.

Everything here is bytes as they came over the wire. The text of an environ is such
bytes read as latin-1: turn it back before.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote_from_bytes, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"

# Nothing to encode, no dot segment and no empty one: all signers agree on such a path.
_PLAIN_PATH = re.compile(rb"(?:/[\w~-][\w.~-]*+)*+/?")
_PLAIN_QUERY_PART = re.compile(rb"[\w.~-]*+(?:=[\w.~-]*+)?")


def list_canonical_paths(raw_path: bytes) -> tuple[bytes, ...]:
    """List what a signer may have signed as the path, at most six forms.

    AWS has dot segments and empty ones removed and encodes the path once more; for S3
    it does neither. Signers differ in what they take for the path "before": the one
    on the wire, the one that it means, or the one that is already encoded.

    Args:
        raw_path: The path as sent, up to ``?``.

    Returns:
        The forms without repetition, the most common first.

    Spec:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

    Example:
        >>> list_canonical_paths(b"/redox")
        (b'/redox',)
        >>> list_canonical_paths(b"/a%20b/./")
        (b'/a%2520b/', b'/a%20b/', b'/a%2520b/./', b'/a%20b/./')
    """
    if raw_path and _PLAIN_PATH.fullmatch(raw_path):
        return (raw_path,)
    shapes = (_remove_dot_segments(raw_path), raw_path or b"/")
    encoded = [form(shape) for shape in shapes for form in (_encode, _reencode_path)]
    return tuple(dict.fromkeys([*encoded, *shapes]))


def list_canonical_queries(raw_query: bytes) -> tuple[bytes, ...]:
    """List what a signer may have signed as the query, at most two forms.

    Parameters are sorted. Most signers encode their names and values afresh, some
    leave them as sent. A ``+`` is a plus: only forms take it for a blank.

    Args:
        raw_query: The query as sent, after ``?``.

    Example:
        >>> list_canonical_queries(b"b=%7E&a=x@y&a")
        (b'a=&a=x%40y&b=~', b'a=&a=x@y&b=%7E')
    """
    if not raw_query:
        return (b"",)
    parts = raw_query.split(b"&")
    pairs = [(key, value) for key, _, value in (part.partition(b"=") for part in parts)]
    as_sent = _join_query(pairs)
    if all(map(_PLAIN_QUERY_PART.fullmatch, parts)):
        return (as_sent,)
    encoded = _join_query((_reencode(key), _reencode(value)) for key, value in pairs)
    return (encoded,) if encoded == as_sent else (encoded, as_sent)


def build_canonical_headers(headers: Iterable[tuple[str, bytes]]) -> bytes:
    r"""Build the lines of the signed headers: runs of white space become one blank.

    Args:
        headers: Names in lower case with their values, in the order of the names.

    Example:
        >>> build_canonical_headers([("host", b"a.org"), ("my-header", b" a   b ")])
        b'host:a.org\nmy-header:a b\n'
    """
    # Bytes split at ASCII white space only; text would at the second byte of "à" too.
    return b"".join(
        b"%b:%b\n" % (name.encode("ascii"), b" ".join(value.split()))
        for name, value in headers
    )


def build_canonical_request(
    *,
    method: bytes,
    path: bytes,
    query: bytes,
    headers: bytes,
    signed_headers: bytes,
    payload_hash: bytes,
) -> bytes:
    """Build the canonical request, the first step.

    Args:
        method: The HTTP method, as sent.
        path: One of ``list_canonical_paths``.
        query: One of ``list_canonical_queries``.
        headers: What ``build_canonical_headers`` made.
        signed_headers: The names of these headers, separated by ``;``.
        payload_hash: The SHA-256 of the body in hex, or the word in its place.
    """
    return b"\n".join((method, path, query, headers, signed_headers, payload_hash))


def build_string_to_sign(
    timestamp: bytes, scope: bytes, canonical_request: bytes
) -> bytes:
    """Build the string to sign, the second step.

    Args:
        timestamp: The value of ``x-amz-date``.
        scope: Date, region and service with ``aws4_request``, separated by slashes.
        canonical_request: The first step.
    """
    digest = sha256(canonical_request).hexdigest().encode("ascii")
    return b"\n".join((ALGORITHM.encode("ascii"), timestamp, scope, digest))


def derive_signing_key(secret: bytes, scope: bytes) -> bytes:
    """Derive the key of one day, region and service; it is as secret as the secret."""
    key = b"AWS4" + secret
    for part in scope.split(b"/"):
        key = hmac.digest(key, part, "sha256")
    return key


def sign(signing_key: bytes, string_to_sign: bytes) -> str:
    """Return the signature in lower-case hex, the last step."""
    return hmac.digest(signing_key, string_to_sign, "sha256").hex()


def _remove_dot_segments(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    slash = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + b"/".join(kept) + slash


def _encode(path: bytes) -> bytes:
    return quote_from_bytes(path, safe="/").encode("ascii")


def _reencode_path(path: bytes) -> bytes:
    return b"/".join(map(_reencode, path.split(b"/")))


def _reencode(text: bytes) -> bytes:
    return quote_from_bytes(unquote_to_bytes(text), safe="").encode("ascii")


def _join_query(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(b"%b=%b" % pair for pair in sorted(pairs))
