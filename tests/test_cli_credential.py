"""The option ``--credential`` of ``check``, ``send`` and ``verify``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi.cli import main
from tests.gallery.linked import (
    CLIENT_ID,
    CLIENT_SECRET,
    HMAC_SECRET,
    HmacEndpoint,
    OAuthEndpoint,
    Refused,
)
from tests.gallery.right import TOKEN, Answer
from tests.gallery.serving import serve

HMAC = {
    "strategy": "hmac-signature",
    "secret": HMAC_SECRET,
    "header": "x-signature",
    "prefix": "sha256=",
    "timestampHeader": "x-time",
}


class Noting(HmacEndpoint):
    """Keeps the tokens that came beside the credential."""

    def __init__(self) -> None:
        super().__init__()
        self.beside: list[str] = []

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Note."""
        self.beside += self.read_tokens(environ)
        return Answer(200)


class Echoing(OAuthEndpoint):
    """Answers with what it was sent as proof."""

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Echo."""
        return Answer(500, environ["HTTP_AUTHORIZATION"].encode())


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", TOKEN)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def credential(tmp_path: Path) -> str:
    """A file with a credential."""
    path = tmp_path / "credential.json"
    path.write_text(json.dumps(HMAC))
    return str(path)


def test_every_command_proves_itself_by_the_credential(
    credential: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Transmissions and verifications; without it, the endpoint refuses."""
    event = ("--event", "PatientAdmin:Arrival")
    with serve(Noting()) as url:
        assert main(["verify", url, "--credential", credential]) == 0
        assert main(["send", url, *event, "--credential", credential]) == 0
        assert main(["send", url, *event]) == 1
        assert main(["check", url, "--only", "hmac-signature,linked"]) == 1
        assert (
            main(["check", url, "--only", "hmac-signature", "--credential", credential])
            == 0
        )
    out = capsys.readouterr().out

    assert out.endswith("10 passed, 0 with a warning, 0 failed, 0 skipped.\n")


def test_the_token_goes_beside_the_credential_on_request(credential: str) -> None:
    """Nobody states whether Redox sends both."""
    endpoint = Noting()
    given = ("--event", "PatientAdmin:Arrival", "--credential", credential)
    with serve(endpoint) as url:
        main(["send", url, *given])
        assert endpoint.beside == []

        main(["send", url, *given, "--keep-token"])
        assert endpoint.beside == [TOKEN]


def test_an_endpoint_that_demands_both_is_judged_with_both(credential: str) -> None:
    """A wrong token beside the credential is sent all the same, and once."""

    class DemandsBoth(Noting):
        def check_head(self, environ: Any) -> None:
            if environ["REQUEST_METHOD"] == "POST" and not self.read_tokens(environ):
                raise Refused
            super().check_head(environ)

    given = ("--only", "linked,hmac-signature", "--credential", credential)
    with serve(DemandsBoth()) as url:
        assert main(["check", url, *given]) == 1
        assert main(["check", url, *given, "--keep-token"]) == 0


def test_the_variable_names_a_file_or_holds_the_document(
    credential: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one is none."""
    event = ("--event", "PatientAdmin:Arrival")
    with serve(HmacEndpoint()) as url:
        for value, status in ((credential, 0), (json.dumps(HMAC), 0), ("", 1)):
            monkeypatch.setenv("REDOX_CREDENTIAL", value)
            assert main(["send", url, *event]) == status


def test_a_made_up_token_goes_without_the_credential(
    credential: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the right credential would prove what shall be refused."""
    monkeypatch.setenv("REDOX_CREDENTIAL", credential)
    with serve(HmacEndpoint()) as url:
        event = ("--event", "PatientAdmin:Arrival")
        assert main(["send", url, "--wrong-token", *event]) == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('{"strategy": "jwt"}', "visible in process lists"),
        ("absent.json", "absent.json"),
    ],
    ids=["a document", "no file"],
)
@pytest.mark.parametrize("command", ["check", "send", "verify"])
def test_a_wrong_credential_ends_with_2(
    command: str, value: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is sent; a secret is no argument."""
    status = main([command, "http://localhost/", "--credential", value])
    out, err = capsys.readouterr()

    assert (status, out) == (2, "")
    assert words in " ".join(err.split())


def test_a_wrong_document_in_the_variable_ends_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its values are not repeated."""
    monkeypatch.setenv("REDOX_CREDENTIAL", json.dumps({**HMAC, "digest": "md5"}))

    assert main(["verify", "http://localhost/"]) == 2
    out, err = capsys.readouterr()
    assert "digest must be one of" in err
    assert HMAC_SECRET not in out + err


@pytest.mark.parametrize("command", ["send", "check"])
def test_what_an_endpoint_echoes_of_the_proof_is_blanked(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An access token is as good as the secret while it lives."""
    arguments = {
        "send": ("--event", "PatientSearch:Query"),
        "check": ("--only", "token-both"),
    }
    with serve(Echoing()) as url:
        document = {
            "strategy": "oauth",
            "url": url.replace("/redox", "/token"),
            "clientId": CLIENT_ID,
            "clientSecret": CLIENT_SECRET,
        }
        monkeypatch.setenv("REDOX_CREDENTIAL", json.dumps(document))
        assert main([command, url, *arguments[command]]) == 1
    out = capsys.readouterr().out

    assert "Bearer ***" in out
    assert Echoing.access_token not in out


def test_a_storm_has_no_credential(capsys: pytest.CaptureFixture[str]) -> None:
    """It says so."""
    assert main(["storm", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())

    assert "--credential" not in out
    assert "and never a credential" in out
