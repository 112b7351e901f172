"""The contract: requests to a destination, and what is answered to each.

One table for every way to run the application, in process and over real sockets. The
numbers are the rows of the decision table that each case stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.builders import (
    NOTIFICATION,
    OLD_TOKEN,
    QUERY,
    TOKEN,
    build_payload,
    encode,
)
from tests.support.contract_app import KEY

CHALLENGE = "9c8b7a6f-5e4d-4c3b-a291-807f6e5d4c3b"
HEADER = ("verification-token", TOKEN)
BEARER = ("authorization", f"Bearer {TOKEN}")
BOTH = (HEADER, BEARER)
UNAUTHORIZED = b'{"error":"invalid_token"}'
NO_ERROR = 'Bearer realm="redox"'
WITH_ERROR = 'Bearer realm="redox", error="invalid_token"'


@dataclass(frozen=True)
class Case:
    """One request and its answer."""

    name: str
    status: int
    method: str = "POST"
    path: str = "/redox"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunked: bool = False
    answer: bytes | None = None
    answered_headers: dict[str, str] = field(default_factory=dict)
    handled: int = 0


def verification(token: Any = TOKEN, challenge: Any = CHALLENGE, **more: Any) -> bytes:
    """Build a verification request's body, token first."""
    sent = {} if token is None else {"verification-token": token}
    return encode({**sent, "challenge": challenge, **more})


def _accepted(name: str, **request: Any) -> Case:
    request = {"headers": BOTH, "body": NOTIFICATION, **request}
    return Case(name, 200, answer=b"", handled=1, **request)


def _unauthorized(name: str, *, error: bool = True, **request: Any) -> Case:
    request = {"body": NOTIFICATION, **request}
    challenge = WITH_ERROR if error else NO_ERROR
    return Case(
        name,
        401,
        answer=UNAUTHORIZED,
        answered_headers={
            "www-authenticate": challenge,
            "content-type": "application/json",
        },
        **request,
    )


def _verified(name: str, **request: Any) -> Case:
    return Case(
        name,
        200,
        answer=b"" if request.get("method") == "HEAD" else CHALLENGE.encode(),
        answered_headers={
            "content-type": "text/plain; charset=utf-8",
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
        },
        **request,
    )


def _get(name: str, query: str, *headers: tuple[str, str], **more: Any) -> Case:
    return _verified(name, method="GET", query=query, headers=headers, **more)


def _get_refused(name: str, query: str, *headers: tuple[str, str], **more: Any) -> Case:
    return _unauthorized(
        name, method="GET", query=query, headers=headers, body=b"", **more
    )


def _reply(name: str, event_type: str, status: int, **more: Any) -> Case:
    body = encode(build_payload("Replies", event_type))
    return Case(
        name, status, path="/routed", headers=BOTH, body=body, handled=1, **more
    )


OTHERS = [
    Case(
        "1: another path is the application's",
        200,
        path="/ours",
        method="GET",
        query="verification-token=x&a=1",
        answer=b'{"body":"","query":{"a":"1","verification-token":"x"}}',
    ),
    Case(
        "1: a body on another path is untouched",
        200,
        path="/ours",
        body=b"abc",
        answer=b'{"body":"abc","query":{}}',
    ),
    Case(
        "1: a longer path is not the destination's",
        404,
        path="/redox/more",
        headers=BOTH,
        body=NOTIFICATION,
    ),
    Case(
        "1: another case is not the destination's",
        404,
        path="/Redox",
        headers=BOTH,
        body=NOTIFICATION,
    ),
    _accepted("1: one trailing slash makes no difference", path="/redox/"),
    _accepted("1: several leading slashes make none", path="//redox"),
    _unauthorized(
        "1: several leading slashes are no way around guard mode",
        path="///guard",
        error=False,
    ),
    Case(
        "1: two trailing slashes do",
        404,
        path="/redox//",
        headers=BOTH,
        body=NOTIFICATION,
    ),
    Case(
        "any WSGI application stands in the mapping",
        200,
        path="/other/application",
        method="GET",
        answer=b"issued at /other/application",
    ),
    Case(
        "and gets the path untouched",
        200,
        path="/other/application/",
        method="GET",
        answer=b"issued at /other/application/",
    ),
]

