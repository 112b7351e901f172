"""AWS Signature Version 4: head and body of a request, signed with a shared secret."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.credentials.fields import Clock, check_visible, utc_now
from redox_wsgi.simulator.exchange import Request

__all__ = ["AwsSigV4Credential"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
# What the signer for Node signs, which is also what AWS demands: "You must include the
# host header ..., and any x-amz-* headers in the request".
# -- https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_SIGNED = ("content-type", "host")


@dataclass(frozen=True, slots=True)
class AwsSigV4Credential:
    """Signs method, address, host, content type and body.

    The fields are those of Redox's strategy ``AwsSigv4``, with underscores. It signs as
    AWS's own signer for Node does; which one Redox uses, nobody states. A request that
    would get the signature of an earlier one is dated a second later, so that an
    endpoint that takes each signature once takes both.

    Args:
        access_key: Whose secret it is.
        secret_key: The secret.
        aws_region: The region of the scope.
        service_name: The service of the scope. For ``s3``, the path is signed as sent.
        session_token: Sent and signed, if there is one.
        now: The clock: aware.

    Raises:
        SimulatorError: A field is empty or not visible ASCII.

    Spec:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """

    access_key: str
    secret_key: str = field(repr=False)
    aws_region: str
    service_name: str
    session_token: str | None = field(default=None, repr=False)
    now: Clock = field(default=utc_now, repr=False)
    # The signatures of the moment, so that none is sent twice.
    _used: dict[str, None] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("access_key", "secret_key", "aws_region", "service_name"):
            check_visible(name, getattr(self, name))
        if self.session_token is not None:
            check_visible("session_token", self.session_token)

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Sign a request, and return the headers of the signature."""
        return self.sign(request)

    def sign(
        self,
        request: Request,
        *,
        leave_unsigned: Collection[str] = (),
        payload_hash: str | None = None,
    ) -> list[tuple[str, str]]:
        """Sign a request, also in ways that no endpoint should take.

        Args:
            request: The request, complete but for the signature.
            leave_unsigned: Names of headers that the signature shall not cover.
            payload_hash: What stands in place of the hash of the body.
        """
        digest = payload_hash or sha256(request.body).hexdigest()
        moment = self.now().astimezone(UTC)
        while True:
            timestamp = moment.strftime("%Y%m%dT%H%M%SZ")
            amz = [("x-amz-content-sha256", digest), ("x-amz-date", timestamp)]
            if self.session_token is not None:
                amz.append(("x-amz-security-token", self.session_token))
            authorization = self._authorize(request, amz, digest, leave_unsigned)
            if authorization not in self._used:
                break
            moment += timedelta(seconds=1)
        if len(self._used) >= _KEPT_SIGNATURES:
            self._used.clear()
        self._used[authorization] = None
        return [*amz, ("authorization", authorization)]

    def _authorize(
        self,
        request: Request,
        amz: list[tuple[str, str]],
        digest: str,
        leave_unsigned: Collection[str],
    ) -> str:
        sent = [(name.lower(), value) for name, value in request.headers]
        covered = sorted(
            (name, " ".join(value.split()))
            for name, value in [*(it for it in sent if it[0] in _SIGNED), *amz]
            if name not in leave_unsigned
        )
        names = ";".join(name for name, _ in covered)
        path, _, query = parse_address(request.url).target.partition("?")
        canonical_request = "\n".join(
            (
                request.method,
                self._canonical_path(path),
                _canonical_query(query),
                *(f"{name}:{value}" for name, value in covered),
                "",
                names,
                digest,
            )
        )
        timestamp = dict(amz)["x-amz-date"]
        scope = (timestamp[:8], self.aws_region, self.service_name, "aws4_request")
        string_to_sign = "\n".join(
            (
                _ALGORITHM,
                timestamp,
                "/".join(scope),
                sha256(canonical_request.encode("latin-1")).hexdigest(),
            )
        )
        key = f"AWS4{self.secret_key}".encode()
        for part in (*scope, string_to_sign):
            key = hmac.digest(key, part.encode(), "sha256")
        return (
            f"{_ALGORITHM} Credential={self.access_key}/{'/'.join(scope)}, "
            f"SignedHeaders={names}, Signature={key.hex()}"
        )

    # "Each path segment must be URI-encoded twice (except for Amazon S3 which only gets
    # URI-encoded once)"; it is encoded once as it is sent.
    def _canonical_path(self, path: str) -> str:
        if self.service_name == "s3":
            return path
        kept: list[str] = []
        for segment in path.split("/"):
            if segment == "..":
                del kept[-1:]
            elif segment not in ("", "."):
                kept.append(segment)
        slash = "/" if kept and path.endswith("/") else ""
        return quote("/" + "/".join(kept) + slash, safe=f"/{_UNRESERVED}")


# Far more than a client sends in a second.
_KEPT_SIGNATURES = 10_000


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = (part.partition("=") for part in query.split("&"))
    encoded = sorted((_encode(name), _encode(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encode(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_UNRESERVED)
