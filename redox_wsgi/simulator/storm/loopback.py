"""Refuse to load what is not this machine: a storm is an attack if nobody agreed."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from redox_wsgi.simulator.address import Address
from redox_wsgi.simulator.errors import SimulatorError

__all__ = ["Place", "find_place"]

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to: a number, so that no name is looked up again."""

    host: str
    port: int
    is_ipv6: bool


def find_place(address: Address, *, own_host: bool = False) -> Place:
    """Resolve an address, and find out where somebody listens.

    Args:
        address: What to load.
        own_host: The user says that the host is theirs; otherwise every number that
            the name resolves to must be a loopback one.

    Raises:
        SimulatorError: The name does not resolve, the host is not this machine, or
            nobody listens.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SimulatorError(f"The host {address.host} cannot be found.") from None
    places = [
        Place(str(sockaddr[0]), address.port, family == socket.AF_INET6)
        for family, _, _, _, sockaddr in found
    ]
    if not own_host and not all(_is_loopback(place.host) for place in places):
        raise SimulatorError(
            f"{address.host} is not this machine. Load only what is yours to load; "
            "if it is, say so with --i-own-this-host."
        )
    for place in places:
        if _listens(place):
            return place
    raise SimulatorError(f"Nobody listens at {address.authority}.")


def _is_loopback(host: str) -> bool:
    # An IPv6 number may have its interface after a "%".
    number = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(number, "ipv4_mapped", None)
    return (mapped or number).is_loopback


def _listens(place: Place) -> bool:
    try:
        socket.create_connection((place.host, place.port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
