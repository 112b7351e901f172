"""What ``check`` says of good and bad endpoints: the gallery, and real servers."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from redox_wsgi.simulator.check import Bench, Finding, Verdict, run_probes
from redox_wsgi.simulator.check.run import select_probes
from tests.gallery.right import TOKEN, RightEndpoint
from tests.gallery.serving import serve, serve_node
from tests.support.builders import QUERY
from tests.support.builders import TOKEN as CONTRACT_TOKEN
from tests.support.servers import run_server

ROOMS = (
    "verification",
    "credentials",
    "refusals",
    "content",
    "bodies",
    "behaviour",
)

#: Skipped without a linked credential: test_simulator_check_authentication.py.
LINKED = {
    probe.name
    for probe in select_probes(
        ["linked", "jwt", "oauth", "smart-backend", "aws-sigv4", "hmac-signature"],
        ["connection", "token-both"],
    )
}

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="Node is not installed"
)


def list_gallery() -> Iterator[type[RightEndpoint]]:
    """List the endpoints that do one thing wrong."""
    for room in ROOMS:
        module = import_module(f"tests.gallery.{room}")
        for endpoint in vars(module).values():
            if inspect.isclass(endpoint) and endpoint.__module__ == module.__name__:
                assert issubclass(endpoint, RightEndpoint)
                yield endpoint


GALLERY = list(list_gallery())


def named(findings: list[Finding], verdict: Verdict) -> set[str]:
    """List the probes that came to a verdict."""
    return {finding.probe.name for finding in findings if finding.verdict is verdict}


def check(url: str, *, token: str = TOKEN, skip: tuple[str, ...] = (), **how):
    """Send all probes but those to skip."""
    bench = Bench(url, token=token, **how)
    return list(run_probes(bench, select_probes(skip=skip)))


def test_the_gallery_is_large() -> None:
    """It repeats what goes wrong in real receivers."""
    assert len([it for it in GALLERY if it.FAILS]) >= 35


@pytest.mark.parametrize("endpoint", GALLERY, ids=lambda it: it.__name__)
def test_a_bad_endpoint_is_named_for_what_it_does_wrong(endpoint) -> None:
    """For nothing else, and what it does wrong leaks no token."""
    with serve(endpoint()) as url:
        findings = check(
            url,
            skip=() if endpoint.LARGE else ("large-body",),
            query=QUERY if endpoint.QUERY else None,
            # Only who has no limit needs all of it.
            patience_seconds=0.2 if "body-limit" in endpoint.FAILS else 5,
        )

    assert named(findings, Verdict.FAILED) == set(endpoint.FAILS)
    assert named(findings, Verdict.WARNING) == set(endpoint.WARNS)
    for finding in findings:
        assert TOKEN.lower() not in finding.came.lower()
        assert finding.came.replace("\n", "").isprintable()


def test_every_probe_fails_for_somebody() -> None:
    """A probe that no endpoint of the gallery fails might judge nothing."""
    judged = {name for it in GALLERY for name in (*it.FAILS, *it.WARNS)}
    probes = {probe.name for probe in select_probes()}

    # These need another clock, another network, or have a test of their own.
    assert probes - judged == {"https", "time-to-answer"} | LINKED
    assert judged <= probes


def test_a_right_endpoint_passes_every_probe() -> None:
    """Also what is skipped elsewhere because it takes long."""
    with serve(RightEndpoint()) as url:
        findings = check(url)

    skipped = {"https", "query-answer"} | LINKED
    assert named(findings, Verdict.SKIPPED) == skipped
    assert len(named(findings, Verdict.PASSED)) == len(findings) - len(skipped)


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("gunicorn sync", "/redox"),
        ("gunicorn gthread", "/routed"),
        ("waitress", "/redox"),
        ("waitress", "/routed"),
    ],
)
def test_the_reference_application_passes(
    server: str, path: str, tmp_path: Path
) -> None:
    """Under real servers, with and without an answer to queries."""
    query = QUERY if path == "/routed" else None
    application = "tests.support.contract_app:application"
    with run_server(server, application, tmp_path / "log") as port:
        findings = check(
            f"http://127.0.0.1:{port}{path}", token=CONTRACT_TOKEN, query=query
        )

    assert named(findings, Verdict.FAILED) == set()
    assert named(findings, Verdict.WARNING) == set()
    assert named(findings, Verdict.SKIPPED) <= {"https", "query-answer"} | LINKED


@pytest.mark.parametrize("server", ["gunicorn gthread", "waitress"])
def test_the_ward_board_passes(server: str, tmp_path: Path) -> None:
    """The reference application that people copy, with its database and its search."""
    env = {
        "REDOX_VERIFICATION_TOKEN": CONTRACT_TOKEN,
        "SECRET_KEY": "only for tests, and long enough to be one",
        "WARD_DATABASE": str(tmp_path / "ward.db"),
        "REDOX_INBOX": f"sqlite:///{tmp_path / 'inbox.db'}",
    }
    application = "example_app.wsgi:application"
    with run_server(server, application, tmp_path / "log", env=env) as port:
        url = f"http://127.0.0.1:{port}/redox"
        findings = check(url, token=CONTRACT_TOKEN, query=QUERY)

    assert named(findings, Verdict.FAILED) == set()
    assert named(findings, Verdict.WARNING) == set()
    assert named(findings, Verdict.SKIPPED) == {"https"} | LINKED


@needs_node
def test_a_right_endpoint_in_node_passes() -> None:
    """Whatever an endpoint is written in, it is judged alike."""
    with serve_node("right.js") as url:
        findings = check(url)

    skipped = {"https", "query-answer"} | LINKED
    assert named(findings, Verdict.SKIPPED) == skipped
    assert len(named(findings, Verdict.PASSED)) == len(findings) - len(skipped)


@needs_node
def test_a_faulty_endpoint_in_node_is_named_for_what_it_does_wrong() -> None:
    """Where unequal lengths throw, every stranger causes an error."""
    with serve_node("faulty.js") as url:
        findings = check(url, skip=("large-body",), patience_seconds=0.2)

    assert named(findings, Verdict.FAILED) == {
        "verification-by-get",
        "verification-reordered",
        "challenge-wrong-token",
        "challenge-no-token",
        "challenge-empty-token",
        "challenge-token-case",
        "token-bearer-only",
        "token-one-wrong",
        "token-wrong",
        "token-none",
        "token-empty",
        "token-case",
        "token-non-ascii",
        "token-very-long",
        "token-doubled",
        "token-in-query",
        "success-is-200",
        "not-json",
        "body-limit",
        "other-methods",
    }
    assert named(findings, Verdict.WARNING) == {"challenge-nosniff"}
