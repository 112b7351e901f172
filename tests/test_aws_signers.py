"""Requests signed by other people's signers, under real servers."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from tests.support.aws import build_signed_bytes
from tests.support.aws_app import (
    ACCESS_KEY,
    HOST,
    REGION,
    SECRET,
    SERVICE,
    application,
)
from tests.support.servers import exchange, run_server

PACKAGES = ["aws4@1.13.2", "@smithy/signature-v4@5.7.5"]
SCRIPT = Path(__file__).parent / "support" / "signers.mjs"
APPLICATION = "tests.support.aws_app:application"
JSON = {"content-type": "application/json; charset=utf-8"}
SESSION = "a-session-token-of-more-than-thirty-two-characters"

TARGETS = [
    "/redox",
    "/",
    "/redox/",
    "/a%20b/caf%C3%A9",
    "/a/./b/../c//d",
    "/a@b:c=d",
    "/redox?b=2&a=1&A=3",
    "/redox?x=one%20two&y=caf%C3%A9&empty=&z=%2F%2B",
]
REPEATED = "/redox?b=2&a=1&a=0&A=3"
BODY = json.dumps({"Meta": {"DataModel": "PatientAdmin"}, "x": "é" * 50}).encode()


@pytest.fixture(scope="module", params=["gunicorn sync", "waitress"])
def port(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """A server with one destination at every path; the raw target has two names."""
    log = tmp_path_factory.mktemp("server") / "log"
    with run_server(request.param, APPLICATION, log) as port:
        yield port


@pytest.fixture(scope="session")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script with the two signers of Node, installed beside it."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("signers")
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if installed.returncode != 0:
        reason = "npm could not install the signers"
        # Where they must run, that is no reason to be content.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    shutil.copy(SCRIPT, folder)
    return folder / SCRIPT.name


def post_from_node(signers: Path, port: int, *jobs: dict[str, Any]) -> list[int]:
    """Have Node sign requests and send them; return the statuses."""
    common = {
        "accessKey": ACCESS_KEY,
        "secret": SECRET,
        "region": REGION,
        "service": SERVICE,
        "host": HOST,
        "target": "/redox",
        "headers": JSON,
        "bytes": 200,
    }
    finished = subprocess.run(
        ["node", str(signers)],  # noqa: S607
        input=json.dumps({"port": port, "jobs": [{**common, **job} for job in jobs]}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    statuses: list[int] = json.loads(finished.stdout)
    return statuses


def post(port: int, target: str = "/redox", body: bytes = BODY, **signing: Any) -> int:
    """Send what botocore signs, and return the status."""
    reply = exchange(port, build_signed_bytes(target, body, **signing))
    assert reply is not None
    return reply.status


@pytest.mark.parametrize("token", [None, SESSION], ids=["", "session token"])
@pytest.mark.parametrize("service", [SERVICE, "s3"])
def test_botocore_is_accepted(port: int, service: str, token: str | None) -> None:
    """Whatever the path, the order of the query, and the text in them."""
    # Both servers refuse bytes outside ASCII here by themselves, with 400.
    targets = [*TARGETS, REPEATED, "/a(b)!*'$,;", "/redox?u=a@b/c&&"]
    statuses = {
        target: post(port, target, service=service, token=token) for target in targets
    }

    assert statuses == dict.fromkeys(targets, 200)


@pytest.mark.parametrize("size", [1_000_000, 40_000_000])
@pytest.mark.parametrize("service", [SERVICE, "s3"])
def test_botocore_is_accepted_with_a_large_body(
    port: int, service: str, size: int
) -> None:
    """Redox delivers up to 40 MB."""
    body = b'{"x":"' + b"A" * (size - 8) + b'"}'

    assert post(port, body=body, service=service) == 200
    assert post(port, body=body, service=service, secret=SECRET[::-1]) == 401


@pytest.mark.parametrize("token", [None, SESSION], ids=["", "session token"])
@pytest.mark.parametrize("service", [SERVICE, "s3"])
@pytest.mark.parametrize("signer", ["aws4", "smithy"])
def test_a_signer_of_node_is_accepted(
    signers: Path, port: int, signer: str, service: str, token: str | None
) -> None:
    """Each has its own manner with paths, hashes and headers."""
    jobs = [
        {"signer": signer, "service": service, "token": token, "target": target}
        for target in TARGETS
    ]

    statuses = post_from_node(signers, port, *jobs)
    assert dict(zip(TARGETS, statuses, strict=True)) == dict.fromkeys(TARGETS, 200)


def test_a_parameter_that_is_not_signed_is_refused(signers: Path, port: int) -> None:
    """Of two values of one name aws4 signs the first only, if the service is s3."""
    jobs = [
        {"signer": signer, "service": service, "target": REPEATED}
        for signer in ("smithy", "aws4")
        for service in (SERVICE, "s3")
    ]

    assert post_from_node(signers, port, *jobs) == [200, 200, 200, 401]


@pytest.mark.parametrize("signer", ["aws4", "smithy"])
def test_a_signer_of_node_is_accepted_with_a_large_body(
    signers: Path, port: int, signer: str
) -> None:
    """With letters outside ASCII, as patients have them in their names."""
    jobs = [
        {"signer": signer, "service": service, "bytes": size}
        for service in (SERVICE, "s3")
        for size in (1_000_000, 40_000_000)
    ]

    assert post_from_node(signers, port, *jobs) == [200] * 4


@pytest.mark.parametrize("service", [SERVICE, "s3"])
@pytest.mark.parametrize("signer", ["aws4", "smithy"])
def test_what_was_altered_after_a_signer_of_node_is_refused(
    signers: Path, port: int, signer: str, service: str
) -> None:
    """And so is what was signed for another host, region, service or secret."""
    changes: list[dict[str, Any]] = [
        {"alter": "path"},
        {"alter": "query"},
        {"alter": "header"},
        {"alter": "body"},
        {"host": "evil.example.org"},
        {"region": "us-east-2"},
        {"service": "lambda"},
        {"secret": SECRET[::-1]},
        {"accessKey": "AKIDOTHER"},
    ]
    jobs = [{"signer": signer, "service": service, **change} for change in changes]

    assert post_from_node(signers, port, *jobs) == [401] * len(changes)
    assert post_from_node(signers, port, jobs[0] | {"alter": None}) == [200]


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "127.0.0.1"},
        {"host": "10.0.0.5:8000", "x-forwarded-host": HOST},
        {"content-type": "application/jsom"},
        {"x-amz-date": "20150830T123600Z"},
        {"x-amz-meta": "x"},
    ],
)
def test_what_was_altered_after_botocore_is_refused(
    port: int, changes: dict[str, str]
) -> None:
    """Over real sockets, with one answer for all."""
    reply = exchange(port, build_signed_bytes("/redox", BODY, changes))

    assert reply is not None
    assert (reply.status, reply.body) == (401, b'{"error":"invalid_signature"}')
    assert reply.headers["www-authenticate"] == "AWS4-HMAC-SHA256"


def test_a_doubled_signature_is_refused(port: int) -> None:
    """Servers join the two headers, each with a comma of its own kind."""
    raw = build_signed_bytes("/redox", BODY)
    [line] = [line for line in raw.split(b"\r\n") if line.startswith(b"authorization")]

    for lines in (line + b"\r\n" + line, line + b"\r\nauthorization: Bearer x"):
        reply = exchange(port, raw.replace(line, lines))
        assert reply is not None
        assert reply.status == 401


def test_behind_a_proxy_the_public_host_counts(tmp_path: Path) -> None:
    """With the option: the host that comes is the proxy's own."""
    inside = {"host": "10.0.0.5:8000"}
    env = {"AWS_TEST_PROXY": "rewrites host"}
    with run_server("gunicorn sync", APPLICATION, tmp_path / "log", env=env) as port:
        for service in (SERVICE, "s3"):
            raw = build_signed_bytes("/redox", BODY, inside, service=service)
            accepted = exchange(port, raw)
            other = build_signed_bytes(
                "/redox", BODY, inside, headers={"host": "x.org"}, service=service
            )
            refused = exchange(port, other)
            assert accepted is not None
            assert refused is not None
            assert (accepted.status, refused.status) == (200, 401)


class Silent(WSGIRequestHandler):
    """A handler that prints no access line."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_a_server_without_the_raw_target_is_told_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reference server decodes the path; the log names the reason."""
    with make_server("127.0.0.1", 0, application, handler_class=Silent) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with caplog.at_level(logging.INFO):
            status = post(server.server_port)
            thread.join(timeout=30)

    assert status == 503
    assert "server-gives-no-raw-target" in caplog.text
