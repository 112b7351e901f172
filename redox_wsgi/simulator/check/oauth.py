"""Probes of access tokens, and of the token endpoint if it is on the same host."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from redox_wsgi.simulator.address import parse_address
from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.forging import alter_end, bear, unsign
from redox_wsgi.simulator.check.probe import Judgement, Verdict
from redox_wsgi.simulator.check.refusals import weigh_equality
from redox_wsgi.simulator.check.rules import OK, Opinion, skip, weigh
from redox_wsgi.simulator.check.strategy import (
    StrategyGroup,
    deliver_with,
    judge_refused,
    read_bearer,
)
from redox_wsgi.simulator.check.wire import Reply
from redox_wsgi.simulator.credentials import OAuthCredential, SmartBackendCredential
from redox_wsgi.simulator.exchange import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redox_wsgi.simulator.exchange import Request

__all__ = ["ELSEWHERE", "OAUTH", "ask", "is_elsewhere"]

_Either: TypeAlias = OAuthCredential | SmartBackendCredential

OAUTH: StrategyGroup[_Either] = StrategyGroup(
    "oauth", "Access tokens (OAuth 2.0)", OAuthCredential, SmartBackendCredential
)

_SIGNS = "this credential signs assertions; it has no secret"
ELSEWHERE = "the token endpoint is on another host, which is not judged"
_OK = 200
_GUESSED = "Anybody can put patients' data into your system."


@OAUTH.forge(
    "oauth-wrong-token",
    sends="the right access token altered, shortened and prolonged, and one made up; "
    "401 should come",
    why=_GUESSED,
    mend="Ask the server that issued it, or verify its signature; compare the whole "
    "token.",
)
def _wrong_token(bench: Bench, linked: _Either) -> Judgement:
    token = read_bearer(bench, linked)
    if token is None:
        return skip("no access token came")
    forged = {
        "altered": bear(alter_end(token)),
        "a character too few": bear(token[:-1]),
        "a character too many": bear(token + "A"),
        "made up": bear(bench.wrong_token),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@OAUTH.forge(
    "oauth-alg-none",
    sends="the right access token, if it is a JSON Web Token, with a header which says "
    "that nobody signed it; 401 should come",
    why=_GUESSED,
    mend="Verify it with the one algorithm and the one key set that you expect; never "
    "take either out of the token.",
)
def _unsigned(bench: Bench, linked: _Either) -> Judgement:
    forged = unsign(read_bearer(bench, linked) or "")
    if not forged:
        return skip("the access token is no JSON Web Token")
    credentials = {label: bear(token) for label, token in forged.items()}
    return judge_refused(bench, deliver_with(bench, credentials))


@OAUTH.forge(
    "oauth-answer",
    sends="a right request for an access token; 200 should come, and JSON with the "
    "token, token_type bearer, the lifetime, and Cache-Control: no-store",
    why="Redox reads the token and its lifetime out of this answer. Kept in a cache, "
    "the token is somebody else's too.",
    mend="Answer as RFC 6749 section 5.1 says, with the names that you entered in "
    "Redox.",
)
def _answer(bench: Bench, linked: _Either) -> Judgement:
    if is_elsewhere(bench, linked):
        return skip(ELSEWHERE)
    names = ("access_token", "expires_in")
    if isinstance(linked, OAuthCredential):
        names = (linked.access_token_name, linked.expires_field_name)
    reply = ask(bench, linked, linked.build_request())
    opinion = _judge_answer(reply, *names)
    # The token is in it: not even a part of it is shown.
    return weigh(bench, [("the answer", replace(reply, body=b""), opinion)])


@OAUTH.forge(
    "oauth-wrong-secret",
    sends="requests for an access token with a wrong secret, and of an unknown client; "
    "401 or 400 should come, to both the same",
    why="Who gets a token without the secret is in. Who can tell a known client from "
    "an unknown one guesses faster.",
    mend="Compare digests in constant time, for an unknown client with one of nobody, "
    "and answer invalid_client in the same words.",
)
def _wrong_secret(bench: Bench, linked: _Either) -> Judgement:
    if is_elsewhere(bench, linked):
        return skip(ELSEWHERE)
    if not isinstance(linked, OAuthCredential):
        return skip(_SIGNS)
    strangers = {
        "a wrong secret": replace(linked, client_secret=bench.wrong_token),
        "an unknown client": replace(linked, client_id="redox-wsgi-check"),
    }
    replies = {
        label: ask(bench, linked, stranger.build_request())
        for label, stranger in strangers.items()
    }
    judgement = judge_refused(bench, replies)
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    return weigh_equality(bench, replies)


@OAUTH.forge(
    "oauth-wrong-grant",
    sends="a request for an access token of a grant type that does not exist; 400 "
    "should come",
    why="What is not understood must not be taken for something else.",
    mend="Compare grant_type with client_credentials, and answer "
    "unsupported_grant_type.",
)
def _wrong_grant(bench: Bench, linked: _Either) -> Judgement:
    if is_elsewhere(bench, linked):
        return skip(ELSEWHERE)
    if not isinstance(linked, OAuthCredential):
        return skip(_SIGNS)
    stranger = replace(linked, grant_type="not_a_grant_type")
    reply = ask(bench, linked, stranger.build_request())
    return judge_refused(bench, {"the grant type": reply})


def is_elsewhere(bench: Bench, linked: _Either) -> bool:
    """Tell whether the token endpoint is on another host: nobody asked to judge it."""
    return parse_address(linked.url).host != bench.address.host


def ask(bench: Bench, linked: _Either, request: Request) -> Reply:
    """Send a request to the token endpoint; a token that comes is never shown."""
    try:
        response = linked.tokens.exchange(request)
    except NoAnswer as error:
        return Reply(None, error=error.word)
    headers = tuple((name.lower(), value) for name, value in response.headers)
    for value in _read(response.body).values():
        if isinstance(value, str):
            bench.redaction.add(value)
    return Reply(response.status, headers, response.body)


def _judge_answer(reply: Reply, token_name: str, expires_name: str) -> Opinion:
    if reply.status != _OK:
        return Verdict.FAILED, "the status should be 200"
    answer = _read(reply.body)
    if not isinstance(answer.get(token_name), str):
        return Verdict.FAILED, f"{token_name} is missing"
    if str(answer.get("token_type")).lower() != "bearer":
        return Verdict.WARNING, "token_type should be bearer"
    if type(answer.get(expires_name)) is not int:
        return Verdict.WARNING, f"{expires_name} should be a number"
    if "no-store" not in reply.header("cache-control").lower():
        return Verdict.WARNING, "Cache-Control: no-store is missing"
    return OK


def _read(body: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except (RecursionError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}