HTTPS = [
    Case(
        "2: plain HTTP where HTTPS is required",
        403,
        path="/redox-https",
        headers=BOTH,
        body=NOTIFICATION,
        answer=b'{"error":"https_required"}',
    ),
    Case(
        "2: neither is the challenge answered",
        403,
        path="/redox-https",
        method="GET",
        query=f"challenge={CHALLENGE}&verification-token={TOKEN}",
    ),
]

_ASKED = f"challenge={CHALLENGE}"
VERIFICATIONS = [
    _get("3: new form, challenge first", f"{_ASKED}&verification-token={TOKEN}"),
    _get("3: new form, token first", f"verification-token={TOKEN}&{_ASKED}"),
    _get("3: new form, old token", f"{_ASKED}&verification-token={OLD_TOKEN}"),
    _get(
        "3: new form with an encoded token",
        f"{_ASKED}&verification-token={TOKEN.replace('-', '%2D')}",
    ),
    _get("3: new form with an encoded name", f"{_ASKED}&verification%2Dtoken={TOKEN}"),
    _get("3: old form, token in its header", _ASKED, HEADER),
    _get("3: old form, token as Bearer", _ASKED, BEARER),
    _get("3: token everywhere", f"{_ASKED}&verification-token={TOKEN}", *BOTH),
    _verified("3: HEAD has no body", method="HEAD", headers=BOTH, query=_ASKED),
    _get_refused("3: no token at all", _ASKED, error=False),
    _get_refused("3: wrong token in the query", f"{_ASKED}&verification-token=wrong"),
    _get_refused("3: empty token in the query", f"{_ASKED}&verification-token="),
    _get_refused(
        "3: wrong token in the query, right header",
        f"{_ASKED}&verification-token=wrong",
        HEADER,
    ),
    _get_refused(
        "3: right token in the query, wrong header",
        f"{_ASKED}&verification-token={TOKEN}",
        ("verification-token", "x"),
    ),
    _get_refused(
        "3: right token in the query, wrong Bearer",
        f"{_ASKED}&verification-token={TOKEN}",
        ("authorization", "Bearer x"),
    ),
    _get_refused(
        "3: two tokens in the query, one wrong",
        f"{_ASKED}&verification-token={TOKEN}&verification-token=x",
    ),
    _get_refused(
        "3: token in another case", f"{_ASKED}&verification-token={TOKEN.upper()}"
    ),
    Case(
        "3: malformed challenge with a right token",
        400,
        method="GET",
        query="challenge=%3Cscript%3E%20x&verification-token=" + TOKEN,
        answer=b'{"error":"malformed_request"}',
    ),
    Case(
        "3: challenge of 257 characters",
        400,
        method="GET",
        headers=BOTH,
        query="challenge=" + "c" * 257,
    ),
    Case("3: empty challenge", 400, method="GET", headers=BOTH, query="challenge="),
    Case(
        "3: two challenges",
        400,
        method="GET",
        headers=BOTH,
        query="challenge=a&challenge=b",
    ),
    Case(
        "3: challenge of 256 characters",
        200,
        method="GET",
        headers=BOTH,
        query="challenge=" + "c" * 256,
        answer=b"c" * 256,
    ),
    _get_refused(
        "3: malformed challenge with a wrong token",
        "challenge=%00&verification-token=x",
    ),
    _get(
        "3: beside a credential the token proves it alone",
        f"{_ASKED}&verification-token={TOKEN}",
        path="/key-and-token",
    ),
    _get(
        "3: beside a credential Authorization is not the token's",
        _ASKED,
        HEADER,
        ("authorization", "Bearer something-else"),
        path="/key-and-token",
    ),
    _get_refused(
        "3: beside a credential the token is needed",
        _ASKED,
        ("authorization", f"Key {KEY}"),
        path="/key-and-token",
        error=False,
    ),
    _get(
        "3: without a token the authenticator decides",
        _ASKED,
        ("authorization", f"Key {KEY}"),
        path="/key",
    ),
    Case(
        "3: and refuses",
        401,
        method="GET",
        query=_ASKED,
        path="/key",
        answer=UNAUTHORIZED,
        answered_headers={"www-authenticate": 'Key realm="redox"'},
    ),
    _get(
        "3: the token within AllOf answers the challenge",
        _ASKED,
        HEADER,
        path="/all-of",
    ),
    _get(
        "3: the token given as authenticator answers it",
        _ASKED,
        BEARER,
        path="/token-as-authenticator",
    ),
]

