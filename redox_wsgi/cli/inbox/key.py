"""The command ``new-key``: make up a key for an inbox that seals its bodies."""

from __future__ import annotations

import click

from redox_wsgi.inbox.encryption import build_encryption_key

__all__ = ["new_key"]


@click.command("new-key")
def new_key() -> None:
    """Print a new encryption key; keep it as you keep a password.

    Without the key nobody can read what was sealed with it. The commands find keys in
    REDOX_INBOX_KEYS, the newest first, with blanks between.
    """
    click.echo(build_encryption_key())
