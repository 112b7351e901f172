"""Keys and tokens that tests are made of, without the library that verifies them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)
TIME = int(NOW.timestamp())
ISSUER = "https://issuer.example/"
AUDIENCE = "https://receiver.example/redox"

_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def encode(octets: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def spell(value: Any) -> bytes:
    """Spell JSON; bytes and text are taken as they are."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value).encode()


@cache
def make_key(algorithm: str, number: int = 0, bits: int = 2048) -> Any:
    """Make a private key for an algorithm; the same for the same arguments."""
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def sign(signed: bytes, key: Any, algorithm: str) -> bytes:
    """Sign as RFC 7518 says."""
    digest = _HASHES[algorithm[2:]]
    if algorithm.startswith("RS"):
        return bytes(key.sign(signed, padding.PKCS1v15(), digest))
    if algorithm.startswith("PS"):
        salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return bytes(key.sign(signed, salted, digest))
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(digest)))
    length = (key.curve.key_size + 7) // 8
    return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def build_header(algorithm: str = "ES256", **more: Any) -> dict[str, Any]:
    """Build the header of an access token."""
    return {"alg": algorithm, "kid": algorithm, "typ": "at+jwt", **more}


def build_claims(**more: Any) -> dict[str, Any]:
    """Build the claims of an access token; None leaves one out."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "client-1",
        "client_id": "client-1",
        "iat": TIME,
        "exp": TIME + 300,
        "jti": "token-1",
        **more,
    }
    return {name: value for name, value in claims.items() if value is not None}


def build_token(
    header: Any = None,
    claims: Any = None,
    *,
    algorithm: str = "ES256",
    key: Any = None,
    signature: bytes | None = None,
) -> str:
    """Build a token: with a right signature, unless one is given."""
    header = build_header(algorithm) if header is None else header
    claims = build_claims() if claims is None else claims
    signed = f"{encode(spell(header))}.{encode(spell(claims))}"
    if signature is None:
        signature = sign(signed.encode(), key or make_key(algorithm), algorithm)
    return f"{signed}.{encode(signature)}"


def encode_number(number: int, length: int | None = None) -> str:
    """Encode a number of a key: in as few octets as it needs, or in ``length``."""
    length = length or (number.bit_length() + 7) // 8
    return encode(number.to_bytes(length, "big"))


def build_jwk(key: Any, key_id: str | None = None, **more: Any) -> dict[str, Any]:
    """Build the public part of a key as a JWK; None leaves a member out."""
    numbers = key.public_key().public_numbers()
    jwk: dict[str, Any]
    if isinstance(key, rsa.RSAPrivateKey):
        jwk = {
            "kty": "RSA",
            "n": encode_number(numbers.n),
            "e": encode_number(numbers.e),
        }
    else:
        length = (key.curve.key_size + 7) // 8
        jwk = {
            "kty": "EC",
            "crv": f"P-{key.curve.key_size}",
            "x": encode_number(numbers.x, length),
            "y": encode_number(numbers.y, length),
        }
    jwk = {**jwk, "kid": key_id, **more}
    return {name: value for name, value in jwk.items() if value is not None}


def build_key_set(*algorithms: str) -> dict[str, Any]:
    """Build a JWK set with one key for each algorithm, which is its ``kid`` too."""
    return {"keys": [build_jwk(make_key(name), name, alg=name) for name in algorithms]}


def build_pem(key: Any) -> bytes:
    """Build the public part of a key in PEM form."""
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    )
