"""An HMAC of the body in a header: webhook signatures without a common standard.

Do not guess the settings: Redox documents none of them. Send one transmission to a
place that shows its headers, and take them from there.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NoReturn, TypeAlias

from redox_wsgi.authentication.replay import (
    ReplayStore,
    check_is_replay_store,
    use_once,
)
from redox_wsgi.authentication.settings import check_clock
from redox_wsgi.authentication.signature_settings import read_max_skew, read_secret
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
)
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request

#: One secret or several that are valid at once: visible ASCII text, or bytes.
Secrets: TypeAlias = str | bytes | Sequence[str | bytes]

#: Returns what is signed, in parts that are joined.
SignedParts: TypeAlias = Callable[[Request], Iterable[bytes]]

_Parts: TypeAlias = tuple[bytes | memoryview, ...]

SCHEME = "hmac-signature"

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_PREFIX = re.compile(r"[!-~]{0,100}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_UNIX_SECONDS = re.compile(r"[0-9]{1,11}")

_DIGESTS = ("sha256", "sha384", "sha512")


class HmacSignature:
    """Accepts requests whose header holds an HMAC of the body.

    Args:
        secrets: The signing secret; several while it is rotated, all valid: a secret
            that is changed in Redox signs from that moment on. A secret that is
            shown as hex or base64 of bytes is given as these bytes.
        header: The header with the signature.
        digest: ``sha256``, ``sha384`` or ``sha512``.
        encoding: ``hex`` or ``base64``.
        prefix: What stands before the signature, such as ``sha256=``.
        timestamp_header: The header with the time of signing, in seconds since 1970.
            It is signed too: what is signed is its text, a full stop and the body.
        signed_parts: Returns what is signed for a request, if it is something else;
            with the timestamp in it, or whoever repeats a request sets it anew.
        max_skew: How far the timestamp may be away, in seconds, at most 900.
        replay_store: Keeps the signatures that were used; needs ``timestamp_header``,
            since without one a signature never expires.
        now: The clock: aware.

    Raises:
        ConfigurationError: A setting is missing or wrong.

    Spec:
        https://docs.redoxengine.com/api-reference/platform-api-reference/platform-api-reference/Destinations/update-signing-secret/

    Example:
        >>> authenticator = HmacSignature(
        ...     "x" * 32,
        ...     header="x-signature",
        ...     digest="sha256",
        ...     encoding="hex",
        ...     prefix="sha256=",
        ... )
    """

    def __init__(
        self,
        secrets: Secrets,
        *,
        header: str,
        digest: Literal["sha256", "sha384", "sha512"],
        encoding: Literal["hex", "base64"],
        prefix: str = "",
        timestamp_header: str | None = None,
        signed_parts: SignedParts | None = None,
        max_skew: int = 300,
        replay_store: ReplayStore | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._secrets = _read_secrets(secrets)
        _check_names(header, timestamp_header, prefix)
        _check_form(digest, encoding)
        if replay_store is not None:
            check_is_replay_store(replay_store)
            if timestamp_header is None:
                raise ConfigurationError("A replay_store needs a timestamp_header.")
        if signed_parts is not None and not callable(signed_parts):
            raise ConfigurationError("signed_parts must be callable with a Request.")
        check_clock(now)
        self._header = header
        self._digest = digest
        self._decode = _DECODERS[encoding]
        self._prefix = prefix
        self._timestamp_header = timestamp_header
        self._signed_parts = signed_parts
        self._max_skew = read_max_skew(max_skew)
        self._replay_store = replay_store
        self._now = now

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the secrets would be in it."""
        raise TypeError("An HmacSignature holds secrets and cannot be pickled.")

    def authenticate(self, request: Request) -> Principal:
        """Check the signature of a request against every secret.

        Returns:
            A principal whose subject is the index of the secret.

        Raises:
            AuthenticationFailed: There is no signature (code ``NO_CREDENTIALS``), or it
                is malformed, too old or too new, wrong, or was used before.
            AuthenticatorUnavailable: The replay store is down, or ``signed_parts``
                raised.
            MalformedRequest: The body could not be read.
            BodyTooLarge: The body is above the limit.
        """
        sent = self._read_signature(request)
        timestamp = self._read_timestamp(request)
        found = self._find_secret(sent, self._list_signed_parts(request, timestamp))
        if found is None:
            raise _refuse("wrong-signature")
        self._check_first_use(sent, timestamp)
        return Principal(SCHEME, str(found))

    def _read_signature(self, request: Request) -> bytes:
        value = request.header(self._header)
        if value is None:
            raise _refuse(NO_CREDENTIALS)
        if not value.startswith(self._prefix):
            raise _refuse("malformed-credentials")
        try:
            return self._decode(value.removeprefix(self._prefix))
        except ValueError as error:
            raise _refuse("malformed-credentials") from error

    def _read_timestamp(self, request: Request) -> str | None:
        if self._timestamp_header is None:
            return None
        text = request.header(self._timestamp_header)
        if text is None or not _UNIX_SECONDS.fullmatch(text):
            raise _refuse("malformed-credentials")
        if abs(self._now() - _read_time(text)) > self._max_skew:
            raise _refuse("clock-skew")
        return text

    def _list_signed_parts(self, request: Request, timestamp: str | None) -> _Parts:
        # A body that cannot be read is not the fault of signed_parts.
        body = request.body()
        if self._signed_parts is not None:
            try:
                return tuple(map(memoryview, self._signed_parts(request)))
            except Exception as error:
                raise AuthenticatorUnavailable("signed-parts-raised") from error
        if timestamp is None:
            return (body,)
        return (timestamp.encode("ascii"), b".", body)

    def _find_secret(self, sent: bytes, parts: _Parts) -> int | None:
        """Return the index of a secret; as many comparisons whatever the outcome."""
        found = None
        for index, secret in enumerate(self._secrets):
            mac = hmac.new(secret, digestmod=self._digest)
            for part in parts:
                mac.update(part)
            if hmac.compare_digest(sent, mac.digest()):
                found = index
        return found

    def _check_first_use(self, sent: bytes, timestamp: str | None) -> None:
        if self._replay_store is None or timestamp is None:
            return
        # Not the text in the header: hex has several spellings of one signature.
        key = f"{SCHEME}:{sent.hex()}"
        expires_at = _read_time(timestamp) + self._max_skew
        if not use_once(self._replay_store, key, expires_at):
            raise _refuse("replayed-signature")


