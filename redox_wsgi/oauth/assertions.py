"""Signed assertions: a client proves itself by its private key, once each time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redox_wsgi.authentication.jose.json_web_token import (
    UnverifiedToken,
    check_claims,
    normalise_type,
)
from redox_wsgi.authentication.jose.public_keys import ALGORITHMS
from redox_wsgi.authentication.keys import check_jwt_is_installed, is_key_id
from redox_wsgi.authentication.settings import MAX_LEEWAY_SECONDS
from redox_wsgi.errors import AuthenticationFailed, ConfigurationError
from redox_wsgi.oauth.clients import Client, ClientRegistry, find_client
from redox_wsgi.oauth.settings import check_seconds


@dataclass(frozen=True, slots=True)
class Proof:
    """Who asks for a token, and what must not be used a second time.

    Attributes:
        client: The client that was proved.
        method: How, by its name in server metadata.
        once: The key to burn and when it may be forgotten, or None.
    """

    client: Client
    method: str
    once: tuple[str, datetime] | None = None


@dataclass(frozen=True, slots=True)
class AssertionRules:
    """Which assertions are taken.

    Args:
        audiences: What ``aud`` has to be: this endpoint's address, the issuer, or
            either of them, but always one alone.
        algorithms: Which algorithms may sign; those of SMART by default.
        types: Which values of ``typ`` are taken.
        max_lifetime_seconds: How far ``exp`` may be ahead, in seconds.
        leeway_seconds: By how much clocks may differ, in seconds, at most 300.

    Raises:
        ConfigurationError: A setting is wrong.

    Spec:
        https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
    """

    audiences: str | Sequence[str]
    algorithms: Sequence[str] = ("RS384", "ES384")
    types: Sequence[str] = ("JWT", "client-authentication+jwt")
    max_lifetime_seconds: int = 300
    leeway_seconds: int = 60

    def __post_init__(self) -> None:
        audiences = self.audiences
        listed = (audiences,) if isinstance(audiences, str) else audiences
        if _is_no_list(listed) or len(listed) > 2:  # noqa: PLR2004 - a pair
            raise ConfigurationError(
                "audiences is the address of the token endpoint, or a pair of it and "
                "the issuer."
            )
        if _is_no_list(self.algorithms) or not ALGORITHMS.issuperset(self.algorithms):
            raise ConfigurationError(
                f"algorithms are among {', '.join(sorted(ALGORITHMS))}."
            )
        if _is_no_list(self.types):
            raise ConfigurationError("types are values of typ, such as JWT.")
        # Copies: what a caller does to a list later must not change what is taken.
        object.__setattr__(self, "audiences", tuple(listed))
        object.__setattr__(self, "algorithms", tuple(self.algorithms))
        object.__setattr__(self, "types", tuple(self.types))
        check_seconds("max_lifetime_seconds", self.max_lifetime_seconds, 1, 86_400)
        check_seconds("leeway_seconds", self.leeway_seconds, 0, MAX_LEEWAY_SECONDS)


def _is_no_list(candidate: object) -> bool:
    # A text is a sequence of characters, and never meant so.
    return (
        not isinstance(candidate, Sequence)
        or isinstance(candidate, str)
        or not candidate
        or not all(isinstance(text, str) and text for text in candidate)
    )


class AssertionVerifier:
    """Verifies the assertions of registered clients; burns nothing.

    Args:
        clients: Who may assert, each with its keys.
        rules: Which assertions are taken.
        subject_is_client: Whether ``sub`` must be the client, and ``kid`` and ``jti``
            be there.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: PyJWT is not installed.
    """

    def __init__(
        self,
        clients: ClientRegistry,
        rules: AssertionRules,
        *,
        subject_is_client: bool,
        now: Callable[[], datetime],
    ) -> None:
        check_jwt_is_installed()
        self._clients = clients
        self._rules = rules
        self._types = frozenset(map(normalise_type, rules.types))
        self._subject_is_client = subject_is_client
        self._now = now

    def verify(self, assertion: str, method: str) -> Proof:
        """Verify an assertion.

        Args:
            assertion: The JWT, as sent.
            method: The name of what it is used for, which ``Proof`` shall have.

        Returns:
            Who signed it. If it has a ``jti``, that is to be burnt before a token is
            issued, and not earlier.

        Raises:
            AuthenticationFailed: It is malformed, not signed by a registered client,
                not for us, or not valid now.
            AuthenticatorUnavailable: The client's keys cannot be had now.

        Spec:
            https://www.rfc-editor.org/rfc/rfc7523#section-3 and
            https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
        """
        token = UnverifiedToken.parse(
            assertion,
            accepted_types=self._types,
            allowed_headers=frozenset({"jku"}),
            algorithms=self._rules.algorithms,
        )
        # In the table of the header, kid is "required".
        # -- https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
        if self._subject_is_client and token.key_id is None:
            raise AuthenticationFailed("missing-key-id")
        client = find_client(self._clients, token.read_unverified_issuer() or "")
        if client.key_set is None:
            raise AuthenticationFailed("unknown-client")
        # Compared, never fetched: an address that a stranger names is not visited.
        if "jku" in token.header and (
            client.key_set_url is None or token.header["jku"] != client.key_set_url
        ):
            raise AuthenticationFailed("wrong-key-set-url")
        claims = token.verify(client.key_set)
        self._check(claims, client)
        return Proof(client, method, self._read_once(claims, client))

    def _check(self, claims: dict[str, Any], client: Client) -> None:
        rules = self._rules
        # "The JWT MUST contain a "sub" (subject) claim", as a grant too.
        # -- https://www.rfc-editor.org/rfc/rfc7523#section-3
        required = ("sub", "jti") if self._subject_is_client else ("sub",)
        check_claims(
            claims,
            issuer=client.client_id,
            audience=rules.audiences,
            now=self._now(),
            leeway=rules.leeway_seconds,
            max_lifetime=rules.max_lifetime_seconds,
            required=required,
        )
        # One audience only: with others in the list, one of them could use the
        # assertion here. -- https://datatracker.ietf.org/doc/draft-ietf-oauth-rfc7523bis/
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) != 1:
            raise AuthenticationFailed("wrong-audience")
        if self._subject_is_client and claims["sub"] != client.client_id:
            raise AuthenticationFailed("wrong-subject")

    def _read_once(
        self, claims: dict[str, Any], client: Client
    ) -> tuple[str, datetime] | None:
        if "jti" not in claims:
            return None
        if not is_key_id(claims["jti"]):
            raise AuthenticationFailed("malformed-claims")
        # Of one length for whatever store; JSON keeps apart what a separator could not.
        named = json.dumps([client.client_id, claims["jti"]]).encode("ascii")
        forgotten_at = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(
            seconds=self._rules.leeway_seconds
        )
        return hashlib.sha256(named).hexdigest(), forgotten_at
