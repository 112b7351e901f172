"""The example with an auth credential: each strategy, told by one JSON file."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from example_app.application import create_app
from example_app.settings import Settings, SettingsError, read_settings
from redox_wsgi import ConfigurationError
from redox_wsgi.oauth import hash_secret
from tests.support import jose
from tests.support.aws import sign
from tests.support.aws_app import HOST
from tests.support.builders import NOTIFICATION, TOKEN
from tests.support.json_server import run_json_server
from tests.support.servers import ROOT, run_server
from tests.support.wsgi import Reply, send
from tests.test_example_server import build_environment

SECRET = "s3cret-canary-Zk8vP2xQ7mN4tR9wY1cB6fH3"
SIGNED = "x-signature"


def build_app(fields: dict[str, Any], directory: Path) -> Any:
    """Build the example with one strategy."""
    return create_app(
        Settings(
            verification_tokens=(TOKEN,),
            secret_key="k" * 32,
            database=directory / "ward.db",
            inbox="memory://",
            authenticator=fields,
        )
    )


def post(app: Any, headers: dict[str, str]) -> Reply:
    return send(app, body=NOTIFICATION, headers=headers)


def check(app: Any, headers: dict[str, str]) -> None:
    """The credential is taken, and nothing else: neither none nor a token alone."""
    assert post(app, headers).status == 200
    assert app.extensions["inbox"].stats().waiting == 1
    refused = [post(app, {}), post(app, {"authorization": f"Bearer {TOKEN}"})]
    refused.append(post(app, {**headers, "verification-token": "wrong-" + TOKEN}))
    assert [reply.status for reply in refused] == [401] * 3


def build_current_token() -> str:
    now = int(datetime.now(UTC).timestamp())
    return jose.build_token(claims=jose.build_claims(iat=now, exp=now + 60))


JWT = {"strategy": "jwt-bearer", "issuer": jose.ISSUER, "audience": jose.AUDIENCE}


def test_a_jwt_is_checked_with_keys_of_the_file(tmp_path: Path) -> None:
    """For a site without a way out."""
    app = build_app({**JWT, "keys": jose.build_key_set("ES256")}, tmp_path)

    check(app, {"authorization": f"Bearer {build_current_token()}"})


def test_a_jwt_is_checked_with_keys_from_elsewhere(tmp_path: Path) -> None:
    """They are fetched when the first token comes."""
    with run_json_server() as server:
        server.answer(jose.build_key_set("ES256"))
        app = build_app({**JWT, "keys_url": server.url}, tmp_path)

        check(app, {"authorization": f"Bearer {build_current_token()}"})


def test_an_opaque_token_is_asked_about(tmp_path: Path) -> None:
    """At the authorization server."""
    with run_json_server() as server:
        server.answer({"active": True, "client_id": "redox", "exp": 4_000_000_000})
        fields = {
            "strategy": "token-introspection",
            "endpoint": server.url,
            "client_id": "ward",
            "client_secret": SECRET,
            "clients": ["redox"],
        }
        app = build_app(fields, tmp_path)

        assert post(app, {"authorization": "Bearer opaque"}).status == 200
        server.answer({"active": False})
        assert post(app, {"authorization": "Bearer another"}).status == 401


def test_aws_signatures_are_checked(tmp_path: Path) -> None:
    """With keys made up for this purpose."""
    fields = {
        "strategy": "aws-sigv4",
        "credentials": {"AKIDEXAMPLE": SECRET},
        "region": "us-east-1",
        "service": "execute-api",
        "expected_hosts": HOST,
    }
    app = build_app(fields, tmp_path)
    headers = sign(
        f"https://{HOST}/redox",
        NOTIFICATION,
        access_key="AKIDEXAMPLE",
        secret=SECRET,
        region="us-east-1",
        service="execute-api",
    )

    check(app, headers)


def test_an_hmac_is_checked(tmp_path: Path) -> None:
    """Whatever header Redox calls it by."""
    fields = {
        "strategy": "hmac-signature",
        "secrets": [SECRET],
        "header": SIGNED,
        "digest": "sha256",
        "encoding": "hex",
    }
    signature = hmac.new(SECRET.encode(), NOTIFICATION, hashlib.sha256).hexdigest()

    check(build_app(fields, tmp_path), {SIGNED: signature})


@pytest.mark.parametrize(
    "fields",
    [
        {
            "strategy": "google-id-token",
            "audience": "https://ours.example/redox",
            "emails": ["redox@project.iam.gserviceaccount.com"],
        },
        {"strategy": "google-token-info", "emails": ["redox@project.example"]},
    ],
    ids=["ID token", "tokeninfo"],
)
def test_google_is_configured(fields: dict[str, Any], tmp_path: Path) -> None:
    """What Google says is not asked here: nothing of a stranger gets so far."""
    app = build_app(fields, tmp_path)

    assert post(app, {}).status == 401
    assert app.extensions["inbox"].stats().waiting == 0


def describe_own_tokens(directory: Path) -> dict[str, Any]:
    """Describe the example as its own authorization server."""
    clients = directory / "clients.json"
    client = {
        "client_id": "redox",
        "client_secret_hashes": [hash_secret(SECRET)],
        "scope": "redox.send",
    }
    clients.write_text(json.dumps({"clients": [client]}))
    return {
        "strategy": "self-issued-token",
        "secret_keys": ["k3y-canary-of-the-token-service-0001"],
        "audience": "https://ward.example/redox",
        "clients": str(clients),
        "token_url": "https://ward.example/oauth/token",
        "replay_store": str(directory / "replay.db"),
        "scopes": ["redox.send"],
    }


def test_the_example_issues_tokens_and_takes_them(tmp_path: Path) -> None:
    """A token endpoint beside the destination, and the documents that tell of it."""
    app = build_app(describe_own_tokens(tmp_path), tmp_path)
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": "redox",
            "client_secret": SECRET,
        }
    )
    issued = send(
        app,
        path="/oauth/token",
        body=form.encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    told = send(app, "GET", path="/.well-known/smart-configuration")
    token = json.loads(issued.body)["access_token"]

    assert json.loads(told.body)["token_endpoint"] == "https://ward.example/oauth/token"
    check(app, {"authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"strategy": None},
        {"strategy": ["jwt-bearer"]},
        {"strategy": "none"},
        {"strategy": "jwt-bearer"},
        {"strategy": "hmac-signature", "secrets": [SECRET], "colour": "blue"},
        {"strategy": "self-issued-token", "secret_keys": [SECRET]},
    ],
    ids=lambda fields: str(fields.get("strategy")),
)
def test_a_wrong_description_is_said_in_a_sentence(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    """Without the secrets in it."""
    with pytest.raises(SettingsError, match="REDOX_AUTHENTICATOR") as raised:
        build_app(fields, tmp_path)
    assert SECRET not in str(raised.value)


def test_a_wrong_argument_is_a_configuration_error(tmp_path: Path) -> None:
    """The class says what is wrong."""
    fields = {**describe_own_tokens(tmp_path), "secret_keys": ["short"]}

    with pytest.raises(ConfigurationError):
        build_app(fields, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "no JSON", None])
def test_a_file_without_an_object_is_named(text: str | None, tmp_path: Path) -> None:
    """Also where there is no such file."""
    file = tmp_path / "authenticator.json"
    if text is not None:
        file.write_text(text)
    environment = {
        "REDOX_VERIFICATION_TOKEN": TOKEN,
        "SECRET_KEY": "k" * 32,
        "REDOX_AUTHENTICATOR": str(file),
    }

    with pytest.raises(SettingsError, match="REDOX_AUTHENTICATOR"):
        read_settings(environment)


def test_redox_gets_a_token_and_sends_with_it_under_gunicorn(tmp_path: Path) -> None:
    """With the file that an operator writes, and the secrets in it shown nowhere."""
    file = tmp_path / "authenticator.json"
    file.write_text(json.dumps(describe_own_tokens(tmp_path)))
    environment = {**build_environment(tmp_path), "REDOX_AUTHENTICATOR": str(file)}
    log = tmp_path / "server.log"
    with run_server(
        "gunicorn gthread",
        "example_app.wsgi:application",
        log,
        *("-c", "example_app/gunicorn.conf.py"),
        env=environment,
    ) as port:
        asked = subprocess.run(
            [sys.executable, "-c", CLIENT, str(port), SECRET],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={"OAUTHLIB_INSECURE_TRANSPORT": "1"},
        )

    assert asked.stdout.split() == ["200", "401"]
    assert SECRET not in log.read_text()


# Another's client of OAuth 2.0, in a process of its own because of its variable.
CLIENT = """
import sys
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

port, secret = sys.argv[1:]
here = f"http://127.0.0.1:{port}"
session = OAuth2Session(client=BackendApplicationClient(client_id="redox"))
session.fetch_token(f"{here}/oauth/token", client_id="redox", client_secret=secret)
print(session.post(f"{here}/redox", data=b"{}").status_code)
session.token["access_token"] = session.access_token = "x" + session.access_token
print(session.post(f"{here}/redox", data=b"{}").status_code)
"""
