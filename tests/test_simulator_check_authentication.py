"""What ``check`` says of endpoints with a linked credential: forged ones must fail."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi.simulator import (
    AwsSigV4Credential,
    Credential,
    HmacCredential,
    JwtCredential,
    NoAnswer,
    OAuthCredential,
    Request,
    Response,
    SmartBackendCredential,
)
from redox_wsgi.simulator.check import (
    Bench,
    Finding,
    Verdict,
    run_probes,
    select_probes,
)
from redox_wsgi.simulator.check.forging import unsign
from tests.gallery import authentication as bad
from tests.gallery import linked as right
from tests.gallery.right import TOKEN, RightEndpoint
from tests.gallery.serving import serve
from tests.support import linked_app, servers
from tests.support.authentication import write_private_key
from tests.support.jose import build_jwk, make_key

STRATEGIES = (
    *("linked", "jwt", "oauth", "smart-backend", "aws-sigv4", "hmac-signature"),
)
RIGHT = (
    *(right.JwtEndpoint, right.OAuthEndpoint, right.JwtAccessTokenEndpoint),
    *(right.SmartEndpoint, right.AwsEndpoint, right.HmacEndpoint),
)


def list_gallery() -> Iterator[type[RightEndpoint]]:
    """List the endpoints that do one thing wrong."""
    for endpoint in vars(bad).values():
        if inspect.isclass(endpoint) and endpoint.__module__ == bad.__name__:
            assert issubclass(endpoint, RightEndpoint)
            yield endpoint


GALLERY = list(list_gallery())


def build_credential(endpoint: type[RightEndpoint], url: str) -> Credential:
    """Build what is linked to an endpoint."""
    token_url = url.replace("/redox", "/token")
    if issubclass(endpoint, right.SmartEndpoint):
        key = write_private_key("ES384")
        return SmartBackendCredential(
            token_url, right.CLIENT_ID, key, "es384", algorithm="ES384"
        )
    if issubclass(endpoint, right.OAuthEndpoint):
        return OAuthCredential(token_url, right.CLIENT_ID, right.CLIENT_SECRET)
    if issubclass(endpoint, right.AwsEndpoint):
        return AwsSigV4Credential(
            *(right.ACCESS_KEY, right.SECRET_KEY, right.REGION, right.SERVICE),
            right.SESSION_TOKEN,
        )
    if issubclass(endpoint, right.HmacEndpoint):
        return HmacCredential(
            right.HMAC_SECRET,
            "x-signature",
            prefix="sha256=",
            timestamp_header="x-time",
        )
    return JwtCredential(
        write_private_key("ES384"),
        right.ISSUER,
        right.AUDIENCE,
        algorithm="ES384",
        key_id="es384",
    )


def check(url: str, credential: Credential | None, **choice: Any) -> list[Finding]:
    """Send the probes of a choice."""
    bench = Bench(url, token=TOKEN, credential=credential)
    return list(run_probes(bench, select_probes(**choice)))


def named(findings: list[Finding], verdict: Verdict) -> set[str]:
    """List the probes that came to a verdict."""
    return {finding.probe.name for finding in findings if finding.verdict is verdict}


@pytest.mark.parametrize("endpoint", RIGHT, ids=lambda it: it.__name__)
def test_a_right_endpoint_passes_every_probe(endpoint: type[RightEndpoint]) -> None:
    """Also all the others, whose transmissions carry the credential."""
    with serve(endpoint()) as url:
        credential = build_credential(endpoint, url)
        findings = check(url, credential, skip=["large-body"])

    assert named(findings, Verdict.FAILED) == set()
    assert named(findings, Verdict.WARNING) == set()
    assert len(named(findings, Verdict.PASSED)) > 45


@pytest.mark.parametrize("endpoint", GALLERY, ids=lambda it: it.__name__)
def test_a_bad_endpoint_is_named_for_what_it_does_wrong(
    endpoint: type[RightEndpoint],
) -> None:
    """For nothing else; and nothing that was sent as proof is shown."""
    with serve(endpoint()) as url:
        credential = build_credential(endpoint, url)
        findings = check(url, credential, only=STRATEGIES)

    assert named(findings, Verdict.FAILED) == set(endpoint.FAILS)
    assert named(findings, Verdict.WARNING) == set(endpoint.WARNS)


# The destination, whose credential is linked to it, and the probe that warns: without a
# store nobody remembers what was used.
DESTINATIONS: tuple[tuple[str, type[RightEndpoint], set[str]], ...] = (
    ("/jwt/once", right.JwtEndpoint, set()),
    ("/jwt/often", right.JwtEndpoint, {"jwt-replayed"}),
    ("/oauth", right.OAuthEndpoint, set()),
    ("/oauth", right.SmartEndpoint, set()),
    ("/aws/once", right.AwsEndpoint, set()),
    ("/aws/often", right.AwsEndpoint, {"sigv4-replayed"}),
    ("/hmac/once", right.HmacEndpoint, set()),
    ("/hmac/often", right.HmacEndpoint, {"hmac-replayed"}),
)


@pytest.mark.parametrize("server", ["gunicorn sync", "gunicorn gthread", "waitress"])
def test_every_strategy_of_the_receiver_passes(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under real servers; with two workers, who share what was used."""
    keys = {"keys": [build_jwk(make_key("ES384"), "es384", alg="ES384")]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    port = servers.find_free_port()
    monkeypatch.setattr(servers, "find_free_port", lambda: port)
    address = f"http://127.0.0.1:{port}"
    env = {linked_app.FOLDER: str(tmp_path), linked_app.ADDRESS: address}
    workers = ("-w", "2") if server.startswith("gunicorn") else ()
    application = "tests.support.linked_app:application"
    with servers.run_server(server, application, tmp_path / "log", *workers, env=env):
        for path, kind, warned in DESTINATIONS:
            credential = build_credential(kind, f"{address}/redox")
            findings = check(address + path, credential, skip=["large-body"])

            assert named(findings, Verdict.FAILED) == set(), path
            assert named(findings, Verdict.WARNING) == warned, path
            assert len(named(findings, Verdict.PASSED)) > 45, path


def test_a_probe_without_its_setting_is_skipped_with_the_reason() -> None:
    """Another strategy, no session token, no time, no Bearer, another host."""
    reasons: dict[str, set[str]] = {}
    with serve(right.LinkedEndpoint()) as url:
        for credential in (
            AwsSigV4Credential("a", "b", "c", "d"),
            HmacCredential("secret", "x-signature"),
            OAuthCredential(
                "http://elsewhere.example/token", "a", "b", transport=NoServer()
            ),
            SmartBackendCredential(
                "http://elsewhere.example/token",
                "redox",
                write_private_key("ES384"),
                "es384",
                algorithm="ES384",
                transport=NoServer(),
            ),
            None,
        ):
            for probe in select_probes(STRATEGIES, ["connection", "token-both"]):
                judgement = probe.judge(Bench(url, token=TOKEN, credential=credential))
                if judgement.verdict is Verdict.SKIPPED:
                    reasons.setdefault(judgement.came, set()).add(probe.name)

    # This one verifies nothing, which is not the point here.
    assert reasons.pop("nothing was refused") == {"linked-equal"}
    elsewhere = "the token endpoint is on another host, which is not judged"
    assert reasons.pop("no such credential was given; --credential FILE gives one")
    assert reasons == {
        "this credential is no Bearer token": {"linked-in-query"},
        "the credential has no sessionToken": {"sigv4-session-token"},
        "the credential has no timestampHeader": {
            *("hmac-expired", "hmac-unsigned-time"),
            *("hmac-replayed", "hmac-clock-skew"),
        },
        "no access token came": {"oauth-wrong-token"},
        "the access token is no JSON Web Token": {"oauth-alg-none"},
        elsewhere: {
            *("oauth-answer", "oauth-wrong-secret", "oauth-wrong-grant"),
            *("smart-expired", "smart-wrong-audience", "smart-wrong-client"),
            *("smart-alg-none", "smart-key-confusion", "smart-wrong-signature"),
            "smart-replayed",
        },
    }


class NoServer:
    """A token endpoint that nobody reaches."""

    def exchange(self, request: Request) -> Response:
        """Fail."""
        raise NoAnswer("no-such-host")


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (b"", "the status should be 200"),
        (b"<html>", "access_token is missing"),
        (b"[]", "access_token is missing"),
        (b'{"access_token":1}', "access_token is missing"),
        (b'{"access_token":"t"}', "token_type should be bearer"),
        (b'{"access_token":"t","token_type":"Bearer"}', "expires_in should be"),
    ],
    ids=["nothing", "HTML", "a list", "a number", "no type", "no lifetime"],
)
def test_an_answer_of_a_token_endpoint_is_judged(answer: bytes, came: str) -> None:
    """By what Redox reads out of it; none of it is shown."""

    class Answering(NoServer):
        def exchange(self, request: Request) -> Response:
            return Response(200 if answer else 503, (), answer)

    credential = OAuthCredential(
        "http://localhost/token", "a", "b", transport=Answering()
    )
    [probe] = select_probes(["oauth-answer"], ["connection", "token-both"])
    judgement = probe.judge(
        Bench("http://localhost/redox", token=TOKEN, credential=credential)
    )

    assert f"({came}" in judgement.came
    assert "html" not in judgement.came


