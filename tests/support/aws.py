"""Requests signed by others: the vectors of AWS, and botocore."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from redox_wsgi import Request
from redox_wsgi.authentication.aws_sigv4 import AwsSigV4
from tests.support.aws_app import ACCESS_KEY, HOST, REGION, SECRET, SERVICE
from tests.support.wsgi import build_environ

FOLDER = Path(__file__).parents[1] / "vectors" / "aws-sig-v4" / "v4"


def sign(
    url: str = f"https://{HOST}/redox",
    body: bytes = b"{}",
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    access_key: str = ACCESS_KEY,
    secret: str = SECRET,
    region: str = REGION,
    service: str = SERVICE,
    token: str | None = None,
) -> dict[str, str]:
    """Return all headers of a request that botocore signs now, ``host`` with them."""
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    request = AWSRequest(
        method, url, {"content-type": "application/json", **(headers or {})}, body
    )
    credentials = Credentials(access_key, secret, token)
    signer(credentials, service, region).add_auth(request)
    signed = {name.lower(): value for name, value in request.headers.items()}
    return {"host": urlsplit(url).netloc, **signed}


def build_signed_environ(
    url: str = f"https://{HOST}/redox", body: bytes = b"{}", **signing: Any
) -> dict[str, Any]:
    """Build the environ of a request signed by botocore."""
    headers = sign(url, body, **signing)
    target = url.partition(urlsplit(url).netloc)[2]
    return build_environ(
        signing.get("method", "POST"),
        query=target.partition("?")[2],
        body=body,
        headers=headers,
        RAW_URI=target,
    )


def build_signed_bytes(
    target: str, body: bytes, changes: dict[str, str] | None = None, **signing: Any
) -> bytes:
    """Build the bytes of a request signed by botocore, with headers changed after."""
    url = f"https://{HOST}" + target.encode("latin-1").decode()
    headers = {**sign(url, body, **signing), **(changes or {})}
    lines = [f"POST {target} HTTP/1.1", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(frozen=True)
class Vector:
    """One case of the suite of AWS."""

    name: str
    context: dict[str, Any]

    @property
    def signed_at(self) -> datetime:
        """When it was signed."""
        return datetime.fromisoformat(self.context["timestamp"]).astimezone(UTC)

    @property
    def token_is_unsigned(self) -> bool:
        """Whether the session token was added after signing."""
        return bool(self.context.get("omit_session_token"))

    def read(self, step: str) -> bytes:
        """Read the file of one step."""
        return (FOLDER / self.name / f"{step}.txt").read_bytes()

    def build_environ(self, step: str = "header-signed-request") -> dict[str, Any]:
        """Build an environ as a server does, of a folded header too."""
        head, _, body = self.read(step).partition(b"\n\n")
        request_line, *lines = head.decode("latin-1").split("\n")
        method, _, rest = request_line.partition(" ")
        target = rest.rpartition(" ")[0]
        headers: dict[str, str] = {}
        name = ""
        for line in lines:
            if line.startswith(" "):
                headers[name] += f"\r\n{line}"
                continue
            name, _, value = line.partition(":")
            name = name.lower()
            value = value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return {
            **build_environ(
                method, query=target.partition("?")[2], headers=headers, RAW_URI=target
            ),
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
        }

    def build_request(self, **changes: Any) -> Request:
        """Build the request, with keys of the environ changed; None takes one away."""
        environ = {**self.build_environ(), **changes}
        return Request({key: v for key, v in environ.items() if v is not None})

    def build_authenticator(self, **settings: Any) -> AwsSigV4:
        """Build the authenticator that accepts it."""
        credentials = self.context["credentials"]
        return AwsSigV4(
            **{
                "credentials": {
                    credentials["access_key_id"]: credentials["secret_access_key"]
                },
                "region": self.context["region"],
                "service": self.context["service"],
                "expected_hosts": "example.amazonaws.com",
                "session_token": credentials.get("token", ()),
                "allow_unsigned_session_token": self.token_is_unsigned,
                "now": lambda: self.signed_at,
                **settings,
            }
        )


def read_vectors() -> list[Vector]:
    """Read all cases."""
    return [
        Vector(folder.name, json.loads((folder / "context.json").read_text()))
        for folder in sorted(FOLDER.iterdir())
    ]
