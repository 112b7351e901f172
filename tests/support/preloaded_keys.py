"""An application whose key set is built before its server forks.

It answers with its process, and whether the set has the key that the path names.
"""

from __future__ import annotations

import os
from typing import Any

from redox_wsgi import AuthenticationFailed
from redox_wsgi.authentication.remote_keys import RemoteKeySet

MASTER = os.getpid()

key_set = RemoteKeySet(os.environ.get("KEYS_URL", "http://127.0.0.1:9/"))


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Look a key up; "/" is for whoever asks whether the server runs."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    name = environ["PATH_INFO"].removeprefix("/")
    word = "none"
    if name:
        try:
            word = key_set.get(name).algorithm
        except AuthenticationFailed as failure:
            word = failure.code
    return [f"{word} {os.getpid()} {MASTER}".encode()]
