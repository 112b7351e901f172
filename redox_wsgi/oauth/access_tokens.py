"""Access tokens of our own: signed, short-lived, and of use to nobody but us.

They are no JWTs, so that there is no algorithm to choose and nothing to confuse them
with. Do not log them: who has one may send.
"""

from __future__ import annotations

import contextlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NoReturn

import msgspec

from redox_wsgi.authentication.jose.encoding import decode_base64url
from redox_wsgi.authentication.settings import MAX_LEEWAY_SECONDS, check_clock
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import AuthenticationFailed, ConfigurationError
from redox_wsgi.oauth.clients import (
    NOBODY,
    ClientRegistry,
    check_is_registry,
    find_client,
)
from redox_wsgi.oauth.settings import check_seconds
from redox_wsgi.principal import Principal

SCHEME = "self-issued-token"

#: Separates these signatures from any other made with the same secret keys.
SALT = "redox_wsgi.access-token.v1"

DEFAULT_LIFETIME_SECONDS = 300
MAX_LIFETIME_SECONDS = 3600
MIN_KEY_BYTES = 32

# Exactly one dot, and a signature of 32 bytes in its one canonical spelling: the signer
# skips foreign characters and ignores the last two bits.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,6000}\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    aud: str
    client_id: str
    exp: int
    iat: int
    scope: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Payload).decode


class TokenService:
    """Issues and verifies the access tokens of one audience.

    Nothing is stored: a token is revoked by removing its client, or its secret key.

    Args:
        secret_keys: One secret key of at least 32 bytes, or several while it is
            rotated, the newest last: it signs, and all verify. Keep an old one for
            ``lifetime_seconds`` and ``leeway_seconds`` more. They are the same in every
            worker: read them from where secrets are kept.
        audience: For what the tokens are good, such as the destination's address; a
            token of another audience is refused though the secret keys are the same.
        clients: Who has been removed can use no token any more.
        lifetime_seconds: How long a token is valid, at most 3600.
        leeway_seconds: By how much the clocks of hosts may differ, at most 300.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: A setting is wrong, or itsdangerous is not installed.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-1.4
    """

    def __init__(
        self,
        secret_keys: str | bytes | Sequence[str | bytes],
        *,
        audience: str,
        clients: ClientRegistry,
        lifetime_seconds: int = DEFAULT_LIFETIME_SECONDS,
        leeway_seconds: int = 60,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        try:
            from itsdangerous import Signer  # noqa: PLC0415 - optional
        except ImportError as error:
            raise ConfigurationError(
                "Access tokens are signed by itsdangerous: "
                'pip install "redox_wsgi[oauth]".'
            ) from error
        if not isinstance(audience, str) or not audience:
            raise ConfigurationError("The audience of access tokens is some text.")
        check_is_registry(clients)
        check_clock(now)
        check_seconds("lifetime_seconds", lifetime_seconds, 1, MAX_LIFETIME_SECONDS)
        check_seconds("leeway_seconds", leeway_seconds, 0, MAX_LEEWAY_SECONDS)
        self.audience = audience
        self.lifetime_seconds = lifetime_seconds
        self._leeway_seconds = leeway_seconds
        self._clients = clients
        self._now = now
        # What URLSafeSerializer does, without its compression: a token always has one
        # dot, so that nobody takes it for a JWT. By default SHA-1 would sign. The keys
        # are derived once, not for every token.
        keys = _check_keys(secret_keys)
        options: dict[str, Any] = {"salt": SALT, "digest_method": sha256}
        derive = Signer(keys, key_derivation="hmac", **options).derive_key
        derived = [derive(key) for key in keys]
        self._signer = Signer(derived, key_derivation="none", **options)

    def issue(self, client_id: str, scopes: Iterable[str]) -> str:
        """Issue an access token.

        Args:
            client_id: The client that was authenticated.
            scopes: What it is granted.

        Returns:
            The token: letters, digits, ``-``, ``_`` and one dot.
        """
        issued_at = int(self._now().timestamp())
        payload = _Payload(
            aud=self.audience,
            client_id=client_id,
            exp=issued_at + self.lifetime_seconds,
            iat=issued_at,
            scope=" ".join(scopes),
        )
        body = urlsafe_b64encode(_encode(payload)).rstrip(b"=")
        signed: bytes = self._signer.sign(body)
        return signed.decode("ascii")

    def verify(self, token: str) -> Principal:
        """Check an access token.

        Returns:
            Whom it was issued to, with the scopes that were granted and that the client
            still has.

        Raises:
            AuthenticationFailed: It is not ours, has expired, is of another audience,
                or its client has been removed.
            AuthenticatorUnavailable: Nobody can tell whether the client still exists.
        """
        payload = self._open(token)
        now = self._now().timestamp()
        if payload.exp + self._leeway_seconds <= now:
            raise AuthenticationFailed("expired-access-token")
        if payload.iat - self._leeway_seconds > now:
            raise AuthenticationFailed("access-token-of-the-future")
        if payload.aud != self.audience:
            raise AuthenticationFailed("wrong-audience")
        client = find_client(self._clients, payload.client_id)
        if client is NOBODY:
            raise AuthenticationFailed("unknown-client")
        claims: dict[str, Any] = {
            "aud": payload.aud,
            "client_id": payload.client_id,
            "exp": payload.exp,
            "iat": payload.iat,
        }
        return Principal(
            SCHEME,
            payload.client_id,
            client.scopes.intersection(payload.scope.split()),
            MappingProxyType(claims),
        )

    def _open(self, token: str) -> _Payload:
        if not _TOKEN.fullmatch(token):
            raise AuthenticationFailed("malformed-access-token")
        body, _, signature = token.partition(".")
        if not self._signer.verify_signature(body, signature):
            raise AuthenticationFailed("wrong-access-token")
        try:
            return _decode(decode_base64url(body))
        # Signed by us, and yet not what we issue now: that of another version.
        except ValueError as error:
            raise AuthenticationFailed("foreign-access-token") from error

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied, since the secret keys would be.

        Raises:
            TypeError: Always.
        """
        raise TypeError("A TokenService holds secret keys and is not pickled.")


def _check_keys(secret_keys: object) -> list[bytes]:
    listed = [secret_keys] if isinstance(secret_keys, str | bytes) else secret_keys
    if not isinstance(listed, Sequence) or not listed:
        raise ConfigurationError(
            "No secret key is configured: make one with redox-wsgi keys new."
        )
    keys = []
    for number, key in enumerate(listed):
        encoded = _encode_key(key)
        if encoded is None or len(encoded) < MIN_KEY_BYTES:
            raise ConfigurationError(
                f"The secret key with index {number} is no text, or has fewer than "
                f"{MIN_KEY_BYTES} bytes: make one with redox-wsgi keys new."
            )
        keys.append(encoded)
    return keys


def _encode_key(key: object) -> bytes | None:
    # Suppressed: the error of the encoder would hold the key. A variable with bytes
    # that are no text leads to it.
    with contextlib.suppress(UnicodeEncodeError):
        encoded = key.encode("utf-8") if isinstance(key, str) else key
        if isinstance(encoded, bytes):
            return encoded
    return None
