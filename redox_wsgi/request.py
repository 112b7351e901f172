"""One HTTP request, read from a WSGI environ on demand; knows nothing of Redox."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from redox_wsgi.errors import AuthenticationFailed, BodyTooLarge, MalformedRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: A file of 30 MB arrives as 40 MB of base64; below that, Redox could not deliver it.
DEFAULT_MAX_BODY_BYTES = 50 * 1024 * 1024

_CHUNK_BYTES = 64 * 1024

# "Content-Length = 1*DIGIT": so "+5", "1_0" and "-1" are no lengths although int()
# takes them, and read(-1) would wait for an end that may never come.
# -- https://www.rfc-editor.org/rfc/rfc9110#section-8.6
_CONTENT_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)

# The scheme is case-insensitive and followed by one or more spaces. A comma means that
# the server joined two headers of one name.
# -- https://www.rfc-editor.org/rfc/rfc9110#section-11.4
_BEARER_SCHEME = re.compile(r"bearer(?![!#$%&'*+.^_`|~0-9a-z-])", re.IGNORECASE)
_BEARER = re.compile(r"(?i:bearer) +([!-+\--~]+)")


@lru_cache(maxsize=256)
def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


class Request:
    """A thin read-only view of one WSGI environ.

    Args:
        environ: The WSGI environ; only ``wsgi.input`` is consumed, when asked for.
        max_body_bytes: The largest body that ``body()`` reads, in bytes.
    """

    __slots__ = (
        "_body",
        "_environ",
        "_is_begun",
        "max_body_bytes",
        "query_string",
        "raw_target",
    )

    def __init__(
        self,
        environ: WSGIEnvironment,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
    ) -> None:
        self._environ = environ
        self._body: bytes | None = None
        self._is_begun = False
        self.max_body_bytes = max_body_bytes
        # Taken now: the middleware blanks a token in environ as soon as this is built.
        self.query_string: str = environ.get("QUERY_STRING", "")
        #: The request target before any decoding; None where the server gives none.
        self.raw_target: str | None = environ.get("RAW_URI", environ.get("REQUEST_URI"))

    @property
    def method(self) -> str:
        """The HTTP method, as sent."""
        method: str = self._environ["REQUEST_METHOD"]
        return method

    @property
    def scheme(self) -> str:
        """``http`` or ``https``, as the server judges it."""
        scheme: str = self._environ["wsgi.url_scheme"]
        return scheme

    def header(self, name: str) -> str | None:
        """Return a header as latin-1 text, or None if it is absent.

        Two headers of one name come as one value, joined by a comma: most servers do.
        """
        value: str | None = self._environ.get(_environ_key(name))
        return value

    def header_names(self, prefix: str) -> list[str]:
        """List in lower case the names of all headers that begin with ``prefix``.

        An underscore in a name comes as a hyphen, where the server lets it pass.
        """
        start = _environ_key(prefix)
        return [
            key[5:].lower().replace("_", "-")
            for key in self._environ
            if key.startswith(start)
        ]

    def bearer_token(self) -> str | None:
        """Return the token of ``Authorization: Bearer``, or None if there is none.

        Raises:
            AuthenticationFailed: The scheme is Bearer, the rest is no single token of
                visible ASCII characters without a comma.

        Spec:
            https://www.rfc-editor.org/rfc/rfc6750#section-2.1
        """
        value = self._environ.get("HTTP_AUTHORIZATION")
        if value is None:
            return None
        match = _BEARER.fullmatch(value)
        if match is not None:
            return match[1]
        if _BEARER_SCHEME.match(value):
            raise AuthenticationFailed("malformed-credentials")
        return None

    def body(self, max_bytes: int | None = None) -> bytes:
        """Return the body as sent, read once and whole.

        Args:
            max_bytes: The largest body to read, in bytes; by default
                ``max_body_bytes``. An announced length is checked before reading.

        Raises:
            BodyTooLarge: The body is larger.
            MalformedRequest: The length is not plain digits, the body is shorter than
                announced, or the server could not hand it over; or an earlier call gave
                up in its midst.

        Spec:
            https://peps.python.org/pep-3333/#environ-variables
        """
        if self._body is None:
            # The rest of a body must not pass for the whole of it.
            if self._is_begun:
                raise MalformedRequest("body-already-read")
            limit = self.max_body_bytes if max_bytes is None else max_bytes
            try:
                self._body = self._read(limit)
            except (BodyTooLarge, MalformedRequest):
                raise
            # Every server has its own exceptions for a connection that ends early.
            except Exception as error:
                raise MalformedRequest("body-unreadable") from error
        return self._body

    def _read(self, limit: int) -> bytes:
        raw_length = self._environ.get("CONTENT_LENGTH") or ""
        if raw_length and "HTTP_TRANSFER_ENCODING" not in self._environ:
            return self._read_announced(raw_length, limit)
        return self._read_to_end(limit)

    def _read_announced(self, raw_length: str, limit: int) -> bytes:
        if not _CONTENT_LENGTH.fullmatch(raw_length):
            raise MalformedRequest("bad-content-length")
        length = int(raw_length)
        if length > limit:
            raise BodyTooLarge("body-too-large")
        self._is_begun = True
        stream = self._environ["wsgi.input"]
        body: bytes = stream.read(length)
        # One read may return less than asked for; a large body is not copied unless so.
        if len(body) < length:
            buffer = io.BytesIO()
            while body:
                buffer.write(body)
                body = stream.read(min(_CHUNK_BYTES, length - buffer.tell()))
            body = buffer.getvalue()
        if len(body) < length:
            # All of it missing: most often another middleware has read wsgi.input.
            raise MalformedRequest("body-truncated" if body else "body-already-read")
        return body

    def _read_to_end(self, limit: int) -> bytes:
        # Only the server knows where a chunked body ends. One that does not say so
        # gives an empty stream, and a 200 to that would lose the transmission.
        if "HTTP_TRANSFER_ENCODING" in self._environ and not self._environ.get(
            "wsgi.input_terminated"
        ):
            raise MalformedRequest("chunked-body-unsupported-by-server")
        self._is_begun = True
        # One byte more: werkzeug refuses what reaches its limit, we what passes ours.
        buffer = io.BytesIO()
        try:
            stream = get_input_stream(self._environ, max_content_length=limit + 1)
            while chunk := stream.read(_CHUNK_BYTES):
                buffer.write(chunk)
        except RequestEntityTooLarge as error:
            raise BodyTooLarge("body-too-large") from error
        return buffer.getvalue()
