"""Write findings as JUnit's XML, which most pipelines know how to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from redox_wsgi.simulator.check.probe import Finding, Verdict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["build_junit"]


def build_junit(findings: Sequence[Finding], address: str) -> bytes:
    """Build a report: a test case a probe; a warning is a case that passes.

    Args:
        findings: What the probes found.
        address: Of the endpoint, without its query.

    Spec:
        https://github.com/testmoapp/junitxml
    """
    counts = Counter(finding.verdict for finding in findings)
    suite = ElementTree.Element(
        "testsuite",
        name="redox-wsgi check",
        tests=str(len(findings)),
        failures=str(counts[Verdict.FAILED]),
        errors="0",
        skipped=str(counts[Verdict.SKIPPED]),
        time=f"{sum(finding.seconds for finding in findings):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="address", value=address)
    for finding in findings:
        _add_case(suite, finding)
    document: bytes = ElementTree.tostring(suite, "utf-8", xml_declaration=True)
    return document


def _add_case(suite: Element, finding: Finding) -> None:
    probe = finding.probe
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"redox-wsgi.check.{probe.group}",
        name=probe.name,
        time=f"{finding.seconds:.3f}",
    )
    if finding.verdict is Verdict.SKIPPED:
        ElementTree.SubElement(case, "skipped", message=finding.came)
    elif finding.verdict is not Verdict.PASSED:
        text = (
            f"sent: {probe.sends}\ncame: {finding.came}\n"
            f"why: {probe.why}\nmend: {probe.mend}\n"
        )
        if finding.verdict is Verdict.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=finding.came)
            failure.text = text
        else:
            ElementTree.SubElement(case, "system-out").text = f"warning\n{text}"
