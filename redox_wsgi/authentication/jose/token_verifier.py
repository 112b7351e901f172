"""What every authenticator of signed tokens shares: its settings, and the one check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from redox_wsgi.authentication.jose.json_web_token import (
    UnverifiedToken,
    check_claims,
)
from redox_wsgi.authentication.jose.public_keys import ALGORITHMS
from redox_wsgi.authentication.keys import KeySet, check_jwt_is_installed
from redox_wsgi.authentication.settings import (
    MAX_LEEWAY_SECONDS,
    check_clock,
    check_seconds,
)
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    ConfigurationError,
    is_scope,
)
from redox_wsgi.request import Request

# Longer than any token should live; a date a year ahead is always one.
_MAX_LIFETIME_SECONDS = 366 * 24 * 3600


class TokenVerifier:
    """Verifies tokens of one issuer for one audience.

    Args:
        key_set: The issuer's public keys.
        issuers: The ``iss`` values taken: one, or several spellings of one.
        audience: What ``aud`` must be or hold; or several, of which one suffices.
        accepted_types: The ``typ`` values taken.
        leeway: For clocks that disagree, in seconds.
        max_lifetime: The longest life of a token, in seconds.
        now: The clock: aware, in UTC.
        algorithms: The ``alg`` values taken.

    Raises:
        ConfigurationError: A setting is wrong, or PyJWT is not installed.
    """

    def __init__(
        self,
        key_set: KeySet,
        *,
        issuers: Collection[str],
        audience: str | Collection[str],
        accepted_types: Collection[str],
        leeway: float,
        max_lifetime: float,
        now: Callable[[], datetime],
        algorithms: Collection[str] = ALGORITHMS,
    ) -> None:
        check_jwt_is_installed()
        check_key_set(key_set)
        check_seconds("leeway", leeway, 0, MAX_LEEWAY_SECONDS)
        check_seconds("max_lifetime", max_lifetime, 1, _MAX_LIFETIME_SECONDS)
        check_clock(now)
        self._key_set = key_set
        self._issuers = check_texts("issuer", issuers)
        self._audiences = check_texts(
            "audience", [audience] if isinstance(audience, str) else audience
        )
        self._types = check_texts("accepted_types", accepted_types)
        self._leeway = leeway
        self._max_lifetime = max_lifetime
        self._now = now
        self._algorithms = algorithms

    def read(self, request: Request) -> UnverifiedToken:
        """Take the Bearer token of a request apart.

        Raises:
            AuthenticationFailed: There is none, or one without two dots (code
                ``NO_CREDENTIALS``), which another authenticator may know; or it is
                malformed or of another type.
        """
        token = request.bearer_token()
        if token is None or token.count(".") < 2:  # noqa: PLR2004 - three parts
            raise AuthenticationFailed(NO_CREDENTIALS)
        return UnverifiedToken.parse(
            token, accepted_types=self._types, algorithms=self._algorithms
        )

    def verify(
        self, token: UnverifiedToken, required: Collection[str]
    ) -> dict[str, Any]:
        """Return the claims of a token that is right.

        Args:
            token: As ``read`` returns it.
            required: The claims that must be there besides ``iss``, ``aud``, ``exp``.

        Raises:
            AuthenticationFailed: The signature or a claim is wrong.
            AuthenticatorUnavailable: The key set cannot tell.
        """
        claims = token.verify(self._key_set)
        check_claims(
            claims,
            issuer=self._issuers,
            audience=self._audiences,
            now=self._now(),
            leeway=self._leeway,
            max_lifetime=self._max_lifetime,
            required=required,
        )
        return claims


def check_texts(name: str, texts: object, *, at_least: int = 1) -> tuple[str, ...]:
    """Return a setting that is several texts as a tuple.

    Raises:
        ConfigurationError: It is a single text, whose characters would count as texts;
            or they are too few, or one is empty or no text.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Collection):
        raise ConfigurationError(f"{name} takes a list of texts, not a single value.")
    several = tuple(texts)
    if len(several) < at_least or not all(
        isinstance(text, str) and text for text in several
    ):
        raise ConfigurationError(f"{name} must be text that is not empty.")
    return several


def check_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """Return the names of a scope as a tuple.

    Raises:
        ConfigurationError: One of them is no such name.
    """
    names = check_texts("scopes", scopes, at_least=0)
    if not all(is_scope(name) and " " not in name for name in names):
        raise ConfigurationError("A scope is ASCII without blanks and quotes.")
    return names


def check_key_set(key_set: object) -> None:
    """Raise ``ConfigurationError`` unless this is a ``KeySet``."""
    # A dict has get() too, and answers None for an unknown key.
    if isinstance(key_set, type | Mapping) or not callable(
        getattr(key_set, "get", None)
    ):
        raise ConfigurationError(
            "A key set has get(key_id); give a StaticKeySet or a RemoteKeySet."
        )
