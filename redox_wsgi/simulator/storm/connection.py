"""A connection that never makes anybody wait: one request at a time, kept alive.

Written on bare sockets, because the time of each of its steps is what is measured;
the answer's bytes are understood by ``httptools``.
"""

from __future__ import annotations

import errno
import selectors
import socket
import ssl
import time
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from redox_wsgi.simulator.answer import ErrorWord
    from redox_wsgi.simulator.storm.loopback import Place

__all__ = ["Connection"]

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_RECEIVED_BYTES = 65_536
# An answer below this comes before the one that counts.
_OK = 200


class Connection:
    """Sends requests to one place, and says when each is over.

    Args:
        selector: Watches the socket; its data is this object's ``on_event``.
        place: Where to connect to.
        tls: How to be secure, and the name in the certificate; None: plain HTTP.
        on_end: Called with the status of the answer, or with None and the reason.
        clock: Seconds from any origin.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        place: Place,
        tls: tuple[ssl.SSLContext, str] | None,
        on_end: Callable[[int | None, ErrorWord | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._selector = selector
        self._place = place
        self._tls = tls
        self._on_end = on_end
        self._clock = clock
        self._socket: socket.socket | None = None
        self._watched = 0
        self._is_open = False
        #: How often it was connected, or tried to.
        self.opened = 0
        #: When the first byte of the last request could go out: connecting is over.
        self.sending_at = 0.0
        #: Whether a request was begun and is not over.
        self.is_waiting = False
        self._pieces: list[memoryview] = []
        self._begin_answer()

    def begin(self, pieces: list[bytes]) -> None:
        """Send one request; connect first if there is no connection."""
        self.is_waiting = True
        self.sending_at = self._clock()
        self._pieces = [memoryview(piece) for piece in pieces]
        self._advance(0)

    def give_up(self, word: ErrorWord) -> None:
        """End a request that takes too long."""
        self._end(None, word)

    def close(self) -> None:
        """Close the connection, without a word."""
        if self._socket is not None:
            number = self._socket.fileno()
            # First of all: a server with one process may wait for just that.
            self._socket.close()
            self._socket = None
            if self._watched:
                self._selector.unregister(number)
                self._watched = 0
            # The parser and this object know each other.
            del self._parser

    def on_event(self, mask: int) -> None:
        """Go on, as far as the socket lets it."""
        if self._socket is not None:  # Else an earlier event of this batch closed it.
            self._advance(mask)

    # What follows is called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the answer says where it ends."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        """Note that there is a status."""
        self._has_head = True

    def on_message_complete(self) -> None:
        """Note that the answer is whole."""
        if self._parser.get_status_code() < _OK:
            self._has_head = self._has_length = False
        else:
            self._is_whole = True
            self._stays = self._parser.should_keep_alive()

    # What follows moves the connection on.

    def _advance(self, mask: int) -> None:
        try:
            if self._socket is None:
                self._connect()
            elif not self._is_open:
                self._open(self._socket)
            elif self._pieces:
                self._send(self._socket)
            if mask & _READ and self._is_open and self._socket is not None:
                self._receive(self._socket)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            is_sending = self._is_open and self._pieces
            has_more = is_sending or isinstance(error, ssl.SSLWantWriteError)
            self._watch(_READ | _WRITE if has_more else _READ)
        except BlockingIOError:
            pass  # Nothing there yet.
        except OSError as error:
            self._end(None, _word_of(error))

    def _begin_answer(self) -> None:
        self._has_head = self._has_length = self._is_whole = self._stays = False

    def _connect(self) -> None:
        family = socket.AF_INET6 if self._place.is_ipv6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        # Else a body in two pieces waits for the other side's acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened += 1
        self._is_open = False
        self._parser = HttpResponseParser(self)
        code = self._socket.connect_ex((self._place.host, self._place.port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "")
        # On loopback it is there at once. To find that out by the selector would give
        # a server with one process the time to accept, and to wait for the rest.
        if _is_connected(self._socket):
            self._open(self._socket)
        else:
            self._watch(_WRITE)

    def _open(self, opened: socket.socket) -> None:
        failed = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise OSError(failed, "")
        if self._tls is not None:
            opened = self._secure(opened, *self._tls)
        self._is_open = True
        self.sending_at = self._clock()
        self._send(opened)

    def _secure(
        self, opened: socket.socket, context: ssl.SSLContext, name: str
    ) -> ssl.SSLSocket:
        if not isinstance(opened, ssl.SSLSocket):
            # The file number stays the same, and so what the selector watches.
            opened = context.wrap_socket(
                opened, server_hostname=name, do_handshake_on_connect=False
            )
            self._socket = opened
            self._watch(_READ)
        opened.do_handshake()
        return opened

    def _send(self, opened: socket.socket) -> None:
        try:
            while self._pieces:
                if isinstance(opened, ssl.SSLSocket):
                    self._drop(opened.send(self._pieces[0]))
                else:
                    self._drop(opened.sendmsg(self._pieces))
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._watch(_READ | _WRITE)
        except (BrokenPipeError, ConnectionResetError):
            # It may have answered before it hung up; what it said is still there.
            self._watch(_READ)
        else:
            self._watch(_READ)

    def _drop(self, sent: int) -> None:
        while self._pieces and sent >= len(self._pieces[0]):
            sent -= len(self._pieces.pop(0))
        if sent:
            self._pieces[0] = self._pieces[0][sent:]

    # One piece at a time: over TLS too, what is left is still in the socket, because a
    # piece may be longer than a record.
    def _receive(self, opened: socket.socket) -> None:
        received = opened.recv(_RECEIVED_BYTES)
        if not received:
            self._hang_up()
        elif not self.is_waiting:  # Nobody asked.
            self.close()
        else:
            self._parse(received)

    def _parse(self, received: bytes) -> None:
        try:
            self._parser.feed_data(received)
        except (HttpParserError, HttpParserUpgrade):
            self._end(None, "not-http")
            return
        if self._is_whole:
            self._end(self._parser.get_status_code(), None)

    def _hang_up(self) -> None:
        if not self.is_waiting:
            self.close()
        elif self._has_head and not self._has_length:
            # Then the end of the connection is the end of the answer.
            # -- https://www.rfc-editor.org/rfc/rfc9112#section-6.3
            self._end(self._parser.get_status_code(), None)
        else:
            self._end(None, "closed")

    def _end(self, status: int | None, word: ErrorWord | None) -> None:
        # An answer that came before the whole body was sent ends the connection, too.
        if not self._stays or self._pieces or status is None:
            self.close()
        self._begin_answer()
        self.is_waiting = False
        self._on_end(status, word)

    def _watch(self, events: int) -> None:
        if self._socket is None or events == self._watched:
            return
        if self._watched:
            self._selector.modify(self._socket, events, self.on_event)
        else:
            self._selector.register(self._socket, events, self.on_event)
        self._watched = events


def _is_connected(opened: socket.socket) -> bool:
    try:
        opened.getpeername()
    except OSError:
        return False
    return True


def _word_of(error: OSError) -> ErrorWord:
    if isinstance(error, ssl.SSLError):
        return "tls-failed"
    if isinstance(error, ConnectionRefusedError):
        return "connection-refused"
    return "closed" if isinstance(error, ConnectionError) else "unreachable"
