"""Probes of the connection: is somebody there, over TLS, at this very address?"""

from __future__ import annotations

import ipaddress

from redox_wsgi.simulator.check.bench import Bench
from redox_wsgi.simulator.check.probe import Group, Judgement, Verdict
from redox_wsgi.simulator.check.rules import OK, is_redirect, skip, weigh

__all__ = ["CONNECTION"]

CONNECTION = Group("connection", "Is anybody there?", needs=())


@CONNECTION.probe(
    "reachable",
    sends="a GET without anything; any HTTP answer will do",
    why="An endpoint that does not answer gets nothing: Redox pauses the subscription "
    "and sends the same transmission again and again.",
    mend="Look whether the server runs, whether the address and its port are right, "
    "and whether its certificate is valid for this name.",
)
def _reachable(bench: Bench) -> Judgement:
    reply = bench.request("GET")
    opinion = OK if reply.status is not None else (Verdict.FAILED, "")
    return weigh(bench, [("GET", reply, opinion)])


@CONNECTION.probe(
    "no-redirect",
    sends="a verification by POST and one by GET; the address itself should answer",
    why="Redox says nothing of following redirects: what an answer of 300 to 399 "
    "does to a feed is undefined.",
    mend="Enter the address that finally answers: https, the right host, and with or "
    "without a slash at its end. Keep login pages away from it.",
    needs=("reachable",),
)
def _no_redirect(bench: Bench) -> Judgement:
    steps = []
    for label, asked in (("by POST", bench.by_post), ("by GET", bench.by_get)):
        moved = is_redirect(asked.reply)
        steps.append(
            (label, asked.reply, (Verdict.FAILED, "a redirect") if moved else OK)
        )
    return weigh(bench, steps)


@CONNECTION.probe(
    "https",
    sends="nothing more: the version of TLS that was agreed on",
    why="Redox sends patients' data over TLS 1.2 or 1.3; plain HTTP it takes for "
    "development only.",
    mend="Put the endpoint behind TLS with a certificate that everybody trusts.",
    needs=("reachable", "no-redirect"),
)
def _https(bench: Bench) -> Judgement:
    if bench.address.scheme == "https":
        return Judgement(Verdict.PASSED, str(bench.by_post.reply.tls))
    if _is_loopback(bench.address.host):
        return skip("plain HTTP within one machine; check the public address too")
    return Judgement(Verdict.WARNING, "plain HTTP")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
