"""Carry requests to a WSGI application in this process, without sockets."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.exchange import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication, WSGIEnvironment

__all__ = ["InProcess"]

# These two have no "HTTP_" before their names.
# -- https://peps.python.org/pep-3333/#environ-variables
_BARE = ("content-type", "content-length")


class InProcess:
    """Calls an application as a server would, under ``wsgiref.validate``.

    What the application raises comes out of ``exchange``, so that a test shows where;
    a server would have answered 500. What breaks PEP 3333 is an ``AssertionError``.

    Args:
        application: Any WSGI application: Flask's, Django's, or a function.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = validator(application)

    def exchange(self, request: Request) -> Response:
        """Call the application once, and take its whole answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        written: list[bytes] = []

        # The three names are those of PEP 3333.
        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            started.append((status, headers))
            return written.append

        iterable = self._application(_build_environ(request), start_response)
        try:
            body = b"".join(iterable)
        finally:
            # The validator's iterable has it always, and wants it called.
            iterable.close()  # type: ignore[attr-defined]
        if not started:
            raise AssertionError("The application never called start_response.")
        # Who has begun and then fails may begin again: the last one counts.
        status, headers = started[-1]
        return Response(
            int(status.split()[0]), tuple(headers), b"".join([*written, body])
        )


def _build_environ(request: Request) -> WSGIEnvironment:
    address = parse_address(request.url)
    path, _, query = address.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        # Bytes as latin-1 text: so PEP 3333 wants them.
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": address.host,
        "SERVER_PORT": str(address.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        # Not of PEP 3333, but gunicorn and others have them.
        "RAW_URI": address.target,
        "REQUEST_URI": address.target,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": address.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        key = key if name.lower() in _BARE else f"HTTP_{key}"
        # One that comes twice is joined, as servers do.
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
