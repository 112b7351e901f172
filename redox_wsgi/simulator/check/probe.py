"""What a probe is, how probes form a group, and what one of them found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from redox_wsgi.simulator.check.bench import Bench

__all__ = ["Finding", "Group", "Judge", "Judgement", "Probe", "Verdict"]

#: Without these two nothing else can be judged.
_NEEDED_BY_ALL = ("reachable", "no-redirect")


class Verdict(StrEnum):
    """What one probe came to."""

    #: As Redox needs it.
    PASSED = "pass"
    #: Nothing stops because of it; it should be better all the same.
    WARNING = "warning"
    #: Redox cannot work with it, or somebody else can.
    FAILED = "fail"
    #: Not judged; the finding says why.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came back for one probe, and what that means."""

    verdict: Verdict
    #: In words, without the token; the reason if the probe was skipped.
    came: str


#: Sends what a probe sends, and judges what comes.
Judge: TypeAlias = "Callable[[Bench], Judgement]"


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to an endpoint."""

    #: Short and stable: pipelines name it in ``--only`` and ``--skip``.
    name: str
    #: The name of its group; stands for all of them there.
    group: str
    #: What is sent, and what should come.
    sends: str
    #: Why it matters to Redox.
    why: str
    #: How to mend an endpoint that fails it.
    mend: str
    #: Names of probes that must not have failed; else this one is skipped.
    needs: tuple[str, ...]
    judge: Judge = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found at one endpoint."""

    probe: Probe
    verdict: Verdict
    #: What came back, in words; the reason if the probe was skipped.
    came: str
    #: From the first byte sent to the judgement, in seconds.
    seconds: float


class Group:
    """Probes of one theme, in the order in which they are sent.

    An auth strategy brings a group of its own: a file with one of these, added to
    ``GROUPS``.

    Args:
        name: What ``--only`` and ``--skip`` may name in place of all its probes.
        title: The heading in the report.
        needs: Names of probes, of any group, that all of these need.
    """

    def __init__(
        self, name: str, title: str, *, needs: tuple[str, ...] = _NEEDED_BY_ALL
    ) -> None:
        self.name = name
        self.title = title
        self.needs = needs
        self.probes: list[Probe] = []

    def probe(
        self,
        name: str,
        *,
        sends: str,
        why: str,
        mend: str,
        needs: tuple[str, ...] = (),
    ) -> Callable[[Judge], Judge]:
        """Add the decorated function as a probe; the arguments are ``Probe``'s."""

        def add(judge: Judge) -> Judge:
            probe = Probe(
                name, self.name, sends, why, mend, (*self.needs, *needs), judge
            )
            self.probes.append(probe)
            return judge

        return add
