"""Read a token request: its parameters, each at most once.

Do not read parameters out of the query: a secret there would stand in access logs.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl

from redox_wsgi.authentication.jose.encoding import parse_object
from redox_wsgi.errors import MalformedRequest
from redox_wsgi.oauth.answers import TokenRefused
from redox_wsgi.oauth.settings import check_switch, rename
from redox_wsgi.request import Request

#: The largest token request, in bytes. An assertion is below 8 KiB.
MAX_BODY_BYTES = 64 * 1024

#: The parameters that are read; what else a client sends is ignored.
PARAMETERS = (
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion_type",
    "client_assertion",
    "assertion",
)

# More would be work without use: seven are read.
_MAX_FIELDS = 100

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"

# Some clients announce a charset though the type has no such parameter. It is UTF-8 in
# any case. -- https://www.rfc-editor.org/rfc/rfc6749#appendix-B
_CONTENT_TYPE = re.compile(
    r'([a-z/-]+)(?:[ \t]*;[ \t]*charset="?utf-8"?)?',
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client sent to the token endpoint.

    Attributes:
        parameters: Those of ``PARAMETERS`` that were sent with a value, by the names
            that RFC 6749 gives them.
        authorization: The ``Authorization`` header, or None.
    """

    parameters: Mapping[str, str] = field(repr=False)
    authorization: str | None = field(repr=False)

    def get(self, name: str) -> str | None:
        """Return a parameter, or None if it was not sent or has no value."""
        return self.parameters.get(name)


class TokenRequestReader:
    """Reads token requests.

    Args:
        names: Other names for parameters, ``{"client_id": "clientId"}``: Redox's
            credential has a field for some. The usual name is not read then.
        accept_json: Whether the parameters may come as a JSON object.

    Raises:
        ConfigurationError: A name is no parameter's, or two parameters have one name.
    """

    def __init__(self, names: Mapping[str, str], *, accept_json: bool) -> None:
        check_switch("accept_json", accept_json)
        self._sent_names = rename(PARAMETERS, names, "parameter_names")
        self._accept_json = accept_json

    def read(self, request: Request) -> TokenRequest:
        """Read the parameters out of the body.

        Raises:
            TokenRefused: ``invalid_request``: the content type is another, the body is
                not UTF-8, malformed, or repeats a parameter.
            BodyTooLarge: The body is above ``MAX_BODY_BYTES``.
        """
        is_json = self._is_json(request.header("content-type"))
        try:
            body = request.body(MAX_BODY_BYTES)
        except MalformedRequest as error:
            raise TokenRefused("invalid_request", error.code) from error
        names = self._sent_names.values()
        sent = None
        # An error of a decoder holds what it decodes, which is a secret here: ours is
        # raised apart from it.
        with contextlib.suppress(ValueError):
            sent = _parse_json(body, names) if is_json else _parse_form(body)
        if sent is None:
            raise TokenRefused("invalid_request", "malformed-parameters")
        # "Parameters sent without a value MUST be treated as if they were omitted from
        # the request. The authorization server MUST ignore unrecognized request
        # parameters." -- https://www.rfc-editor.org/rfc/rfc6749#section-3.2
        parameters = {
            name: sent[sent_name]
            for name, sent_name in self._sent_names.items()
            if sent.get(sent_name)
        }
        return TokenRequest(
            MappingProxyType(parameters), request.header("authorization")
        )

    def _is_json(self, content_type: str | None) -> bool:
        match = _CONTENT_TYPE.fullmatch(content_type or "")
        media_type = match[1].lower() if match else None
        if media_type == _JSON and self._accept_json:
            return True
        if media_type != _FORM:
            raise TokenRefused("invalid_request", "wrong-content-type")
        return False


def _parse_form(body: bytes) -> dict[str, str]:
    pairs = parse_qsl(
        body.decode("utf-8"),
        keep_blank_values=True,
        errors="strict",
        max_num_fields=_MAX_FIELDS,
    )
    sent = dict(pairs)
    # "Request and response parameters MUST NOT be included more than once": one program
    # would take the first, another the last.
    # -- https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    if len(sent) != len(pairs):
        raise ValueError("A parameter is repeated.")
    return sent


def _parse_json(body: bytes, names: Collection[str]) -> dict[str, str]:
    # It refuses repeated members too, and half a surrogate pair.
    sent = {name: value for name, value in parse_object(body).items() if name in names}
    # Not skipped: who asks for ["one scope"] must not get them all.
    if not all(value is None or isinstance(value, str) for value in sent.values()):
        raise ValueError("A parameter is no text.")
    return sent
