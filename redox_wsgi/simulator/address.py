"""Read the address of a destination, and write it exactly as it is requested."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit

from redox_wsgi.simulator.errors import SimulatorError

__all__ = ["Address", "parse_address"]

_PORTS = {"http": 80, "https": 443}
# Names and numbers; what is neither would end in the head of the request.
_HOST = re.compile(r"[a-z0-9._:-]+")
# What may stand in a target as it is; "%" because escapes are kept.
# -- https://www.rfc-editor.org/rfc/rfc3986#section-2
_KEPT = "/?:@!$&'()*+,;=-._~%[]"
# urllib3 writes escapes in capitals: whoever signs a request must see it so, too.
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a destination, taken apart."""

    scheme: Literal["http", "https"]
    #: Name or number, without brackets, in ASCII and lower case.
    host: str
    port: int
    #: Path and query, as in the first line of the request.
    target: str

    @property
    def authority(self) -> str:
        """The value of the ``host`` header: the port only if it is a special one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def at(self, path: str) -> Address:
        """Return the address of another path on the same server."""
        return parse_address(f"{self.scheme}://{self.authority}{path}")

    def __str__(self) -> str:
        """Write the whole address, as it is requested."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_address(url: str) -> Address:
    """Take an address apart; a fragment is dropped.

    Args:
        url: An ``http`` or ``https`` address; a query string in it is kept.

    Raises:
        SimulatorError: It is none, or it holds a user name or password. The message
            repeats nothing of it, because it may hold a secret.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError:
        # "from None": the messages quote the address.
        raise SimulatorError("The address is not a valid URL.") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise SimulatorError("The address must begin with http:// or https://.")
    if parts.username is not None:
        raise SimulatorError("The address must not hold a user name or password.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = _ESCAPE.sub(lambda escape: escape[0].upper(), quote(target, safe=_KEPT))
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Address(scheme, host, _PORTS[scheme] if port is None else port, target)
