"""What the token endpoint tells about itself."""

from __future__ import annotations

from typing import Any

import pytest
from authlib.oauth2.rfc8414 import (  # type: ignore[import-untyped]
    AuthorizationServerMetadata,
)

from redox_wsgi import ConfigurationError
from redox_wsgi.oauth import AssertionRules, Clients, ServerMetadata, TokenEndpoint
from tests.support.oauth import (
    ISSUER,
    JWT_BEARER,
    SCOPES,
    URL,
    build_clients,
    build_endpoint,
    build_tokens,
    read,
)
from tests.support.wsgi import Reply, send

SMART = "/.well-known/smart-configuration"
GENERAL = "/.well-known/oauth-authorization-server"


def get(metadata: ServerMetadata, path: str, **more: Any) -> Reply:
    """Get a document."""
    return send(metadata, more.pop("method", "GET"), path, **more)


def build(**settings: Any) -> ServerMetadata:
    """Describe the endpoint of the tests."""
    endpoint = settings.pop("endpoint", None) or build_endpoint()
    return ServerMetadata(endpoint, **{"url": URL, **settings})


def test_smart_is_told_what_its_guide_demands() -> None:
    """No authentication is needed, and no issuer belongs in it."""
    reply = get(build(scopes=reversed(SCOPES)), SMART)

    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert read(reply) == {
        "token_endpoint": URL,
        "scopes_supported": list(SCOPES),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        "code_challenge_methods_supported": ["S256"],
    }


def test_other_clients_are_told_what_rfc_8414_demands() -> None:
    """All methods and grants that the endpoint has."""
    endpoint = build_endpoint(jwt_bearer=AssertionRules(URL))
    document = read(get(build(endpoint=endpoint), GENERAL))

    assert document == {
        "issuer": ISSUER,
        "token_endpoint": URL,
        "grant_types_supported": ["client_credentials", JWT_BEARER],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "response_types_supported": [],
    }


def test_authlib_finds_the_document_valid() -> None:
    """But for the member that has nothing to list here."""
    document = AuthorizationServerMetadata(read(get(build(), GENERAL)))
    checked = [
        name
        for name in AuthorizationServerMetadata.REGISTRY_KEYS
        if name not in ("response_types_supported", "authorization_endpoint")
    ]

    assert "token_endpoint_auth_methods_supported" in checked
    for name in checked:
        getattr(document, f"validate_{name}")()


@pytest.mark.parametrize("path", [SMART, f"{SMART}/", f"/base{SMART}"])
def test_the_path_decides_which_document_it_is(path: str) -> None:
    """A trailing slash and a prefix make no difference."""
    assert "capabilities" in read(get(build(), path))
    assert "capabilities" not in read(get(build(), GENERAL))


def test_the_host_of_a_request_is_repeated_nowhere() -> None:
    """Else a stranger could send clients, and their secrets, to himself."""
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example"}
    for path in (SMART, GENERAL):
        reply = get(build(), path, headers=headers, SERVER_NAME="evil.example")
        assert b"evil" not in reply.body


def test_an_endpoint_without_assertions_promises_none() -> None:
    """SMART has nothing to offer then."""
    clients = Clients([c for c in build_clients() if c.secret_hashes])
    endpoint = TokenEndpoint(clients, build_tokens(clients=clients))
    metadata = build(endpoint=endpoint)
    smart, general = read(get(metadata, SMART)), read(get(metadata, GENERAL))

    assert smart["token_endpoint_auth_methods_supported"] == []
    assert smart["capabilities"] == []
    assert "token_endpoint_auth_signing_alg_values_supported" not in general
    assert "private_key_jwt" not in general["token_endpoint_auth_methods_supported"]


def test_head_has_no_body_and_other_methods_are_not_allowed() -> None:
    """It is a document, nothing more."""
    head = get(build(), SMART, method="HEAD")
    post = get(build(), SMART, method="POST")

    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    assert (post.status, post.headers["allow"]) == (405, "GET, HEAD")
    assert read(post)["error"] == "method_not_allowed"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "https://other.example/oauth/token"},
        {"scopes": "system/Patient.rs"},
        {"scopes": ["a b"]},
        {"scopes": ['a"b']},
        {"scopes": [1]},
        {"scopes": 1},
        {"endpoint": "x"},
    ],
)
def test_a_wrong_setting_ends_the_start(settings: dict[str, Any]) -> None:
    """Such as an address for which the endpoint refuses assertions."""
    with pytest.raises(ConfigurationError):
        build(**settings)


@pytest.mark.parametrize("name", ["url", "issuer"])
@pytest.mark.parametrize(
    "address",
    [
        "http://ours.example/oauth/token",
        "ours.example/oauth/token",
        f"{URL}?x",
        f"{URL}#x",
        "https:///oauth/token",
        "https://[::1/oauth",
        "ours",
        "",
        1,
    ],
)
def test_a_wrong_address_is_called_by_its_name(name: str, address: Any) -> None:
    """It is none to publish, even if the endpoint took assertions made for it."""
    with pytest.raises(ConfigurationError, match=rf"^{name} (is|holds) "):
        build(**{name: address})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_plain_http_is_for_trying_it_on_ones_own_machine(host: str) -> None:
    """Nobody listens between."""
    url = f"http://{host}:8000/oauth/token"
    endpoint = build_endpoint(assertions=AssertionRules(url))
    document = read(get(build(endpoint=endpoint, url=url), GENERAL))

    assert document["issuer"] == f"http://{host}:8000"
