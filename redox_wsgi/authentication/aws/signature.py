"""What a request says of its own AWS signature; nothing here is proved yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import product
from typing import NamedTuple

from redox_wsgi.authentication.aws.canonical_request import (
    ALGORITHM,
    build_canonical_headers,
    build_canonical_request,
    list_canonical_paths,
    list_canonical_queries,
)
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    AuthenticatorUnavailable,
)
from redox_wsgi.request import Request

# One match for the whole value, so that two headers joined by the server fail: nothing
# in it holds a comma.
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([!-+\-.0-~]{1,128})/([!-+\--~]{1,256}), ?"
    r"SignedHeaders=([a-z0-9;-]{1,4096}), ?Signature=([0-9a-f]{64})"
)
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_ABSOLUTE_TARGET = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


class SentSignature(NamedTuple):
    """The parts of the ``Authorization`` header, with the timestamp beside it.

    Attributes:
        access_key: Whose secret is said to have signed.
        scope: Date, region and service with ``aws4_request``, separated by slashes.
        timestamp: The value of ``x-amz-date``.
        signed_at: The same as a time.
        names: The names of the signed headers, sorted.
        signature: 64 digits of lower-case hex.
    """

    access_key: str
    scope: str
    timestamp: str
    signed_at: datetime
    names: list[str]
    signature: str


def refuse(code: str) -> AuthenticationFailed:
    """Build the error of a signature that does not count."""
    return AuthenticationFailed(
        code, error="invalid_signature", www_authenticate=ALGORITHM
    )


def read_signature(request: Request) -> SentSignature:
    """Read the signature of a request.

    Raises:
        AuthenticationFailed: There is none (code ``NO_CREDENTIALS``), it stands in the
            query, or it or ``x-amz-date`` is malformed.
    """
    value = request.header("authorization")
    if value is None or not value.startswith("AWS4-"):
        is_presigned = "X-Amz-Signature=" in request.query_string
        raise refuse("presigned-url" if is_presigned else NO_CREDENTIALS)
    match = _AUTHORIZATION.fullmatch(value)
    timestamp = request.header("x-amz-date")
    if match is None or timestamp is None or not _TIMESTAMP.fullmatch(timestamp):
        raise refuse("malformed-credentials")
    access_key, scope, signed_headers, signature = match.groups()
    names = signed_headers.split(";")
    if names != sorted(set(names)):
        raise refuse("malformed-credentials")
    try:
        signed_at = datetime.fromisoformat(timestamp)
    except ValueError as error:
        raise refuse("malformed-credentials") from error
    return SentSignature(access_key, scope, timestamp, signed_at, names, signature)


def read_target(request: Request) -> tuple[bytes, bytes]:
    """Split the request target, as it was sent, into path and query.

    Raises:
        AuthenticatorUnavailable: The server hands over the decoded path only, which
            cannot be turned back.
        AuthenticationFailed: The target names another host than ``Host`` does.
    """
    target = request.raw_target
    if target is None:
        raise AuthenticatorUnavailable("server-gives-no-raw-target")
    absolute = _ABSOLUTE_TARGET.fullmatch(target)
    if absolute is not None:
        host, target = absolute.groups()
        if host.lower() != (request.header("host") or "").lower():
            raise refuse("unexpected-host")
    path, _, query = target.encode("latin-1").partition(b"?")
    return path, query


def list_canonical_requests(
    request: Request, names: list[str], hosts: tuple[bytes, ...], payload_hash: str
) -> Iterator[bytes]:
    """Build each canonical request that the sender may have signed, likeliest first.

    Args:
        request: The request.
        names: The names of the signed headers, sorted, with ``host``.
        hosts: What may have been signed as the host.
        payload_hash: The SHA-256 of the body in hex, or the word in its place.

    Raises:
        AuthenticatorUnavailable: See ``read_target``, as for the following.
        AuthenticationFailed: The target names another host than ``Host`` does.
    """
    path, query = read_target(request)
    paths, queries = list_canonical_paths(path), list_canonical_queries(query)
    headers = [(name, (request.header(name) or "").encode("latin-1")) for name in names]
    host_at = names.index("host")
    signed_headers = ";".join(names).encode("ascii")
    method = request.method.encode("latin-1")
    payload = payload_hash.encode("ascii")
    for host in hosts:
        headers[host_at] = ("host", host)
        lines = build_canonical_headers(headers)
        for path_form, query_form in product(paths, queries):
            yield build_canonical_request(
                method=method,
                path=path_form,
                query=query_form,
                headers=lines,
                signed_headers=signed_headers,
                payload_hash=payload,
            )
