"""A destination and its token endpoint in one mapping, for real servers to run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from werkzeug.exceptions import NotFound

from redox_wsgi import Destination, RedoxMiddleware, Transmission
from redox_wsgi.authentication.replay import SqliteReplayStore
from redox_wsgi.authentication.self_issued_token import SelfIssuedToken
from redox_wsgi.oauth import (
    AssertionRules,
    Clients,
    ServerMetadata,
    TokenEndpoint,
    TokenService,
)
from tests.support.oauth import AUDIENCE, KEY, URL

#: Names the folder with ``clients.json``, in which the replay store is made.
FOLDER = "OAUTH_TEST_FOLDER"


def receive(transmission: Transmission) -> None:
    """Receive a transmission."""


def die(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """End this process without any farewell."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def build() -> Any:
    """Build the application, with the number of its process in every answer."""
    folder = Path(os.environ[FOLDER])
    clients = Clients.from_file(folder / "clients.json")
    tokens = TokenService(KEY, audience=AUDIENCE, clients=clients)
    endpoint = TokenEndpoint(
        clients,
        tokens,
        SqliteReplayStore(folder / "replay.db"),
        assertions=AssertionRules(URL),
    )
    metadata = ServerMetadata(endpoint, url=URL)
    application = RedoxMiddleware(
        NotFound(),
        {
            "/redox": Destination(receive, authenticator=SelfIssuedToken(tokens)),
            "/oauth/token": endpoint,
            "/.well-known/smart-configuration": metadata,
            "/.well-known/oauth-authorization-server": metadata,
            "/die": die,
        },
    )

    def numbered(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            number = ("X-Process", str(os.getpid()))
            return start_response(status, [*headers, number], *more)

        return application(environ, start)

    return numbered
