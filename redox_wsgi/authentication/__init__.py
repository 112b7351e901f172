"""Who may send: one file a strategy, all behind one protocol.

A strategy is imported when it is asked for, so that who uses the verification token
alone waits for nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from redox_wsgi.authentication.authenticator import Authenticator
from redox_wsgi.authentication.combined import AllOf, AnyOf
from redox_wsgi.authentication.verification_token import VerificationToken
from redox_wsgi.principal import Principal

if TYPE_CHECKING:
    from redox_wsgi.authentication.aws_sigv4 import AwsSigV4
    from redox_wsgi.authentication.google_id_token import GoogleIdToken
    from redox_wsgi.authentication.google_token_info import GoogleTokenInfo
    from redox_wsgi.authentication.hmac_signature import HmacSignature
    from redox_wsgi.authentication.jwt_bearer import JwtBearer
    from redox_wsgi.authentication.keys import KeySet, StaticKeySet, VerificationKey
    from redox_wsgi.authentication.remote_keys import RemoteKeySet
    from redox_wsgi.authentication.replay import (
        MemoryReplayStore,
        ReplayStore,
        SqliteReplayStore,
    )
    from redox_wsgi.authentication.self_issued_token import SelfIssuedToken
    from redox_wsgi.authentication.token_introspection import (
        ClientCredentials,
        TokenIntrospection,
    )

__all__ = [
    "AllOf",
    "AnyOf",
    "Authenticator",
    "AwsSigV4",
    "ClientCredentials",
    "GoogleIdToken",
    "GoogleTokenInfo",
    "HmacSignature",
    "JwtBearer",
    "KeySet",
    "MemoryReplayStore",
    "Principal",
    "RemoteKeySet",
    "ReplayStore",
    "SelfIssuedToken",
    "SqliteReplayStore",
    "StaticKeySet",
    "TokenIntrospection",
    "VerificationKey",
    "VerificationToken",
]

_ELSEWHERE = {
    "AwsSigV4": "aws_sigv4",
    "ClientCredentials": "token_introspection",
    "GoogleIdToken": "google_id_token",
    "GoogleTokenInfo": "google_token_info",
    "HmacSignature": "hmac_signature",
    "JwtBearer": "jwt_bearer",
    "KeySet": "keys",
    "MemoryReplayStore": "replay",
    "RemoteKeySet": "remote_keys",
    "ReplayStore": "replay",
    "SelfIssuedToken": "self_issued_token",
    "SqliteReplayStore": "replay",
    "StaticKeySet": "keys",
    "TokenIntrospection": "token_introspection",
    "VerificationKey": "keys",
}


def __getattr__(name: str) -> object:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
