"""Access tokens that are JSON Web Tokens: of an authorization server, or self-signed.

Do not accept ``typ: JWT`` without need: an ID token, made for a person, bears it too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from redox_wsgi.authentication.jose.json_web_token import (
    UnverifiedToken,
    normalise_type,
)
from redox_wsgi.authentication.jose.token_verifier import (
    TokenVerifier,
    check_scopes,
    check_texts,
)
from redox_wsgi.authentication.keys import KeySet
from redox_wsgi.authentication.replay import (
    ReplayStore,
    check_is_replay_store,
    use_once,
)
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InsufficientScope,
)
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request

SCHEME = "jwt"

# What the profile for access tokens demands besides the three that any token needs.
# -- https://www.rfc-editor.org/rfc/rfc9068#section-2.2
_REQUIRED = ("sub", "client_id", "iat", "jti")

# Claims of ID tokens and of logout tokens, which no access token has.
# -- https://openid.net/specs/openid-connect-core-1_0.html#IDToken and
# https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
_NOT_OF_ACCESS_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "events"})


class JwtBearer:
    """Accepts a signed JSON Web Token as Bearer token.

    Args:
        key_set: The issuer's public keys: a ``StaticKeySet`` or ``RemoteKeySet``.
        issuer: The only ``iss`` taken, compared exactly.
        audience: What ``aud`` must be or hold, as configured in Redox; or several, of
            which one suffices.
        accepted_types: The ``typ`` values taken. ``JWT`` needs ``clients`` or
            ``scopes`` besides.
        scopes: The names that ``scope`` has to hold, all of them.
        clients: If given, ``client_id`` and ``azp``, at least one of which there must
            be, are among these. In a token with neither that its bearer has signed
            himself, ``sub``, which equals ``iss`` then.
        leeway: For clocks that disagree, in seconds, at most 300.
        max_lifetime: The longest life of a token, in seconds.
        replay_store: Takes every ``jti`` once, if given. Only where the sender makes a
            new token for each request.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: A setting is missing or wrong, or PyJWT is not installed.

    Spec:
        https://www.rfc-editor.org/rfc/rfc9068
    """

    def __init__(
        self,
        key_set: KeySet,
        issuer: str,
        audience: str | Collection[str],
        *,
        accepted_types: Collection[str] = ("at+jwt", "application/at+jwt"),
        scopes: Collection[str] = (),
        leeway: float = 60,
        max_lifetime: float = 3600,
        clients: Collection[str] | None = None,
        replay_store: ReplayStore | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._verifier = TokenVerifier(
            key_set,
            issuers=[issuer],
            audience=audience,
            accepted_types=accepted_types,
            leeway=leeway,
            max_lifetime=max_lifetime,
            now=now,
        )
        self._clients = None if clients is None else check_texts("clients", clients)
        self._scopes = check_scopes(scopes)
        types = [normalise_type(media_type) for media_type in accepted_types]
        if "application/jwt" in types and not (self._clients or self._scopes):
            raise ConfigurationError(
                'ID tokens are of type "JWT" too: give clients= or scopes=, which tell '
                "an access token from them."
            )
        if replay_store is not None:
            check_is_replay_store(replay_store)
        self._replay_store = replay_store
        self._leeway = leeway

    def authenticate(self, request: Request) -> Principal:
        """Check the Bearer token of a request.

        Returns:
            A principal whose subject is the client.

        Raises:
            AuthenticationFailed: There is no Bearer token, or one without two dots
                (code ``NO_CREDENTIALS``); or it is malformed, wrong or used before.
            InsufficientScope: It lacks a scope.
            AuthenticatorUnavailable: The key set or the replay store cannot tell.
        """
        token = self._verifier.read(request)
        claims = self._verifier.verify(token, self._list_required(token))
        # "Mutually exclusive validation rules": an ID token may name a client too.
        # -- https://www.rfc-editor.org/rfc/rfc8725#section-3.12
        if not _NOT_OF_ACCESS_TOKENS.isdisjoint(claims):
            raise AuthenticationFailed("no-access-token")
        client = self._check_client(claims)
        scopes = self._check_scopes(claims)
        if self._replay_store is not None:
            self._burn(self._replay_store, claims)
        return Principal(SCHEME, client, scopes, MappingProxyType(claims))

    def _list_required(self, token: UnverifiedToken) -> tuple[str, ...]:
        is_access_token = token.media_type == "application/at+jwt"
        required = _REQUIRED if is_access_token else ()
        return required if self._replay_store is None else (*required, "jti")

    def _check_client(self, claims: Mapping[str, Any]) -> str:
        named = [claims[name] for name in ("client_id", "azp") if name in claims]
        if not named and claims.get("sub") == claims["iss"]:
            named = [claims["sub"]]
        if self._clients is not None and not (
            named and all(client in self._clients for client in named)
        ):
            raise AuthenticationFailed("unknown-client")
        subject: str = named[0] if named else claims.get("sub", claims["iss"])
        return subject

    def _check_scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        scopes = frozenset(claims.get("scope", "").split(" ")) - {""}
        if not scopes.issuperset(self._scopes):
            raise InsufficientScope("missing-scope", scope=" ".join(self._scopes))
        return scopes

    def _burn(self, store: ReplayStore, claims: Mapping[str, Any]) -> None:
        """Take a token once; last of all, so that only right tokens fill the store."""
        named = json.dumps([SCHEME, claims["iss"], claims["jti"]])
        key = sha256(named.encode("ascii")).hexdigest()
        expires_at = math.ceil(claims["exp"] + self._leeway)
        if not use_once(store, key, datetime.fromtimestamp(expires_at, UTC)):
            raise AuthenticationFailed("replayed-token")
