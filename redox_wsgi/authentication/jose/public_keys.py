"""Load one public key strictly: the right kind, the right size, nothing secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redox_wsgi.authentication.jose.encoding import decode_base64url

#: The algorithms of RSA; a key serves one of them.
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

# Name of the curve: its algorithm, and the length of a coordinate in bytes.
_CURVES = {"P-256": ("ES256", 32), "P-384": ("ES384", 48)}

# The curve of each algorithm, as cryptography calls it.
_CURVE_NAMES = {"ES256": "secp256r1", "ES384": "secp384r1"}

#: Every algorithm that a key may be pinned to. No symmetric one, and not "none".
ALGORITHMS = frozenset({*RSA_ALGORITHMS, *_CURVE_NAMES})

# "A key of size 2048 bits or larger MUST be used"; the ceiling bounds the work of one
# verification. -- https://www.rfc-editor.org/rfc/rfc7518#section-3.3
_RSA_BITS = range(2048, 8192 + 1)

_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})

# Moduli of a widespread chip are powers of 65537 to each of these primes: their private
# keys can be computed from the public ones. To other small primes anything is a power.
# -- https://crocs.fi.muni.cz/public/papers/rsa_ccs17
_ROCA_PRIMES = (
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
)  # fmt: skip


class UnusableKeyError(Exception):
    """Why a key cannot verify a token, in words that hold nothing out of it."""


def load_jwk(jwk: dict[str, Any], rsa_algorithm: str) -> tuple[str, Any]:
    """Load a public key out of a JWK set.

    Args:
        jwk: The JSON object, parsed.
        rsa_algorithm: What an RSA key without ``alg`` serves.

    Returns:
        The one algorithm it serves, and the key as cryptography holds it.

    Raises:
        UnusableKeyError: It is private or symmetric, not for verifying, malformed, too
            weak, or of another kind than RSA, P-256 and P-384.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7517#section-4
    """
    if not _SECRET_MEMBERS.isdisjoint(jwk):
        raise UnusableKeyError("it is private or symmetric; publish public keys only")
    operations = jwk.get("key_ops", ["verify"])
    # "Duplicate key operation values MUST NOT be present in the array."
    # -- https://www.rfc-editor.org/rfc/rfc7517#section-4.3
    if jwk.get("use", "sig") != "sig" or not (
        isinstance(operations, list)
        and all(isinstance(operation, str) for operation in operations)
        and len(set(operations)) == len(operations)
        and "verify" in operations
    ):
        raise UnusableKeyError("it is not for verifying signatures")
    algorithm = _read_algorithm(jwk, rsa_algorithm)
    return algorithm, _load_numbers(jwk, algorithm)


def load_pem(pem: str | bytes, algorithm: str) -> Any:
    """Load a public key in PEM form, for one algorithm.

    Raises:
        UnusableKeyError: It is no public key, too weak, or not of that kind.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        text = pem.encode("ascii") if isinstance(pem, str) else pem
        key = serialization.load_pem_public_key(text)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKeyError(
            'it is no PEM text of a public key ("BEGIN PUBLIC KEY")'
        ) from error
    _check_strength(key, algorithm)
    return key


def _read_algorithm(jwk: Mapping[str, Any], rsa_algorithm: str) -> str:
    if jwk.get("kty") == "RSA":
        algorithm = jwk.get("alg", rsa_algorithm)
        if algorithm in RSA_ALGORITHMS:
            _check_octets(jwk, n=None, e=None)
            return str(algorithm)
    elif jwk.get("kty") == "EC" and jwk.get("crv") in tuple(_CURVES):
        algorithm, length = _CURVES[jwk["crv"]]
        if jwk.get("alg", algorithm) == algorithm:
            _check_octets(jwk, x=length, y=length)
            return algorithm
    raise UnusableKeyError("its kind or algorithm is not among those supported")


def _check_octets(jwk: Mapping[str, Any], **lengths: int | None) -> None:
    """Check the numbers of a key: of a fixed length, or without leading zeros."""
    for name, length in lengths.items():
        try:
            octets = decode_base64url(jwk[name])
        except (AttributeError, KeyError, ValueError) as error:
            raise UnusableKeyError("a number of it is absent or malformed") from error
        # "The octet sequence MUST utilize the minimum number of octets needed"; "the
        # length of this octet string MUST be the full size of a coordinate".
        # -- https://www.rfc-editor.org/rfc/rfc7518#section-2 and section-6.2.1.2
        if len(octets) != length if length else octets[:1] in (b"", b"\0"):
            raise UnusableKeyError("a number of it has the wrong length")


def _load_numbers(jwk: dict[str, Any], algorithm: str) -> Any:
    from jwt import PyJWK, PyJWTError  # noqa: PLC0415 - optional

    try:
        key = PyJWK(jwk, algorithm).key
    except (PyJWTError, ValueError) as error:
        raise UnusableKeyError("it is no point of its curve, or no RSA key") from error
    _check_strength(key, algorithm)
    return key


def _check_strength(key: Any, algorithm: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    if algorithm in RSA_ALGORITHMS and isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _RSA_BITS:
            raise UnusableKeyError("an RSA key needs 2048 to 8192 bits")
        if _has_roca(key.public_numbers().n):
            raise UnusableKeyError("it was made by a chip whose keys can be computed")
        return
    curve = _CURVE_NAMES.get(algorithm)
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != curve:
        raise UnusableKeyError("it is not of its algorithm's kind")


def _has_roca(modulus: int) -> bool:
    return all(
        modulus % prime in {pow(65537, power, prime) for power in range(prime)}
        for prime in _ROCA_PRIMES
    )
