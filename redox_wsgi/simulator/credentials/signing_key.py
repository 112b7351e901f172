"""A private key, and the JSON Web Tokens that it signs.

Do not use it for anything but tests: it signs whatever it is given, and the probes of
``check`` have it sign what no sender ever should.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from redox_wsgi.simulator.errors import SimulatorError

__all__ = ["ALGORITHMS", "SigningKey", "encode"]

#: What a key may sign with: RSA of both paddings, and elliptic curves.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
)


class SigningKey:
    """A private key for one algorithm.

    Args:
        private_key: In PEM form, or as a JWK: JSON text or a mapping.
        algorithm: One of ``ALGORITHMS``.

    Raises:
        SimulatorError: There is no such algorithm, or the key is no private key for
            it; or PyJWT is not installed.
    """

    def __init__(self, private_key: str | Mapping[str, Any], algorithm: str) -> None:
        try:
            import cryptography  # noqa: F401, PLC0415 - only who signs needs the two
            import jwt  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise SimulatorError(
                "A credential that signs JSON Web Tokens needs PyJWT: "
                'install it with pip install "redox_wsgi[jwt]".'
            ) from error
        if algorithm not in ALGORITHMS:
            raise SimulatorError(f"algorithm must be one of {', '.join(ALGORITHMS)}.")
        self._algorithm: Any = jwt.get_algorithm_by_name(algorithm)
        try:
            self._key = _load(self._algorithm, private_key)
        # "from None": the messages may quote the key.
        except (jwt.PyJWTError, TypeError, ValueError):
            raise SimulatorError(
                f"The private key must be one for {algorithm}: PEM text, unencrypted, "
                "or a JWK with its private members."
            ) from None
        self.algorithm = algorithm

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return f"SigningKey({self.algorithm!r})"

    def sign(self, header: Mapping[str, Any], payload: bytes) -> str:
        """Build a token.

        Args:
            header: Its header, without ``alg``.
            payload: What it carries, usually JSON.
        """
        # Written here, since PyJWT refuses to write headers that it would not read.
        complete = {"alg": self.algorithm, **header}
        signed = f"{encode(json.dumps(complete).encode())}.{encode(payload)}"
        return f"{signed}.{encode(self._algorithm.sign(signed.encode(), self._key))}"

    def public_pem(self) -> bytes:
        """Write the public key in PEM form, as it is handed to a receiver."""
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            Encoding,
            PublicFormat,
        )

        pem: bytes = self._key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    def public_jwk(self) -> dict[str, Any]:
        """Write the public key as a JWK."""
        public = self._key.public_key()
        jwk: dict[str, Any] = self._algorithm.to_jwk(public, as_dict=True)
        jwk.pop("key_ops", None)
        return jwk

    def another(self) -> SigningKey:
        """Make a new key of the same kind, which nobody knows."""
        from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415
            ec,
            rsa,
        )

        other = object.__new__(SigningKey)
        vars(other).update(vars(self))
        if isinstance(self._key, rsa.RSAPrivateKey):
            other._key = rsa.generate_private_key(65537, self._key.key_size)
        else:
            other._key = ec.generate_private_key(self._key.curve)
        return other


def encode(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _load(algorithm: Any, private_key: str | Mapping[str, Any]) -> Any:
    is_jwk = not isinstance(private_key, str) or private_key.lstrip().startswith("{")
    if is_jwk:
        jwk = json.loads(private_key) if isinstance(private_key, str) else private_key
        key = algorithm.from_jwk(dict(jwk))
    else:
        key = algorithm.prepare_key(private_key)
    if not hasattr(key, "sign"):
        raise TypeError("It is a public key.")
    return key
