"""The commands ``keys``: make the keys that tokens are signed with."""

from __future__ import annotations

import json
import secrets
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from redox_wsgi.cli import private_file

__all__ = ["keys"]

_SHOWN = """\
A secret key for the access tokens that your servers issue. All workers need
the same one. Keep it where you keep secrets; it is shown this once:
"""
_KEPT = """\
A new secret key stands in the last line of {path}:

  TokenService(Path("{path}").read_text().split(), ...)

Restart your servers, all at once if there was a key before, since this one
signs now: docs/authentication.md tells how to change it without a refusal.
Delete older lines when their last tokens have expired.
"""
_PAIR = """\
If the auth credential in Redox's dashboard (SMART Backend or JWT Bearer) takes
a private key, enter it there, with {algorithm} and this key ID:

  Key ID  {key_id}
"""
_PUBLIC = """\
Your servers need the public key only: keep this as a file, and give it to
redox-wsgi oauth new-client --jwks.
"""


@click.group()
def keys() -> None:
    """Make keys for access tokens and for signed assertions."""


@keys.command()
@click.option(
    "--type",
    "kind",
    type=click.Choice(["secret", "RS384", "ES384"]),
    default="secret",
    show_default=True,
    help="A secret key of your token service, or a pair for a sender that signs.",
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="Keep the secret or private key in this file (readable by you only) and do "
    "not show it. A secret key is added as the last line.",
)
def new(kind: str, *, path: Path | None) -> None:
    """Make a key, and print what to do with it."""
    try:
        if kind == "secret":
            _make_secret(path)
        else:
            _make_pair(kind, path)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}.") from error


def _make_secret(path: Path | None) -> None:
    secret = secrets.token_urlsafe(48)
    if path is not None:
        private_file.add_line(path, secret)
        click.echo(_KEPT.format(path=path), nl=False)
        return
    click.echo(f"{_SHOWN}\n  {secret}")


def _make_pair(algorithm: str, path: Path | None) -> None:
    private, public = _generate(algorithm)
    key_id = secrets.token_hex(8)
    if path is not None:
        private_file.create(path, private)
    click.echo(_PAIR.format(algorithm=algorithm, key_id=key_id))
    if path is not None:
        click.echo(f"The private key stands in {path}.\n")
    else:
        click.echo(f"The private key is shown this once:\n\n{private}")
    named = {**public, "kid": key_id, "alg": algorithm, "use": "sig"}
    named.pop("key_ops", None)
    click.echo(f"{_PUBLIC}\n{json.dumps({'keys': [named]}, indent=2)}")


def _generate(algorithm: str) -> tuple[str, dict[str, Any]]:
    try:
        algorithms: Any = import_module("jwt.algorithms")
        asymmetric = "cryptography.hazmat.primitives.asymmetric"
        rsa: Any = import_module(f"{asymmetric}.rsa")
        ec: Any = import_module(f"{asymmetric}.ec")
        serialization: Any = import_module(
            "cryptography.hazmat.primitives.serialization"
        )
    except ImportError as error:
        raise click.UsageError(
            'Key pairs are made by cryptography: pip install "redox_wsgi[jwt]".'
        ) from error
    if algorithm == "RS384":
        # "A key of size 2048 bits or larger MUST be used"; 3072 for years to come.
        # -- https://www.rfc-editor.org/rfc/rfc7518#section-3.3
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        convert = algorithms.RSAAlgorithm.to_jwk
    else:
        key = ec.generate_private_key(ec.SECP384R1())
        convert = algorithms.ECAlgorithm.to_jwk
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode("ascii"), convert(key.public_key(), as_dict=True)
