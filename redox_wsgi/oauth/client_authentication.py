"""How a client proves itself to the token endpoint: by a secret, or by a signature.

Do not return early where secrets are compared: an answer must not tell by its time
whether a client exists, nor how near a guess came.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Protocol
from urllib.parse import unquote_to_bytes

from redox_wsgi.oauth.answers import TokenRefused
from redox_wsgi.oauth.assertions import AssertionVerifier, Proof
from redox_wsgi.oauth.clients import (
    MAX_SECRETS,
    NO_HASH,
    Client,
    ClientRegistry,
    find_client,
)
from redox_wsgi.oauth.token_request import TokenRequest

#: The one value of ``client_assertion_type`` that is known.
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

# The scheme is case-insensitive. What follows is left to the decoder, which refuses the
# comma of two headers that the server joined, too; any character is taken here, since
# one that ended the match would have it tried again from every blank.
# -- https://www.rfc-editor.org/rfc/rfc7617#section-2
_BASIC = re.compile(r"(?i:basic) +(.+)", re.DOTALL)

# Where a client has fewer secrets than it may.
_PADDING = (NO_HASH,) * MAX_SECRETS


class ClientAuthentication(Protocol):
    """One way in which a client may prove itself.

    Attributes:
        name: Its name in server metadata.
    """

    name: str

    def is_used_by(self, request: TokenRequest) -> bool:
        """Tell whether the request carries proof of this kind, right or wrong."""

    def authenticate(self, request: TokenRequest) -> Proof:
        """Return who sent the request.

        Raises:
            TokenRefused: ``invalid_client``: the proof is malformed or wrong.
            AuthenticationFailed: The same, as a verifier of tokens says it.
            AuthenticatorUnavailable: Nobody can tell now.
        """


class ClientSecretBasic:
    """ID and secret in the ``Authorization`` header, the default of OAuth 2.0.

    Args:
        clients: The registered clients.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    """

    name = "client_secret_basic"

    def __init__(self, clients: ClientRegistry) -> None:
        self._clients = clients

    def is_used_by(self, request: TokenRequest) -> bool:
        """Tell whether there is an ``Authorization`` header, of whatever scheme."""
        return request.authorization is not None

    def authenticate(self, request: TokenRequest) -> Proof:
        """Check the header, in the form-encoded and the raw reading.

        Raises:
            TokenRefused: ``invalid_client``: the header is malformed or wrong.
        """
        forms = _read_basic(request)
        return Proof(_match_secret(self._clients, forms), self.name)


class ClientSecretPost:
    """ID and secret as parameters, as Redox sends them with ``noBasic``.

    Args:
        clients: The registered clients.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    """

    name = "client_secret_post"

    def __init__(self, clients: ClientRegistry) -> None:
        self._clients = clients

    def is_used_by(self, request: TokenRequest) -> bool:
        """Tell whether there is a ``client_secret``."""
        return request.get("client_secret") is not None

    def authenticate(self, request: TokenRequest) -> Proof:
        """Check the two parameters.

        Raises:
            TokenRefused: ``invalid_client``: one is absent or wrong.
        """
        return Proof(_match_secret(self._clients, [_read_body(request)]), self.name)


class PrivateKeyJwt:
    """An assertion signed by the client's private key: nothing secret is sent.

    Args:
        verifier: Verifies the assertion; its ``jti`` is burnt by the endpoint.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7523#section-2.2
    """

    name = "private_key_jwt"

    def __init__(self, verifier: AssertionVerifier) -> None:
        self._verifier = verifier

    def is_used_by(self, request: TokenRequest) -> bool:
        """Tell whether there is an assertion, or the type of one."""
        return not (
            request.get("client_assertion") is None
            and request.get("client_assertion_type") is None
        )

    def authenticate(self, request: TokenRequest) -> Proof:
        """Verify the assertion.

        Raises:
            TokenRefused: ``invalid_client``: its type is another.
            AuthenticationFailed: See ``AssertionVerifier.verify``.
            AuthenticatorUnavailable: The client's keys cannot be had now.
        """
        if request.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenRefused("invalid_client", "wrong-assertion-type")
        return self._verifier.verify(request.get("client_assertion") or "", self.name)


def is_said_twice(request: TokenRequest) -> bool:
    """Tell whether the body repeats the ID and secret of the Basic header.

    Raises:
        TokenRefused: ``invalid_client``: the header is malformed.
    """
    return _read_body(request) in _read_basic(request)


def _read_body(request: TokenRequest) -> tuple[bytes, bytes]:
    client_id = request.get("client_id") or ""
    secret = request.parameters["client_secret"]
    return client_id.encode("utf-8"), secret.encode("utf-8")


def _read_basic(request: TokenRequest) -> list[tuple[bytes, bytes]]:
    match = _BASIC.fullmatch(request.authorization or "")
    try:
        decoded = binascii.a2b_base64(match[1] if match else "=", strict_mode=True)
    # Of characters outside ASCII it says so by a ValueError.
    except ValueError as error:
        raise TokenRefused("invalid_client", "malformed-basic") from error
    client_id, _, secret = decoded.partition(b":")
    # Both must be form-encoded before base64, which many clients do not do: always
    # both readings. -- https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    return [(_decode_form(client_id), _decode_form(secret)), (client_id, secret)]


def _decode_form(encoded: bytes) -> bytes:
    return unquote_to_bytes(encoded.replace(b"+", b" "))


def _match_secret(
    clients: ClientRegistry, forms: Iterable[tuple[bytes, bytes]]
) -> Client:
    """Return the client whose secret this is, in any of the forms it may be meant in.

    There are as many comparisons whether the client exists or not, how many secrets it
    has, and wherever the right one stands.
    """
    found = None
    for client_id, secret in forms:
        # Every ID is ASCII, so that what is not is no client's.
        client = find_client(clients, client_id.decode("ascii", "replace"))
        sent = sha256(secret).hexdigest()
        for known in (client.secret_hashes + _PADDING)[:MAX_SECRETS]:
            if hmac.compare_digest(sent, known) and known is not NO_HASH:
                found = client
    if found is None:
        raise TokenRefused("invalid_client", "wrong-client-secret")
    return found
