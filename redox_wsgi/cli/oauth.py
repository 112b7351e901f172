"""The commands ``oauth``: register who may ask our token endpoint for tokens."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, BinaryIO

import click

from redox_wsgi.cli import private_file
from redox_wsgi.errors import ConfigurationError
from redox_wsgi.oauth import Clients, hash_secret

__all__ = ["oauth"]

_FILE_HELP = (
    "Keep the client in this JSON file (readable by you only), which "
    "Clients.from_file() reads."
)
_MAX_SECRETS = 2

# The members of a private or symmetric key.
# -- https://www.rfc-editor.org/rfc/rfc7518#section-6
_SECRET = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

_ONCE = "The secret is shown this once: only its hash is kept.\n"


@click.group()
def oauth() -> None:
    """Register clients of your own token endpoint."""


@oauth.command("new-client")
@click.argument("client_id", required=False)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="WORD",
    help="What the client may ask for; once for each scope.",
)
@click.option(
    "--url",
    metavar="URL",
    help="The public address of your token endpoint, to be shown in what to enter.",
)
@click.option(
    "--jwks",
    type=click.File("rb"),
    metavar="FILE",
    help="The client's public keys (a JWK set): it signs, and has no secret.",
)
@click.option(
    "--jwks-url",
    metavar="URL",
    help="The same, where the client publishes its keys at an address (JKU).",
)
@click.option("--file", "path", type=click.Path(path_type=Path), help=_FILE_HELP)
def new_client(
    client_id: str | None,
    *,
    scopes: tuple[str, ...],
    url: str | None,
    jwks: BinaryIO | None,
    jwks_url: str | None,
    path: Path | None,
) -> None:
    """Make a client, and print what to enter in Redox's dashboard.

    Redox gets a CLIENT_ID, made up if not given, and a secret of its own for each
    credential. Without --file, put what is printed into your settings.
    """
    client_id = client_id or f"redox-{secrets.token_hex(6)}"
    entry: dict[str, Any] = {"client_id": client_id}
    secret = None
    if jwks is not None:
        entry["jwks"] = _read_key_set(jwks.read())
    if jwks_url is not None:
        entry["jwks_uri"] = jwks_url
    if jwks is None and jwks_url is None:
        secret = secrets.token_urlsafe(32)
        entry["client_secret_hashes"] = [hash_secret(secret)]
    if scopes:
        entry["scope"] = " ".join(scopes)
    document = _read(path)
    if any(known.get("client_id") == client_id for known in document["clients"]):
        raise click.UsageError(
            f"The client {client_id} exists: oauth new-secret gives it a new secret."
        )
    document["clients"].append(entry)
    _write(path, document)

    kind = "OAuth 2.0 Two-Legged with secrets" if secret else "SMART Backend"
    fields = {
        "URL": url or "the https address of your token endpoint",
        "Grant type": "client_credentials",
        "Client ID": client_id,
        **({"Client secret": secret} if secret else {}),
        **({"Scopes": entry["scope"]} if scopes else {}),
    }
    click.echo(f"Make this auth credential in Redox: {kind}\n")
    for name, value in fields.items():
        click.echo(f"  {name:<15}{value}")
    click.echo()
    if secret:
        click.echo(_ONCE)
    _say_where(path, entry)


@oauth.command("new-secret")
@click.argument("client_id")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="The JSON file that holds the client.",
)
def new_secret(client_id: str, *, path: Path) -> None:
    """Give the client CLIENT_ID a new secret beside its last one.

    Both are valid, so that no transmission is refused meanwhile: restart your servers,
    and enter the new one in Redox's dashboard. When Redox uses it, delete the first of
    the two client_secret_hashes, and restart.
    """
    document = _read(path)
    for entry in document["clients"]:
        if entry.get("client_id") == client_id:
            break
    else:
        raise click.UsageError(f"There is no client {client_id} in this file.")
    secret = secrets.token_urlsafe(32)
    known = entry.get("client_secret_hashes", [])
    entry["client_secret_hashes"] = [*known, hash_secret(secret)][-_MAX_SECRETS:]
    _write(path, document)
    click.echo("Restart your servers; then enter in Redox's dashboard:\n")
    click.echo(f"  {'Client ID':<15}{client_id}")
    click.echo(f"  {'Client secret':<15}{secret}\n")
    click.echo(_ONCE, nl=False)


def _read_key_set(document: bytes) -> Any:
    try:
        key_set = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise click.UsageError("--jwks names a file that is no JSON.") from error
    keys = key_set.get("keys", []) if isinstance(key_set, dict) else []
    # It would be shown, and kept where only public keys belong.
    if any(isinstance(key, dict) and not _SECRET.isdisjoint(key) for key in keys):
        raise click.UsageError(
            "--jwks names a file with private keys; give public ones."
        )
    return key_set


def _read(path: Path | None) -> dict[str, Any]:
    if path is None or not path.exists():
        return {"clients": []}
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        Clients.from_json(json.dumps(document))
    except (OSError, ValueError, RecursionError, ConfigurationError) as error:
        raise click.UsageError(
            f"{path} is no file of clients: mend it, or name another."
        ) from error
    return document


def _write(path: Path | None, document: dict[str, Any]) -> None:
    """Check the clients as the server will; write them if there is a file."""
    text = json.dumps(document, indent=2)
    try:
        Clients.from_json(text)
        if path is not None:
            private_file.replace(path, f"{text}\n")
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}.") from error


def _say_where(path: Path | None, entry: dict[str, Any]) -> None:
    if path is not None:
        click.echo(f"The client stands in {path}. Restart your servers.")
        return
    click.echo("Give your servers this, as REDOX_OAUTH_CLIENTS or in a file:\n")
    click.echo(json.dumps({"clients": [entry]}, indent=2))
