"""The verification token: one shared secret that Redox sends with every request."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TypeAlias

from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
)
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request

#: One token, several that are valid at once, or a callable that returns either and is
#: asked for every request.
Tokens: TypeAlias = str | Sequence[str] | Callable[[], str | Sequence[str]]

SCHEME = "verification-token"

# Redox suggests "123" for a first try; a guess should cost more in production.
_SHORT_CHARACTERS = 20

# No blank, comma, control or non-ASCII character: pasted white space is a known cause
# of failed verifications, and a comma is how servers join two headers of one name.
_TOKEN = re.compile(r"[!-+\--~]+")

_logger = logging.getLogger("redox_wsgi")


class VerificationToken:
    """Accepts requests that carry a configured verification token.

    Args:
        tokens: The token as entered in Redox's dashboard; several while it is rotated,
            all valid; or a callable that returns either and is asked for every
            request. The label of a token is its index.

    Raises:
        ConfigurationError: There is no token, or one is empty or holds white space, a
            comma, a control character or one outside ASCII.

    Spec:
        https://developer.redoxengine.com/redox-json-api/processing-requests/
    """

    def __init__(self, tokens: Tokens) -> None:
        self._reload = tokens if callable(tokens) else None
        self._loaded: tuple[object, tuple[bytes, ...]] = (None, ())
        if not callable(tokens):
            self._loaded = (tokens, _hash_tokens(tokens))

    def authenticate(self, request: Request) -> Principal:
        """Check the ``verification-token`` header or, if absent, the Bearer token.

        Only one of them, since a linked auth credential may own ``Authorization``.

        Raises:
            AuthenticationFailed: Neither is there, or the token is not right.
            AuthenticatorUnavailable: The callable did not return valid tokens.
        """
        header = request.header("verification-token")
        return self.check(read_tokens(request, bearer=header is None))

    def check(self, sent: Iterable[tuple[str, ...]]) -> Principal:
        """Check all tokens of one request: one must be there, and every one right.

        Args:
            sent: For each token the forms in which it may be meant.

        Returns:
            A principal whose subject is the label of the token.

        Raises:
            AuthenticationFailed: There is none (code ``NO_CREDENTIALS``), or one is
                malformed or wrong.
            AuthenticatorUnavailable: The callable did not return valid tokens.
        """
        digests = self._load_digests()
        label = refused = None
        for forms in sent:
            label = _find(forms, digests)
            if label is None:
                refused = forms
        if refused is not None:
            raise AuthenticationFailed(
                "wrong-verification-token"
                if _TOKEN.fullmatch(refused[0])
                else "malformed-credentials"
            )
        if label is None:
            raise AuthenticationFailed(NO_CREDENTIALS)
        return _principal(label)

    def _load_digests(self) -> tuple[bytes, ...]:
        # Held here: another thread may load other tokens in between.
        loaded = self._loaded
        if self._reload is None:
            return loaded[1]
        try:
            tokens = self._reload()
            # A copy: the callable may return the same list, changed.
            tokens = tokens if isinstance(tokens, str) else tuple(tokens)
            if tokens != loaded[0]:
                loaded = self._loaded = (tokens, _hash_tokens(tokens))
        except Exception as error:
            raise AuthenticatorUnavailable("verification-token-unavailable") from error
        return loaded[1]


def read_tokens(request: Request, *, bearer: bool) -> list[tuple[str, ...]]:
    """List the tokens in the headers of a request, as ``check`` takes them.

    Args:
        request: The request.
        bearer: Whether the Bearer token is a verification token too.

    Raises:
        AuthenticationFailed: The Bearer token is malformed.
    """
    header = request.header("verification-token")
    tokens: list[tuple[str, ...]] = [] if header is None else [(header,)]
    if bearer and (token := request.bearer_token()) not in (None, header):
        tokens.append((token,))
    return tokens


def _hash_tokens(tokens: object) -> tuple[bytes, ...]:
    if isinstance(tokens, str):
        tokens = [tokens]
    if not isinstance(tokens, Sequence) or not tokens:
        raise ConfigurationError(
            "No verification token is configured: give the token as it stands in "
            "Redox's dashboard, or a list of tokens."
        )
    for label, token in enumerate(tokens):
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ConfigurationError(
                f"The verification token with index {label} is empty or holds white "
                "space, a comma or a character outside ASCII: enter one without, in "
                "Redox's dashboard and here."
            )
        if len(token) < _SHORT_CHARACTERS:
            _logger.warning(
                "The verification token with index %d has fewer than %d characters: "
                "fine for a first try, too easy to guess in production.",
                label,
                _SHORT_CHARACTERS,
            )
    return tuple(_hash(token) for token in tokens)


def _hash(token: str) -> bytes:
    # Equal length for every token. UTF-8, because what was sent may hold any character
    # while every configured token is ASCII.
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _find(forms: tuple[str, ...], digests: tuple[bytes, ...]) -> int | None:
    """Return the label of a token; as many comparisons whatever the outcome."""
    found = None
    for form in forms:
        sent = _hash(form)
        for label, digest in enumerate(digests):
            # Neither == nor an early exit: both tell by their time how far a guess
            # came.
            if hmac.compare_digest(sent, digest):
                found = label
    return found


@lru_cache(maxsize=64)
def _principal(label: int) -> Principal:
    return Principal(SCHEME, str(label))
