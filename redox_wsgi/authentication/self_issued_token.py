"""Access tokens that our own token endpoint issued."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    ConfigurationError,
    InsufficientScope,
    is_scope,
)
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request


class AccessTokenVerifier(Protocol):
    """Verifies access tokens; ``redox_wsgi.oauth.TokenService`` does."""

    def verify(self, token: str) -> Principal:
        """Return whom a token was issued to.

        Raises:
            AuthenticationFailed: It is not valid.
            AuthenticatorUnavailable: Nobody can tell now.
        """


class SelfIssuedToken:
    """Accepts the access tokens that a ``TokenService`` issued.

    Args:
        token_service: The one of the ``TokenEndpoint``, or one with the same secret
            keys and the same audience.
        scopes: What a token must allow, every one of them.

    Raises:
        ConfigurationError: It cannot verify, or a scope is none.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6750
    """

    def __init__(
        self, token_service: AccessTokenVerifier, *, scopes: Iterable[str] = ()
    ) -> None:
        if isinstance(token_service, type) or not callable(
            getattr(token_service, "verify", None)
        ):
            raise ConfigurationError(
                "SelfIssuedToken needs a TokenService: see redox_wsgi.oauth."
            )
        self._tokens = token_service
        if isinstance(scopes, str) or not isinstance(scopes, Iterable):
            raise ConfigurationError("scopes is a collection of names of scopes.")
        names = tuple(scopes)
        if not all(is_scope(name) and " " not in name for name in names):
            raise ConfigurationError("A scope is ASCII without blanks and quotes.")
        self._scopes = frozenset(names)
        self._scope = " ".join(sorted(self._scopes))

    def authenticate(self, request: Request) -> Principal:
        """Check the Bearer token.

        Raises:
            AuthenticationFailed: There is none, or none of our kind, with exactly one
                dot (code ``NO_CREDENTIALS``); or it is not valid.
            InsufficientScope: It is, but lacks a scope.
            AuthenticatorUnavailable: Nobody can tell now.
        """
        token = request.bearer_token()
        if token is None or token.count(".") != 1:
            raise AuthenticationFailed(NO_CREDENTIALS)
        principal = self._tokens.verify(token)
        if not self._scopes <= principal.scopes:
            raise InsufficientScope("missing-scope", scope=self._scope)
        return principal
