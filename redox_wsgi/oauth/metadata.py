"""What the token endpoint tells about itself, at two well-known addresses.

Everything is from configuration: an answer that repeated the ``Host`` of a request
would send clients wherever a stranger wants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from redox_wsgi.authentication.outgoing.connecting import (
    host_of,
    is_loopback,
    parse_address,
)
from redox_wsgi.errors import ConfigurationError, is_scope
from redox_wsgi.oauth.clients import CLIENT_CREDENTIALS
from redox_wsgi.oauth.endpoint import TokenEndpoint
from redox_wsgi.request import Request
from redox_wsgi.response import Response, build_error

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_SMART = "smart-configuration"


class ServerMetadata:
    """A WSGI application that describes a token endpoint; no credentials are needed.

    Mount it at ``/.well-known/smart-configuration``, which it answers in the words of
    SMART, and at ``/.well-known/oauth-authorization-server`` for RFC 8414.

    Args:
        endpoint: The token endpoint.
        url: Its public address, with ``https`` (or ``http`` on the loopback).
        issuer: The issuer's address; by default ``url`` without its path.
        scopes: The scopes to publish. Those of the clients are theirs to know.

    Raises:
        ConfigurationError: An address is none, or the endpoint would refuse assertions
            made for either address.

    Spec:
        https://hl7.org/fhir/smart-app-launch/conformance.html and
        https://www.rfc-editor.org/rfc/rfc8414#section-2
    """

    def __init__(
        self,
        endpoint: TokenEndpoint,
        *,
        url: str,
        issuer: str | None = None,
        scopes: Iterable[str] = (),
    ) -> None:
        if not isinstance(endpoint, TokenEndpoint):
            raise ConfigurationError("ServerMetadata describes a TokenEndpoint.")
        origin = _check_address("url", url)
        issuer = origin if issuer is None else issuer
        _check_address("issuer", issuer)
        listed = list(scopes) if isinstance(scopes, Iterable) else [None]
        if isinstance(scopes, str) or any(
            not is_scope(name) or " " in name for name in listed
        ):
            raise ConfigurationError("scopes is a collection of names of scopes.")
        listed.sort()
        rules = endpoint.assertions
        if rules is not None and {url, issuer}.isdisjoint(rules.audiences):
            raise ConfigurationError(
                "Clients that follow the metadata would be refused: neither url nor "
                "issuer is among the audiences of the endpoint's assertions."
            )
        shared: dict[str, Any] = {"token_endpoint": url}
        if listed:
            shared["scopes_supported"] = listed
        algorithms = {
            "token_endpoint_auth_signing_alg_values_supported": rules.algorithms
            if rules
            else []
        }
        self._smart = _build({**shared, **_describe_smart(endpoint), **algorithms})
        self._general = _build(
            {
                "issuer": issuer,
                **shared,
                "grant_types_supported": endpoint.grants,
                "token_endpoint_auth_methods_supported": endpoint.methods,
                **(algorithms if rules else {}),
                # Required, though there is no authorization endpoint to ask.
                # -- https://www.rfc-editor.org/rfc/rfc8414#section-2
                "response_types_supported": [],
            }
        )

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a GET with the document of the path."""
        request = Request(environ)
        if request.method not in ("GET", "HEAD"):
            response = build_error(405, "method_not_allowed", "Allow", "GET, HEAD")
        elif environ.get("PATH_INFO", "").rstrip("/").endswith(f"/{_SMART}"):
            response = self._smart
        else:
            response = self._general
        start_response(response.status_line, response.header_list)
        return [] if request.method == "HEAD" else [response.body]


def _describe_smart(endpoint: TokenEndpoint) -> dict[str, Any]:
    # SMART knows one method for servers that speak to servers.
    method = "private_key_jwt"
    is_smart = method in endpoint.methods
    return {
        "grant_types_supported": [CLIENT_CREDENTIALS],
        "token_endpoint_auth_methods_supported": [method] if is_smart else [],
        "capabilities": ["client-confidential-asymmetric", "permission-v2"]
        if is_smart
        else [],
        # Required of every server, and without meaning for one without this grant.
        # -- https://hl7.org/fhir/smart-app-launch/conformance.html
        "code_challenge_methods_supported": ["S256"],
    }


def _build(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, separators=(",", ":")).encode("ascii"))


def _check_address(name: str, address: str) -> str:
    """Return the address without its path, if it is one to publish."""
    parts = parse_address(address, name)
    is_safe = parts.scheme == "https" or is_loopback(host_of(parts))
    if not is_safe or parts.query:
        raise ConfigurationError(
            f"{name} is an address with https, without query and fragment."
        )
    return f"{parts.scheme}://{parts.netloc}"
