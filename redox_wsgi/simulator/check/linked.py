"""Probes of a linked auth credential, whatever its strategy is."""

from __future__ import annotations

from redox_wsgi.simulator.check.bench import Bench, bearer, token_header
from redox_wsgi.simulator.check.forging import Altered, Fixed
from redox_wsgi.simulator.check.probe import Judgement
from redox_wsgi.simulator.check.refusals import weigh_equality
from redox_wsgi.simulator.check.rules import is_refusal, skip
from redox_wsgi.simulator.check.strategy import (
    StrategyGroup,
    deliver_with,
    judge_refused,
    judge_refused_or_warn,
    judge_taken,
    read_bearer,
)
from redox_wsgi.simulator.credentials import Credential, HmacCredential

__all__ = ["LINKED"]

LINKED: StrategyGroup[Credential] = StrategyGroup(
    "linked", "A linked auth credential, of whatever kind", object
)

# The last one is a byte beyond ASCII.
_STRANGE = ("!", ",", "\xff")


@LINKED.forge(
    "linked-and-token",
    sends="the right credential, and the verification-token header beside it; 200 "
    "should come",
    why="Nobody states whether Redox still sends the token where a credential is "
    "linked. Who refuses both together may get no transmission at all.",
    mend="Accept a right token beside a right credential, and its absence.",
)
def _both(bench: Bench, linked: Credential) -> Judgement:
    body = bench.material.arrival()
    reply = bench.deliver(body, token_header(bench.token))
    return judge_taken(bench, {"POST": reply})


@LINKED.forge(
    "linked-wrong-token",
    sends="the right credential, and a wrong verification-token beside it; 401 should "
    "come",
    why="Redox knows both. Where one is wrong, a stranger with half a secret may have "
    "sent it.",
    mend="Compare the verification-token header wherever it comes.",
)
def _wrong_token(bench: Bench, linked: Credential) -> Judgement:
    body = bench.material.arrival()
    reply = bench.deliver(body, token_header(bench.wrong_token))
    return judge_refused_or_warn(bench, {"POST": reply})


@LINKED.forge(
    "linked-missing",
    sends="the right token in both headers, and no credential; 401 should come",
    why="A credential that is not demanded protects nothing: the token alone, which "
    "stands in requests and often in logs, is enough.",
    mend="Demand the credential of every transmission once it is linked in Redox; take "
    "the token alone while you move over, and no longer.",
)
def _missing(bench: Bench, linked: Credential) -> Judgement:
    reply = bench.post(token_header(bench.token), bearer(bench.token))
    return judge_refused_or_warn(bench, {"POST": reply})


@LINKED.forge(
    "linked-malformed",
    sends="the right credential with a strange character at its end, and that "
    "character or nothing in its place; 401 should come",
    why="What a stranger sends must not make an endpoint fail, nor pass it.",
    mend="Match the whole header against the form it must have, before anything parses "
    "it; every malformed one gets the one 401.",
)
def _malformed(bench: Bench, linked: Credential) -> Judgement:
    forged: dict[str, Credential] = {"nothing": _replace(linked, "")}
    for sign in _STRANGE:
        forged[f"{sign!a} at the end"] = _append(linked, sign)
        forged[f"{sign!a} alone"] = _replace(linked, f"Bearer {sign}")
    return judge_refused(bench, deliver_with(bench, forged))


@LINKED.forge(
    "linked-doubled",
    sends="the header of the credential twice, once right and once wrong, in both "
    "orders; 401 should come",
    why="A proxy may judge by one of them and the endpoint by the other.",
    mend="Refuse what has the header more than once; most servers join the two with a "
    "comma, which no right one has there.",
)
def _doubled(bench: Bench, linked: Credential) -> Judgement:
    name = _name_header(linked)
    wrong = (name, f"Bearer {bench.wrong_token}")
    forged = {
        "right, then wrong": Altered(linked, lambda it: [*it, wrong]),
        "wrong, then right": Altered(linked, lambda it: [wrong, *it]),
    }
    return judge_refused(bench, deliver_with(bench, forged))


@LINKED.forge(
    "linked-in-query",
    sends="the access token in the query and in no header; 401 should come",
    why="Redox never sends it so. What stands in an address stands in every access "
    "log on the way.",
    mend="Take a token out of the Authorization header only.",
)
def _in_query(bench: Bench, linked: Credential) -> Judgement:
    token = read_bearer(bench, linked)
    if token is None:
        return skip("this credential is no Bearer token")
    replies = {
        name: bench.post(query=f"{name}={token}") for name in ("access_token", "token")
    }
    return judge_refused(bench, replies)


@LINKED.forge(
    "linked-equal",
    sends="no credential, one with a character more, and nonsense; all refusals should "
    "be equal",
    why="An answer that says what was wrong helps whoever guesses.",
    mend="Send the same status and the same fixed text whatever was wrong.",
)
def _equal(bench: Bench, linked: Credential) -> Judgement:
    forged: dict[str, Credential] = {
        "no credential": Fixed(()),
        "a character more": _append(linked, "A"),
        "nonsense": _replace(linked, "nonsense"),
    }
    replies = deliver_with(bench, forged)
    refused = {name: reply for name, reply in replies.items() if is_refusal(reply)}
    return weigh_equality(bench, refused)


def _name_header(linked: Credential) -> str:
    return linked.header if isinstance(linked, HmacCredential) else "authorization"


def _append(linked: Credential, text: str) -> Altered:
    name = _name_header(linked)
    return Altered(
        linked, lambda it: [(n, v + text if n == name else v) for n, v in it]
    )


def _replace(linked: Credential, value: str) -> Altered:
    name = _name_header(linked)
    return Altered(linked, lambda it: [(n, value if n == name else v) for n, v in it])
