"""Call a WSGI application in process, under the rules of PEP 3333."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any
from wsgiref.validate import validator

SERVER_KEYS = ("wsgi.input_terminated", "RAW_URI", "REQUEST_URI")


@dataclass(frozen=True)
class Reply:
    """What came back from an application."""

    status: int
    headers: dict[str, str]
    body: bytes


def build_environ(
    method: str = "POST",
    path: str = "/redox",
    query: str = "",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Build an environ as a server does, with a length unless one is given."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "RAW_URI": path + ("?" + query if query else ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["CONTENT_TYPE"] = "application/json"
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        bare = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environ[key if bare else f"HTTP_{key}"] = value
    environ.update(extra)
    return {key: value for key, value in environ.items() if value is not None}


def call(application: Any, environ: dict[str, Any]) -> Reply:
    """Call an application under ``wsgiref.validate`` and collect its answer."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        started.append((status, headers))
        return lambda data: None

    iterable = validator(application)(environ, start_response)
    try:
        body = b"".join(iterable)
    finally:
        iterable.close()  # type: ignore[attr-defined]
    [(status, headers)] = started
    return Reply(int(status[:3]), {k.lower(): v for k, v in headers}, body)


def send(application: Any, *args: Any, **kwargs: Any) -> Reply:
    """Build an environ and call the application with it."""
    return call(application, build_environ(*args, **kwargs))
