"""What the token endpoint answers: a token, or an error with a fixed sentence.

Do not add text out of a request here, nor a sentence that tells an unknown client from
a wrong secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from redox_wsgi.errors import RequestRejected
from redox_wsgi.response import Response

#: The error codes of https://www.rfc-editor.org/rfc/rfc6749#section-5.2
ErrorCode: TypeAlias = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
]

#: The members of an answer that carries a token.
MEMBERS = ("access_token", "token_type", "expires_in", "scope")

# For each error word, the sentence beside it.
_DESCRIPTIONS = {
    "invalid_request": "A parameter is missing, doubled or malformed.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The assertion is not valid.",
    "invalid_scope": "The scope is malformed or was not granted to this client.",
    "unauthorized_client": "This client may not use this grant type.",
    "unsupported_grant_type": "This grant type is not supported.",
    "method_not_allowed": "A token is asked for by POST.",
    "body_too_large": "The request is too large.",
    "https_required": "A token is asked for over HTTPS.",
    "temporarily_unavailable": "Nobody can tell now; come again later.",
}


class TokenRefused(RequestRejected):
    """No token is issued, and the client is to blame.

    Redox gets no access token, so the transmissions of every destination with this
    credential wait, and are sent again.

    Args:
        error: The error code of RFC 6749 in the answer's body.
        code: The fixed word in our log, which may say more than the answer.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-5.2
    """

    def __init__(self, error: ErrorCode, code: str) -> None:
        super().__init__(code)
        self.error = error
        self.status = 401 if error == "invalid_client" else 400


def build_token(
    names: Mapping[str, str], token: str, *, seconds: int, scopes: Iterable[str]
) -> Response:
    """Build the answer that carries an access token.

    Args:
        names: What each of ``MEMBERS`` is called.
        token: The access token.
        seconds: How long it is valid.
        scopes: What it allows.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-5.1
    """
    answer = {
        "access_token": token,
        # "Fixed value: bearer."
        # -- https://hl7.org/fhir/smart-app-launch/backend-services.html
        "token_type": "bearer",
        "expires_in": seconds,
        "scope": " ".join(sorted(scopes)),
    }
    # A scope has at least one word, so that none at all is not an empty one.
    # -- https://www.rfc-editor.org/rfc/rfc6749#section-3.3
    return _build(200, {names[name]: value for name, value in answer.items() if value})


def build_refusal(status: int, error: str, *header: str) -> Response:
    """Build the answer for every reason of one kind.

    Args:
        status: The HTTP status.
        error: The fixed word in the body.
        header: Name and value of one further header, or nothing.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-5.2
    """
    answer = {"error": error, "error_description": _DESCRIPTIONS[error]}
    return _build(status, answer, *header)


def is_described(error: str) -> bool:
    """Tell whether an error word may stand in an answer."""
    return error in _DESCRIPTIONS


def _build(status: int, answer: Mapping[str, object], *header: str) -> Response:
    # No answer may be stored: "Cache-Control: no-store" is in every response of ours,
    # "Pragma: no-cache" is for caches that know no better.
    # -- https://www.rfc-editor.org/rfc/rfc6749#section-5.1
    body = json.dumps(answer, separators=(",", ":")).encode("ascii")
    more = ((header[0], header[1]),) if header else ()
    return Response(body, status, headers=(("Pragma", "no-cache"), *more))
