"""The public keys that tokens are verified with, each pinned to one algorithm.

Do not put secrets here: a public key that is read as a secret lets anybody sign, so no
symmetric key enters a set.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol, Self

from redox_wsgi.authentication.jose.encoding import parse_object
from redox_wsgi.authentication.jose.public_keys import (
    RSA_ALGORITHMS,
    UnusableKeyError,
    load_jwk,
    load_pem,
)
from redox_wsgi.errors import AuthenticationFailed, ConfigurationError

_KEY_ID_CHARACTERS = range(1, 256 + 1)

_logger = logging.getLogger("redox_wsgi")


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm it serves.

    Attributes:
        algorithm: Such as ``RS384``; a token that names another is refused.
        key: The key as cryptography holds it, parsed once.
    """

    algorithm: str
    key: Any = field(repr=False)


class KeySet(Protocol):
    """Finds the key that a token names."""

    def get(self, key_id: str | None) -> VerificationKey:
        """Return the key with this ID.

        Args:
            key_id: The ``kid`` of a token, used for a look-up and nothing else. None is
                a token without: that is answered only if there is exactly one key.

        Raises:
            AuthenticationFailed: There is no such key (code ``unknown-key``).
            AuthenticatorUnavailable: The keys cannot be had now.
        """


def find_key(
    keys: Mapping[str | None, VerificationKey], key_id: str | None
) -> VerificationKey:
    """Find a key as ``KeySet.get`` promises.

    Raises:
        AuthenticationFailed: There is no such key (code ``unknown-key``).
    """
    if key_id is None:
        if len(keys) == 1:
            return next(iter(keys.values()))
    elif key_id in keys:
        return keys[key_id]
    raise AuthenticationFailed("unknown-key")


def check_jwt_is_installed() -> None:
    """Raise ``ConfigurationError`` unless PyJWT and cryptography can be imported."""
    try:
        import_module("jwt")
        import_module("cryptography")
    except ImportError as error:
        raise ConfigurationError(
            'Tokens are verified by PyJWT: pip install "redox_wsgi[jwt]".'
        ) from error


def check_rsa_algorithm(algorithm: object) -> None:
    """Raise ``ConfigurationError`` unless this is an algorithm for RSA keys."""
    if algorithm not in RSA_ALGORITHMS:
        raise ConfigurationError(
            f"rsa_algorithm is one of {', '.join(RSA_ALGORITHMS)}."
        )


class StaticKeySet:
    """Public keys that are known beforehand, for a site without a way out.

    Args:
        keys: A JWK set, as JSON text or parsed. Private and symmetric keys, those for
            encryption and those of other kinds are left out with a warning.
        rsa_algorithm: What RSA keys without ``alg`` serve.

    Raises:
        ConfigurationError: It is no JWK set, two keys have one ``kid``, or none is of
            use; or PyJWT is not installed.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7517#section-5
    """

    _keys: Mapping[str | None, VerificationKey]

    def __init__(
        self,
        keys: Mapping[str, Any] | str | bytes,
        *,
        rsa_algorithm: str = "RS256",
    ) -> None:
        check_jwt_is_installed()
        check_rsa_algorithm(rsa_algorithm)
        try:
            self._keys = parse_key_set(_encode(keys), rsa_algorithm=rsa_algorithm)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"The keys are no JWK set: {error}") from error

    @classmethod
    def from_pem(cls, keys: Mapping[str, tuple[str | bytes, str]]) -> Self:
        """Build a set of public keys in PEM form (``BEGIN PUBLIC KEY``).

        Args:
            keys: For each ``kid`` the PEM text and the algorithm of that key, as in
                ``{"2026-a": (pem, "RS384")}``.

        Raises:
            ConfigurationError: There is no key, one is not a public key, is too weak,
                or is not of its algorithm's kind; or PyJWT is not installed.
        """
        check_jwt_is_installed()
        if not isinstance(keys, Mapping) or not keys:
            raise ConfigurationError(
                "from_pem() takes a mapping such as {kid: (pem, algorithm)} with at "
                "least one key."
            )
        key_set = cls.__new__(cls)
        key_set._keys = MappingProxyType(
            {key_id: _load_entry(key_id, entry) for key_id, entry in keys.items()}
        )
        return key_set

    def get(self, key_id: str | None) -> VerificationKey:
        """Return the key with this ID; see ``KeySet``.

        Raises:
            AuthenticationFailed: There is no such key (code ``unknown-key``).
        """
        return find_key(self._keys, key_id)


def parse_key_set(
    document: bytes, *, rsa_algorithm: str = "RS256", max_keys: int = 50
) -> Mapping[str | None, VerificationKey]:
    """Parse a JWK set; keys that cannot verify a token are left out with a warning.

    Args:
        document: JSON text.
        rsa_algorithm: What RSA keys without ``alg`` serve.
        max_keys: The largest number of keys taken, usable or not.

    Returns:
        The usable keys by ``kid``, at least one; None stands for an absent ``kid``.

    Raises:
        ValueError: It is no JWK set, is too large, two keys have one ``kid`` (or none),
            or no key is usable. The sentence holds nothing out of the document.
    """
    members = _read_members(document)
    if len(members) > max_keys:
        raise ValueError(f"There are more than {max_keys} keys.")
    key_ids = [_read_key_id(jwk) for jwk in members]
    # Before any is left out: nobody could say which of the two was meant.
    if len(set(key_ids)) != len(key_ids):
        raise ValueError("Two keys have the same kid, or none.")
    keys: dict[str | None, VerificationKey] = {}
    for number, (key_id, jwk) in enumerate(zip(key_ids, members, strict=True)):
        try:
            keys[key_id] = VerificationKey(*load_jwk(jwk, rsa_algorithm))
        except UnusableKeyError as reason:
            _logger.warning("Key %d of a key set is left out: %s", number, reason)
    if not keys:
        raise ValueError("No key is usable.")
    return MappingProxyType(keys)


def _encode(keys: object) -> bytes:
    if isinstance(keys, bytes):
        return keys
    text = keys if isinstance(keys, str) else json.dumps(keys, default=dict)
    return text.encode("utf-8")


def _read_members(document: bytes) -> list[dict[str, Any]]:
    members = parse_object(document).get("keys")
    if not isinstance(members, list) or not all(
        isinstance(member, dict) for member in members
    ):
        raise ValueError('There is no list of objects named "keys".')
    return members


def _read_key_id(jwk: Mapping[str, Any]) -> str | None:
    key_id = jwk.get("kid")
    if "kid" in jwk and not is_key_id(key_id):
        raise ValueError("A kid is not text of 1 to 256 characters.")
    return key_id


def is_key_id(candidate: object) -> bool:
    """Tell whether this may be a ``kid``: text of 1 to 256 characters."""
    return isinstance(candidate, str) and len(candidate) in _KEY_ID_CHARACTERS


def _load_entry(key_id: object, entry: object) -> VerificationKey:
    if not is_key_id(key_id):
        raise ConfigurationError("A kid is text of 1 to 256 characters.")
    if not isinstance(entry, tuple) or len(entry) != 2:  # noqa: PLR2004 - a pair
        raise ConfigurationError("A key in PEM form is a pair: (pem, algorithm).")
    pem, algorithm = entry
    try:
        return VerificationKey(algorithm, load_pem(pem, algorithm))
    except UnusableKeyError as reason:
        raise ConfigurationError(f"A PEM key cannot be used: {reason}.") from reason
