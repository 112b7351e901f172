"""The settings of ``AwsSigV4``, checked while it is built."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from redox_wsgi.authentication.signature_settings import read_secret
from redox_wsgi.errors import ConfigurationError

# What can stand in the Authorization header.
_ACCESS_KEY = re.compile(r"[!-+\-.0-~]{1,128}")
_SCOPE_PART = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9._~:\[\]-]{1,255}")


def read_credentials(credentials: object) -> dict[str, bytes]:
    """Return the secret of each access key as bytes."""
    if not isinstance(credentials, Mapping) or not credentials:
        raise ConfigurationError(
            "credentials is a mapping with the secret of each access key, both made up "
            "for Redox."
        )
    for access_key in credentials:
        if not (isinstance(access_key, str) and _ACCESS_KEY.fullmatch(access_key)):
            raise ConfigurationError(
                "An access key is visible ASCII text without a slash and a comma, of "
                "at most 128 characters."
            )
    return {
        access_key: read_secret(secret, f"The secret of access key {index}")
        for index, (access_key, secret) in enumerate(credentials.items())
    }


def read_scope_end(region: object, service: object) -> str:
    """Return what follows the date in the scope of a signature."""
    for name, value in (("region", region), ("service", service)):
        if not (isinstance(value, str) and _SCOPE_PART.fullmatch(value)):
            raise ConfigurationError(
                f"The {name} is what is entered in Redox, such as us-east-1 or s3: "
                "letters, digits, dots, hyphens and underscores."
            )
    return f"{region}/{service}/aws4_request"


def read_hosts(hosts: object) -> tuple[str, ...]:
    """Return the hosts in lower case, without repetition."""
    names = (hosts,) if isinstance(hosts, str) else hosts
    if not (
        isinstance(names, Sequence)
        and names
        and all(isinstance(name, str) and _HOST.fullmatch(name) for name in names)
    ):
        raise ConfigurationError(
            "expected_hosts is the public host of the destination as in its address, "
            "such as hooks.example.org or localhost:8000, or a list of such hosts."
        )
    return tuple(dict.fromkeys(name.lower() for name in names))


def read_session_tokens(tokens: object) -> tuple[bytes, ...]:
    """Return the session tokens as bytes; none is fine."""
    if isinstance(tokens, str | bytes):
        tokens = (tokens,)
    if not isinstance(tokens, Sequence):
        raise ConfigurationError("session_token is text, or a list of several.")
    return tuple(
        read_secret(token, f"The session token with index {index}")
        for index, token in enumerate(tokens)
    )


def read_flag(value: object, name: str) -> bool:
    """Return a switch; the text "false" out of a variable would be true."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is True or False.")
    return value
