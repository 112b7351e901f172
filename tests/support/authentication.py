"""Private keys as the simulator reads them."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives import serialization

from tests.support.jose import make_key


@cache
def write_private_key(algorithm: str) -> str:
    """Write the private key of an algorithm in PEM form."""
    pem: bytes = make_key(algorithm).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()
