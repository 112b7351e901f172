"""Authenticators by themselves, against the libraries that one would take instead.

Every call of ours gets a request of its own and finds the credential in its headers;
the libraries are handed the bare token, with its key parsed before.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import jwt
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from benchmarks.measure import Batch, Effort, interleave
from benchmarks.table import Row, microseconds
from benchmarks.traffic import PATH, build_head
from redox_wsgi import Authenticator, Request
from redox_wsgi.authentication import (
    AwsSigV4,
    JwtBearer,
    RemoteKeySet,
    SelfIssuedToken,
    StaticKeySet,
)
from redox_wsgi.oauth import Client, Clients, TokenService, hash_secret

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

HOST = "receiver.example"
URL = f"https://{HOST}{PATH}"
ISSUER = "https://issuer.example"
SECRET = "benchmark-secret-0123456789-0123456789-abcdef"

_BODY = b"x" * 4096
_HOT = "a known key out of RemoteKeySet"
_HOT_SECONDS = 2e-6


def measure(effort: Effort) -> Iterator[Row]:
    """Time each authenticator and its rival."""
    for algorithm in ("RS384", "ES384"):
        yield from _measure_jwt(algorithm, effort)
    yield from _measure_self_issued(effort)
    yield from _measure_aws(effort)
    yield from _measure_key_set(effort)


def _measure_jwt(algorithm: str, effort: Effort) -> Iterator[Row]:
    private, jwk = _make_key(algorithm)
    header = {"kid": jwk["kid"], "typ": "at+jwt"}
    token = jwt.encode(_build_claims(), private, algorithm, header)
    public = private.public_key()
    bearer = JwtBearer(StaticKeySet({"keys": [jwk]}), ISSUER, URL)
    yield from _compare(
        effort,
        f"JwtBearer, {algorithm}",
        _ours(bearer, {"HTTP_AUTHORIZATION": f"Bearer {token}"}),
        f"PyJWT's decode, {algorithm}",
        _repeat(lambda: _decode(token, public, algorithm)),
        at_least=0.85,
    )


def _measure_self_issued(effort: Effort) -> Iterator[Row]:
    clients = Clients([Client(client_id="redox", secret_hashes=(hash_secret(SECRET),))])
    service = TokenService(SECRET, audience=URL, clients=clients)
    ours = service.issue("redox", ())
    theirs = jwt.encode(_build_claims(), SECRET, "HS256")
    yield from _compare(
        effort,
        "SelfIssuedToken",
        _ours(SelfIssuedToken(service), {"HTTP_AUTHORIZATION": f"Bearer {ours}"}),
        "PyJWT's decode, HS256",
        _repeat(lambda: _decode(theirs, SECRET, "HS256")),
        at_least=3.0,
    )


def _measure_aws(effort: Effort) -> Iterator[Row]:
    signer = SigV4Auth(Credentials("REDOX", SECRET), "execute-api", "us-east-1")
    signed = _build_request()
    signer.add_auth(signed)
    headers = {
        "HTTP_" + name.upper().replace("-", "_"): text
        for name, text in signed.headers.items()
        if name.lower() != "content-type"
    }
    authenticator = AwsSigV4({"REDOX": SECRET}, "us-east-1", "execute-api", HOST)

    def sign(calls: int) -> float:
        requests = [_build_request() for _ in range(calls)]
        started_at = time.perf_counter()
        for request in requests:
            signer.add_auth(request)
        return time.perf_counter() - started_at

    yield from _compare(
        effort,
        "AwsSigV4, 4 KiB",
        _ours(authenticator, headers),
        "botocore's signing, 4 KiB",
        sign,
        at_least=1.5,
    )


def _measure_key_set(effort: Effort) -> Iterator[Row]:
    _, jwk = _make_key("ES384")
    key_set = _fetch_key_set(json.dumps({"keys": [jwk]}).encode())
    key_id = str(jwk["kid"])
    batches = {_HOT: _repeat(lambda: key_set.get(key_id))}
    seconds = interleave(batches, effort).typical(_HOT)
    limit = microseconds(_HOT_SECONDS)
    yield Row(_HOT, microseconds(seconds), seconds / _HOT_SECONDS, limit, at_most=1.0)


def _compare(
    effort: Effort,
    ours: str,
    our_batch: Batch,
    theirs: str,
    their_batch: Batch,
    **reach,
) -> Iterator[Row]:
    samples = interleave({ours: our_batch, theirs: their_batch}, effort)
    for name in (ours, theirs):
        seconds = samples.typical(name)
        measured = f"{microseconds(seconds)}, {1 / seconds:.0f} /s"
        if name == ours:
            yield Row(name, measured)
        else:
            yield Row(name, measured, samples.ratio(name, ours), ours, **reach)


def _ours(authenticator: Authenticator, headers: dict[str, str]) -> Batch:
    """Authenticate requests of 4 KiB, each a fresh environ."""
    head: WSGIEnvironment = {
        **build_head("POST", PATH),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(_BODY)),
        **headers,
    }

    def batch(calls: int) -> float:
        environs = [{**head, "wsgi.input": io.BytesIO(_BODY)} for _ in range(calls)]
        started_at = time.perf_counter()
        for environ in environs:
            authenticator.authenticate(Request(environ))
        return time.perf_counter() - started_at

    return batch


def _repeat(call: Callable[[], object]) -> Batch:
    def batch(calls: int) -> float:
        started_at = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - started_at

    return batch


def _build_claims() -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": URL,
        "sub": "redox",
        "client_id": "redox",
        "iat": now,
        "exp": now + 3600,
        "jti": "d9f5d293-7110-461e-a875-3beb089e79f3",
    }


def _decode(token: str, key: Any, algorithm: str) -> dict[str, Any]:
    return jwt.decode(token, key, [algorithm], audience=URL, issuer=ISSUER, leeway=60)


def _build_request() -> AWSRequest:
    return AWSRequest("POST", URL, {"content-type": "application/json"}, _BODY)


def _make_key(algorithm: str) -> tuple[Any, dict[str, Any]]:
    kind: type[RSAAlgorithm | ECAlgorithm]
    if algorithm.startswith("ES"):
        private: Any = ec.generate_private_key(ec.SECP384R1())
        kind = ECAlgorithm
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        kind = RSAAlgorithm
    jwk = {**kind.to_jwk(private.public_key(), as_dict=True), "kid": "2026-a"}
    return private, {**jwk, "alg": algorithm, "use": "sig", "key_ops": ["verify"]}


def _fetch_key_set(document: bytes) -> RemoteKeySet:
    """Have a set fetched from a server on this host, which is gone afterwards."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Cache-Control", "max-age=3600")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        key_set = RemoteKeySet(f"http://127.0.0.1:{server.server_port}/keys")
        key_set.load()
        thread.join()
    return key_set
