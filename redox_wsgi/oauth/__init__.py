"""A token endpoint of your own, for sites without an authorization server."""

from __future__ import annotations

from redox_wsgi.oauth.access_tokens import TokenService
from redox_wsgi.oauth.assertions import AssertionRules
from redox_wsgi.oauth.clients import Client, ClientRegistry, Clients, hash_secret
from redox_wsgi.oauth.endpoint import TokenEndpoint
from redox_wsgi.oauth.metadata import ServerMetadata

__all__ = [
    "AssertionRules",
    "Client",
    "ClientRegistry",
    "Clients",
    "ServerMetadata",
    "TokenEndpoint",
    "TokenService",
    "hash_secret",
]
