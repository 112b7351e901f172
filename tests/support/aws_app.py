"""A destination at every path that accepts two services, for real servers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from redox_wsgi import AnyOf, Destination, Request, Response, Transmission
from redox_wsgi.authentication.aws_sigv4 import AwsSigV4

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

ACCESS_KEY = "AKIDREDOX"
SECRET = "made-up-secret-of-forty-characters-00001"
REGION = "us-east-1"
SERVICE = "execute-api"
HOST = "hooks.example.org"


def build_authenticator(**settings: Any) -> AwsSigV4:
    """Build an authenticator with these keys."""
    return AwsSigV4(
        **{
            "credentials": {ACCESS_KEY: SECRET},
            "region": REGION,
            "service": SERVICE,
            "expected_hosts": HOST,
            **settings,
        }
    )


def receive(transmission: Transmission) -> None:
    """Take a transmission."""


_rewrites = {"proxy_rewrites_host": os.environ.get("AWS_TEST_PROXY") == "rewrites host"}
_destination = Destination(
    receive,
    name="aws",
    authenticator=AnyOf(
        build_authenticator(**_rewrites),
        build_authenticator(service="s3", **_rewrites),
    ),
)


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer at any path, so that any path can be signed."""
    answer = _destination.respond(Request(environ))
    assert isinstance(answer, Response)
    start_response(answer.status_line, answer.header_list)
    return [answer.body]
