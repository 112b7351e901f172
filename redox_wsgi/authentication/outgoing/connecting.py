"""Open a connection to a configured address, before a deadline."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redox_wsgi.errors import ConfigurationError

_PORTS = {"https": 443, "http": 80}

_VISIBLE_ASCII = re.compile(r"[!-~]+")


class Deadline:
    """The moment up to which everything has to be done.

    Args:
        seconds: How far away it is, in seconds.
        clock: A clock that never goes back, in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, always above 0.

        Raises:
            TimeoutError: There are none.
        """
        seconds = self._until - self._clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds


def parse_address(
    url: object, what: str, schemes: Sequence[str] = ("https", "http")
) -> SplitResult:
    """Parse an address of ours.

    Args:
        url: The address.
        what: What to call it in an error.
        schemes: What it may begin with.

    Raises:
        ConfigurationError: It is none, or holds a user name or a fragment.
    """
    try:
        if not isinstance(url, str) or not _VISIBLE_ASCII.fullmatch(url):
            raise ValueError
        address = urlsplit(url)
        is_address = address.scheme in schemes and all(place_of(address))
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigurationError(
            f"{what} is a URL such as {schemes[0]}://example.com/path."
        )
    if address.username is not None or address.fragment:
        raise ConfigurationError(f"{what} holds no user name and no fragment.")
    return address


def host_of(address: SplitResult) -> str:
    """Return the host of an address, in lower case and without brackets."""
    return address.hostname or ""


def place_of(address: SplitResult) -> tuple[str, int]:
    """Return the host and the port of an address."""
    port = _PORTS[address.scheme] if address.port is None else address.port
    return host_of(address), port


def is_loopback(host: str) -> bool:
    """Tell whether a host is this one, by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_connection(address: SplitResult, deadline: Deadline) -> socket.socket:
    """Open a connection to the first of an address's places that takes one.

    Raises:
        OSError: None does, in time.
    """
    places = _look_up(place_of(address), deadline)
    error: OSError = socket.gaierror()
    while places:
        family, kind, protocol, _, place = places.pop(0)
        connection = socket.socket(family, kind, protocol)
        try:
            # A share: one place that swallows everything must not use up all the time.
            connection.settimeout(deadline.left() / (len(places) + 1))
            connection.connect(place)
            return connection
        except OSError as failure:
            connection.close()
            error = failure
    raise error


def _look_up(place: tuple[str, int], deadline: Deadline) -> list[Any]:
    # The system's look-up takes no timeout and may last for half a minute: a thread of
    # its own, which is left behind then.
    found: list[Any] = []

    def look_up() -> None:
        # UnicodeError: a label of a host name is empty or too long.
        with contextlib.suppress(OSError, UnicodeError):
            found.extend(socket.getaddrinfo(*place, type=socket.SOCK_STREAM))

    thread = threading.Thread(target=look_up, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError("no thread") from error
    thread.join(deadline.left())
    if thread.is_alive():
        raise TimeoutError
    return found
