"""Verify a signed JSON Web Token, strictly and in one order; decide nothing more.

Read ``UnverifiedToken.parse``, ``verify`` and ``check_claims`` from top to bottom:
cheap checks stand in front, since one signature costs up to a millisecond. Do not trust
anything before ``verify`` returns; do not add symmetric algorithms or decryption.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from redox_wsgi.authentication.jose.encoding import decode_base64url, parse_object
from redox_wsgi.authentication.jose.public_keys import ALGORITHMS
from redox_wsgi.authentication.keys import KeySet, VerificationKey, is_key_id
from redox_wsgi.errors import (
    AuthenticationFailed,
    AuthenticatorUnavailable,
    DeliveryFailed,
    RequestRejected,
)

#: What a server takes as one header, about; a longer token could not arrive.
MAX_TOKEN_CHARACTERS = 8192

# Never decrypted: an encrypted token has five parts.
# -- https://www.rfc-editor.org/rfc/rfc7515#section-7.1
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

# Keys that the sender brings along, addresses to fetch them from, extensions that must
# be understood, compression, encryption, nesting: no sender needs one of them.
_FORBIDDEN_HEADERS = frozenset(
    {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "p2c", "cty"}
)

# The year 10000, in seconds: no date reaches it.
_END_OF_TIME = 253_402_300_800

_NAMES = ("iss", "sub", "jti", "client_id", "azp")
_TIMES = ("exp", "nbf", "iat")

_logger = logging.getLogger("redox_wsgi")

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _refusing(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Refuse the token where the function raises what nobody foresaw."""

    @wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except (RequestRejected, DeliveryFailed):
            raise
        # A token that breaks its checker must not be a 500, nor be sent again for ever
        # as if we were down. Its text may quote the token.
        except Exception as error:
            _logger.error("A token was refused for a %s.", type(error).__name__)
            raise AuthenticationFailed("internal") from error

    return guarded


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token of the right form, of which nothing is proved yet.

    Attributes:
        header: Its header, parsed.
        key_id: The ``kid``, or None.
        algorithm: The ``alg``, one of ``ALGORITHMS``.
        media_type: The ``typ``, as ``normalise_type`` returns it.
    """

    header: Mapping[str, Any] = field(repr=False)
    key_id: str | None = field(repr=False)
    algorithm: str
    media_type: str
    _signed: bytes = field(repr=False)
    _payload: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    @classmethod
    @_refusing
    def parse(
        cls,
        token: str,
        *,
        accepted_types: Collection[str],
        allowed_headers: frozenset[str] = frozenset(),
        algorithms: Collection[str] = ALGORITHMS,
    ) -> UnverifiedToken:
        """Take a token apart, and refuse what needs no key to be refused.

        Args:
            token: As sent.
            accepted_types: The ``typ`` values taken.
            allowed_headers: Members of the header taken though they are refused by
                default; the caller has to check them.
            algorithms: The ``alg`` values taken.

        Raises:
            AuthenticationFailed: Code ``malformed-token``, ``forbidden-header``,
                ``malformed-key-id``, ``wrong-type`` or ``wrong-algorithm``.

        Spec:
            https://www.rfc-editor.org/rfc/rfc7515#section-5.2
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not _COMPACT.fullmatch(token):
            raise AuthenticationFailed("malformed-token")
        signed, _, signature = token.rpartition(".")
        header_text, _, payload = signed.partition(".")
        try:
            decoded = decode_base64url(payload), decode_base64url(signature)
            header = parse_object(decode_base64url(header_text))
        except ValueError as error:
            raise AuthenticationFailed("malformed-token") from error
        if not _FORBIDDEN_HEADERS.isdisjoint(header.keys() - allowed_headers):
            raise AuthenticationFailed("forbidden-header")
        key_id = header.get("kid")
        if "kid" in header and not is_key_id(key_id):
            raise AuthenticationFailed("malformed-key-id")
        media_type = normalise_type(header.get("typ"))
        if not media_type or media_type not in map(normalise_type, accepted_types):
            raise AuthenticationFailed("wrong-type")
        # That it is the one of the key comes later; this ends "none" before anything
        # is asked for keys.
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in algorithms:
            raise AuthenticationFailed("wrong-algorithm")
        return cls(
            header, key_id, algorithm, media_type, signed.encode("ascii"), *decoded
        )

    @_refusing
    def read_unverified_issuer(self) -> str | None:
        """Return ``iss``, to find whose keys shall verify the token.

        Anybody may have written it: use it for a look-up and nothing else.

        Raises:
            AuthenticationFailed: The claims are malformed (code ``malformed-claims``).
        """
        issuer = self._parse_claims().get("iss")
        return issuer if isinstance(issuer, str) else None

    @_refusing
    def verify(self, key_set: KeySet) -> dict[str, Any]:
        """Check the signature; the claims are the issuer's then, but not yet checked.

        Args:
            key_set: Where the key is looked up.

        Returns:
            The claims, parsed, not yet checked: see ``check_claims``.

        Raises:
            AuthenticationFailed: Code ``unknown-key``, ``wrong-algorithm``,
                ``bad-signature`` or ``malformed-claims``.
            AuthenticatorUnavailable: The key set cannot tell now.
        """
        key = _get_key(key_set, self.key_id)
        # "Each key MUST be used with exactly one algorithm."
        # -- https://www.rfc-editor.org/rfc/rfc8725#section-3.1
        if self.algorithm != key.algorithm:
            raise AuthenticationFailed("wrong-algorithm")
        if not _verify_signature(self._signed, self._signature, key.algorithm, key.key):
            raise AuthenticationFailed("bad-signature")
        return self._parse_claims()

    def _parse_claims(self) -> dict[str, Any]:
        try:
            return parse_object(self._payload)
        except ValueError as error:
            raise AuthenticationFailed("malformed-claims") from error


