"""A credential out of a file: what may stand in it, and what is said of a wrong one."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi.simulator import (
    AwsSigV4Credential,
    HmacCredential,
    JwtCredential,
    OAuthCredential,
    SimulatorError,
    SmartBackendCredential,
    read_credential_file,
)
from redox_wsgi.simulator.credentials import read_credential
from redox_wsgi.simulator.credentials.reading import STRATEGIES
from tests.support.authentication import write_private_key

CANARY = "s3cret-canary-0123456789"
OAUTH = {
    "strategy": "OAuth_2.0_2-legged",
    "url": "https://ours.example/token",
    "clientId": "redox",
    "clientSecret": CANARY,
}
AWS = {
    "strategy": "AwsSigv4",
    "accessKey": "AKIDREDOX",
    "secretKey": CANARY,
    "awsRegion": "us-east-1",
    "serviceName": "execute-api",
    "sessionToken": CANARY,
}


def read(folder: Path, document: Any) -> Any:
    """Read a credential out of a file in a folder."""
    path = folder / "credential.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_credential_file(path)


def test_each_strategy_is_read_with_the_names_of_redox(tmp_path: Path) -> None:
    """Ours for those that Redox does not document."""
    key = write_private_key("ES384")
    jwt = {"strategy": "jwt", "issuer": "i", "audience": "a", "algorithm": "ES384"}
    smart = {
        "strategy": "SMART_Backend",
        "url": "https://ours.example/token",
        "clientId": "redox",
        "keyId": "k",
        "algorithm": "ES384",
    }
    hmac = {"strategy": "hmac-signature", "secret": CANARY, "header": "x-signature"}

    assert read(tmp_path, OAUTH) == OAuthCredential(
        OAUTH["url"], "redox", CANARY, now=read(tmp_path, OAUTH).now
    )
    assert read(tmp_path, AWS).session_token == CANARY
    assert type(read(tmp_path, AWS)) is AwsSigV4Credential
    assert type(read(tmp_path, hmac)) is HmacCredential
    assert type(read(tmp_path, {**jwt, "privateKey": key})) is JwtCredential
    read_smart = read(tmp_path, {**smart, "privateKey": key})
    assert type(read_smart) is SmartBackendCredential


def test_the_names_of_redox_for_user_and_password_are_known(tmp_path: Path) -> None:
    """And the text "true"; what has no effect here is passed over."""
    document = {
        "strategy": "oauth",
        "url": "https://ours.example/token",
        "username": "redox",
        "password": CANARY,
        "noBasic": "true",
        "defaultExpirationSeconds": 60,
        "refreshTokenName": "refresh_token",
        "refreshGrantType": "refresh_token",
    }
    credential = read(tmp_path, document)

    assert (credential.client_id, credential.client_secret) == ("redox", CANARY)
    assert credential.no_basic is True
    assert credential.default_expiration_seconds == 60
    assert read(tmp_path, {**document, "noBasic": "false"}).no_basic is False


def test_a_secret_may_stand_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a variable, or in a file beside this one."""
    (tmp_path / "key.pem").write_text(write_private_key("ES384"))
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    monkeypatch.setenv("OUR_SECRET", CANARY)
    oauth = {name: text for name, text in OAUTH.items() if name != "clientSecret"}
    jwt = {
        "strategy": "jwt",
        "issuer": "i",
        "audience": "a",
        "algorithm": "ES384",
        "privateKeyFile": "key.pem",
    }

    assert read(tmp_path, {**oauth, "clientSecretEnv": "OUR_SECRET"}) == read(
        tmp_path, {**oauth, "clientSecretFile": "secret"}
    )
    assert read(tmp_path, jwt).key.algorithm == "ES384"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "must be a JSON object"),
        ({}, "strategy must be one of aws-sigv4, hmac-signature, jwt, oauth"),
        ({"strategy": []}, "strategy must be one of"),
        ({**OAUTH, "strategy": "basic"}, "strategy must be one of"),
        ({"strategy": "oauth"}, "lacks url"),
        ({"strategy": "aws-sigv4", "accessKey": "a"}, "lacks secretKey"),
        ({**OAUTH, "clientSecrets": "x"}, "no field 'clientSecrets'"),
        ({**OAUTH, "transport": "x"}, "no field 'transport'"),
        ({**OAUTH, "tokens": "x"}, "no field 'tokens'"),
        ({**OAUTH, "username": "x"}, "has clientId twice"),
        ({**OAUTH, "resourceEnv": "OUR_ABSENT"}, "a variable that is not set"),
        ({**OAUTH, "resourceFile": 1}, "resourceFile must be a name"),
        ({**OAUTH, "resourceFile": "absent"}, "No such file"),
        ({**OAUTH, "scopes": 1}, "scopes must be text"),
        ({**AWS, "secretKey": f"{CANARY} "}, "secret_key must be visible"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 80 else "",
)
def test_a_wrong_document_is_told_without_its_values(
    document: Any, words: str, tmp_path: Path
) -> None:
    """The name of what is wrong, and the cure."""
    with pytest.raises(SimulatorError, match=words) as raised:
        read(tmp_path, document)

    assert CANARY not in str(raised.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Such as a key in another form."""
    (tmp_path / "key.der").write_bytes(b"\xff\x00")
    with pytest.raises(SimulatorError, match="it is not text"):
        read_credential_file(tmp_path / "key.der")


def test_text_is_read_like_a_file(tmp_path: Path) -> None:
    """Files that it names are looked for in the folder given."""
    (tmp_path / "secret").write_text(CANARY)
    document = {**AWS, "sessionTokenFile": "secret"}
    document.pop("sessionToken")
    credential = read_credential(json.dumps(document), folder=tmp_path)

    assert isinstance(credential, AwsSigV4Credential)
    assert credential.session_token == CANARY


def test_every_field_is_documented() -> None:
    """In the row of its strategy; and no field that does not exist."""
    guide = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text()
    for strategy, kind in STRATEGIES.items():
        [row] = [it for it in guide.splitlines() if it.startswith(f"| `{strategy}`")]
        _, _, _, fields, name, *_ = (cell.strip() for cell in row.split("|"))
        documented = set(re.findall(r"`([a-z]\w+)`", fields))
        # Other names that Redox has, and what a default refers to.
        documented -= {"username", "password"}

        assert name == f"`{kind.__name__}`"
        assert documented == {
            to_camel(it.name)
            for it in dataclasses.fields(kind)
            if it.init and it.name not in ("transport", "now")
        }


def to_camel(name: str) -> str:
    """Write a name as Redox does."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
