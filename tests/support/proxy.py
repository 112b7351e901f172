"""The proxy of docs/deployment.md, in front of a server on this machine."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DOCUMENT = Path(__file__).parents[2] / "docs" / "deployment.md"

# To start, and to end.
_SECONDS = 20


@contextmanager
def run_proxy(folder: Path, port: int, backend: int) -> Iterator[Path]:
    """Run nginx with the documented configuration until the block ends.

    Args:
        folder: For its files, a path without blanks.
        port: Where it listens, on the loopback interface, over TLS.
        backend: The port that it passes requests on to.

    Yields:
        The certificate that it shows, for ``127.0.0.1``.
    """
    certificate = folder / "redox.example.com.pem"
    _write_certificate(certificate)
    configuration = folder / "nginx.conf"
    configuration.write_text(_write_configuration(folder, port, backend))
    command = ["nginx", "-p", str(folder), "-c", str(configuration)]
    log = folder / "start.log"
    with log.open("a") as file, subprocess.Popen(command, stderr=file) as process:
        try:
            _wait_for(port, certificate, process, log)
            yield certificate
        finally:
            process.terminate()
            try:
                process.wait(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _write_certificate(path: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=redox.example.com"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(path.with_suffix(".key")), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )


def _write_configuration(folder: Path, port: int, backend: int) -> str:
    [shown] = re.findall(r"```nginx\n(.*?)```", _DOCUMENT.read_text(), re.DOTALL)
    for before, after in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:8000": f"127.0.0.1:{backend}",
        "/etc/ssl/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
    }.items():
        assert before in shown
        shown = shown.replace(before, after)
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; user root; pid {folder}/pid; error_log {folder}/start.log;\n"
        f"events {{}}\nhttp {{\n{temporary}\n{shown}\n}}\n"
    )


def _wait_for(
    port: int, certificate: Path, process: subprocess.Popen[bytes], log: Path
) -> None:
    # Nobody else who might listen there has the certificate.
    context = ssl.create_default_context(cafile=certificate)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), _SECONDS) as connection,
                context.wrap_socket(connection, server_hostname="127.0.0.1"),
            ):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nginx did not start: {log.read_text()}")
