# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit XML: its structure, and which element tells which verdict."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from ksuite.errors import DoesNotApply, InfrastructureError, KsuiteError, NothingToCompare
from ksuite.measure.result import CANDIDATE, TestOutcome, refused
from ksuite.measure.verdict import Verdict
from ksuite.report.junit import OUTWARD, render
from tests.unit.measure.samples import result
from tests.unit.report.specimens import CASES, CONSOLE, HOSTILE, WHOLE, everywhere

SAID = {"failure", "error", "skipped", "flakyFailure"}
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"classname", "name", "time"},
    "property": {"name", "value"},
    **{said: {"message", "type"} for said in SAID},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"properties", "system-out", *SAID},
    "flakyFailure": {"stackTrace"},
}


def must_be_junit(element: ET.Element) -> None:
    """Check what Jenkins' and Surefire's schemas have in common, and the counts."""
    optional = {"timestamp"} if element.tag == "testsuite" else set()
    assert set(element.attrib) - optional == ATTRIBUTES.get(element.tag, set())
    inner = [child.tag for child in element]
    assert set(inner) <= CHILDREN.get(element.tag, set())
    if element.tag == "testcase":
        assert len(set(inner)) == len(inner)
        assert len(SAID & set(inner)) <= 1
    if "tests" in element.attrib:
        counted = {"tests": "testcase", "failures": "failure"}
        counted |= {"errors": "error", "skipped": "skipped"}
        for name, tag in counted.items():
            assert int(element.attrib[name]) == len(list(element.iter(tag)))
    if "time" in element.attrib:
        assert float(element.attrib["time"]) >= 0
    for child in element:
        must_be_junit(child)


def parsed(text: str) -> ET.Element:
    top = ET.fromstring(text.encode())  # noqa: S314 (we wrote it)
    assert top.tag == "testsuites"
    must_be_junit(top)
    keys = [(case.attrib["classname"], case.attrib["name"]) for case in top.iter("testcase")]
    assert len(set(keys)) == len(keys)
    return top


def case_of(top: ET.Element, name: str, group: str = CANDIDATE) -> ET.Element:
    cases = top.iter("testcase")
    [case] = [
        one
        for one in cases
        if (one.get("name"), one.attrib["classname"][-len(group) :]) == (name, group)
    ]
    return case


def element(case: ET.Element, name: str) -> ET.Element:
    found = case.find(name)
    assert found is not None
    return found


def test_structure() -> None:
    top = parsed(render([WHOLE]))
    assert top.attrib["tests"] == str(CASES)
    assert (top.attrib["failures"], top.attrib["errors"], top.attrib["skipped"]) == ("2", "1", "4")
    [suite] = top
    assert suite.attrib["timestamp"] == "2026-01-01T00:00:00+00:00"
    assert suite.attrib["time"] == "12.346"
    properties = {one.get("name"): one.get("value") for one in element(suite, "properties")}
    assert properties["series"] == "limit rx bursts"
    assert properties["kernel"] == "6.1.0-1-amd64"
    assert properties["clock"] == "instructions"
    assert "hostname" not in suite.attrib


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict(verdict: Verdict) -> None:
    outcome = TestOutcome("test_a", CANDIDATE, verdict, 0.1, "lost 3\npackets", CONSOLE)
    case = case_of(parsed(render([result(outcome)])), "a")
    said = [child.tag for child in case if child.tag in SAID]
    assert said == ([OUTWARD[verdict]] if OUTWARD[verdict] else [])
    assert element(case, "system-out").text == CONSOLE
    if said:
        assert case[0].attrib["message"] == f"{verdict}: lost 3 packets"
        text = "".join(case[0].itertext())
        assert "lost 3\npackets" in text
        assert "again: ksuite check limit.mbox --check test_a" in text


def test_incomparable_is_no_pass() -> None:
    assert OUTWARD[Verdict.INCOMPARABLE] == "skipped"
    case = case_of(parsed(render([WHOLE])), "vhost_echo 64 B", "cost")
    assert "too noisy" in element(case, "skipped").attrib["message"]


def test_failure_of_the_base_is_none() -> None:
    case = case_of(parsed(render([WHOLE])), "bursts are limited (64)", "base")
    assert element(case, "skipped").attrib["message"] == "FAIL without the series"
    assert case.find("failure") is None


def test_numbers_of_a_cost_are_properties() -> None:
    case = case_of(parsed(render([WHOLE])), "vhost_tx 64 B", "cost")
    told = {one.get("name"): one.get("value") for one in element(case, "properties")}
    assert float(told["base"] or "") == 1000.0
    assert float(told["candidate"] or "") == pytest.approx(1100.0)
    assert told["unit"] == "instructions/packet"
    assert "1,000.0 -> 1,100.0" in (element(case, "failure").text or "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DoesNotApply("hunk 3"), "failure"),
        (InfrastructureError("hunk 3"), "error"),
        (NothingToCompare("hunk 3"), "skipped"),
    ],
)
def test_refusal(error: KsuiteError, said: str) -> None:
    top = parsed(render([refused(error, 1.5)]))
    [case] = top.iter("testcase")
    assert "hunk 3" in element(case, said).attrib["message"]


def test_several_results_are_suites_of_their_own() -> None:
    top = parsed(render([WHOLE, WHOLE, replace(WHOLE, seconds=1.0)]))
    assert len({suite.attrib["name"] for suite in top}) == len(top) == 3
    assert top.attrib["time"] == "25.691"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_is_markup(text: str) -> None:
    usual = [one.tag for one in parsed(render([everywhere("x"), WHOLE])).iter()]
    seen = [one.tag for one in parsed(render([everywhere(text), WHOLE])).iter()]
    gone = {"system-out", "property", "properties"}
    assert [tag for tag in seen if tag not in gone] == [tag for tag in usual if tag not in gone]


def test_text_comes_back_as_it_was() -> None:
    top = parsed(render([everywhere("<a> & ]]> \"b\" 'c'")]))
    assert "<a> & ]]> \"b\" 'c'" in (case_of(top, "the run as a whole", "run")[0].text or "")
