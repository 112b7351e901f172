"""Recognise the request by which Redox verifies a destination, and answer it.

A person clicks *Verify & Save* in Redox's dashboard; Redox then sends a challenge once,
by GET or POST, and expects to see it in the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_plus

import msgspec

from redox_wsgi.errors import MalformedRequest
from redox_wsgi.response import Response

#: A verification request is short; a longer body is a transmission.
MAX_VERIFICATION_BYTES = 4096

TOKEN_NAME = "verification-token"  # noqa: S105 - the name of the field, not a token

# A UUID is sent. Nothing that is echoed may be more than one short visible word.
_CHALLENGE = re.compile(r"[!-~]{1,256}")


class _Body(msgspec.Struct):
    challenge: Any = None
    token: Any = msgspec.field(name=TOKEN_NAME, default=msgspec.UNSET)
    meta: Any = msgspec.field(name="Meta", default=msgspec.UNSET)
    resource_type: Any = msgspec.field(name="resourceType", default=msgspec.UNSET)


_decode_body = msgspec.json.Decoder(_Body).decode


@dataclass(frozen=True, slots=True)
class Verification:
    """A request to verify this destination.

    Attributes:
        challenge: What Redox wants to see in the answer.
        tokens: For each token in the query or the body, the forms it may be meant in.
    """

    challenge: str = field(repr=False)
    tokens: tuple[tuple[str, ...], ...] = field(repr=False)


def parse_query(query_string: str) -> Verification | None:
    """Find a verification request in a query string.

    Redox documents two forms: challenge and token in the query, or the challenge alone
    with the token in a header.

    Args:
        query_string: The query string as sent, undecoded.

    Returns:
        The verification request, or None if there is no ``challenge``. Two challenges
        make one that is malformed.

    Spec:
        https://docs.redoxengine.com/how-to/manage-your-redox-configuration/create-and-verify-an-endpoint
    """
    challenges = []
    tokens = []
    for pair in query_string.split("&"):
        name, _, value = pair.partition("=")
        decoded_name = unquote_plus(name)
        if decoded_name == "challenge":
            challenges.append(unquote_plus(value))
        elif decoded_name == TOKEN_NAME:
            # As it stands, since nobody says that Redox encodes it; and decoded, where
            # a plus stays a plus, because no token holds a blank.
            tokens.append((value, unquote(value)))
    if not challenges:
        return None
    return Verification(" ".join(challenges), tuple(tokens))


def parse_body(body: bytes) -> Verification | None:
    """Find a verification request in a body.

    Args:
        body: The body of a POST, as sent.

    Returns:
        The verification request: a short JSON object with a ``challenge`` that is a
        string. None for anything else, and always if there is a ``Meta`` or a
        ``resourceType``, since such a body is a transmission whatever else it holds.

    Spec:
        https://docs.redoxengine.com/how-to/manage-your-redox-configuration/create-and-verify-an-endpoint
    """
    # Most bodies need no parser: Redox writes Meta first, and without the word or an
    # escape, no name in it can be "challenge".
    if len(body) > MAX_VERIFICATION_BYTES or body.startswith(b'{"Meta":'):
        return None
    if b"challenge" not in body and b"\\" not in body:
        return None
    try:
        parsed = _decode_body(body)
    except (ValueError, RecursionError):
        return None
    is_transmission = (
        parsed.meta is not msgspec.UNSET or parsed.resource_type is not msgspec.UNSET
    )
    if is_transmission or not isinstance(parsed.challenge, str):
        return None
    if parsed.token is msgspec.UNSET:
        return Verification(parsed.challenge, ())
    # A token that is no string is one that is wrong.
    token = parsed.token if isinstance(parsed.token, str) else ""
    return Verification(parsed.challenge, ((token,),))


def answer_challenge(verification: Verification) -> Response:
    """Answer with the bare challenge, which satisfies both of Redox's documents.

    Raises:
        MalformedRequest: The challenge is no single visible ASCII word of at most 256
            characters.
    """
    if not _CHALLENGE.fullmatch(verification.challenge):
        raise MalformedRequest("malformed-challenge")
    return Response(
        verification.challenge.encode("ascii"),
        content_type="text/plain; charset=utf-8",
    )


def blank_tokens(query_string: str) -> str:
    """Replace the value of every token in a query string by asterisks.

    Args:
        query_string: The query string as sent, undecoded.

    Example:
        >>> blank_tokens("challenge=1&verification-token=secret")
        'challenge=1&verification-token=***'
    """
    pairs = [pair.partition("=") for pair in query_string.split("&")]
    return "&".join(
        f"{name}=***"
        if unquote_plus(name).lower() == TOKEN_NAME
        else name + mark + value
        for name, mark, value in pairs
    )
