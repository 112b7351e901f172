"""ID tokens of Google service accounts, as Redox's strategy for GCP may send them.

Do not widen the list of accounts to be safe: any customer of Google can have a token
made for any audience, so the list is what authenticates.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from redox_wsgi.authentication.jose.token_verifier import (
    TokenVerifier,
    check_texts,
)
from redox_wsgi.authentication.keys import KeySet
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import AuthenticationFailed, ConfigurationError
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request

SCHEME = "google-id-token"

#: Google's public keys, as its discovery document names them.
#: -- https://accounts.google.com/.well-known/openid-configuration
KEYS_URL = "https://www.googleapis.com/oauth2/v3/certs"

# Both spellings are Google's.
# -- https://developers.google.com/identity/openid-connect/openid-connect
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")

# Besides the three that any token needs.
_REQUIRED = ("sub", "iat")


class GoogleIdToken:
    """Accepts an ID token that Google made for one of the listed accounts.

    Args:
        audience: The URL of this destination, exactly as configured in Redox; or
            several, of which one suffices.
        emails: Addresses of service accounts; Google must have verified them.
        subjects: Numeric IDs of accounts (``sub``), which unlike addresses are never
            given to another account. An account in either list is taken.
        key_set: Google's keys; by default fetched from ``KEYS_URL`` when needed.
        leeway: For clocks that disagree, in seconds, at most 300.
        max_lifetime: The longest life of a token, in seconds.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: Neither list is given, another setting is wrong, or PyJWT is
            not installed.

    Spec:
        https://cloud.google.com/docs/authentication/token-types#id
    """

    def __init__(
        self,
        audience: str | Collection[str],
        emails: Collection[str] = (),
        *,
        subjects: Collection[str] = (),
        key_set: KeySet | None = None,
        leeway: float = 60,
        max_lifetime: float = 3600,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._emails = check_texts("emails", emails, at_least=0)
        self._subjects = check_texts("subjects", subjects, at_least=0)
        if not (self._emails or self._subjects):
            raise ConfigurationError(
                "Give emails= or subjects=: without them, any customer of Google "
                "could send."
            )
        self._verifier = TokenVerifier(
            _fetch_from_google(now) if key_set is None else key_set,
            issuers=_ISSUERS,
            audience=audience,
            accepted_types=("JWT",),
            leeway=leeway,
            max_lifetime=max_lifetime,
            now=now,
            algorithms=("RS256",),
        )

    def authenticate(self, request: Request) -> Principal:
        """Check the Bearer token of a request.

        Returns:
            A principal whose subject is the address or ID by which it was taken.

        Raises:
            AuthenticationFailed: There is no Bearer token, or one without two dots
                (code ``NO_CREDENTIALS``); or it is malformed, wrong or of an account
                that is not listed.
            AuthenticatorUnavailable: Google's keys cannot be had.
        """
        token = self._verifier.read(request)
        claims = self._verifier.verify(token, _REQUIRED)
        account = self._find_account(claims)
        return Principal(SCHEME, account, claims=MappingProxyType(claims))

    def _find_account(self, claims: Mapping[str, Any]) -> str:
        email = claims.get("email")
        # True itself: "false" and 1 are true as well.
        if email in self._emails and claims.get("email_verified") is True:
            return str(email)
        if claims["sub"] in self._subjects:
            return str(claims["sub"])
        raise AuthenticationFailed("unknown-account")


def _fetch_from_google(now: Callable[[], datetime]) -> KeySet:
    # Nobody else has to load an HTTP client.
    from redox_wsgi.authentication.remote_keys import (  # noqa: PLC0415
        RemoteKeySet,
    )

    return RemoteKeySet(KEYS_URL, rsa_algorithm="RS256", now=now)
