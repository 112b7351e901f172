"""The token endpoint under real servers, asked by other people's clients."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from authlib.oauth2.rfc7523 import PrivateKeyJWT  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from oauthlib.oauth2 import BackendApplicationClient  # type: ignore[import-untyped]
from oauthlib.oauth2.rfc6749.errors import (  # type: ignore[import-untyped]
    InvalidClientError,
    InvalidScopeError,
)
from requests_oauthlib import OAuth2Session as RequestsSession  # type: ignore[import-untyped]

from redox_wsgi.oauth import hash_secret
from tests.support.builders import NOTIFICATION
from tests.support.oauth import (
    FORM,
    SCOPES,
    SECRET,
    STRANGE_SECRET,
    URL,
    assertion,
    build_public_keys,
    private_key,
)
from tests.support.oauth_app import FOLDER
from tests.support.servers import build_raw_request, exchange, run_server
from tests.support.wsgi import Reply

APPLICATION = "tests.support.oauth_app:build()"
CLIENTS = {
    "clients": [
        {
            "client_id": "redox",
            "client_secret_hashes": [hash_secret(SECRET)],
            "scope": " ".join(SCOPES),
        },
        {"client_id": "strange", "client_secret_hashes": [hash_secret(STRANGE_SECRET)]},
        {"client_id": "smart", "jwks": build_public_keys(), "scope": SCOPES[0]},
    ]
}


@contextmanager
def serve(folder: Path, *options: str) -> Iterator[int]:
    """Run the application over a folder; yield its port."""
    (folder / "clients.json").write_text(json.dumps(CLIENTS))
    env = {FOLDER: str(folder)}
    server = run_server("gunicorn sync", APPLICATION, folder / "log", *options, env=env)
    with server as port:
        yield port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one server; return its address."""
    with serve(tmp_path_factory.mktemp("server")) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def private_pem(algorithm: str) -> bytes:
    """Write a client's private key as PEM."""
    pem: bytes = private_key(algorithm).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem


def sign_now(number: object, algorithm: str = "RS384") -> str:
    """Sign an assertion that is valid now."""
    claims = {
        "iss": "smart",
        "sub": "smart",
        "aud": URL,
        "exp": int(time.time()) + 300,
        "jti": f"jti-{number}",
    }
    key = private_key(algorithm)
    return jwt.encode(claims, key, algorithm, {"kid": algorithm.lower()})


def ask_server(port: int, token: str) -> Reply:
    """Ask for a token by an assertion over a socket."""
    body = urlencode(assertion(token)).encode()
    headers = [("content-type", FORM)]
    raw = build_raw_request("POST", "/oauth/token", headers, body)
    reply = exchange(port, raw)
    assert reply is not None
    return reply


def check_use(session: Any, server: str) -> None:
    """Send a transmission with the token that the session got."""
    headers = {"content-type": "application/json"}
    response = session.post(f"{server}/redox", data=NOTIFICATION, headers=headers)

    assert response.status_code == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_gets_a_token_by_its_secret_and_uses_it(
    server: str, method: str
) -> None:
    """A client by other people, over a socket."""
    session = OAuth2Session(
        "redox", SECRET, scope=SCOPES[0], token_endpoint_auth_method=method
    )
    with session:
        token = session.fetch_token(
            f"{server}/oauth/token", grant_type="client_credentials"
        )
        assert (token["expires_in"], token["scope"]) == (300, SCOPES[0])
        check_use(session, server)


def test_authlib_gets_a_token_by_its_signature_and_uses_it(server: str) -> None:
    """It signs for an hour unless told otherwise, which SMART forbids."""
    lifetime = {"exp": int(time.time()) + 300}
    header = {"kid": "rs384"}
    with OAuth2Session(
        "smart", private_pem("RS384"), token_endpoint_auth_method="private_key_jwt"
    ) as session:
        session.register_client_auth_method(
            PrivateKeyJWT(URL, claims=lifetime, headers=header, alg="RS384")
        )
        session.fetch_token(f"{server}/oauth/token", grant_type="client_credentials")
        check_use(session, server)


@pytest.mark.parametrize(
    ("client_id", "secret", "settings"),
    [
        ("redox", SECRET, {}),
        ("strange", STRANGE_SECRET, {}),
        ("redox", SECRET, {"include_client_id": True}),
        ("redox", SECRET, {"include_client_id": True, "auth": False}),
    ],
    ids=["Basic", "Basic with a strange secret", "Basic and its ID", "the body"],
)
def test_requests_oauthlib_gets_a_token_and_uses_it(
    server: str, client_id: str, secret: str, settings: dict[str, Any]
) -> None:
    """It does not form-encode the secret before base64, as many do not."""
    client = BackendApplicationClient(client_id=client_id)
    with RequestsSession(client=client) as session:
        session.fetch_token(
            f"{server}/oauth/token",
            client_id=client_id,
            client_secret=secret,
            **settings,
        )
        check_use(session, server)


def test_other_peoples_clients_understand_the_refusals(server: str) -> None:
    """The error codes are those of RFC 6749."""
    client = BackendApplicationClient(client_id="redox", scope=["other"])
    with RequestsSession(client=client) as session:
        with pytest.raises(InvalidClientError):
            session.fetch_token(f"{server}/oauth/token", client_secret="wrong")
        with pytest.raises(InvalidScopeError):
            session.fetch_token(f"{server}/oauth/token", client_secret=SECRET)
        response = session.post(
            f"{server}/redox", data=NOTIFICATION, withhold_token=True
        )

    assert response.status_code == 401


def test_the_metadata_is_found_where_it_belongs(server: str) -> None:
    """And it names the configured address, not the one that was asked."""
    with RequestsSession(client=BackendApplicationClient("x")) as session:
        for name in ("smart-configuration", "oauth-authorization-server"):
            address = f"{server}/.well-known/{name}"
            response = session.get(address, withhold_token=True)
            assert response.headers["content-type"] == "application/json"
            assert response.json()["token_endpoint"] == URL


def test_of_processes_that_race_one_accepts_each_assertion(tmp_path: Path) -> None:
    """A set in the memory of each worker would accept it four times."""
    tokens = [sign_now(number) for number in range(500)]
    with (
        serve(tmp_path, "--workers", "4", "--backlog", "2048") as port,
        ThreadPoolExecutor(4) as pool,
    ):
        rounds = [
            list(pool.map(lambda _, token=token: ask_server(port, token), range(4)))
            for token in tokens
        ]
    statuses = [sorted(reply.status for reply in replies) for replies in rounds]
    processes = {reply.headers["x-process"] for replies in rounds for reply in replies}

    assert statuses == [[200, 401, 401, 401]] * len(tokens)
    assert len(processes) > 1


def test_a_server_that_was_killed_remembers_what_was_used(tmp_path: Path) -> None:
    """By SIGKILL, right after its answer; and one that was started anew."""
    used = sign_now("used")
    with serve(tmp_path) as port:
        first = ask_server(port, used)
        assert exchange(port, build_raw_request("GET", "/die", [], b"")) is None
        second = ask_server(port, used)
        fresh = ask_server(port, sign_now("fresh"))
    with serve(tmp_path) as port:
        third = ask_server(port, used)

    assert [r.status for r in (first, second, fresh, third)] == [200, 401, 200, 401]
    assert first.headers["x-process"] != second.headers["x-process"]
    assert json.loads(third.body)["error"] == "invalid_client"
