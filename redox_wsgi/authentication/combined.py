"""Several authenticators as one: all must accept, or any may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType

from redox_wsgi.authentication.authenticator import (
    Authenticator,
    authenticate,
    check_is_authenticator,
)
from redox_wsgi.authentication.verification_token import VerificationToken
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
    DeliveryFailed,
    InsufficientScope,
    RequestRejected,
)
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request


class _Combined:
    authenticators: tuple[Authenticator, ...]

    def __init__(self, *authenticators: Authenticator) -> None:
        if not authenticators:
            raise ConfigurationError(
                f"{type(self).__name__}() without authenticators would prove nothing; "
                "give at least one."
            )
        for authenticator in authenticators:
            check_is_authenticator(authenticator)
        self.authenticators = authenticators


class AllOf(_Combined):
    """Accepts what every one of its authenticators accepts.

    Args:
        authenticators: At least one, asked in this order.

    Raises:
        ConfigurationError: There is none, or one is no authenticator.
    """

    def authenticate(self, request: Request) -> Principal:
        """Return the first principal, with the others in ``claims["also"]``.

        Raises:
            RequestRejected: The first refusal, whatever the later ones say.
            AuthenticatorUnavailable: Nobody refused, but somebody could not tell.
            DeliveryFailed: Any other, which ends it at once.
        """
        principals: list[Principal] = []
        unavailable = None
        for position, authenticator in enumerate(self.authenticators, start=1):
            try:
                principals.append(authenticate(authenticator, request))
            except AuthenticatorUnavailable as error:
                unavailable = unavailable or error
            except AuthenticationFailed:
                rest = self.authenticators[position:]
                is_proved = unavailable is None and bool(principals or rest)
                if not (
                    is_proved
                    and _may_belong_to_another(authenticator, request)
                    and _do_accept(rest, request)
                ):
                    raise
                # All others are proved, so the Bearer token is one of theirs and no
                # wrong verification token: that of a verification may be in the body.
                raise AuthenticationFailed(NO_CREDENTIALS) from None
        if unavailable is not None:
            raise unavailable
        first, *also = principals
        claims = MappingProxyType({**first.claims, "also": tuple(also)})
        return replace(first, claims=claims)


def _may_belong_to_another(authenticator: Authenticator, request: Request) -> bool:
    """Whether what was refused as a verification token is a Bearer token alone."""
    return (
        isinstance(authenticator, VerificationToken)
        and request.header("verification-token") is None
    )


def _do_accept(authenticators: Sequence[Authenticator], request: Request) -> bool:
    try:
        for authenticator in authenticators:
            authenticate(authenticator, request)
    except (RequestRejected, DeliveryFailed):
        return False
    return True


class AnyOf(_Combined):
    """Accepts what at least one of its authenticators accepts.

    Args:
        authenticators: At least one, asked in this order until one accepts.

    Raises:
        ConfigurationError: There is none, or one is no authenticator.
    """

    def authenticate(self, request: Request) -> Principal:
        """Return the principal of the first that accepts.

        Raises:
            AuthenticationFailed: Credentials are malformed, which ends it at once; or
                nobody accepted: the first real refusal as it was raised, or without any
                ``NO_CREDENTIALS`` with the ``WWW-Authenticate`` values of all.
            InsufficientScope: Nobody accepted, and this was the first real refusal.
            AuthenticatorUnavailable: Nobody accepted, and somebody could not tell.
            RequestRejected: Any other, such as ``BodyTooLarge``, which ends it at once.
            DeliveryFailed: Any other, which ends it at once.
        """
        refusal: RequestRejected | None = None
        unavailable: AuthenticatorUnavailable | None = None
        challenges: dict[str, None] = {}
        for authenticator in self.authenticators:
            try:
                return authenticate(authenticator, request)
            except AuthenticationFailed as failure:
                if failure.code == "malformed-credentials":
                    raise
                challenges[failure.www_authenticate] = None
                if failure.code != NO_CREDENTIALS:
                    refusal = refusal or failure
            except InsufficientScope as failure:
                refusal = refusal or failure
            except AuthenticatorUnavailable as failure:
                unavailable = unavailable or failure
        if unavailable is not None:
            raise unavailable
        if refusal is not None:
            raise refusal
        raise AuthenticationFailed(
            NO_CREDENTIALS, www_authenticate=", ".join(challenges)
        )


def find_verification_token(
    authenticator: Authenticator | None,
) -> VerificationToken | None:
    """Find the verification token within an authenticator, or None.

    A destination answers the challenge with it, whatever else transmissions need.

    Raises:
        ConfigurationError: There are several, so that it is not clear which counts.
    """
    found = list(_walk(authenticator))
    if len(found) > 1:
        raise ConfigurationError(
            "Several VerificationToken objects guard one destination; give one with a "
            "list of all tokens that are valid."
        )
    return found[0] if found else None


def _walk(authenticator: object) -> Iterator[VerificationToken]:
    if isinstance(authenticator, VerificationToken):
        yield authenticator
    elif isinstance(authenticator, _Combined):
        for part in authenticator.authenticators:
            yield from _walk(part)