METHODS = [
    Case(
        f"4: {method} is not allowed",
        405,
        method=method,
        headers=BOTH,
        answer=b"" if method == "HEAD" else b'{"error":"method_not_allowed"}',
        answered_headers={"allow": "GET, POST"},
    )
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
]

CREDENTIALS = [
    _accepted("5: the header alone", headers=(HEADER,)),
    _accepted("5: the Bearer token alone", headers=(BEARER,)),
    _accepted(
        "5: the scheme in another case",
        headers=(("authorization", f"bEARER  {TOKEN}"),),
    ),
    _accepted(
        "5: the old token during a rotation",
        headers=(("verification-token", OLD_TOKEN),),
    ),
    _accepted(
        "5: both headers, one token each",
        headers=(HEADER, ("authorization", f"Bearer {OLD_TOKEN}")),
    ),
    _accepted(
        "5: another scheme is no credential of ours",
        headers=(HEADER, ("authorization", "Basic eDp5")),
    ),
    _accepted("5: a token that is loaded anew", path="/reloaded"),
    *(
        _unauthorized(
            f"5: {what} in the header", headers=(("verification-token", sent),)
        )
        for what, sent in {
            "a wrong token": "wrong",
            "an empty token": "",
            "a prefix": TOKEN[:-1],
            "a longer token": TOKEN + "x",
            "another case": TOKEN.upper(),
            "two tokens": f"{TOKEN},{TOKEN}",
            "a non-ASCII token": "t\xf6ken",
            "a very long token": "x" * 7000,
            "a token with a blank": f"{TOKEN[:5]} {TOKEN[5:]}",
        }.items()
    ),
    *(
        _unauthorized(f"5: {what} as Bearer", headers=(("authorization", sent),))
        for what, sent in {
            "a wrong token": "Bearer wrong",
            "nothing": "Bearer",
            "a tab": f"Bearer\t{TOKEN}",
            "two tokens": f"Bearer {TOKEN} {TOKEN}",
            "a comma": f"Bearer {TOKEN},Bearer {TOKEN}",
            "a non-ASCII token": "Bearer \xf6",
        }.items()
    ),
    _unauthorized("5: doubled header", headers=(HEADER, HEADER)),
    _unauthorized("5: doubled Bearer", headers=(BEARER, BEARER)),
    _unauthorized(
        "5: right header, wrong Bearer",
        headers=(HEADER, ("authorization", "Bearer wrong")),
    ),
    _unauthorized(
        "5: right Bearer, wrong header",
        headers=(BEARER, ("verification-token", "wrong")),
    ),
    _unauthorized(
        "5: right Bearer, empty header", headers=(BEARER, ("verification-token", ""))
    ),
    Case(
        "5a: tokens that cannot be loaded",
        503,
        path="/failing-reload",
        headers=BOTH,
        body=NOTIFICATION,
        answer=b'{"error":"temporarily_unavailable"}',
        answered_headers={"retry-after": "10"},
    ),
    _accepted(
        "5: the credential alone",
        path="/key",
        headers=(("authorization", f"Key {KEY}"),),
    ),
    _accepted(
        "5: the credential, and no token header",
        path="/key-and-token",
        headers=(("authorization", f"Key {KEY}"),),
    ),
    _accepted(
        "5: the credential and the right token",
        path="/key-and-token",
        headers=(("authorization", f"Key {KEY}"), HEADER),
    ),
    _unauthorized(
        "5: the credential and a wrong token",
        path="/key-and-token",
        headers=(("authorization", f"Key {KEY}"), ("verification-token", "x")),
    ),
    _unauthorized(
        "5: a wrong credential", path="/key", headers=(("authorization", "Key wrong"),)
    ),
    Case(
        "5: the token does not stand for the credential",
        401,
        path="/key-and-token",
        headers=BOTH,
        body=NOTIFICATION,
        answer=UNAUTHORIZED,
        answered_headers={"www-authenticate": 'Key realm="redox"'},
    ),
    _accepted(
        "5: both of AllOf",
        path="/all-of",
        headers=(HEADER, ("authorization", f"Key {KEY}")),
    ),
    Case(
        "5: one of AllOf",
        401,
        path="/all-of",
        headers=(HEADER,),
        body=NOTIFICATION,
        answer=UNAUTHORIZED,
    ),
    _unauthorized(
        "5: AllOf with a wrong token",
        path="/all-of",
        headers=(("verification-token", "x"), ("authorization", f"Key {KEY}")),
    ),
    _accepted("5: the first of AnyOf", path="/any-of", headers=(HEADER,)),
    _accepted(
        "5: the second of AnyOf",
        path="/any-of",
        headers=(("authorization", f"Key {KEY}"),),
    ),
    _unauthorized(
        "5: AnyOf with a wrong token",
        path="/any-of",
        headers=(("verification-token", "x"),),
    ),
    Case(
        "5: none of AnyOf",
        401,
        path="/any-of",
        body=NOTIFICATION,
        answer=UNAUTHORIZED,
        answered_headers={
            "www-authenticate": 'Bearer realm="redox", Key realm="redox"'
        },
    ),
    Case(
        "5a: scope missing",
        403,
        path="/key",
        body=NOTIFICATION,
        headers=(("authorization", "Key unscoped"),),
        answer=b'{"error":"insufficient_scope"}',
    ),
    Case(
        "5a: a dependency is down",
        503,
        path="/key",
        body=NOTIFICATION,
        headers=(("authorization", "Key unknowable"),),
        answer=b'{"error":"temporarily_unavailable"}',
        answered_headers={"retry-after": "7"},
    ),
]

