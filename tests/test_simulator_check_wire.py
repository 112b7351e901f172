"""The client that ``check`` speaks HTTP with, rightly and wrongly on purpose."""

from __future__ import annotations

import itertools
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.check import wire as wire_module
from redox_wsgi.simulator.check.wire import NotConnected, Reply, Wire, WireRequest
from tests.gallery.serving import read_head, serve_socket
from tests.support.servers import find_free_port

LARGE = b"x" * 30_000_000
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)


def ask(
    behave: Callable[[socket.socket], None],
    request: WireRequest | None = None,
    certificate: Path | None = None,
    **how: Any,
) -> Reply:
    """Send one request to an endpoint that behaves in its own way."""
    request = request or WireRequest("GET", "/redox", (("host", "localhost"),))
    how = {"timeout_seconds": 20, **how}
    with serve_socket(behave, certificate) as url:
        return Wire(parse_address(url), **how).exchange(request)


def post(body: bytes = b"{}", **how: Any) -> WireRequest:
    """Build a POST whose length is announced, unless it goes out in chunks."""
    length = ("content-length", str(how.pop("announced", len(body))))
    if how.get("is_chunked"):
        length = ("transfer-encoding", "chunked")
    return WireRequest("POST", "/redox?a=b", (("host", "x"), length), body, **how)


def answering(raw: bytes) -> Callable[[socket.socket], None]:
    """Answer every request with these bytes."""

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(raw)

    return behave


def test_a_request_goes_out_byte_for_byte() -> None:
    """Headers in their order, doubled, empty and beyond ASCII."""
    sent = []
    headers = (("host", "x"), ("a", "1"), ("a", ""), ("b", "\xf6"))

    def behave(connection: socket.socket) -> None:
        sent.append(read_head(connection))
        connection.sendall(OK)

    reply = ask(behave, WireRequest("GET", "/redox?a=b", headers))

    assert sent == [
        b"GET /redox?a=b HTTP/1.1\r\nhost: x\r\na: 1\r\na: \r\nb: \xf6\r\n\r\n"
    ]
    assert (reply.status, reply.body, reply.error) == (200, b"ok", "")
    assert not reply.is_early


