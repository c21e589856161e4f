# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as JUnit XML, in the dialect that Surefire, Jenkins and GitLab share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ksuite.measure.verdict import Verdict
from ksuite.report.cases import about, cases, one_line, started, titles, unique

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ksuite.measure.result import CheckResult
    from ksuite.report.cases import Case

OUTWARD = {
    Verdict.PASS: "",
    Verdict.IMPROVED: "",
    Verdict.FLAKY: "flakyFailure",
    Verdict.FAIL: "failure",
    Verdict.REGRESSION: "failure",
    Verdict.ERROR: "error",
    Verdict.INCOMPARABLE: "skipped",
    Verdict.SKIP: "skipped",
}
"""The element that a verdict is told by; empty where none is a pass."""
COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}
PROLOGUE = '<?xml version="1.0" encoding="utf-8"?>\n'


def render(results: Sequence[CheckResult]) -> str:
    """Return results as one document, a suite each."""
    top = ET.Element("testsuites", name="ksuite")
    names = titles(results)
    classes = unique([("", re.sub(r"[^A-Za-z0-9_-]+", "_", name)) for name in names])
    for result, name, of in zip(results, names, classes, strict=True):
        top.append(_suite(result, name, of.replace(" ", "")))
    _count(top, sum(max(0.0, result.seconds) for result in results))
    ET.indent(top, " ")
    return f"{PROLOGUE}{ET.tostring(top, encoding='unicode')}\n"


def _suite(result: CheckResult, name: str, of: str) -> ET.Element:
    """Return a result.

    :param of: what the classes of its cases begin with: of two alike GitLab shows but one.
    """
    suite = ET.Element("testsuite", name=name)
    _properties(suite, about(result))
    suite.extend(_case(case, of) for case in cases(result))
    _count(suite, result.seconds)
    if when := started(result):
        suite.set("timestamp", when)
    return suite


def _count(of: ET.Element, seconds: float) -> None:
    of.set("tests", str(len(list(of.iter("testcase")))))
    for name, element in COUNTED.items():
        of.set(name, str(len(list(of.iter(element)))))
    of.set("time", _seconds(seconds))


def _case(case: Case, of: str) -> ET.Element:
    told = ET.Element(
        "testcase", classname=f"{of}.{case.group}", name=case.name, time=_seconds(case.seconds)
    )
    _properties(told, case.figures)
    said = "skipped" if case.excused else OUTWARD[case.verdict]
    if said:
        _said(told, said, case)
    if output := _lines("" if said else case.told, case.console):
        ET.SubElement(told, "system-out").text = output
    return told


def _said(told: ET.Element, said: str, case: Case) -> None:
    message = f"{case.verdict}: {case.why or case.told}".removesuffix(": ")
    element = ET.SubElement(told, said, message=one_line(case.excused or message))
    element.set("type", str(case.verdict))
    again = f"again: {case.command}" if case.command else ""
    text = _lines(case.excused, case.detail or case.why, case.told, again)
    # Surefire has it so of what passed in the end.
    inner = ET.SubElement(element, "stackTrace") if said == "flakyFailure" else element
    inner.text = text


def _properties(of: ET.Element, told: Mapping[str, str | float]) -> None:
    if told:
        group = ET.SubElement(of, "properties")
        for name, value in told.items():
            ET.SubElement(group, "property", name=name, value=str(value))


def _lines(*texts: str) -> str:
    return "\n".join(filter(None, texts))


def _seconds(seconds: float) -> str:
    return f"{max(0.0, seconds):.3f}"
