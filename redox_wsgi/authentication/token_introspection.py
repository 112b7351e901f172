"""Opaque access tokens, about which the server that issued them is asked.

Do not put a token into an address or a log: it is sent in the body of a POST.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn
from urllib.parse import quote_plus

import msgspec

from redox_wsgi.authentication.jose.encoding import parse_object
from redox_wsgi.authentication.jose.token_verifier import check_scopes, check_texts
from redox_wsgi.authentication.outgoing.fetching import DEFAULT_TIMEOUT_SECONDS, Fetcher
from redox_wsgi.authentication.outgoing.verdicts import (
    Accepted,
    Refused,
    Verdict,
    Verdicts,
    lacks_scopes,
)
from redox_wsgi.authentication.settings import MAX_LEEWAY_SECONDS, check_seconds
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import AuthenticationFailed, ConfigurationError
from redox_wsgi.principal import Principal

if TYPE_CHECKING:
    import ssl

    from redox_wsgi.request import Request

SCHEME = "token-introspection"

_MAX_BYTES = 64 * 1024

_OK = 200

_VSCHARS = re.compile(r"[ -~]+")

# Up to the end of the year 9999: what a datetime can hold.
_Moment = Annotated[float, msgspec.Meta(ge=0, lt=253402300800)]


class _Answer(msgspec.Struct):
    """The members that matter, each of the type that the standard gives it.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7662#section-2.2
    """

    active: bool
    scope: str | None = None
    client_id: str | None = None
    sub: str | None = None
    aud: str | tuple[str, ...] | None = None
    iss: str | None = None
    exp: _Moment | None = None
    nbf: _Moment | None = None


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """How we prove ourselves to the server that we ask.

    Attributes:
        client_id: Our name there: printable ASCII.
        client_secret: Our secret there: printable ASCII.
        method: Where the two are sent: in the header ``Authorization: Basic``, or in
            the body.

    Raises:
        ConfigurationError: One of them is empty or something else, or there is no such
            method.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    """

    client_id: str
    client_secret: str = field(repr=False)
    method: Literal["basic", "post"] = "basic"

    def __post_init__(self) -> None:
        """Check the settings."""
        # "VSCHAR = %x20-7E". What cannot be sent would be in the error that says so.
        # -- https://www.rfc-editor.org/rfc/rfc6749#appendix-A.2
        for text in (self.client_id, self.client_secret):
            if not (isinstance(text, str) and _VSCHARS.fullmatch(text)):
                raise ConfigurationError(
                    "client_id and client_secret are printable ASCII, and not empty."
                )
        if self.method not in ("basic", "post"):
            raise ConfigurationError('The method is "basic" or "post".')

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the secret would be in it."""
        raise TypeError("ClientCredentials hold a secret and cannot be pickled.")

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers that prove us."""
        if self.method != "basic":
            return []
        # Both are form-encoded before they are joined: a colon in a name would end it.
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return [("Authorization", "Basic " + b64encode(pair.encode()).decode())]

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the body that prove us."""
        if self.method != "post":
            return {}
        return {"client_id": self.client_id, "client_secret": self.client_secret}


