"""Probes of signed tokens: forged, borrowed, too old, for somebody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.forging import (
    Fixed,
    bear,
    list_confused,
    list_damaged,
    list_oversized,
    list_strange_expiries,
    list_unsigned,
    sign,
)
from redox_wsgi.simulator.check.probe import Judgement
from redox_wsgi.simulator.check.strategy import (
    StrategyGroup,
    deliver_with,
    judge_refused,
    judge_refused_or_warn,
    judge_replay,
    judge_taken,
)
from redox_wsgi.simulator.credentials import JwtCredential

__all__ = ["JWT"]

JWT: StrategyGroup[JwtCredential] = StrategyGroup(
    "jwt", "JSON Web Tokens (JWT Bearer)", JwtCredential
)

_HOUR = timedelta(hours=1)
# More than any leeway that is reasonable.
_AHEAD_SECONDS = 900
# Two machines that keep time by the network differ by less.
_SKEW_SECONDS = 10
_YEAR_SECONDS = 366 * 24 * 3600

_FORGED = "Anybody can make such a token, and put patients' data into your system."
_BY_LIBRARY = (
    "Verify with a maintained library, and give it the one algorithm and the one key "
    "that you expect; never take either out of the token."
)


@JWT.forge(
    "jwt-expired",
    sends="rightly signed tokens that expired an hour ago, and one without exp; 401 "
    "should come",
    why="A token that was seen once, in a log or a backup, works for ever.",
    mend="Demand exp, and refuse a token when it has passed.",
)
def _expired(bench: Bench, right: JwtCredential) -> Judgement:
    past = replace(
        right, private_key=right.key, now=lambda: right.now() - _HOUR - _age(right)
    )
    forged = {
        "expired": bear(sign(past)),
        "without exp": bear(sign(right, leave_out=["exp"])),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-not-yet-valid",
    sends="a rightly signed token whose nbf lies 15 minutes ahead; 401 should come",
    why="A token that is made in advance is meant for later, and not for whoever found "
    "it today.",
    mend="Where there is nbf, refuse a token before that time.",
)
def _early(bench: Bench, right: JwtCredential) -> Judgement:
    start = int(right.now().timestamp()) + _AHEAD_SECONDS
    token = sign(right, nbf=start, exp=start + 60)
    return judge_refused(bench, deliver_with(bench, {"early": bear(token)}))


@JWT.forge(
    "jwt-wrong-audience",
    sends="rightly signed tokens for another audience, for nearly the right one, and "
    "for none; 401 should come",
    why="A token that the same sender made for somebody else lets that somebody in.",
    mend="Compare aud, or each of its members, with your own name for yourself, as a "
    "whole; refuse a token without it.",
)
def _audience(bench: Bench, right: JwtCredential) -> Judgement:
    name = right.audience if isinstance(right.audience, str) else right.audience[0]
    forged = {
        label: bear(sign(right, aud=audience))
        for label, audience in {
            "another": "https://somebody-else.example",
            "another, in a list": ["https://somebody-else.example"],
            "a character too few": name[:-1],
            "a character too many": name + "x",
            "null": None,
        }.items()
    }
    forged["none"] = bear(sign(right, leave_out=["aud"]))
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-wrong-issuer",
    sends="rightly signed tokens of another issuer, of nearly the right one, and of "
    "none; 401 should come",
    why="Who shares a key set with others takes their tokens for the sender's.",
    mend="Compare iss with the configured issuer, as a whole, and take keys of that "
    "issuer only; refuse a token without it.",
)
def _issuer(bench: Bench, right: JwtCredential) -> Judgement:
    forged = {
        label: bear(sign(right, iss=issuer))
        for label, issuer in {
            "another": "https://somebody-else.example",
            "a character too few": right.issuer[:-1],
            "a character too many": right.issuer + "x",
            "a list": [right.issuer],
        }.items()
    }
    forged["none"] = bear(sign(right, leave_out=["iss"]))
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-alg-none",
    sends="tokens whose header says that nobody signed them; 401 should come",
    why=_FORGED,
    mend=_BY_LIBRARY,
)
def _unsigned(bench: Bench, right: JwtCredential) -> Judgement:
    forged = {label: bear(token) for label, token in list_unsigned(right).items()}
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-key-confusion",
    sends="tokens with HS256, whose secret is the public key in each of its forms; 401 "
    "should come",
    why="The public key is public. " + _FORGED,
    mend=_BY_LIBRARY,
)
def _confused(bench: Bench, right: JwtCredential) -> Judgement:
    forged = {label: bear(token) for label, token in list_confused(right).items()}
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-wrong-signature",
    sends="a right token with altered claims, with an altered signature, with none, "
    "and one that another key signed; 401 should come",
    why=_FORGED,
    mend=_BY_LIBRARY,
)
def _damaged(bench: Bench, right: JwtCredential) -> Judgement:
    forged = {label: bear(token) for label, token in list_damaged(right).items()}
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-unknown-kid",
    sends="tokens that an unknown key signed, under a kid of its own, under one that "
    "looks like a file or a query, and with the key in the header; 401 should come",
    why=_FORGED,
    mend="Use kid as the key of a dictionary and for nothing else; never take a key, "
    "or the address of one, out of a token.",
)
def _unknown_key(bench: Bench, right: JwtCredential) -> Judgement:
    other = right.key.another()
    headers: dict[str, dict[str, object]] = {
        "unknown": {"kid": "redox-wsgi-check"},
        "a file": {"kid": "../../../dev/null"},
        "a query": {"kid": "' OR '1'='1"},
        "a number": {"kid": 1},
        "the key in the header": {"jwk": other.public_jwk()},
    }
    forged = {
        label: bear(sign(right, header=header, key=other))
        for label, header in headers.items()
    }
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-critical-header",
    sends="a rightly signed token whose header has an extension that must be "
    "understood, and is not; 401 should come",
    why="An extension may change what the token means. Who does not know it must not "
    "guess.",
    mend="Refuse every token with crit in its header.",
)
def _critical(bench: Bench, right: JwtCredential) -> Judgement:
    header = {"crit": ["urn:redox-wsgi:check"], "urn:redox-wsgi:check": True}
    forged = {"crit": bear(sign(right, header=header))}
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-strange-expiry",
    sends="rightly signed tokens whose exp is no number, or none that a clock can "
    "show; 401 should come",
    why="No time is ever later than NaN: such a token lives for ever. Others end in an "
    "error where a refusal belongs.",
    mend="Take only a finite number for exp, and no true or false.",
)
def _strange_expiry(bench: Bench, right: JwtCredential) -> Judgement:
    forged = {
        label: bear(token) for label, token in list_strange_expiries(right).items()
    }
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-long-lived",
    sends="a rightly signed token that expires in a year; 401 should come",
    why="A key that leaked for a minute is enough for a year.",
    mend="Refuse a token whose exp lies further ahead than you agreed on.",
)
def _long_lived(bench: Bench, right: JwtCredential) -> Judgement:
    forged = bear(sign(right, exp=int(right.now().timestamp()) + _YEAR_SECONDS))
    return judge_refused_or_warn(bench, deliver_with(bench, {"a year": forged}))


@JWT.forge(
    "jwt-oversized",
    sends="tokens with very deep nesting in the header and, rightly signed, in the "
    "claims, and one of 20,000 characters; 401 or 431 should come",
    why="What a stranger sends must not make an endpoint fail.",
    mend="Refuse what is longer than 8 kB before it is parsed, and catch the "
    "RecursionError of deep nesting.",
)
def _oversized(bench: Bench, right: JwtCredential) -> Judgement:
    forged = {label: bear(token) for label, token in list_oversized(right).items()}
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-malformed",
    sends="Bearer values that are nearly tokens; 401 should come",
    why="What a stranger sends must not make an endpoint fail.",
    mend="Match the value against the form of a token before anything parses it.",
)
def _malformed(bench: Bench, right: JwtCredential) -> Judgement:
    head, payload, signature = sign(right).split(".")
    forged = {
        "two dots": bear(".."),
        "no base64": bear("e30.e30.="),
        "no JSON": bear("AAAA.AAAA.AAAA"),
        "a list": bear(f"W10.{payload}.{signature}"),
        "two parts": bear(f"{head}.{payload}"),
        "five parts": bear(f"{head}.{payload}.{signature}.{payload}.{signature}"),
        "bytes beyond ASCII": bear(f"{head}.{payload}.\xff"),
        "no scheme": Fixed((("authorization", f"{head}.{payload}.{signature}"),)),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@JWT.forge(
    "jwt-replayed",
    sends="one right token twice; 401 should come to the second",
    why="Who reads a token on its way can use it too, until it expires.",
    mend="Keep each jti until its exp, for all workers, and refuse a second use; only "
    "where the sender makes a token for each request.",
)
def _replayed(bench: Bench, right: JwtCredential) -> Judgement:
    return judge_replay(bench, right)


@JWT.forge(
    "jwt-clock-skew",
    sends="a right token of a sender whose clock is 10 seconds ahead; 200 should come",
    why="No two clocks agree. Refused, a right transmission stops its subscription.",
    mend="Allow a minute when you compare iat, nbf and exp with your clock.",
)
def _skew(bench: Bench, right: JwtCredential) -> Judgement:
    ahead = int(right.now().timestamp()) + _SKEW_SECONDS
    token = bear(sign(right, iat=ahead, nbf=ahead))
    return judge_taken(bench, deliver_with(bench, {"ahead": token}))


def _age(right: JwtCredential) -> timedelta:
    return timedelta(seconds=right.lifetime_seconds)
