"""The proxy of docs/deployment.md, run as it stands in front of gunicorn."""

from __future__ import annotations

import http.client
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builders import NOTIFICATION, TOKEN
from tests.support.proxy import run_proxy
from tests.support.servers import (
    build_raw_request,
    exchange,
    find_free_port,
    run_server,
)

HEADERS = {"verification-token": TOKEN, "content-type": "application/json"}

pytestmark = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")),
    reason="nginx and openssl are not installed",
)


class Proxy:
    """nginx with the documented configuration, over TLS on a free port."""

    def __init__(self, folder: Path, port: int, backend: int, trusted: Path) -> None:
        self.folder = folder
        self.port = port
        self.backend = backend
        self.trusted = trusted

    def ask(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes]:
        """Ask over TLS, trusting the proxy's own certificate only."""
        context = ssl.create_default_context(cafile=self.trusted)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, timeout=30
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body, {**HEADERS, **named})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The documented proxy in front of the contract's application."""
    folder = tmp_path_factory.mktemp("nginx")
    application = "tests.support.contract_app:application"
    port = find_free_port()
    log = folder / "gunicorn.log"
    with (
        run_server("gunicorn gthread", application, log) as backend,
        run_proxy(folder, port, backend) as trusted,
    ):
        yield Proxy(folder, port, backend, trusted)


def test_a_transmission_passes_the_proxy(proxy: Proxy) -> None:
    """With its headers, and only with the right ones."""
    assert proxy.ask("POST", "/redox", NOTIFICATION) == (200, b"")
    assert proxy.ask("POST", "/redox", NOTIFICATION, verification_token="x")[0] == 401


def test_the_largest_file_of_redox_passes_the_proxy(proxy: Proxy) -> None:
    """Nginx's default of 1 MB would be a 413 that stops the feed."""
    body = b'{"Meta":{"DataModel":"Media"},"x":"' + b"A" * 40_000_000 + b'"}'

    assert proxy.ask("POST", "/redox", body) == (200, b"")


def test_the_forwarded_scheme_satisfies_what_requires_https(proxy: Proxy) -> None:
    """Gunicorn trusts a proxy on the same machine; without it the answer is 403."""
    raw = build_raw_request("POST", "/redox-https", list(HEADERS.items()), NOTIFICATION)
    directly = exchange(proxy.backend, raw)

    assert directly is not None
    assert directly.status == 403
    assert proxy.ask("POST", "/redox-https", NOTIFICATION) == (200, b"")


def test_no_log_of_the_proxy_holds_the_token(proxy: Proxy) -> None:
    """After a verification by GET, right and wrong, and after a failure of nginx's."""
    target = f"/redox?challenge=c&verification-token={TOKEN}"

    assert proxy.ask("GET", target) == (200, b"c")
    assert proxy.ask("GET", target + "wrong")[0] == 401
    assert proxy.ask("POST", target, b"x" * 1000, content_length="60000000")[0] == 413

    logs = [path.read_text() for path in proxy.folder.glob("*.log")]
    assert any("GET /redox" in log for log in logs)
    assert not any(TOKEN in log for log in logs)