class TokenIntrospection:
    """Accepts the Bearer tokens that their issuer says are active, for us.

    That a token is active says only that it was issued, to anybody and for anything: at
    least one of ``audience``, ``clients`` and ``scopes`` is needed. Within ``AnyOf`` it
    stands last: whatever Bearer token comes is sent to the endpoint.

    Args:
        endpoint: The introspection endpoint, an ``https`` address.
        client_auth: How we prove ourselves to it, ``ClientCredentials``.
        audience: What ``aud`` must be or hold; or several, of which one suffices.
        issuer: What ``iss`` must be.
        clients: The ``client_id`` must be one of these.
        scopes: The names that ``scope`` has to hold, all of them.
        cache_seconds: How long an answer is kept, in seconds: that long a revoked token
            is still accepted. 0 asks for every request.
        leeway: For clocks that disagree, in seconds, at most 300.
        timeout_seconds: The longest that a question takes, in seconds.
        proxy: The address of a proxy for the way out; see ``Fetcher``.
        tls: Trusts something else than the certificates of this system.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: A setting is missing or wrong.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7662#section-2
    """

    def __init__(
        self,
        endpoint: str,
        client_auth: ClientCredentials,
        *,
        audience: str | Collection[str] = (),
        issuer: str | None = None,
        clients: Collection[str] = (),
        scopes: Collection[str] = (),
        cache_seconds: float = 60,
        leeway: float = 60,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if not isinstance(client_auth, ClientCredentials):
            raise ConfigurationError("client_auth is ClientCredentials(id, secret).")
        check_seconds("leeway", leeway, 0, MAX_LEEWAY_SECONDS)
        audiences = [audience] if isinstance(audience, str) else audience
        self._audiences = check_texts("audience", audiences, at_least=0)
        self._clients = check_texts("clients", clients, at_least=0)
        self._scopes = check_scopes(scopes)
        if not (self._audiences or self._clients or self._scopes):
            raise ConfigurationError(
                "Any token of that server would be accepted; give audience=, clients= "
                "or scopes=."
            )
        # A variable that is set to nothing must not mean any issuer, nor none at all.
        self._issuer = None if issuer is None else check_texts("issuer", [issuer])[0]
        self._client_auth = client_auth
        self._leeway = leeway
        self._now = now
        self._fetcher = Fetcher(
            endpoint,
            "introspection",
            max_bytes=_MAX_BYTES,
            timeout_seconds=timeout_seconds,
            proxy=proxy,
            tls=tls,
        )
        self._verdicts = Verdicts(
            self._ask,
            cache_seconds=cache_seconds,
            wait_seconds=timeout_seconds,
            now=now,
        )

    def authenticate(self, request: Request) -> Principal:
        """Check the Bearer token, by a question if the answer is not known.

        Raises:
            AuthenticationFailed: There is no token (code ``NO_CREDENTIALS``), or it is
                malformed, not active, expired, or not for us.
            InsufficientScope: It lacks a scope.
            AuthenticatorUnavailable: The endpoint did not tell.
        """
        return self._verdicts.find(request)

    def _ask(self, token: str) -> Verdict:
        form = {"token": token, "token_type_hint": "access_token"}
        reply = self._fetcher.post(
            {**form, **self._client_auth.parameters()}, self._client_auth.headers()
        )
        if reply.status != _OK:
            raise self._fetcher.fault("bad-status")
        try:
            return self._judge(msgspec.convert(parse_object(reply.body), _Answer))
        # An answer of another shape, or of two meanings, is the endpoint's fault and
        # not the sender's.
        except ValueError:
            pass
        # Outside the except clause: the original error may quote the answer.
        raise self._fetcher.fault("malformed")

    def _judge(self, answer: _Answer) -> Verdict:
        word = self._find_fault(answer)
        if word is not None:
            return Refused(partial(AuthenticationFailed, word))
        scopes = frozenset((answer.scope or "").split(" ")) - {""}
        if not scopes.issuperset(self._scopes):
            return lacks_scopes(self._scopes)
        claims = {
            name: value
            for name in ("iss", "aud", "sub", "client_id", "exp")
            if (value := getattr(answer, name)) is not None
        }
        subject = answer.client_id or answer.sub or "-"
        principal = Principal(SCHEME, subject, scopes, MappingProxyType(claims))
        expires_at = (
            None if answer.exp is None else datetime.fromtimestamp(answer.exp, UTC)
        )
        return Accepted(principal, expires_at)

    def _find_fault(self, answer: _Answer) -> str | None:
        """Return why a token does not prove anybody to us, or None if it does."""
        now = self._now().timestamp()
        audiences = (answer.aud,) if isinstance(answer.aud, str) else answer.aud or ()
        exp, nbf = answer.exp, answer.nbf
        faults = {
            "inactive-token": not answer.active,
            "expired-token": exp is not None and exp + self._leeway <= now,
            "early-token": nbf is not None and nbf - self._leeway > now,
            "wrong-issuer": self._issuer not in (None, answer.iss),
            "wrong-audience": self._audiences
            and not set(self._audiences).intersection(audiences),
            "unknown-client": self._clients and answer.client_id not in self._clients,
        }
        return next((word for word, is_fault in faults.items() if is_fault), None)