STRANGERS = [
    _verified("6: the token in the body", body=verification()),
    _verified("6: the old token in the body", body=verification(OLD_TOKEN)),
    _verified("6: chunked", body=verification(), chunked=True),
    _verified(
        "6: members in another order",
        body=encode({"challenge": CHALLENGE, "verification-token": TOKEN}),
    ),
    _verified(
        "6: the token given as authenticator",
        body=verification(),
        path="/token-as-authenticator",
    ),
    _verified("6: the token within AllOf", body=verification(), path="/all-of"),
    _verified(
        "6: beside a credential, the token also in the header",
        body=verification(),
        headers=(HEADER,),
        path="/key-and-token",
    ),
    _unauthorized("6: a wrong token in the body", body=verification("wrong")),
    _unauthorized("6: an empty token in the body", body=verification("")),
    _unauthorized("6: a token that is no string", body=verification(1)),
    _unauthorized("6: a non-ASCII token in the body", body=verification("t\u20acken")),
    _unauthorized("6: no token in the body", body=verification(None), error=False),
    _unauthorized(
        "6: a right token beside a Meta", body=verification(Meta={}), error=False
    ),
    _unauthorized(
        "6: a right token beside a resourceType",
        error=False,
        body=verification(resourceType=None),
    ),
    _unauthorized(
        "6: a challenge that is no string", error=False, body=verification(challenge=1)
    ),
    _unauthorized("6: a transmission without credentials", error=False),
    _unauthorized("6: an empty body", body=b"", error=False),
    _unauthorized("6: no JSON", body=b"{" * 100, error=False),
    _unauthorized("6: a long body", body=verification() + b" " * 4096, error=False),
    _unauthorized(
        "6: a long chunked body",
        body=verification() + b" " * 4096,
        chunked=True,
        error=False,
    ),
    _unauthorized(
        "6: a token in the query of a POST",
        error=False,
        query=f"verification-token={TOKEN}",
    ),
    Case(
        "6: without configured tokens nobody is verified by a body",
        401,
        path="/key",
        body=verification(),
        answer=UNAUTHORIZED,
    ),
    Case(
        "6: a malformed challenge with a right token",
        400,
        body=verification(challenge="<script>alert(1)</script> "),
    ),
]

