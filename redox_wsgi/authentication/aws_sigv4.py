"""AWS Signature Version 4: head and body of a request, signed with a shared secret.

Do not configure keys of a real AWS account: whoever can check a signature can make it.
Make up a pair of keys for Redox alone.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NoReturn

from redox_wsgi.authentication.aws.canonical_request import (
    build_string_to_sign,
    derive_signing_key,
    sign,
)
from redox_wsgi.authentication.aws.settings import (
    read_credentials,
    read_flag,
    read_hosts,
    read_scope_end,
    read_session_tokens,
)
from redox_wsgi.authentication.aws.signature import (
    SentSignature,
    list_canonical_requests,
    read_signature,
    read_target,
    refuse,
)
from redox_wsgi.authentication.replay import (
    ReplayStore,
    check_is_replay_store,
    use_once,
)
from redox_wsgi.authentication.settings import check_clock
from redox_wsgi.authentication.signature_settings import read_max_skew
from redox_wsgi.clock import utc_now
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request

SCHEME = "aws-sigv4"

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_TOKEN_HEADER = "x-amz-security-token"  # noqa: S105 - a header's name

# One a day and access key, and the days are bounded by the skew.
_MAX_SIGNING_KEYS = 1024


class AwsSigV4:
    """Accepts requests with the signature of AWS in their ``Authorization`` header.

    Everything in the head is checked before the body is read; so is the signature, if
    the request has ``x-amz-content-sha256``. Signers spell path and query in up to
    twelve ways, which are all tried, but only where they differ: mostly it is one.

    Args:
        credentials: For each access key its secret. While they are rotated give the old
            and the new pair, as AWS does.
        region: The region entered in Redox; never taken from a request.
        service: The service entered in Redox, likewise.
        expected_hosts: The public host, with its port if the address has one; several
            if several lead here. The signature must cover one of them.
        max_skew: How far the sender's clock may be away, in seconds, at most 900.
        allow_unsigned_payload: Take ``UNSIGNED-PAYLOAD`` in place of the body's hash:
            then nothing proves the body.
        session_token: The session token entered in Redox, if any, which then must come;
            several while it is rotated.
        allow_unsigned_session_token: Take a session token that was added after signing.
        proxy_rewrites_host: A proxy in front replaces the host that was signed: take
            any that comes for one of ``expected_hosts``. Better have it pass the host
            on, in nginx by ``proxy_set_header Host $http_host``.
        replay_store: Keeps the signatures that were used, so that each counts once,
            even where the sender repeats it because the handler failed. Without, TLS
            alone keeps strangers from repeating one within ``max_skew``.
        now: The clock: aware.

    Raises:
        ConfigurationError: A setting is missing or wrong.

    Spec:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """

    def __init__(
        self,
        credentials: Mapping[str, str],
        region: str,
        service: str,
        expected_hosts: str | Sequence[str],
        *,
        max_skew: int = 300,
        allow_unsigned_payload: bool = False,
        session_token: str | Sequence[str] = (),
        allow_unsigned_session_token: bool = False,
        proxy_rewrites_host: bool = False,
        replay_store: ReplayStore | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._secrets = read_credentials(credentials)
        self._scope_end = read_scope_end(region, service)
        self._hosts = read_hosts(expected_hosts)
        self._max_skew = read_max_skew(max_skew)
        self._session_tokens = read_session_tokens(session_token)
        if replay_store is not None:
            check_is_replay_store(replay_store)
        self._replay_store = replay_store
        self._allow_unsigned_payload = read_flag(
            allow_unsigned_payload, "allow_unsigned_payload"
        )
        self._allow_unsigned_session_token = read_flag(
            allow_unsigned_session_token, "allow_unsigned_session_token"
        )
        self._proxy_rewrites_host = read_flag(
            proxy_rewrites_host, "proxy_rewrites_host"
        )
        check_clock(now)
        self._now = now
        # For an unknown access key: as much work as for a known one.
        self._dummy_secret = secrets.token_bytes(32)
        self._signing_keys: dict[tuple[str | None, bytes], bytes] = {}
        self._principals = {key: Principal(SCHEME, key) for key in self._secrets}

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the secrets would be in it."""
        raise TypeError("An AwsSigV4 holds secrets and cannot be pickled.")

    def authenticate(self, request: Request) -> Principal:
        """Check the signature of a request, and that it covers what it must.

        Returns:
            A principal whose subject is the access key.

        Raises:
            AuthenticationFailed: There is no signature (code ``NO_CREDENTIALS``), or it
                is malformed, too old or too new, for another scope or host, covers too
                little, is wrong, or was used before.
            AuthenticatorUnavailable: The replay store is down, or the server does not
                hand over the request target as it was sent.
            MalformedRequest: The body could not be read.
            BodyTooLarge: The body is above the limit.
        """
        try:
            sent = self._check(request)
        except UnicodeEncodeError as error:
            # No server makes such an environ: its text is bytes read as latin-1.
            raise refuse("malformed-credentials") from error
        # Last of all: a request that is refused must not use up a signature.
        self._check_first_use(sent)
        return self._principals[sent.access_key]

    def _check(self, request: Request) -> SentSignature:
        sent = read_signature(request)
        if abs(self._now() - sent.signed_at) > self._max_skew:
            raise refuse("clock-skew")
        if sent.scope != f"{sent.timestamp[:8]}/{self._scope_end}":
            raise refuse("wrong-scope")
        read_target(request)
        hosts = self._list_signed_hosts(request)
        self._check_coverage(request, sent)
        self._check_session_token(request)
        announced = self._read_announced_hash(request)
        # A stranger's body is not read, but a signature is compared all the same: where
        # the hash is announced, the time does not tell which access keys there are.
        # Else it does, to who withholds the body; an access key is no secret.
        is_known = sent.access_key in self._secrets
        payload_hash = announced or (_hash_body(request) if is_known else "")
        self._check_signature(request, sent, hosts, payload_hash)
        if announced and announced != _UNSIGNED_PAYLOAD:
            _check_body(request, announced)
        return sent

    def _list_signed_hosts(self, request: Request) -> tuple[bytes, ...]:
        host = request.header("host")
        if host is None or not (
            self._proxy_rewrites_host or host.lower() in self._hosts
        ):
            raise refuse("unexpected-host")
        if self._proxy_rewrites_host:
            return tuple(name.encode("ascii") for name in self._hosts)
        # Some signers spell it as they send it, some in lower case.
        return tuple({name.encode("latin-1"): None for name in (host, host.lower())})

    def _check_coverage(self, request: Request, sent: SentSignature) -> None:
        required = {"host", "x-amz-date", *request.header_names("x-amz-")}
        if request.header("content-type"):
            required.add("content-type")
        if self._allow_unsigned_session_token:
            required.discard(_TOKEN_HEADER)
        if not required.issubset(sent.names):
            raise refuse("header-not-signed")
        if any(request.header(name) is None for name in sent.names):
            raise refuse("signed-header-missing")

    def _check_session_token(self, request: Request) -> None:
        if not self._session_tokens:
            return
        sent = (request.header(_TOKEN_HEADER) or "").encode("latin-1")
        # All of them, without an early exit.
        found = [hmac.compare_digest(sent, token) for token in self._session_tokens]
        if not any(found):
            raise refuse("wrong-session-token")

    def _read_announced_hash(self, request: Request) -> str | None:
        announced = request.header("x-amz-content-sha256")
        if announced is None or _SHA256_HEX.fullmatch(announced):
            return announced
        if announced == _UNSIGNED_PAYLOAD and self._allow_unsigned_payload:
            return announced
        # STREAMING-... too: such a body has signatures of its own between its chunks.
        raise refuse("unsigned-payload")

    def _check_signature(
        self,
        request: Request,
        sent: SentSignature,
        hosts: tuple[bytes, ...],
        payload_hash: str,
    ) -> None:
        timestamp, scope = sent.timestamp.encode("ascii"), sent.scope.encode("ascii")
        secret = self._secrets.get(sent.access_key)
        signing_key = self._find_signing_key(
            sent.access_key if secret else None, scope, secret or self._dummy_secret
        )
        for canonical_request in list_canonical_requests(
            request, sent.names, hosts, payload_hash
        ):
            string_to_sign = build_string_to_sign(timestamp, scope, canonical_request)
            right = sign(signing_key, string_to_sign).encode("ascii")
            if hmac.compare_digest(right, sent.signature.encode("ascii")) and secret:
                return
        raise refuse("wrong-signature" if secret else "unknown-access-key")

    def _find_signing_key(
        self, access_key: str | None, scope: bytes, secret: bytes
    ) -> bytes:
        name = (access_key, scope)
        signing_key = self._signing_keys.get(name)
        if signing_key is None:
            signing_key = derive_signing_key(secret, scope)
            if len(self._signing_keys) >= _MAX_SIGNING_KEYS:
                self._signing_keys.clear()
            self._signing_keys[name] = signing_key
        return signing_key

    def _check_first_use(self, sent: SentSignature) -> None:
        if self._replay_store is None:
            return
        expires_at = sent.signed_at + self._max_skew
        if not use_once(self._replay_store, f"{SCHEME}:{sent.signature}", expires_at):
            raise refuse("replayed-signature")


def _hash_body(request: Request) -> str:
    return sha256(request.body()).hexdigest()


def _check_body(request: Request, announced: str) -> None:
    if not hmac.compare_digest(_hash_body(request), announced):
        raise refuse("wrong-body")
