"""What the application is told from outside; nothing else reads ``os.environ``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
DEFAULT_INBOX = "sqlite:///inbox.db"

_HIGHEST_PORT = 65_535
_MAKE_ONE = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'

# Nothing slows down somebody who guesses passwords, so one must not be guessable.
_SHORTEST_PASSWORD = 12
_SHORTEST_SECRET_KEY = 32


class SettingsError(Exception):
    """A setting is missing or wrong; the sentence says how to mend it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that ``create_app`` needs to know.

    Attributes:
        verification_tokens: As entered in Redox's dashboard; several while one is
            replaced by the next.
        secret_key: Signs the session cookie and the forms.
        board_password: Opens the board in a browser; None closes it for everybody.
        path: Where Redox sends to.
        database: The SQLite file. It holds patients' data: put it on a local disk that
            is encrypted, where only this application reads.
        inbox: The URL of the inbox, which holds patients' data too.
        inbox_keys: Keys that seal what it holds, newest first; none leaves it readable.
        authenticator: The auth credential that Redox sends, if one is linked to the
            destination: see ``authentication.py``.
        is_cookie_insecure: Let the session cookie go over plain HTTP.
    """

    verification_tokens: tuple[str, ...] = field(repr=False)
    secret_key: str = field(repr=False)
    board_password: str | None = field(default=None, repr=False)
    path: str = "/redox"
    database: Path = Path("ward.db")
    inbox: str = field(default=DEFAULT_INBOX, repr=False)
    inbox_keys: tuple[str, ...] = field(default=(), repr=False)
    authenticator: Mapping[str, Any] | None = field(default=None, repr=False)
    is_cookie_insecure: bool = False


def read_environment() -> dict[str, str]:
    """Copy the environment of this process."""
    return dict(os.environ)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings, from this process's environment by default.

    Raises:
        SettingsError: A setting is missing or wrong.
    """
    env = read_environment() if environment is None else environment
    tokens = env.get("REDOX_VERIFICATION_TOKEN", "").split(",")
    tokens = [token.strip() for token in tokens if token.strip()]
    if not tokens:
        raise SettingsError(
            "REDOX_VERIFICATION_TOKEN is not set: without it anybody could send us "
            "patients. Give it the verification token of your destination in Redox's "
            "dashboard; several are separated by commas."
        )
    secret_key = env.get("SECRET_KEY", "")
    if len(secret_key) < _SHORTEST_SECRET_KEY:
        raise SettingsError(
            f"SECRET_KEY must have at least {_SHORTEST_SECRET_KEY} characters: it "
            f"signs who has signed in to the board. Make one with: {_MAKE_ONE}"
        )
    password = env.get("BOARD_PASSWORD") or None
    if password is not None and len(password) < _SHORTEST_PASSWORD:
        raise SettingsError(
            f"BOARD_PASSWORD must have at least {_SHORTEST_PASSWORD} characters, or "
            "be unset, which closes the board."
        )
    path = env.get("REDOX_PATH") or "/redox"
    if not path.startswith("/") or not path.strip("/"):
        raise SettingsError(
            "REDOX_PATH must be a path such as /redox; the board itself is at /."
        )
    return Settings(
        verification_tokens=tuple(tokens),
        secret_key=secret_key,
        board_password=password,
        path=path,
        database=Path(env.get("WARD_DATABASE") or "ward.db"),
        inbox=env.get("REDOX_INBOX") or DEFAULT_INBOX,
        authenticator=_read_object(env.get("REDOX_AUTHENTICATOR")),
        inbox_keys=tuple(env.get("REDOX_INBOX_KEYS", "").split()),
        is_cookie_insecure=env.get("BOARD_INSECURE_COOKIE") == "1",
    )


def _read_object(path: str | None) -> Mapping[str, Any] | None:
    """Read the JSON object in a file, which holds secrets; None if none is named."""
    if not path:
        return None
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        # Without the original error, which could quote a secret.
        raise SettingsError(
            "REDOX_AUTHENTICATOR names a file with a JSON object, readable by us: "
            "see example_app/authentication.py."
        )
    return found


def write_address(host: str, port: int) -> str:
    """Write an address as gunicorn and URLs have it.

    Example:
        >>> write_address("127.0.0.1", 8000), write_address("::1", 8000)
        ('127.0.0.1:8000', '[::1]:8000')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_address(environment: Mapping[str, str] | None = None) -> tuple[str, int]:
    """Read the address to listen at: HOST and PORT.

    Raises:
        SettingsError: PORT is no port.
    """
    env = read_environment() if environment is None else environment
    port = env.get("PORT") or str(DEFAULT_PORT)
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT):
        raise SettingsError(f"PORT must be a number from 1 to {_HIGHEST_PORT}.")
    return env.get("HOST") or DEFAULT_HOST, int(port)
