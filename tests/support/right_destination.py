"""A destination that answers as it should, until a test changes its mind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "canary-5up3r-53cr3t"
META = b'{"Meta":{"DataModel":"PatientSearch","EventType":"Response"}}'


@dataclass
class RightDestination:
    """What came, and what is answered; a test may change any of it."""

    url: str = ""
    token: str = TOKEN
    #: Accept any token.
    is_open: bool = False
    #: Makes the body of the answer to a transmission.
    reply: Callable[[bytes], bytes] = lambda _: META
    #: Makes the status of the answer to an accepted request.
    status: Callable[[bytes], int] = lambda _: 200
    #: All bodies that came by POST.
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def serve_right_destination() -> Iterator[RightDestination]:
    """Serve it on loopback until the block ends."""
    destination = RightDestination()

    class Handler(_Handler):
        right = destination

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        destination.url = f"http://127.0.0.1:{server.server_port}/redox"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield destination
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    right: RightDestination

    def do_GET(self):
        """Take both forms of verification."""
        query = self.path.partition("?")[2].encode()
        token = b"" if b"verification-token" in query else self._token_header()
        self._judge(query + token, query, 200)

    def do_POST(self):
        """Take a verification, a notification or a query."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.right.bodies.append(body)
        if body.startswith(b'{"verification-token"'):
            self._judge(body, body, 200)
        else:
            right = self.right
            self._judge(self._token_header(), right.reply(body), right.status(body))

    def _token_header(self):
        return (self.headers["verification-token"] or "").encode()

    def _judge(self, place, body, status):
        is_right = self.right.is_open or self.right.token.encode() in place
        self.send_response(status if is_right else 401)
        self.send_header("content-length", str(len(body) if is_right else 0))
        self.end_headers()
        self.wfile.write(body if is_right else b"")

    def log_message(self, *_):
        """Stay silent."""
