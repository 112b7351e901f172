"""Every exception of the package, split by who erred.

No error carries text out of a request: ``code`` is a fixed lower-case word for the
log, ``error`` a fixed word for the answer's body.
"""

from __future__ import annotations

import re

#: The ``code`` of an ``AuthenticationFailed`` where the request carries no credentials.
NO_CREDENTIALS = "no-credentials"

_BEARER = 'Bearer realm="redox"'


# "scope-token = 1*( %x21 / %x23-5B / %x5D-7E )": neither quotes nor backslashes.
# -- https://www.rfc-editor.org/rfc/rfc6749#section-3.3
_SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")


def is_scope(candidate: object) -> bool:
    """Tell whether this is one name of a scope or several, by single spaces."""
    return isinstance(candidate, str) and _SCOPE.fullmatch(candidate) is not None


def _check_header(text: str) -> str:
    if not (isinstance(text, str) and text.isascii() and text.isprintable()):
        raise ValueError("A header is printable ASCII text.")
    return text


class RedoxError(Exception):
    """The base of every exception of this module; the simulator has its own."""


class ConfigurationError(RedoxError):
    """A setting is wrong. Raised while building, never for a request.

    Redox sees nothing of it: the application does not start.
    """


class BodyNotJson(RedoxError, ValueError):
    """``Transmission.json()`` was asked for a body that is not JSON.

    Redox sees 500 if the handler lets it out, pauses the subscription and sends the
    transmission again: catch it, and keep the body. The envelope may be readable all
    the same, since nothing else is decoded for it.
    """


class RequestRejected(RedoxError):
    """The sender erred; the handler is not called.

    Redox sees a 4xx, pauses the subscription and sends the transmission again.

    Attributes:
        status: The HTTP status of the answer.
        error: The fixed word in the answer's body.
        code: The fixed word in our log.
    """

    status = 400
    error = "malformed_request"
    code = "rejected"

    def __init__(self, code: str) -> None:
        self.code = code


class MalformedRequest(RequestRejected):
    """The request is not HTTP as specified, for example shorter than announced.

    Redox sees 400, pauses the subscription and sends the transmission again.
    """


class AuthenticationFailed(RequestRejected):
    """No authenticator accepted the request.

    Redox sees 401, pauses the subscription and sends the transmission again: while a
    token or key is rotated, configure both the old and the new one.

    Args:
        code: The fixed word in our log; ``NO_CREDENTIALS`` says that the request
            carries nothing of the authenticator's kind.
        error: The fixed word in the answer's body.
        www_authenticate: The challenge of RFC 9110 section 11.6.1; by default that
            of RFC 6750 section 3, which names no error where no credentials came.

    Raises:
        ValueError: ``error`` or ``www_authenticate`` cannot stand in a header.
    """

    status = 401
    error = "invalid_token"
    _www_authenticate: str | None = None

    def __init__(
        self,
        code: str,
        *,
        error: str = "invalid_token",
        www_authenticate: str | None = None,
    ) -> None:
        self.code = code
        self.error = _check_header(error)
        if www_authenticate is not None:
            self._www_authenticate = _check_header(www_authenticate)

    @property
    def www_authenticate(self) -> str:
        """The value of the ``WWW-Authenticate`` header."""
        if self._www_authenticate is not None:
            return self._www_authenticate
        if self.code == NO_CREDENTIALS:
            return _BEARER
        return f'{_BEARER}, error="{self.error}"'


class InsufficientScope(RequestRejected):
    """The credentials are right but do not allow this.

    Redox sees 403, pauses the subscription and sends the transmission again.

    Args:
        code: The fixed word in our log.
        scope: What would allow it, for the ``WWW-Authenticate`` header of a Bearer
            token: names of our own configuration, separated by single spaces.

    Raises:
        ValueError: ``scope`` is nothing of that kind.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6750#section-3
    """

    status = 403
    error = "insufficient_scope"
    _scope: str | None = None

    def __init__(self, code: str, *, scope: str | None = None) -> None:
        self.code = code
        if scope is not None and not is_scope(scope):
            raise ValueError("A scope is names separated by single spaces.")
        self._scope = scope

    @property
    def www_authenticate(self) -> str | None:
        """The value of the ``WWW-Authenticate`` header; None where no scope is named.

        Other auth strategies than Bearer tokens know no such challenge.
        """
        if self._scope is None:
            return None
        return f'{_BEARER}, error="insufficient_scope", scope="{self._scope}"'


class HttpsRequired(RequestRejected):
    """The request came over plain HTTP to a destination that requires HTTPS.

    Redox sees 403, pauses the subscription and sends the transmission again.
    """

    status = 403
    error = "https_required"


class MethodNotAllowed(RequestRejected):
    """Neither a POST nor a verification by GET.

    Redox never sends such a request; people and monitors see 405.
    """

    status = 405
    error = "method_not_allowed"


class BodyTooLarge(RequestRejected):
    """The body is above the destination's ``max_body_bytes``.

    Redox sees 413, pauses the subscription and sends the transmission again.
    """

    status = 413
    error = "body_too_large"


class DeliveryFailed(RedoxError):
    """We erred: the transmission is not kept. A handler may raise it on purpose.

    Redox sees 503 with ``Retry-After``, pauses the subscription and sends the
    transmission again.

    Args:
        code: A fixed lower-case word for the log, never text out of a request.
        retry_after_seconds: When to come again, in seconds.

    Attributes:
        status: The HTTP status of the answer, 500 to 599.
        error: The fixed word in the answer's body.
    """

    status = 503
    error = "temporarily_unavailable"
    code = "delivery-failed"
    retry_after_seconds = 10

    # Redox tries again at once, then after 10 s: no use in asking it to come earlier.
    def __init__(
        self, code: str = "delivery-failed", *, retry_after_seconds: int = 10
    ) -> None:
        self.code = code
        self.retry_after_seconds = int(retry_after_seconds)


class HandlerFailed(DeliveryFailed):
    """The handler raised, or returned what is no answer; the cause is ``__cause__``.

    Redox sees 500, pauses the subscription and sends the transmission again: a handler
    that always raises stops its subscription for ever.
    """

    status = 500
    error = "handler_failed"


class InboxUnavailable(DeliveryFailed):
    """The inbox's store cannot be used now, so the transmission is not kept.

    Redox sees 503, pauses the subscription and sends the transmission again.
    """


class LostLease(RedoxError):
    """An entry is no longer this worker's: the lease ended and another may have it.

    Redox sees nothing of it: the entry is stored, and is handled again.
    """


class PermanentFailure(RedoxError):
    """A handler raises this where trying again is useless.

    From an inbox it is not tried again: its lane halts, or it goes to the dead letters.
    Without an inbox Redox sees 500, as for anything that a handler raises, and sends
    it again.

    Args:
        code: A fixed lower-case word for operators, never text out of a transmission.
    """

    def __init__(self, code: str = "permanent-failure") -> None:
        super().__init__(code)
        self.code = code


class AuthenticatorUnavailable(DeliveryFailed):
    """What an authenticator depends on is down, so nobody can tell who sent this.

    Redox sees 503, pauses the subscription and sends the transmission again; a 401
    would blame a sender that did nothing wrong.
    """
