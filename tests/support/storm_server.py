"""A server that answers as a test wants it to, one thread a connection."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}"


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")

    def close(self) -> None:
        """Close it, politely."""
        self._file.close()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def read(self) -> tuple[bytes, bytes] | None:
        """Read one request, head and body; None at the end."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            if not line:
                return None
            head += line
        [length] = re.findall(rb"content-length: (\d+)", head)
        return head, self._file.read(int(length))

    def write(self, answer: bytes) -> None:
        """Answer."""
        self.connection.sendall(answer)


@contextlib.contextmanager
def serve(
    handle: Callable[[Peer], None], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Handle each connection in a thread until the block ends; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    peers: list[Peer] = []
    threads: list[threading.Thread] = []

    def run(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            secure = tls and tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(Peer(secure or connection)) as peer:
                peers.append(peer)
                handle(peer)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=run, args=(connection,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def answering(
    answer: bytes | Callable[[bytes, bytes], bytes],
) -> Callable[[Peer], None]:
    """Handle connections by answering each request, and keep them alive."""

    def handle(peer: Peer) -> None:
        while request := peer.read():
            peer.write(answer if isinstance(answer, bytes) else answer(*request))

    return handle


def build_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for localhost; return its file and the server's context."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    command += (
        " -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [*command.split(), "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
