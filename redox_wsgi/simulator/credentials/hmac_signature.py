"""The webhook signing secret: an HMAC of the body in a header."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal

from redox_wsgi.simulator.credentials.fields import (
    Clock,
    check_header_name,
    check_visible,
    utc_now,
)
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.exchange import Request

__all__ = ["HmacCredential"]

_DIGESTS = ("sha256", "sha384", "sha512")
_ENCODINGS = ("hex", "base64")


@dataclass(frozen=True, slots=True)
class HmacCredential:
    """Signs the body, and the time where a header carries that.

    Redox documents that there is a signing secret and nothing of the signature, so all
    of it is a field here.

    Args:
        secret: The signing secret, as text.
        header: The header that carries the signature.
        digest: ``sha256``, ``sha384`` or ``sha512``.
        encoding: ``hex`` or ``base64``.
        prefix: What stands before the signature, such as ``sha256=``.
        timestamp_header: The header that carries the time of signing, in seconds since
            1970; its text, a full stop and the body are signed then. None: the body.
        now: The clock: aware.

    Raises:
        SimulatorError: A field is wrong.
    """

    secret: str = field(repr=False)
    header: str
    digest: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    timestamp_header: str | None = None
    now: Clock = field(default=utc_now, repr=False)
    # The signatures of the moment, so that none with a time is sent twice.
    _used: dict[str, None] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Check the fields."""
        check_visible("secret", self.secret)
        check_header_name("header", self.header)
        if self.timestamp_header is not None:
            check_header_name("timestamp_header", self.timestamp_header)
        if self.prefix != "":
            check_visible("prefix", self.prefix)
        if self.digest not in _DIGESTS:
            raise SimulatorError(f"digest must be one of {', '.join(_DIGESTS)}.")
        if self.encoding not in _ENCODINGS:
            raise SimulatorError(f"encoding must be one of {', '.join(_ENCODINGS)}.")

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Sign a request, and return the headers of the signature."""
        if self.timestamp_header is None:
            return [(self.header, self._sign(request.body))]
        seconds = int(self.now().timestamp())
        while (signature := self._sign(b"%d." % seconds + request.body)) in self._used:
            seconds += 1
        if len(self._used) >= _KEPT_SIGNATURES:
            self._used.clear()
        self._used[signature] = None
        return [(self.header, signature), (self.timestamp_header, str(seconds))]

    def _sign(self, signed: bytes) -> str:
        mac = hmac.digest(self.secret.encode(), signed, self.digest)
        text = mac.hex() if self.encoding == "hex" else b64encode(mac).decode()
        return f"{self.prefix}{text}"


# Far more than a client sends in a second.
_KEPT_SIGNATURES = 10_000
