"""Addresses: taken apart, and written as they are requested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.address import Address, parse_address

SECRET = "canary-5up3r-53cr3t"


@pytest.mark.parametrize(
    ("url", "address", "authority"),
    [
        ("http://h", Address("http", "h", 80, "/"), "h"),
        ("HTTP://H:80/A", Address("http", "h", 80, "/A"), "h"),
        ("https://h/", Address("https", "h", 443, "/"), "h"),
        ("https://h:80/", Address("https", "h", 80, "/"), "h:80"),
        ("http://[::1]:8000/r", Address("http", "::1", 8000, "/r"), "[::1]:8000"),
        ("http://h?a=1#part", Address("http", "h", 80, "/?a=1"), "h"),
        ("http://zoë.example/", Address("http", "xn--zo-ija.example", 80, "/"), None),
    ],
)
def test_an_address_is_taken_apart(url, address, authority):
    """Scheme and host in lower case, the port only where it is a special one."""
    assert parse_address(url) == address
    assert address.authority == (authority or address.host)


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/a%2fb", "/a%2Fb"),
        ("/zo%c3%ab/zoë", "/zo%C3%AB/zo%C3%AB"),
        ("/a b?c=d e", "/a%20b?c=d%20e"),
        ("/a/../b", "/a/../b"),
    ],
)
def test_a_target_is_written_as_it_is_requested(target, sent):
    """Who signs a request signs what goes over the wire."""
    assert str(parse_address(f"http://h{target}")) == f"http://h{sent}"


@pytest.mark.parametrize(
    "url",
    [
        f"http://[{SECRET}",
        f"http://h:{SECRET}/",
        f"http://user:{SECRET}@h/",
        f"http://{SECRET} h/",
        f"//{SECRET}/",
        f"http://{'ü' * 99}{SECRET}/",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(url):
    """It may hold a password."""
    with pytest.raises(SimulatorError) as caught:
        parse_address(url)

    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(rest=st.text())
def test_any_text_is_an_address_or_refused(rest):
    """What is accepted is visible ASCII, and reads the same when read again."""
    try:
        address = parse_address(f"http://{rest}")
    except SimulatorError:
        return

    assert str(address).isascii()
    assert str(address).isprintable()
    assert parse_address(str(address)) == address
