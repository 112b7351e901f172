"""Choose probes, and send them one after the other."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from redox_wsgi.simulator.check.aws_sigv4 import AWS_SIGV4
from redox_wsgi.simulator.check.behaviour import BEHAVIOUR
from redox_wsgi.simulator.check.bodies import BODIES
from redox_wsgi.simulator.check.connection import CONNECTION
from redox_wsgi.simulator.check.content import CONTENT
from redox_wsgi.simulator.check.credentials import CREDENTIALS
from redox_wsgi.simulator.check.hmac_signature import HMAC_SIGNATURE
from redox_wsgi.simulator.check.jwt_bearer import JWT
from redox_wsgi.simulator.check.linked import LINKED
from redox_wsgi.simulator.check.oauth import OAUTH
from redox_wsgi.simulator.check.probe import Finding, Group, Judgement, Probe, Verdict
from redox_wsgi.simulator.check.queries import QUERIES
from redox_wsgi.simulator.check.refusals import REFUSALS
from redox_wsgi.simulator.check.rules import skip
from redox_wsgi.simulator.check.smart_backend import SMART_BACKEND
from redox_wsgi.simulator.check.verification import VERIFICATION
from redox_wsgi.simulator.check.wire import NotConnected
from redox_wsgi.simulator.errors import SimulatorError

if TYPE_CHECKING:
    from redox_wsgi.simulator.check.bench import Bench

__all__ = ["GROUPS", "run_probes", "select_probes"]

#: In the order of sending: what others need comes first.
GROUPS: tuple[Group, ...] = (
    CONNECTION,
    VERIFICATION,
    CREDENTIALS,
    REFUSALS,
    LINKED,
    JWT,
    OAUTH,
    SMART_BACKEND,
    AWS_SIGV4,
    HMAC_SIGNATURE,
    CONTENT,
    BODIES,
    BEHAVIOUR,
    QUERIES,
)


def select_probes(
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    *,
    groups: Sequence[Group] = GROUPS,
) -> list[Probe]:
    """List the probes to send, in order.

    Args:
        only: Names of probes or groups; what they need, out of ``groups``, comes with
            them. No name: all.
        skip: Names of probes or groups to leave out, whoever needs them.
        groups: Where to choose from.

    Raises:
        SimulatorError: A name is unknown, or nothing is left.
    """
    probes = {probe.name: probe for group in groups for probe in group.probes}
    chosen = _expand(only, probes) or set(probes)
    waiting = list(chosen)
    while waiting:
        needed = probes.keys() & {*probes[waiting.pop()].needs} - chosen
        chosen |= needed
        waiting += needed
    left = chosen - _expand(skip, probes)
    if not left:
        raise SimulatorError("With these choices no probe is left.")
    return [probe for name, probe in probes.items() if name in left]


def run_probes(bench: Bench, probes: Iterable[Probe]) -> Iterator[Finding]:
    """Send probes, and yield what each found as soon as it did.

    A probe is skipped if one that it needs failed or was skipped. When the endpoint
    cannot be reached any more, that one probe fails and the rest is skipped.
    """
    unfit: dict[str, str] = {}
    lost = ""
    for probe in probes:
        started = time.monotonic()
        missing = next((name for name in probe.needs if name in unfit), None)
        if lost:
            judgement = skip(f"no connection since {lost}")
        elif missing is not None:
            judgement = skip(f"needs {missing}, which {unfit[missing]}")
        else:
            try:
                judgement = probe.judge(bench)
            except NotConnected as error:
                judgement = Judgement(Verdict.FAILED, f"no connection: {error}")
                lost = probe.name
        if judgement.verdict is Verdict.FAILED:
            unfit[probe.name] = "failed"
        elif judgement.verdict is Verdict.SKIPPED:
            unfit[probe.name] = "was skipped"
        seconds = time.monotonic() - started
        yield Finding(probe, judgement.verdict, judgement.came, seconds)


def _expand(names: Iterable[str], probes: dict[str, Probe]) -> set[str]:
    found = set()
    groups = {probe.group for probe in probes.values()}
    for name in names:
        members = {it.name for it in probes.values() if name in (it.name, it.group)}
        if not members:
            close = difflib.get_close_matches(name, [*probes, *groups], n=3)
            cure = f"; did you mean {' or '.join(close)}?" if close else "; see --list."
            raise SimulatorError(f"There is no probe {name!r}{cure}")
        found |= members
    return found
