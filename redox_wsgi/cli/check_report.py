"""Show what the probes of ``redox-wsgi check`` found, one after the other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.text import Text

from redox_wsgi.simulator.check import GROUPS, Finding, Probe, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

__all__ = ["CheckReport", "print_list"]

_INTERRUPTED_STATUS = 130

_STYLES = {
    Verdict.PASSED: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "bold red",
    Verdict.SKIPPED: "dim",
}
_TITLES = {group.name: group.title for group in GROUPS}
# Of the columns, in characters: the longest verdict, the longest name of a probe, the
# longest label, and two blanks each.
_VERDICT_WIDTH = 9
_NAME_WIDTH = 2 + max(len(probe.name) for group in GROUPS for probe in group.probes)
_LABEL_WIDTH = 6
# However narrow the terminal, there is room for words.
_LEAST_WIDTH = 20


class CheckReport:
    """Collects findings, and shows each as soon as it is there.

    Args:
        console: Where it is written.
        as_json: Print one JSON object a line in place of text.
        is_verbose: Explain probes that passed or were skipped as well.
    """

    def __init__(self, console: Console, *, as_json: bool, is_verbose: bool) -> None:
        self.findings: list[Finding] = []
        self._console = console
        self._as_json = as_json
        self._is_verbose = is_verbose
        self._is_interrupted = False
        self._group = ""
        #: Skipped for one reason, one after the other, and not yet shown.
        self._held: list[Finding] = []
        self._planned: Sequence[Probe] = ()
        self._status: Status | None = None

    @property
    def exit_status(self) -> int:
        """0 nothing failed, 1 something did, 130 interrupted."""
        if self._is_interrupted:
            return _INTERRUPTED_STATUS
        return int(any(it.verdict is Verdict.FAILED for it in self.findings))

    @contextmanager
    def open(self, address: str, probes: Sequence[Probe]) -> Iterator[None]:
        """Show the address, and at the end the sum of what was added.

        An interruption from the keyboard ends the block quietly; ``exit_status``
        tells. On a terminal a line says which probe is being sent.
        """
        self._planned = probes
        if not self._as_json:
            self._console.print(Text(address), soft_wrap=True)
            if self._console.is_terminal:
                self._status = self._console.status("")
                self._announce()
                self._status.start()
        try:
            yield
        except KeyboardInterrupt:
            self._is_interrupted = True
        finally:
            if self._status is not None:
                self._status.stop()
        if not self._as_json:
            self._print_held()
            self._print_sum()

    def add(self, finding: Finding) -> None:
        """Take one finding, and show it."""
        self.findings.append(finding)
        if self._as_json:
            found = {
                "verdict": finding.verdict,
                "came": finding.came,
                "seconds": round(finding.seconds, 6),
            }
            click.echo(json.dumps(_explain(finding.probe) | found))
            return
        if self._held and not self._is_like_held(finding):
            self._print_held()
        if finding.probe.group != self._group:
            self._group = finding.probe.group
            _print_heading(self._console, self._group)
        if finding.verdict is Verdict.SKIPPED and not self._is_verbose:
            self._held.append(finding)
        else:
            self._print(finding)
        self._announce()

    def _is_like_held(self, finding: Finding) -> bool:
        held = self._held[0]
        return (held.probe.group, held.verdict, held.came) == (
            finding.probe.group,
            finding.verdict,
            finding.came,
        )

    def _announce(self) -> None:
        if self._status is not None and len(self.findings) < len(self._planned):
            name = self._planned[len(self.findings)].name
            self._status.update(Text(f"Sending {name} ..."))

    def _print_held(self) -> None:
        held, self._held = self._held, []
        if held:
            name = held[0].probe.name if len(held) == 1 else f"{len(held)} probes"
            self._print_line(Verdict.SKIPPED, name, held[0].came)

    def _print_line(self, verdict: Verdict, name: str, came: str) -> None:
        left = _build_left(verdict, name)
        _print_beside(self._console, left, came, _VERDICT_WIDTH + _NAME_WIDTH)

    def _print(self, finding: Finding) -> None:
        probe, verdict = finding.probe, finding.verdict
        is_bad = verdict in (Verdict.WARNING, Verdict.FAILED)
        if not is_bad and not self._is_verbose:
            self._print_line(verdict, probe.name, finding.came)
            return
        self._console.print(_build_left(verdict, probe.name), soft_wrap=True)
        _print_details(
            self._console,
            {
                "sent": probe.sends,
                "came": finding.came,
                "why": probe.why,
                "mend": probe.mend,
            },
        )

    def _print_sum(self) -> None:
        names: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
        for finding in self.findings:
            names[finding.verdict].append(finding.probe.name)
        self._console.print()
        if self._is_interrupted:
            sent, planned = len(self.findings), len(self._planned)
            _print_beside(
                self._console, Text(), f"Interrupted after {sent} of {planned}.", 0
            )
        for verdict, label in (
            (Verdict.FAILED, "Failed:"),
            (Verdict.WARNING, "Warned:"),
        ):
            if names[verdict]:
                text = ", ".join(names[verdict])
                _print_beside(self._console, Text(label), text, len(label) + 1)
        counts = Counter(finding.verdict for finding in self.findings)
        total = (
            f"{counts[Verdict.PASSED]} passed, {counts[Verdict.WARNING]} with a "
            f"warning, {counts[Verdict.FAILED]} failed, "
            f"{counts[Verdict.SKIPPED]} skipped."
        )
        _print_beside(self._console, Text(), total, 0)


def print_list(console: Console, probes: Sequence[Probe], *, as_json: bool) -> None:
    """Explain probes, without sending any."""
    group = ""
    for probe in probes:
        if as_json:
            click.echo(json.dumps(_explain(probe)))
            continue
        if probe.group != group:
            group = probe.group
            _print_heading(console, group)
        console.print(Text(probe.name), soft_wrap=True)
        lines = {"sent": probe.sends, "why": probe.why, "mend": probe.mend}
        _print_details(console, lines)


def _build_left(verdict: Verdict, name: str) -> Text:
    left = Text()
    left.append(f"{verdict:{_VERDICT_WIDTH}}", _STYLES[verdict])
    left.append(name)
    return left


def _print_heading(console: Console, group: str) -> None:
    console.print()
    console.print(Text(f"{_TITLES[group]} ({group})", "bold"), soft_wrap=True)


def _print_details(console: Console, lines: dict[str, str]) -> None:
    for label, text in lines.items():
        left = Text(" " * _VERDICT_WIDTH)
        left.append(label, "dim")
        _print_beside(console, left, text, _VERDICT_WIDTH + _LABEL_WIDTH)


def _print_beside(console: Console, left: Text, text: str, width: int) -> None:
    """Print text in lines beside something, without blanks at their ends."""
    room = max(console.width - width, _LEAST_WIDTH)
    # What the output cannot encode is written as an escape, not as an error.
    writable = text.encode(console.encoding, "backslashreplace")
    for line in Text(writable.decode(console.encoding)).wrap(console, room):
        left.truncate(width, pad=True)
        left.append_text(line)
        left.rstrip()
        console.print(left, soft_wrap=True)
        left = Text()


def _explain(probe: Probe) -> dict[str, object]:
    return {
        "probe": probe.name,
        "group": probe.group,
        "sent": probe.sends,
        "why": probe.why,
        "mend": probe.mend,
        "needs": list(probe.needs),
    }
