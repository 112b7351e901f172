"""Run an application under a real server, and speak to it over raw sockets."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.wsgi import Reply

ROOT = Path(__file__).parents[2]
START_SECONDS = 30

#: How each server is started; the address and the application follow.
COMMANDS = {
    "gunicorn sync": ["gunicorn", "-k", "sync", "-b"],
    "gunicorn preloaded": ["gunicorn", "-k", "sync", "--preload", "-b"],
    "gunicorn gthread": ["gunicorn", "-k", "gthread", "--threads", "4", "-b"],
    "gunicorn gevent": ["gunicorn", "-k", "gevent", "-b"],
    "waitress": ["waitress", "--listen"],
}


def find_free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def run_server(
    server: str,
    application: str,
    log: Path,
    *options: str,
    env: dict[str, str] | None = None,
) -> Iterator[int]:
    """Run a server until the block ends; yield its port. It logs to ``log``."""
    port = find_free_port()
    command = [
        *(sys.executable, "-m", *COMMANDS[server]),
        *(f"127.0.0.1:{port}", *options, application),
    ]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdout=sink,
            stderr=sink,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )
        try:
            _wait_until_it_answers(process, port, log)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(
    process: subprocess.Popen[bytes], port: int, log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if exchange(port, build_raw_request("GET", "/", [], b"")) is not None:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"The server does not answer: {log.read_text()[-2000:]}")


def build_raw_request(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    *,
    chunked: bool = False,
    length: int | None = None,
) -> bytes:
    """Build the bytes of a request; ``length`` announces another length."""
    lines = [f"{method} {target} HTTP/1.1", "host: 127.0.0.1", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if not any(name == "content-type" for name, _ in headers):
        lines.append("content-type: application/json")
    if chunked:
        lines.append("transfer-encoding: chunked")
        middle = len(body) // 2
        parts = [body[:middle], body[middle:]]
        body = (
            b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts if p) + b"0\r\n\r\n"
        )
    elif method not in ("GET", "HEAD"):
        lines.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def exchange(port: int, raw: bytes, *, hang_up: bool = False) -> Reply | None:
    """Send bytes to a server and read its answer; None if it gives none."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(raw)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may have answered without reading the body.
        response = http.client.HTTPResponse(
            connection, method=raw.split(b" ")[0].decode()
        )
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, ConnectionResetError):
            return None
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, body)
