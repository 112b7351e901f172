"""The option ``--credential``: a file or a variable, never a secret as argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.credentials import (
    Credential,
    read_credential,
    read_credential_file,
)

if TYPE_CHECKING:
    from redox_wsgi.simulator import Request

__all__ = ["Watched", "credential_option", "keep_token_option"]

# Tokens and signatures that were sent; a destination may echo one of the last.
_KEPT_PROOFS = 256
# Shorter ones are times and the like.
_SHORTEST_PROOF = 20


class Watched:
    """A credential whose proofs are remembered, to be blanked in what is shown.

    Args:
        credential: What proves the requests.
    """

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._proofs: deque[str] = deque(maxlen=_KEPT_PROOFS)

    @property
    def proofs(self) -> Collection[str]:
        """What was sent as proof; grows with every request."""
        return self._proofs

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the headers of the credential."""
        headers = [*self._credential.headers(request)]
        for _, value in headers:
            proof = value.partition(" ")[2] or value
            if len(proof) >= _SHORTEST_PROOF:
                self._proofs.append(proof)
        return headers


def _read(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> Credential | None:
    if not value:
        return None
    is_document = value.lstrip().startswith("{")
    source = context.get_parameter_source(parameter.name or "")
    if is_document and source is ParameterSource.COMMANDLINE:
        raise click.BadParameter(
            "Give the name of a file: arguments are visible in process lists."
        )
    try:
        if is_document:
            return read_credential(value, folder=Path())
        return read_credential_file(Path(value))
    except SimulatorError as error:
        raise click.BadParameter(str(error)) from error


credential_option = click.option(
    "--credential",
    envvar="REDOX_CREDENTIAL",
    show_envvar=True,
    callback=_read,
    metavar="FILE",
    help="The linked auth credential: a JSON file with its strategy (jwt, oauth, "
    "smart-backend, aws-sigv4 or hmac-signature) and its fields, as Redox names them. "
    "The variable may hold the JSON itself.",
)

keep_token_option = click.option(
    "--keep-token",
    is_flag=True,
    help="Send the verification-token header beside a credential. Nobody states "
    "whether Redox does: try both.",
)
