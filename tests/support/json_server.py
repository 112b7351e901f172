"""A real HTTP server on the loopback interface that answers as it is told."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: Writes an answer to a connection; told to stop by the server's ``closing``.
Behaviour = Callable[["JsonServer", Any], None]


@dataclass(frozen=True)
class Asked:
    """One question as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class JsonServer:
    """What the server does next, and what it was asked."""

    port: int = 0
    scheme: str = "http"
    behaviour: Behaviour | bytes = b""
    asked: list[Asked] = field(default_factory=list)
    #: Set as soon as a question has been read.
    arrived: threading.Event = field(default_factory=threading.Event)
    #: Held back answers go out when this is set.
    released: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """An address of this server."""
        return f"{self.scheme}://127.0.0.1:{self.port}/keys"

    def answer(self, document: Any, status: int = 200, **headers: str) -> None:
        """Answer with JSON from now on; underscores in names stand for hyphens."""
        self.behaviour = build_answer(json.dumps(document).encode(), status, **headers)

    def hold(self, document: Any) -> None:
        """Answer with JSON from now on, but only after ``released`` is set."""
        raw = build_answer(json.dumps(document).encode())

        def wait(server: JsonServer, wire: Any) -> None:
            server.released.wait(20)
            wire.sendall(raw)

        self.arrived.clear()
        self.released.clear()
        self.behaviour = wait


def build_answer(body: bytes, status: int = 200, **headers: str) -> bytes:
    """Build the bytes of an answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drip(server: JsonServer, wire: Any) -> None:
    """Send a head and then a byte now and then, for ever."""
    wire.sendall(b"HTTP/1.1 200 X\r\n\r\n")
    while not server.closing.wait(0.01):
        wire.sendall(b" ")


def stay_silent(server: JsonServer, wire: Any) -> None:
    """Take the question and say nothing."""
    server.closing.wait(20)


def flood(server: JsonServer, wire: Any) -> None:
    """Send 10 MB without announcing them."""
    wire.sendall(b"HTTP/1.1 200 X\r\n\r\n")
    for _ in range(160):
        wire.sendall(b" " * 65536)


#: Answers that are of no use for anybody, and what is said of them.
USELESS: dict[str, tuple[Behaviour | bytes, str]] = {
    "fails": (build_answer(b"{}", 503), "bad-status"),
    "drips": (drip, "timed-out"),
    "is silent": (stay_silent, "timed-out"),
    "floods": (flood, "too-large"),
    "announces too much": (
        b"HTTP/1.1 200 X\r\nContent-Length: 10000000\r\n\r\n",
        "too-large",
    ),
    "sends a huge chunk": (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"
        + b" " * 400_000,
        "too-large",
    ),
    "redirects": (build_answer(b"", 302, Location="http://127.0.0.1:9/"), "redirected"),
    "sends HTML": (build_answer(b"<html>", Content_Type="text/html"), "malformed"),
    "sends nothing": (build_answer(b""), "malformed"),
    "sends no object": (build_answer(b"[]"), "malformed"),
    "sends deep nesting": (build_answer(b"[" * 60_000), "malformed"),
    "hangs up": (b"", "disconnected"),
    "is cut off": (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{", "cut-off"),
    "is no HTTP": (b"220 mail.example ESMTP\r\n", "not-http"),
}


@contextmanager
def run_json_server(tls: ssl.SSLContext | None = None) -> Iterator[JsonServer]:
    """Run a server until the block ends."""
    told = JsonServer(scheme="https" if tls else "http")

    class Handler(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            if tls is not None:
                self.request = tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def handle(self) -> None:
            told.asked.append(_read(self.rfile))
            told.arrived.set()
            behaviour = told.behaviour
            if isinstance(behaviour, bytes):
                self.request.sendall(behaviour)
            else:
                behaviour(told, self.request)

        def finish(self) -> None:
            super().finish()
            self.request.close()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            # Who asked has hung up, as it should.
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield told
        finally:
            told.closing.set()
            told.released.set()
            server.shutdown()
            thread.join()


def _read(stream: Any) -> Asked:
    line = stream.readline().decode("latin-1").strip()
    headers: dict[str, str] = {}
    while text := stream.readline().decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Asked(line, headers, body)
