"""OAuth 2.0 2-legged: an access token that is fetched by client ID and secret."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.credentials.access_token import (
    FORM,
    AccessTokens,
    build_token_request,
)
from redox_wsgi.simulator.credentials.fields import (
    Clock,
    check_seconds,
    check_text,
    utc_now,
)
from redox_wsgi.simulator.errors import SimulatorError
from redox_wsgi.simulator.exchange import Request, Transport
from redox_wsgi.simulator.over_http import OverHttp

__all__ = ["OAuthCredential"]

_TEXTS = (
    *("url", "client_id", "client_secret", "grant_type", "content_type"),
    *("grant_type_name", "client_id_name", "client_secret_name"),
    *("access_token_name", "expires_field_name"),
)
_OPTIONAL_TEXTS = ("audience", "resource", "custom_field_name", "custom_field_value")


@dataclass(frozen=True, slots=True)
class OAuthCredential:
    """Fetches an access token, keeps it until it expires, and sends it as Bearer.

    The fields are those of Redox's strategy ``OAuth_2.0_2-legged``, with underscores.

    Args:
        url: Of the token endpoint.
        client_id: Who asks; Redox calls it ``username`` too.
        client_secret: Its secret; Redox calls it ``password`` too.
        no_basic: Send ID and secret in the body. Else they go by HTTP Basic alone;
            whether Redox repeats them in the body then, nobody states.
        scopes: What is asked for: one text, or several; None: nothing is said of it.
        audience: The parameter of that name; None: it is left out, as the next one.
        resource: The parameter of that name.
        custom_field_name: The name of one more parameter.
        custom_field_value: Its value.
        content_type: Of the request: a form, or ``application/json``.
        grant_type: What is asked by.
        grant_type_name: What the parameter of that is called; the next two likewise.
        client_id_name: In the body, with ``no_basic``.
        client_secret_name: In the body, with ``no_basic``.
        access_token_name: The name of the token in the answer.
        expires_field_name: The name of its lifetime there, in seconds.
        default_expiration_seconds: The lifetime, if the answer names none, in seconds.
        transport: How the request travels; None: over HTTP.
        now: The clock: aware.

    Raises:
        SimulatorError: A field is wrong; or urllib3 is needed and not installed.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-4.4
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    no_basic: bool = False
    scopes: str | Sequence[str] | None = None
    audience: str | None = None
    resource: str | None = None
    custom_field_name: str | None = None
    custom_field_value: str | None = field(default=None, repr=False)
    content_type: str = FORM
    grant_type: str = "client_credentials"
    grant_type_name: str = "grant_type"
    client_id_name: str = "client_id"
    client_secret_name: str = "client_secret"  # noqa: S105 - a name
    access_token_name: str = "access_token"  # noqa: S105 - a name
    expires_field_name: str = "expires_in"
    default_expiration_seconds: int = 300
    transport: Transport | None = field(default=None, repr=False)
    now: Clock = field(default=utc_now, repr=False)
    #: Where the access tokens come from.
    tokens: AccessTokens = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in _TEXTS:
            check_text(name, getattr(self, name))
        for name in _OPTIONAL_TEXTS:
            if getattr(self, name) is not None:
                check_text(name, getattr(self, name))
        if (self.custom_field_name is None) is not (self.custom_field_value is None):
            raise SimulatorError("A custom field needs a name and a value.")
        if not isinstance(self.no_basic, bool):
            raise SimulatorError("no_basic must be true or false.")
        check_seconds("default_expiration_seconds", self.default_expiration_seconds)
        parse_address(self.url)
        join_scopes(self.scopes)
        tokens = AccessTokens(
            self.build_request,
            self.transport or OverHttp(),
            now=self.now,
            access_token_name=self.access_token_name,
            expires_field_name=self.expires_field_name,
            default_seconds=self.default_expiration_seconds,
        )
        object.__setattr__(self, "tokens", tokens)

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the header with the access token.

        Raises:
            NoAnswer: None can be had (``"no-credential"``).
        """
        return [("authorization", f"Bearer {self.tokens.get()}")]

    def build_request(self) -> Request:
        """Build the request for an access token."""
        parameters = {self.grant_type_name: self.grant_type}
        headers = []
        if self.no_basic:
            parameters[self.client_id_name] = self.client_id
            parameters[self.client_secret_name] = self.client_secret
        else:
            pair = b64encode(f"{self.client_id}:{self.client_secret}".encode())
            headers.append(("authorization", f"Basic {pair.decode()}"))
        further = {
            "scope": join_scopes(self.scopes),
            "audience": self.audience,
            "resource": self.resource,
            str(self.custom_field_name): self.custom_field_value,
        }
        parameters |= {name: text for name, text in further.items() if text is not None}
        return build_token_request(
            self.url, parameters, *headers, content_type=self.content_type
        )


def join_scopes(scopes: object) -> str | None:
    """Join scopes to one text, with blanks between.

    Raises:
        SimulatorError: They are neither text nor several texts.
    """
    if scopes is None:
        return None
    several = [scopes] if isinstance(scopes, str) else scopes
    if not isinstance(several, Sequence):
        raise SimulatorError("scopes must be text, or a list of texts.")
    for scope in several:
        check_text("scopes", scope)
    return " ".join(several)
