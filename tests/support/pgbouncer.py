"""A pgbouncer in transaction mode, between a store and its server."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

START_SECONDS = 30
_PORT = 6432


@contextmanager
def run_pgbouncer(url: str, *settings: str) -> Iterator[str]:
    """Run one in front of the server of a URL; yield the URL that leads through it.

    Args:
        url: Of a database on a server that listens on a Unix socket.
        *settings: More lines for the section ``pgbouncer``.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed.")
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host")
    if host is None:
        pytest.skip("The server of REDOX_WSGI_TEST_POSTGRESQL has no Unix socket here.")
    folder = Path(tempfile.mkdtemp(prefix="bouncer-"))
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(
        "\n".join(
            [
                "[databases]",
                f"* = host={host[0]}",
                "[pgbouncer]",
                "pool_mode = transaction",
                "auth_type = trust",
                f"auth_file = {folder}/users",
                f"unix_socket_dir = {folder}",
                f"listen_port = {_PORT}",
                "default_pool_size = 2",
                "server_login_retry = 0.1",
                *settings,
            ]
        )
    )
    if user is not None:
        os.chown(folder, user, -1)
    # Should the tests be killed, it ends with them.
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
    process = subprocess.Popen(
        [*guard, program, str(folder / "ini")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
    )
    try:
        _wait_for(folder / f".s.PGSQL.{_PORT}", process)
        yield (
            f"postgresql://postgres@/{parts.path[1:]}"
            f"?host={quote(str(folder), '')}&port={_PORT}"
        )
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(socket: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError("pgbouncer does not start.")
        time.sleep(0.02)