def _refuse(code: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        code, error="invalid_signature", www_authenticate="HMAC"
    )


def _decode_hex(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise ValueError("Not hex.")
    return bytes.fromhex(text)


def _decode_base64(text: str) -> bytes:
    decoded = base64.b64decode(text, validate=True)
    # Some bits of the last digit count for nothing: one spelling is enough.
    if base64.b64encode(decoded).decode("ascii") != text:
        raise ValueError("Not the one spelling of base64.")
    return decoded


_DECODERS = {"hex": _decode_hex, "base64": _decode_base64}


def _read_time(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)


def _read_secrets(secrets: object) -> tuple[bytes, ...]:
    if isinstance(secrets, str | bytes):
        secrets = (secrets,)
    if not isinstance(secrets, Sequence) or not secrets:
        raise ConfigurationError(
            "No signing secret is configured: give the secret as Redox shows it, or a "
            "list of secrets."
        )
    return tuple(
        read_secret(secret, f"The signing secret with index {index}")
        for index, secret in enumerate(secrets)
    )


def _check_names(header: object, timestamp_header: object, prefix: object) -> None:
    for name in (header, timestamp_header):
        if name is not None and not (
            isinstance(name, str) and _HEADER_NAME.fullmatch(name)
        ):
            raise ConfigurationError(
                "The name of a header is letters, digits and hyphens."
            )
    if header is None:
        raise ConfigurationError("header is the name of the header with the signature.")
    if not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
        raise ConfigurationError("prefix is visible ASCII text without blanks.")


def _check_form(digest: object, encoding: object) -> None:
    if digest not in _DIGESTS:
        raise ConfigurationError(f"digest is one of {', '.join(_DIGESTS)}.")
    if encoding not in tuple(_DECODERS):
        raise ConfigurationError(f"encoding is one of {', '.join(_DECODERS)}.")
