"""Serve an endpoint on loopback: of the gallery, in Node, or of raw bytes."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from tests.gallery.right import TOKEN

NODE = Path(__file__).parent / "node"


class QuietHandler(WSGIRequestHandler):
    """Says nothing of requests and failures: failures are the point here."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Stay silent."""


@contextmanager
def serve(application: Any) -> Iterator[str]:
    """Serve a WSGI application; yield its address."""
    server = make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=QuietHandler
    )
    vars(server)["log"] = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/redox"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serve_node(program: str) -> Iterator[str]:
    """Serve a program of ``tests/gallery/node``; yield its address."""
    process = subprocess.Popen(
        ["node", str(NODE / program)],  # noqa: S607 - wherever it is installed
        env={**os.environ, "TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/redox"
        finally:
            process.terminate()


@contextmanager
def serve_socket(
    behave: Callable[[socket.socket], None], certificate: Path | None = None
) -> Iterator[str]:
    """Hand the one connection that comes to a function; yield the address.

    With a certificate, which holds its key too, the connection is over TLS.
    """

    def accept() -> None:
        with suppress(OSError):
            connection = listener.accept()[0]
            with connection if context is None else wrap(connection) as wrapped:
                behave(wrapped)

    def wrap(connection: socket.socket) -> socket.socket:
        assert context is not None
        return context.wrap_socket(connection, server_side=True)

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        scheme = "http" if context is None else "https"
        try:
            yield f"{scheme}://localhost:{listener.getsockname()[1]}/redox"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def read_head(connection: socket.socket) -> bytes:
    """Read a request up to its empty line, and perhaps more."""
    head = b""
    while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
        head += piece
    return head