BODIES = [
    Case(
        "7: a body above the limit",
        413,
        path="/small",
        headers=BOTH,
        body=b"x" * 4097,
        answer=b'{"error":"body_too_large"}',
    ),
    _accepted("7: a body of the limit", path="/small", body=b"x" * 4096),
    Case(
        "7: a chunked body above the limit",
        413,
        path="/small",
        headers=BOTH,
        body=b"x" * 4097,
        chunked=True,
    ),
    _accepted(
        "7: a chunked body of the limit", path="/small", body=b"x" * 4096, chunked=True
    ),
    _accepted("7: a chunked transmission", chunked=True),
    _verified("8: a verification with credentials", headers=BOTH, body=verification()),
    _verified(
        "8: and without a token in the body", headers=BOTH, body=verification(None)
    ),
    _unauthorized(
        "8: a wrong token in the body", headers=BOTH, body=verification("wrong")
    ),
    _verified(
        "8: no token is judged where none is configured",
        path="/key",
        headers=(("authorization", f"Key {KEY}"),),
        body=verification("any"),
    ),
    _accepted(
        "8: a challenge in a payload is no verification",
        body=verification(Meta={"DataModel": "Notes", "EventType": "New"}),
    ),
    _accepted(
        "8: a challenge in a FHIR resource is none either",
        body=verification(resourceType="Bundle"),
    ),
    _accepted(
        "8: a challenge that is no string is none", body=verification(challenge=[])
    ),
    _accepted("8: a long body is none", body=verification(more="x" * 4096)),
    _accepted(
        "9: a FHIR bundle",
        body=encode({"resourceType": "Bundle", "type": "message"}),
        headers=(*BOTH, ("content-type", "application/fhir+json")),
    ),
    _accepted(
        "9: an unknown data model", body=encode(build_payload("Astrology", "New"))
    ),
    _accepted("9: no Meta", body=b"{}"),
    _accepted(
        "9: no JSON", body=b"MSH|^~\\&|", headers=(*BOTH, ("content-type", "x/y"))
    ),
    _accepted("9: bytes that are no text", body=bytes(range(256))),
    _accepted("9: an empty body", body=b""),
]

REPLIES = [
    _reply("10: None to a notification", "None", 200, answer=b""),
    _reply(
        "11: a mapping",
        "Mapping",
        200,
        answer=b'{"seen": "Zo\\u00eb"}',
        answered_headers={"content-type": "application/json"},
    ),
    _reply("11: bytes", "Bytes", 200, answer=b'{"seen": 1}'),
    _reply("11: text", "Text", 200, answer='{"seen": "Zoë"}'.encode()),
    _reply("11: a response of 404 to a notification", "Status404", 404),
    _reply("11: a response of 201 to a query", "Status201Query", 201),
    _reply(
        "11: a redirect to a query",
        "RedirectQuery",
        302,
        answered_headers={"location": "https://example.com/session"},
    ),
    *(
        _reply(
            f"11a: {event_type} is no answer",
            event_type,
            500,
            answer=b'{"error":"handler_failed"}',
        )
        for event_type in (
            "Status201",
            "Redirect",
            "List",
            "Number",
            "NotANumber",
            "Object",
            "ObjectQuery",
        )
    ),
    _reply(
        "12: the handler could not keep it",
        "Failed",
        503,
        answer=b'{"error":"temporarily_unavailable"}',
        answered_headers={"retry-after": "30"},
    ),
    _reply(
        "13: the handler raised", "Raised", 500, answer=b'{"error":"handler_failed"}'
    ),
    Case(
        "10: a notification without a handler is kept",
        200,
        path="/routed",
        headers=BOTH,
        body=encode(build_payload("Notes", "New")),
        answer=b"",
    ),
    Case(
        "guard mode hands body and transmission on",
        200,
        path="/guard",
        headers=BOTH,
        body=NOTIFICATION,
        handled=1,
        answer=b'{"event":"Arrival","length":%d}' % len(NOTIFICATION),
    ),
    Case(
        "guard mode restores a chunked body",
        200,
        path="/guard",
        headers=BOTH,
        body=QUERY,
        chunked=True,
        handled=1,
        answer=b'{"event":"Query","length":%d}' % len(QUERY),
    ),
    _unauthorized("guard mode refuses as always", path="/guard", error=False),
    _verified("guard mode verifies as always", path="/guard", body=verification()),
]

CASES = [
    *OTHERS,
    *HTTPS,
    *VERIFICATIONS,
    *METHODS,
    *CREDENTIALS,
    *STRANGERS,
    *BODIES,
    *REPLIES,
]