def test_a_token_endpoint_that_is_away_fails_its_probe() -> None:
    """With the word for why."""
    credential = OAuthCredential(
        "http://localhost/token", "a", "b", transport=NoServer()
    )
    [probe] = select_probes(["oauth-wrong-grant"], ["connection", "token-both"])
    judgement = probe.judge(
        Bench("http://localhost/redox", token=TOKEN, credential=credential)
    )

    assert judgement.verdict is Verdict.FAILED
    assert judgement.came == "the grant type: no answer: no-such-host"


@pytest.mark.parametrize("endpoint", RIGHT, ids=lambda it: it.__name__)
def test_a_second_use_is_judged_only_after_a_first(
    endpoint: type[RightEndpoint],
) -> None:
    """What is refused twice proves nothing."""
    names = ["jwt-replayed", "smart-replayed", "sigv4-replayed", "hmac-replayed"]
    with serve(endpoint()) as url:
        credential = build_credential(endpoint, url)
        # Nobody's clock is a year off.
        stranger = replace(
            credential,  # type: ignore[type-var]
            now=lambda: datetime(2020, 1, 1, tzinfo=UTC),
        )
        bench = Bench(url, token=TOKEN, credential=stranger)
        probes = select_probes(names, ["connection", "token-both"])
        judgements = [probe.judge(bench) for probe in probes]
    judged = [it.came for it in judgements if it.verdict is not Verdict.SKIPPED]

    assert all(came.startswith("the first: status 401") for came in judged)
    # An access token by ID and secret is used many times.
    assert len(judged) == (type(credential) is not OAuthCredential)


def test_whatever_an_access_token_looks_like_nothing_breaks() -> None:
    """Only one that is a JSON Web Token is unsigned."""
    assert unsign("a.b") == {}
    assert unsign("\xff.b.c") == {}
    assert unsign("W10.b.c") == {}
    assert list(unsign("e30.b.c")) == [
        "alg 'none'",
        "alg 'None'",
        "alg 'nOnE'",
        "alg ''",
    ]


def test_every_probe_fails_for_somebody() -> None:
    """A probe that no endpoint of the gallery fails might judge nothing."""
    judged = {name for it in GALLERY for name in (*it.FAILS, *it.WARNS)}
    probes = {probe.name for probe in select_probes() if probe.group in STRATEGIES}

    assert probes == judged