def test_a_chunked_body_has_two_chunks_and_an_end() -> None:
    """One chunk alone could pass for a body without framing."""
    sent = []

    def behave(connection: socket.socket) -> None:
        raw = read_head(connection)
        while not raw.endswith(b"0\r\n\r\n"):
            raw += connection.recv(65536)
        sent.append(raw.partition(b"\r\n\r\n")[2])
        connection.sendall(OK)

    assert ask(behave, post(b'{"a":1}', is_chunked=True)).status == 200
    assert sent == [b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n']


def test_an_answer_has_its_headers_in_lower_case() -> None:
    """They are looked up so; the first of two counts."""
    raw = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Type: Text/HTML; a=b\r\n\r\n"
    reply = ask(answering(raw))

    assert reply.header("x-a") == "1"
    assert reply.header("x-b") == ""
    assert reply.media_type == "text/html"
    assert (reply.body, reply.tls) == (b"", None)


def test_nothing_of_an_answer_is_in_its_repr() -> None:
    """An endpoint may echo the token."""
    reply = ask(answering(b"HTTP/1.1 200 OK\r\nx: canary\r\n\r\ncanary"))

    assert "canary" not in repr(reply)
    assert "canary" not in repr(post(b"canary"))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", "the connection was closed"),
        (OK[:-1], "the connection was closed"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "what came is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000, "the answer does not end"),
    ],
    ids=["nothing", "half an answer", "another protocol", "an answer without end"],
)
def test_why_no_answer_came_is_told_in_words(
    raw: bytes, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never in the text of an exception, which may quote a header."""
    monkeypatch.setattr(wire_module, "_MAX_ANSWER_BYTES", 100_000)
    reply = ask(answering(raw))

    assert (reply.status, reply.error) == (None, error)


def test_an_answer_that_never_comes_times_out() -> None:
    """The wait is over after the time that was given."""
    is_over = threading.Event()

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        is_over.wait(20)

    with serve_socket(behave) as url:
        request = WireRequest("GET", "/", (("host", "x"),))
        reply = Wire(parse_address(url), timeout_seconds=0.05).exchange(request)
        is_over.set()

    assert reply.error == "timed out"


def test_an_answer_that_drips_times_out() -> None:
    """The whole answer has one limit, however often a piece of it comes."""
    clock = itertools.count(0, 15).__next__
    reply = ask(answering(OK), timeout_seconds=20, clock=clock)

    assert reply.status == 200
    assert reply.seconds == 45

    clock = itertools.count(0, 25).__next__
    assert ask(answering(OK), timeout_seconds=20, clock=clock).error == "timed out"


def test_a_body_that_nobody_takes_times_out() -> None:
    """Buffers on the way are full then."""
    is_over = threading.Event()

    def behave(_: socket.socket) -> None:
        is_over.wait(20)

    with serve_socket(behave) as url:
        reply = Wire(parse_address(url), timeout_seconds=0.05).exchange(post(LARGE))
        is_over.set()

    assert reply.error == "timed out"


def test_an_answer_before_the_end_of_the_body_is_seen() -> None:
    """Then the rest of the body is not sent."""
    received = []

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_WR)
        received.append(sum(map(len, iter(lambda: connection.recv(65536), b""))))

    reply = ask(behave, post(LARGE))

    assert (reply.status, reply.is_early) == (200, True)
    assert received[0] < len(LARGE)


def test_a_cut_request_ends_after_its_body() -> None:
    """The endpoint sees the end, and can still answer."""
    received = []

    def behave(connection: socket.socket) -> None:
        received.append(b"".join(iter(lambda: connection.recv(65536), b"")))
        connection.sendall(OK)

    reply = ask(behave, post(b"half", announced=8, is_cut=True))

    assert (reply.status, reply.is_early) == (200, False)
    assert received[0].endswith(b"content-length: 8\r\n\r\nhalf")


def test_an_answer_to_the_head_of_a_cut_request_is_early() -> None:
    """It came although the body never did."""
    request = post(b"half", announced=8, is_cut=True, patience_seconds=20)
    reply = ask(answering(OK), request)

    assert (reply.status, reply.is_early) == (200, True)


def test_an_endpoint_that_is_gone_before_the_cut_is_no_error_of_ours() -> None:
    """A reset connection cannot be ended any more."""

    class Gone:
        def __init__(self, real: socket.socket) -> None:
            self.real = real

        def shutdown(self, _: int) -> None:
            raise OSError("not connected")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self.real.close()

    with serve_socket(answering(OK)) as url:
        wire = Wire(parse_address(url), timeout_seconds=20)
        connect = wire._connect
        wire._connect = lambda: Gone(connect())  # type: ignore[method-assign,assignment,return-value]
        reply = wire.exchange(post(b"half", announced=8, is_cut=True))

    assert reply.status == 200


def test_a_closed_port_is_no_connection() -> None:
    """Nothing was sent then."""
    address = parse_address(f"http://127.0.0.1:{find_free_port()}/redox")

    with pytest.raises(NotConnected, match="connection refused"):
        Wire(address, timeout_seconds=20).exchange(post())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror("canary"), "the host name is not known"),
        (TimeoutError("canary"), "timed out"),
        (OSError(113, "canary"), "the host cannot be reached"),
    ],
    ids=["an unknown name", "nobody there", "no way to it"],
)
def test_why_there_is_no_connection_is_told_in_words(
    error: OSError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver and the network have their own words for it."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)

    with pytest.raises(NotConnected) as caught:
        Wire(parse_address("http://x/"), timeout_seconds=20).exchange(post())

    assert str(caught.value) == words


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(path), "-out", str(path) + ".cert"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.cert").read_text())
    return path


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificate, trusted as the help text says."""
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.cert")
    return certificate


@needs_openssl
def test_a_request_goes_over_tls(trusted: Path) -> None:
    """In the newest version that both know."""
    reply = ask(answering(OK), post(), trusted)

    assert (reply.status, reply.tls) == (200, "TLSv1.3")


@needs_openssl
def test_a_certificate_that_nobody_trusts_is_no_connection(certificate: Path) -> None:
    """Redox would not send either; the reason is told."""
    with pytest.raises(NotConnected, match="not trusted: self-signed certificate"):
        ask(answering(OK), post(), certificate)


@needs_openssl
def test_an_endpoint_that_speaks_no_tls_is_no_connection() -> None:
    """Such as http behind an address of https."""
    with serve_socket(lambda it: it.sendall(OK)) as url:
        address = parse_address(url.replace("http:", "https:"))
        wire = Wire(address, timeout_seconds=20)
        with pytest.raises(NotConnected, match="the TLS connection failed"):
            wire.exchange(post())


@needs_openssl
def test_a_cut_request_over_tls_waits_as_long_as_its_patience(trusted: Path) -> None:
    """TLS cannot end one direction only."""
    is_over = threading.Event()

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        is_over.wait(20)

    with serve_socket(behave, trusted) as url:
        request = post(b"half", announced=8, is_cut=True, patience_seconds=0.05)
        reply = Wire(parse_address(url), timeout_seconds=20).exchange(request)
        is_over.set()

    assert reply.error == "timed out"


@needs_openssl
def test_an_endpoint_that_hangs_up_within_a_body_is_heard_out(trusted: Path) -> None:
    """Over TLS that shows in sending only; there may be an answer."""

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        # A reset, not an orderly end.
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    reply = ask(behave, post(LARGE), trusted)

    assert (reply.status, reply.is_early) == (None, True)
    assert reply.error == "the connection was closed"
