"""Destinations with each kind of auth credential, for real servers to run."""

from __future__ import annotations

import os
from pathlib import Path

from werkzeug.exceptions import NotFound

from redox_wsgi import Destination, RedoxMiddleware, Transmission
from redox_wsgi.authentication import (
    Authenticator,
    AwsSigV4,
    HmacSignature,
    JwtBearer,
    SelfIssuedToken,
    SqliteReplayStore,
    StaticKeySet,
)
from redox_wsgi.oauth import (
    AssertionRules,
    Client,
    Clients,
    TokenEndpoint,
    TokenService,
    hash_secret,
)
from tests.gallery import linked
from tests.gallery.right import TOKEN

#: Names the folder with ``keys.json``, in which the replay stores are made.
FOLDER = "REDOX_TEST_FOLDER"
#: The address of the server, without a path.
ADDRESS = "REDOX_TEST_ADDRESS"


def receive(transmission: Transmission) -> None:
    """Take a transmission."""


def build(folder: Path, address: str) -> RedoxMiddleware:
    """Build one destination for each strategy, with a replay store and without."""
    keys = StaticKeySet((folder / "keys.json").read_bytes())
    clients = Clients(
        [
            Client(
                client_id=linked.CLIENT_ID,
                secret_hashes=(hash_secret(linked.CLIENT_SECRET),),
                key_set=keys,
            )
        ]
    )
    key = b"k3y-canary-of-the-token-service-0001"
    tokens = TokenService(key, audience=linked.AUDIENCE, clients=clients)
    endpoint = TokenEndpoint(
        clients,
        tokens,
        SqliteReplayStore(folder / "assertions.db"),
        assertions=AssertionRules(f"{address}/token"),
    )
    destinations = {"/oauth": build_destination(SelfIssuedToken(tokens))}
    for name in ("once", "often"):
        store = SqliteReplayStore(folder / "used.db") if name == "once" else None
        jwt = JwtBearer(
            keys,
            linked.ISSUER,
            linked.AUDIENCE,
            accepted_types=["JWT"],
            clients=[linked.ISSUER],
            replay_store=store,
        )
        aws = AwsSigV4(
            {linked.ACCESS_KEY: linked.SECRET_KEY},
            linked.REGION,
            linked.SERVICE,
            address.removeprefix("http://"),
            session_token=linked.SESSION_TOKEN,
            replay_store=store,
        )
        hmac = HmacSignature(
            linked.HMAC_SECRET,
            header="x-signature",
            digest="sha256",
            encoding="hex",
            prefix="sha256=",
            timestamp_header="x-time",
            replay_store=store,
        )
        for strategy, authenticator in (("jwt", jwt), ("aws", aws), ("hmac", hmac)):
            destinations[f"/{strategy}/{name}"] = build_destination(authenticator)
    return RedoxMiddleware(NotFound(), {**destinations, "/token": endpoint})


def build_destination(authenticator: Authenticator) -> Destination:
    """Build a destination with a token and a credential."""
    return Destination(receive, verification_token=TOKEN, authenticator=authenticator)


if FOLDER in os.environ:
    application = build(Path(os.environ[FOLDER]), os.environ[ADDRESS])