def normalise_type(media_type: object) -> str:
    """Return a ``typ`` in one spelling; of what cannot be one, the empty text.

    A media type is case-insensitive, and "application/" may be left out.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9
    """
    # Outside ASCII, lower() turns other characters into letters.
    if not isinstance(media_type, str) or not media_type.isascii():
        return ""
    lower = media_type.lower()
    return lower if "/" in lower else f"application/{lower}"


def _get_key(key_set: KeySet, key_id: str | None) -> VerificationKey:
    try:
        key = key_set.get(key_id)
    except (RequestRejected, DeliveryFailed):
        raise
    # A mistake in a key set of the user's own is not the sender's.
    except Exception as error:
        raise AuthenticatorUnavailable("key-set-raised") from error
    if not isinstance(key, VerificationKey):
        raise AuthenticatorUnavailable("key-set-returned-no-key")
    return key


def _verify_signature(
    signing_input: bytes, signature: bytes, algorithm: str, key: Any
) -> bool:
    """Verify a signature; the one place that knows which library does."""
    # "If the length of the signature S is not k octets, output 'invalid signature'":
    # OpenSSL would take an RSA-PSS signature without its leading zeros.
    # -- https://www.rfc-editor.org/rfc/rfc8017#section-8.1.2
    numbers = 2 if algorithm.startswith("ES") else 1
    if len(signature) != numbers * ((key.key_size + 7) // 8):
        return False
    return bool(_engine()[algorithm].verify(signing_input, key, signature))


@cache
def _engine() -> Mapping[str, Any]:
    from jwt.algorithms import get_default_algorithms  # noqa: PLC0415 - optional

    algorithms = get_default_algorithms()
    return {name: algorithms[name] for name in ALGORITHMS}


@_refusing
def check_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str | Collection[str],
    audience: str | Collection[str],
    now: datetime,
    leeway: float,
    max_lifetime: float,
    required: Collection[str] = (),
) -> None:
    """Check the claims of a verified token: by whom, for whom, and when.

    Args:
        claims: As ``UnverifiedToken.verify`` returns them.
        issuer: The ``iss`` taken, or several; compared exactly.
        audience: What ``aud`` must be or hold, or several of which one suffices.
        now: The time, aware.
        leeway: For clocks that disagree, in seconds.
        max_lifetime: The longest life of a token, in seconds: from ``iat``, if it is
            there, and from now; ``leeway`` comes on top.
        required: The claims that must be there; ``iss``, ``aud`` and ``exp`` always.

    Raises:
        AuthenticationFailed: Code ``missing-claim``, ``malformed-claims``,
            ``wrong-issuer``, ``wrong-audience``, ``expired-token``, ``early-token`` or
            ``long-lived-token``.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7519#section-4.1
    """
    if not claims.keys() >= {"iss", "aud", "exp", *required}:
        raise AuthenticationFailed("missing-claim")
    _check_kinds(claims)
    if claims["iss"] not in _as_collection(issuer):
        raise AuthenticationFailed("wrong-issuer")
    # The kinds are checked: it is a text, or a list of texts.
    if set(_as_collection(claims["aud"])).isdisjoint(_as_collection(audience)):
        raise AuthenticationFailed("wrong-audience")
    _check_times(claims, now.timestamp(), leeway, max_lifetime)


def _as_collection(texts: str | Collection[str]) -> Collection[str]:
    return (texts,) if isinstance(texts, str) else texts


def _check_kinds(claims: Mapping[str, Any]) -> None:
    audience = claims["aud"]
    audiences = audience if isinstance(audience, list) else [audience]
    if not (
        all(isinstance(one, str) for one in audiences)
        and all(_is_text(claims[name]) for name in _NAMES if name in claims)
        and all(_is_time(claims[name]) for name in _TIMES if name in claims)
        and isinstance(claims.get("scope", ""), str)
    ):
        raise AuthenticationFailed("malformed-claims")


def _is_text(candidate: object) -> bool:
    return isinstance(candidate, str) and candidate != ""


def _is_time(candidate: object) -> bool:
    # A number compared, never converted: an integer of 400 digits is too large for a
    # float, and NaN and infinity fail both comparisons. A bool is an int.
    return (
        isinstance(candidate, int | float)
        and not isinstance(candidate, bool)
        and -1 < candidate < _END_OF_TIME
    )


def _check_times(
    claims: Mapping[str, Any], now: float, leeway: float, max_lifetime: float
) -> None:
    expires_at = claims["exp"]
    # "The current date/time MUST be before the expiration date/time".
    # -- https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
    if now >= expires_at + leeway:
        raise AuthenticationFailed("expired-token")
    if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + leeway:
        raise AuthenticationFailed("early-token")
    # Leeway from "iat" too: some senders set it back, so that no clock finds it early.
    begun_at = min(claims.get("iat", now), now)
    if expires_at > begun_at + max_lifetime + leeway:
        raise AuthenticationFailed("long-lived-token")
