"""What every authenticator is, and how it is asked."""

from __future__ import annotations

from typing import Protocol

from redox_wsgi.errors import (
    AuthenticatorUnavailable,
    ConfigurationError,
    DeliveryFailed,
    RequestRejected,
)
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request


class Authenticator(Protocol):
    """Checks a request against an auth credential."""

    def authenticate(self, request: Request) -> Principal:
        """Return who sent the request, or raise; never a bool.

        Raises:
            AuthenticationFailed: The credentials are absent (code ``NO_CREDENTIALS``),
                malformed (code ``malformed-credentials``) or wrong.
            InsufficientScope: They are right, but do not allow this.
            AuthenticatorUnavailable: Nobody can tell, since something else is down.
        """


def check_is_authenticator(candidate: object) -> None:
    """Raise ``ConfigurationError`` unless ``candidate`` has ``authenticate``."""
    if isinstance(candidate, type) or not callable(
        getattr(candidate, "authenticate", None)
    ):
        raise ConfigurationError(
            "An authenticator needs a method authenticate(request); give an object "
            "such as VerificationToken(token)."
        )


def authenticate(authenticator: Authenticator, request: Request) -> Principal:
    """Ask an authenticator, and hold it to what its protocol promises.

    Returns:
        The principal.

    Raises:
        RequestRejected: As the authenticator raised it.
        DeliveryFailed: As the authenticator raised it; ``AuthenticatorUnavailable`` if
            it raised anything else or returned no ``Principal``.
    """
    try:
        principal = authenticator.authenticate(request)
    except (RequestRejected, DeliveryFailed):
        raise
    # A mistake in an authenticator of the user's own: it must neither let a request in
    # nor blame the sender for it.
    except Exception as error:
        raise AuthenticatorUnavailable("authenticator-raised") from error
    if not isinstance(principal, Principal):
        raise AuthenticatorUnavailable("authenticator-returned-no-principal")
    return principal
