"""What a destination answers: the only maker of status lines and header lists."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache

from werkzeug.http import HTTP_STATUS_CODES, is_hop_by_hop_header

# "Field values containing CR, LF, or NUL characters are invalid and dangerous": not
# every server checks what start_response is given.
# -- https://www.rfc-editor.org/rfc/rfc9110#section-5.5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*")

# These have no body, and so no type and no length.
_WITHOUT_BODY = (204, 304)

# Said by the body, or by the server.
_OURS = ("content-type", "content-length", "status")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer to one request.

    A handler returns one to choose status and headers itself. To a notification only
    200 or a status of at least 400 may be meant; Redox leaves 201 to 399 undefined.

    Args:
        body: The bytes to send, already encoded.
        status: The HTTP status, 200 to 599.
        content_type: The body's type.
        headers: Further headers as ``(name, value)`` pairs of latin-1 text.

    Raises:
        ValueError: The status is out of range or has no body, or a header is no pair,
            no HTTP header, or not the handler's to set.
        TypeError: The body is not ``bytes``, or a header's name or value no text.

    Example:
        >>> Response(b'{"seen": true}').status
        200
    """

    body: bytes = field(default=b"", repr=False)
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: Status and reason phrase, as ``start_response`` takes them.
    status_line: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.body, bytes):
            raise TypeError("The body of a Response must be bytes.")
        if type(self.status) is not int or not 200 <= self.status <= 599:  # noqa: PLR2004
            raise ValueError("The status of a Response must be from 200 to 599.")
        if self.body and self.status in _WITHOUT_BODY:
            raise ValueError("A Response of this status has no body.")
        # At once: it may be an iterator.
        object.__setattr__(self, "headers", tuple(map(tuple, self.headers)))
        for name, value in (("Content-Type", self.content_type), *self.headers):
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise ValueError("A header of a Response is no HTTP header.")
        for name, _ in self.headers:
            if is_hop_by_hop_header(name) or name.lower() in _OURS:
                raise ValueError(f"The header {name} is not the handler's to set.")
        reason = HTTP_STATUS_CODES.get(self.status, "Unknown")
        object.__setattr__(self, "status_line", f"{self.status} {reason}")

    @classmethod
    def redirect(cls, location: str) -> Response:
        """Answer an ``SSO:Sign-on`` query: 302, on to ``location``.

        Raises:
            ValueError: ``location`` is no latin-1 text of one line; percent-encode it.
        """
        return cls(status=302, headers=(("Location", location),))

    @property
    def header_list(self) -> list[tuple[str, str]]:
        """A new list of headers, as ``start_response`` takes it.

        No answer may be stored by a cache or guessed to be HTML by a browser: a
        challenge is the sender's text, and a query's answer is a patient's data.
        """
        about_the_body = [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body))),
        ]
        return [
            *(about_the_body if self.status not in _WITHOUT_BODY else []),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *self.headers,
        ]


#: The answer to a notification that is kept.
KEPT = Response(content_type="text/plain; charset=utf-8")


@lru_cache(maxsize=64)
def build_error(status: int, error: str, *header: str) -> Response:
    """Build the fixed short JSON body that stands for every reason of one kind.

    Args:
        status: The HTTP status.
        error: The fixed word in the body.
        header: Name and value of one further header, or nothing.
    """
    body = json.dumps({"error": error}, separators=(",", ":"))
    headers = ((header[0], header[1]),) if header else ()
    return Response(body.encode(), status, headers=headers)
