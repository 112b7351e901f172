"""Google's access tokens, about which Google is asked: weak, see the class.

Do not use this where another auth strategy is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import msgspec

from redox_wsgi.authentication.jose.encoding import parse_object
from redox_wsgi.authentication.jose.token_verifier import check_scopes, check_texts
from redox_wsgi.authentication.outgoing.fetching import (
    DEFAULT_TIMEOUT_SECONDS,
    Answer,
    Fetcher,
)
from redox_wsgi.authentication.outgoing.verdicts import (
    Accepted,
    Refused,
    Verdict,
    Verdicts,
    lacks_scopes,
)
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import AuthenticationFailed, ConfigurationError
from redox_wsgi.principal import Principal

if TYPE_CHECKING:
    import ssl

    from redox_wsgi.request import Request

SCHEME = "google-token-info"

#: Where Google tells about its tokens.
ENDPOINT = "https://oauth2.googleapis.com/tokeninfo"

_MAX_BYTES = 64 * 1024

_OK = 200
_BAD_REQUEST = 400

# Seconds since 1970 as Google writes them, in quotes; up to the year 9999.
_Moment = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,11}\Z")]


class _TokenInfo(msgspec.Struct):
    exp: _Moment
    azp: str
    scope: str = ""
    sub: str | None = None
    email: str | None = None
    email_verified: str | bool = False


class _Error(msgspec.Struct):
    error: str = ""
    error_description: str = ""


class GoogleTokenInfo:
    """Weak: accepts an access token for Google's own services, if Google knows it.

    Such a token says nothing about us. Whoever is given one in the same place, such as
    another receiver of the same sender, can call us with it, and we could call Google
    with it. ``GoogleIdToken`` does not suffer from that; every other strategy of Redox
    is better, too. Google also gives no promise to answer many questions.

    Args:
        emails: Addresses of service accounts; Google must have verified them. The token
            tells its account only if it has the scope
            ``https://www.googleapis.com/auth/userinfo.email``.
        clients: The ``azp`` values taken, for a service account its numeric ID. Where
            both lists are given, the token has to pass both.
        scopes: The names that ``scope`` has to hold, all of them.
        endpoint: Where Google is asked.
        cache_seconds: How long an answer is kept, in seconds: that long a revoked token
            is still accepted. 0 asks for every request.
        timeout_seconds: The longest that a question takes, in seconds.
        proxy: The address of a proxy for the way out; see ``Fetcher``.
        tls: Trusts something else than the certificates of this system.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: Neither ``emails`` nor ``clients`` is given, or a setting is
            wrong.

    Spec:
        https://cloud.google.com/docs/authentication/token-types#access
    """

    def __init__(
        self,
        emails: Collection[str] = (),
        *,
        clients: Collection[str] = (),
        scopes: Collection[str] = (),
        endpoint: str = ENDPOINT,
        cache_seconds: float = 60,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._emails = check_texts("emails", emails, at_least=0)
        self._clients = check_texts("clients", clients, at_least=0)
        if not (self._emails or self._clients):
            raise ConfigurationError(
                "Give emails= or clients=: without them, any customer of Google could "
                "send."
            )
        self._scopes = check_scopes(scopes)
        self._now = now
        self._fetcher = Fetcher(
            endpoint,
            "token-info",
            max_bytes=_MAX_BYTES,
            timeout_seconds=timeout_seconds,
            proxy=proxy,
            tls=tls,
        )
        self._verdicts = Verdicts(
            self._ask,
            cache_seconds=cache_seconds,
            wait_seconds=timeout_seconds,
            now=now,
        )

    def authenticate(self, request: Request) -> Principal:
        """Check the Bearer token, by a question if the answer is not known.

        Returns:
            A principal whose subject is the account's address, or else the client.

        Raises:
            AuthenticationFailed: There is no token (code ``NO_CREDENTIALS``), or it is
                malformed, expired, unknown to Google or not of a listed account.
            InsufficientScope: It lacks a scope.
            AuthenticatorUnavailable: Google did not tell.
        """
        return self._verdicts.find(request)

    def _ask(self, token: str) -> Verdict:
        # In the body: addresses are written into the logs of whatever stands between.
        answer = self._fetcher.post({"access_token": token})
        try:
            if answer.status == _OK:
                info = msgspec.convert(parse_object(answer.body), _TokenInfo)
                return self._judge(info)
            return self._read_refusal(answer)
        # An answer of another shape, or of two meanings, is Google's fault and not the
        # sender's.
        except ValueError:
            pass
        # Outside the except clause: the original error may quote the answer.
        raise self._fetcher.fault("malformed")

    def _read_refusal(self, answer: Answer) -> Verdict:
        # Google says so of a token that it does not know, or knows no longer.
        if answer.status == _BAD_REQUEST:
            error = msgspec.convert(parse_object(answer.body), _Error)
            if "invalid_token" in (error.error, error.error_description) or (
                error.error_description == "Invalid Value"
            ):
                return Refused(partial(AuthenticationFailed, "inactive-token"))
        raise self._fetcher.fault("bad-status")

    def _judge(self, info: _TokenInfo) -> Verdict:
        expires_at = datetime.fromtimestamp(int(info.exp), UTC)
        if expires_at <= self._now():
            return Refused(partial(AuthenticationFailed, "expired-token"))
        email = info.email if info.email_verified in (True, "true") else None
        if (self._clients and info.azp not in self._clients) or (
            self._emails and email not in self._emails
        ):
            return Refused(partial(AuthenticationFailed, "unknown-account"))
        scopes = frozenset(info.scope.split(" ")) - {""}
        if not scopes.issuperset(self._scopes):
            return lacks_scopes(self._scopes)
        claims = {"azp": info.azp, "sub": info.sub, "email": email}
        known = {name: value for name, value in claims.items() if value is not None}
        principal = Principal(
            SCHEME, email or info.azp, scopes, MappingProxyType(known)
        )
        return Accepted(principal, expires_at)
