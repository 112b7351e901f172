"""Encryption at rest: what a store keeps of a body is unreadable without a key.

Do not lose the keys: nothing else opens what was sealed with them.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from redox_wsgi.errors import ConfigurationError
from redox_wsgi.inbox.store import BodyDamaged

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: Stands in a list of keys for what was kept before there were keys.
PLAIN = "plain"

_KEY_BYTES = 32
_KEY_ID_BYTES = 8
# "a 96-bit IV value can be processed more efficiently"; a random one serves for 2^32
# bodies with one key.
# -- https://doi.org/10.6028/NIST.SP.800-38D sections 5.2.1.1 and 8.3
_NONCE_BYTES = 12
_MAGIC = b"redox1\0"


def build_encryption_key() -> str:
    """Make up a key: 256 random bits, in URL-safe base64.

    Example:
        >>> len(build_encryption_key())
        44
    """
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def is_sealed(body: bytes) -> bool:
    """Tell whether a kept body was sealed: no JSON begins so."""
    return body.startswith(_MAGIC)


class Sealer:
    """Seals bodies with AES-256-GCM, each bound to the entry that it belongs to.

    Args:
        keys: Keys as ``build_encryption_key`` makes them. The first seals, all open:
            to rotate, put the new one in front, and take the old one away when nothing
            is kept any more that it sealed. ``"plain"`` as the last one lets bodies be
            read that were never sealed; otherwise such a body is refused, since anyone
            who can write to the store could have put it there.

    Raises:
        ConfigurationError: There is no key, one is malformed, or the extra is missing.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if isinstance(keys, str) or not isinstance(keys, Sequence):
            raise ConfigurationError("encryption_keys is a list of keys, newest first.")
        try:
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415
            from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415
                AESGCM,
            )
        except ImportError as error:
            raise ConfigurationError(
                'Encryption needs a package: pip install "redox_wsgi[encryption]".'
            ) from error
        self._invalid_tag = InvalidTag
        self._takes_plain = list(keys[-1:]) == [PLAIN]
        parsed = [
            _parse_key(key, position)
            for position, key in enumerate(keys[:-1] if self._takes_plain else keys)
        ]
        if not parsed:
            raise ConfigurationError(
                "encryption_keys holds no key: make one up with "
                '"redox-wsgi inbox new-key".'
            )
        self._ciphers: dict[bytes, AESGCM] = {
            _build_key_id(key): AESGCM(key) for key in parsed
        }
        self._newest = _build_key_id(parsed[0])

    def __reduce__(self) -> str:
        raise TypeError("A Sealer holds keys, so it is not pickled.")

    def seal(self, body: bytes, bound_to: bytes) -> bytes:
        """Encrypt a body.

        Args:
            body: The bytes.
            bound_to: What else must be the same when it is opened; not kept here.
        """
        start = _MAGIC + self._newest + secrets.token_bytes(_NONCE_BYTES)
        nonce = start[-_NONCE_BYTES:]
        sealed = self._ciphers[self._newest].encrypt(nonce, body, start + bound_to)
        return start + sealed

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt a body.

        Raises:
            BodyDamaged: A bit of it was changed, it belongs to another entry, it was
                never sealed, or its key is not configured.
        """
        if not is_sealed(sealed):
            if self._takes_plain:
                return sealed
            raise BodyDamaged("body-not-sealed")
        head_bytes = len(_MAGIC) + _KEY_ID_BYTES
        start = sealed[: head_bytes + _NONCE_BYTES]
        cipher = self._ciphers.get(start[len(_MAGIC) : head_bytes])
        if cipher is None:
            raise BodyDamaged("body-sealed-with-unknown-key")
        try:
            return cipher.decrypt(
                start[head_bytes:], memoryview(sealed)[len(start) :], start + bound_to
            )
        except (self._invalid_tag, ValueError):
            raise BodyDamaged("body-changed") from None


def _parse_key(key: object, position: int) -> bytes:
    try:
        parsed = base64.b64decode(str(key), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        parsed = b""
    if len(parsed) != _KEY_BYTES:
        # Without the original error, which could quote the key.
        raise ConfigurationError(
            f"The encryption key with index {position} is not {_KEY_BYTES} bytes in "
            'base64: make one up with "redox-wsgi inbox new-key".'
        )
    return parsed


def _build_key_id(key: bytes) -> bytes:
    return sha256(b"redox_wsgi.inbox.key-id\0" + key).digest()[:_KEY_ID_BYTES]
