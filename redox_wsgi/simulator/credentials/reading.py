"""Read a credential out of a JSON document that names its strategy and its fields.

Fields have the names that Redox gives them, where it does. Instead of ``clientSecret``
there may be ``clientSecretEnv``, which names a variable of the environment that holds
it, or ``clientSecretFile``, which names a file; so with every field.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redox_wsgi.simulator.credentials.aws_sigv4 import AwsSigV4Credential
from redox_wsgi.simulator.credentials.credential import Credential
from redox_wsgi.simulator.credentials.hmac_signature import HmacCredential
from redox_wsgi.simulator.credentials.jwt_bearer import JwtCredential
from redox_wsgi.simulator.credentials.oauth import OAuthCredential
from redox_wsgi.simulator.credentials.smart_backend import SmartBackendCredential
from redox_wsgi.simulator.errors import SimulatorError

__all__ = ["STRATEGIES", "read_credential", "read_credential_file"]

#: The class of each strategy, by our names for them.
STRATEGIES: Mapping[str, Any] = {
    "aws-sigv4": AwsSigV4Credential,
    "hmac-signature": HmacCredential,
    "jwt": JwtCredential,
    "oauth": OAuthCredential,
    "smart-backend": SmartBackendCredential,
}
# Redox's own names for these strategies, of those that it documents.
_REDOX_NAMES = {
    "AwsSigv4": "aws-sigv4",
    "OAuth_2.0_2-legged": "oauth",
    "SMART_Backend": "smart-backend",
}
# Other names of fields: Redox has both pairs.
_OTHER_NAMES = {"username": "clientId", "password": "clientSecret"}
# Of credentials that are used in other ways, or of no effect on a first request.
_WITHOUT_EFFECT = frozenset({"refreshTokenName", "refreshGrantType"})
# Not for documents.
_IN_CODE_ONLY = frozenset({"transport", "now"})
_CAPITAL = re.compile(r"(?<!^)[A-Z]")


def read_credential_file(path: Path) -> Credential:
    """Read a credential out of a file.

    Raises:
        SimulatorError: It cannot be read, or see ``read_credential``.
    """
    return read_credential(_read_file(path), folder=path.parent)


def read_credential(document: str, *, folder: Path) -> Credential:
    """Read a credential out of JSON text.

    Args:
        document: An object with ``strategy`` and the fields of that strategy.
        folder: Where the files that it names are.

    Raises:
        SimulatorError: It is no such document, or a field is missing or wrong. The
            message repeats the names of fields and no value.
    """
    try:
        fields = json.loads(document)
    # "from None": the messages quote the document.
    except (RecursionError, ValueError):
        raise SimulatorError("The credential is not JSON.") from None
    if not isinstance(fields, dict):
        raise SimulatorError("The credential must be a JSON object.")
    strategy = fields.pop("strategy", None)
    name = _REDOX_NAMES.get(strategy, strategy) if isinstance(strategy, str) else None
    if name is None or name not in STRATEGIES:
        raise SimulatorError(
            f"The credential's strategy must be one of {', '.join(STRATEGIES)}."
        )
    kind = STRATEGIES[name]
    known = [
        it
        for it in dataclasses.fields(kind)
        if it.init and it.name not in _IN_CODE_ONLY
    ]
    given = _resolve(fields, {it.name for it in known}, folder)
    for it in known:
        is_required = (
            it.default is dataclasses.MISSING
            and it.default_factory is dataclasses.MISSING
        )
        if is_required and it.name not in given:
            raise SimulatorError(f"The credential lacks {_to_camel(it.name)}.")
    credential: Credential = kind(**given)
    return credential


def _resolve(
    fields: Mapping[str, Any], known: set[str], folder: Path
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for written, value in fields.items():
        if written in _WITHOUT_EFFECT:
            continue
        base, suffix = _split(written)
        name = _to_snake(_OTHER_NAMES.get(base, base))
        if name not in known:
            raise SimulatorError(f"The credential has no field {written!r}.")
        if name in given:
            raise SimulatorError(f"The credential has {_to_camel(name)} twice.")
        resolved = _look_up(written, suffix, value, folder)
        # Redox's own example has the text "true".
        is_switch = name == "no_basic" and resolved in ("true", "false")
        given[name] = resolved == "true" if is_switch else resolved
    return given


def _look_up(written: str, suffix: str, value: Any, folder: Path) -> Any:
    if not suffix:
        return value
    if not isinstance(value, str):
        raise SimulatorError(f"{written} must be a name.")
    if suffix == "File":
        return _read_file(folder / value).strip()
    if not os.environ.get(value):
        raise SimulatorError(f"{written} names a variable that is not set.")
    return os.environ[value]


def _read_file(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SimulatorError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError:
        raise SimulatorError(f"Cannot read {path}: it is not text.") from None


def _split(written: str) -> tuple[str, str]:
    for suffix in ("Env", "File"):
        if written.endswith(suffix):
            return written.removesuffix(suffix), suffix
    return written, ""


def _to_snake(name: str) -> str:
    return _CAPITAL.sub(lambda letter: f"_{letter[0].lower()}", name)


def _to_camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
