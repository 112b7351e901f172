"""Which auth credential Redox sends: one JSON object, named by ``REDOX_AUTHENTICATOR``.

Its ``strategy`` chooses a class, everything else are that class's arguments, as in
``{"strategy": "hmac-signature", "secrets": ["..."], "header": "x-signature", ...}``.
``self-issued-token`` serves the token endpoint too, whose tokens it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from example_app.settings import SettingsError
from redox_wsgi.authentication import (
    Authenticator,
    AwsSigV4,
    ClientCredentials,
    GoogleIdToken,
    GoogleTokenInfo,
    HmacSignature,
    JwtBearer,
    KeySet,
    RemoteKeySet,
    SelfIssuedToken,
    SqliteReplayStore,
    StaticKeySet,
    TokenIntrospection,
)
from redox_wsgi.oauth import (
    AssertionRules,
    Clients,
    ServerMetadata,
    TokenEndpoint,
    TokenService,
)

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_METADATA_PATHS = (
    "/.well-known/smart-configuration",
    "/.well-known/oauth-authorization-server",
)


@dataclass(frozen=True, slots=True)
class Credential:
    """What checks a request, and what else has to be served for it.

    Attributes:
        authenticator: Checks what Redox sends.
        applications: Further WSGI applications by their path.
    """

    authenticator: Authenticator
    applications: Mapping[str, WSGIApplication] = field(default_factory=dict)


def build_credential(fields: Mapping[str, Any]) -> Credential:
    """Build what the JSON object describes.

    Raises:
        SettingsError: There is no such strategy, or an argument is missing or unknown.
        redox_wsgi.ConfigurationError: An argument is wrong.
    """
    arguments = dict(fields)
    strategy = arguments.pop("strategy", None)
    given = sorted(arguments)
    build = _STRATEGIES.get(strategy) if isinstance(strategy, str) else None
    if build is None:
        raise SettingsError(
            "REDOX_AUTHENTICATOR needs a strategy, one of: "
            + ", ".join(sorted(_STRATEGIES))
        )
    try:
        return build(arguments)
    # Their texts may quote a value, which may be a secret; the names are none.
    except (KeyError, TypeError) as error:
        raise SettingsError(
            f"REDOX_AUTHENTICATOR: {strategy} lacks an argument, or one of these is "
            f"unknown or of the wrong kind: {', '.join(given) or 'none'}. "
            "See docs/authentication.md."
        ) from error


def _build_jwt_bearer(arguments: dict[str, Any]) -> Credential:
    return Credential(JwtBearer(_take_keys(arguments), **arguments))


def _take_keys(arguments: dict[str, Any]) -> KeySet:
    """Take the keys: ``keys``, a JWK set, or ``keys_url``, where there is one."""
    if "keys_url" in arguments:
        return RemoteKeySet(arguments.pop("keys_url"))
    return StaticKeySet(arguments.pop("keys"))


def _build_introspection(arguments: dict[str, Any]) -> Credential:
    client = ClientCredentials(
        arguments.pop("client_id"), arguments.pop("client_secret")
    )
    return Credential(
        TokenIntrospection(arguments.pop("endpoint"), client, **arguments)
    )


def _build_google_id_token(arguments: dict[str, Any]) -> Credential:
    return Credential(GoogleIdToken(**arguments))


def _build_google_token_info(arguments: dict[str, Any]) -> Credential:
    return Credential(GoogleTokenInfo(**arguments))


def _build_aws_sigv4(arguments: dict[str, Any]) -> Credential:
    return Credential(AwsSigV4(**arguments))


def _build_hmac_signature(arguments: dict[str, Any]) -> Credential:
    return Credential(HmacSignature(**arguments))


def _build_self_issued_token(arguments: dict[str, Any]) -> Credential:
    """Build the token endpoint, its discovery documents and the check of its tokens.

    Its arguments: ``secret_keys``, ``audience``, ``clients`` (a file), ``token_url``,
    ``replay_store`` (a file, for clients that sign) and ``scopes``.
    """
    token_url = arguments.pop("token_url")
    scopes = arguments.pop("scopes", [])
    replay_store = arguments.pop("replay_store", None)
    clients = Clients.from_file(arguments.pop("clients"))
    tokens = TokenService(
        arguments.pop("secret_keys"),
        audience=arguments.pop("audience"),
        clients=clients,
    )
    endpoint = TokenEndpoint(
        clients,
        tokens,
        SqliteReplayStore(replay_store) if replay_store else None,
        assertions=AssertionRules(token_url) if replay_store else None,
        **arguments,
    )
    metadata = ServerMetadata(endpoint, url=token_url, scopes=scopes)
    return Credential(
        SelfIssuedToken(tokens, scopes=scopes),
        {
            urlsplit(token_url).path: endpoint,
            **dict.fromkeys(_METADATA_PATHS, metadata),
        },
    )


_STRATEGIES: dict[str, Callable[[dict[str, Any]], Credential]] = {
    "aws-sigv4": _build_aws_sigv4,
    "google-id-token": _build_google_id_token,
    "google-token-info": _build_google_token_info,
    "hmac-signature": _build_hmac_signature,
    "jwt-bearer": _build_jwt_bearer,
    "self-issued-token": _build_self_issued_token,
    "token-introspection": _build_introspection,
}
