# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels side by side: counts, costs and how they moved, in every form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from ksuite.measure.result import CheckResult, NamedComparison, NamedCost, TestOutcome
from ksuite.measure.verdict import Verdict, compare
from ksuite.report.chart import as_svg
from ksuite.report.matrix import (
    Counts,
    Matrix,
    Run,
    as_markdown,
    as_plain,
    picture,
    render,
)
from tests.unit.measure.samples import IMAGE, RULES, cost, result

if TYPE_CHECKING:
    from ksuite.measure.cost import Fingerprint

OLD, NEW = "debian:5.10", "debian:7.2"
COMPILERS = {OLD: "gcc-10 10.2.1", NEW: "gcc-14 14.2.0"}
VERSIONS = {OLD: "5.10.262-1", NEW: "7.2.12-1~bpo13+1"}


def outcome(verdict: Verdict, variant: str = "candidate", expected: str = "") -> TestOutcome:
    return TestOutcome("test_a", variant, verdict, 1.0, expected=expected)


def told(kernel: str, *outcomes: TestOutcome, **medians: float) -> CheckResult:
    """Return a result of a kernel with these costs of vhost, with 64 bytes."""
    fingerprint = replace(IMAGE, compiler=COMPILERS[kernel], kernel_release=kernel)
    costs = tuple(
        NamedComparison(f"vhost_{name} 64 B", compare(cost(1.0), cost(value, 0.0, fingerprint)))
        for name, value in medians.items()
    )
    plain = result(*outcomes, costs=costs)
    assert plain.subject
    return replace(plain, subject=replace(plain.subject, kernel_version=VERSIONS[kernel]))


def run(kernel: str, *outcomes: TestOutcome, **medians: float) -> Run:
    return Run(kernel, "vhost", 0, told(kernel, *outcomes, **medians))


PASSED, FAILED = outcome(Verdict.PASS), outcome(Verdict.FAIL)
EXPECTED = outcome(Verdict.SKIP, expected="5.10: it does not")
MATRIX = Matrix(
    (OLD, NEW),
    (
        run(OLD, PASSED, EXPECTED, FAILED, tx=2000.0, rx=500.0),
        run(NEW, PASSED, PASSED, tx=2100.0, echo=70.0),
    ),
)


def test_counts_are_the_candidates() -> None:
    skipped, regression = outcome(Verdict.SKIP), outcome(Verdict.REGRESSION, "")
    improved = outcome(Verdict.IMPROVED, "")
    of_base = outcome(Verdict.FAIL, "base")
    one = run(OLD, PASSED, PASSED, EXPECTED, FAILED, skipped, regression, improved, of_base)
    assert one.counts == Counts(passed=3, failed=2, expected=1, other=1)
    assert str(one.counts) == "2 failed, 3 passed, 1 expected, 1 other"
    assert str(Run(OLD, "vhost", 3).counts) == "nothing ran"


def test_table() -> None:
    lines = [" ".join(line.split()) for line in render(MATRIX).splitlines()]
    assert {
        "function 5.10.262 7.2.12",
        "vhost 1 failed, 1 passed, 1 expected 2 passed",
        "cost 5.10.262 7.2.12 5.10.262 to 7.2.12 unit",
        "vhost_tx 64 B 2,000.0 2,100.0 +5.0% instructions/packet",
        "vhost_rx 64 B 500.0 - - instructions/packet",
        "vhost_echo 64 B - 70.0 - instructions/packet",
    } <= set(lines)


def test_it_says_what_was_measured_and_that_nothing_is_judged() -> None:
    text = " ".join(render(MATRIX).split())
    assert "instructions on the instructions clock; exact" in text
    assert "INCOMPARABLE" in text
    assert "5.10.262: debian:5.10, 6.1.0-1-amd64 (5.10.262-1), built by gcc-10 10.2.1" in text
    assert "built by gcc-14 14.2.0" in text


def test_it_names_what_did_not_pass() -> None:
    lines = render(MATRIX).splitlines()
    assert "expected of 5.10: it does not: test_a" in lines
    assert "5.10.262: FAIL: test_a" in lines


def test_cost_that_is_not_exact_says_so() -> None:
    noisy = told(OLD)
    measured = (NamedCost("tc_insert 1000 rules", cost(90.0, 0.02, RULES)),)
    text = render(Matrix((OLD,), (Run(OLD, "tc", 0, replace(noisy, measured=measured)),)))
    assert "90.0 ± 1.0%" in text
    assert "instructions/rule" in text


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((0, 0), 0),
        ((0, 4), 4),
        ((4, 3), 3),
        ((3, 1, 0), 1),
        ((2, 4), 2),
        ((1, 130), 130),
        ((), 4),
    ],
)
def test_exit_code_is_the_worst_runs(codes: tuple[int, ...], worst: int) -> None:
    runs = tuple(Run(OLD, f"suite{at}", code) for at, code in enumerate(codes))
    assert Matrix((OLD,), runs).exit_code == worst


@pytest.mark.parametrize(("code", "word"), [(1, "FAIL"), (3, "ERROR"), (2, "ERROR"), (4, "INCOMP")])
def test_kernel_that_could_not_be_had(code: int, word: str) -> None:
    lost = Run(NEW, "vhost", code, error="no network")
    matrix = Matrix((OLD, NEW), (run(OLD, PASSED, tx=2000.0), lost))
    lines = render(matrix).splitlines()
    (row,) = [line for line in lines if line.split()[:1] == ["vhost"]]
    assert word in row
    assert "debian:7.2: no network" in lines
    assert matrix.exit_code == code
    assert as_plain(matrix)["function"][1]["error"] == "no network"


def test_words_can_not_drive_the_terminal() -> None:
    lost = Run(NEW, "vhost", 3, error="\x1b[2J\x07owned [bold]")
    text = render(Matrix((NEW,), (lost,)))
    assert "owned [bold]" in text
    assert not set(text) & {"\x1b", "\x07"}


def test_markdown() -> None:
    lines = as_markdown(MATRIX).splitlines()
    assert lines[0] == "# Kernels side by side"
    row = "| vhost\\_tx 64 B | 2,000.0 | 2,100.0 | +5.0% | instructions/packet |"
    assert row in lines
    assert "| vhost | 1 failed, 1 passed, 1 expected | 2 passed |" in lines
    tables = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {4, 6}


def test_markdown_holds_no_markup_of_others() -> None:
    lost = Run(NEW, "vhost", 3, error="a|b `c` <script>\n[x](y)")
    text = as_markdown(Matrix((NEW,), (lost,)))
    assert "a\\|b \\`c\\` \\<script\\> \\[x\\](y)" in text


def test_json() -> None:
    plain = json.loads(json.dumps(as_plain(MATRIX)))
    assert plain["schema"] == 1
    assert plain["exit_code"] == 0
    assert plain["kernels"][0] == {"name": OLD, "version": "5.10.262"}
    first = plain["function"][0]
    assert (first["kernel"], first["suite"], first["exit_code"]) == (OLD, "vhost", 0)
    assert first["not_passed"] == [
        {"test": "test_a", "verdict": "SKIP", "expected": "5.10: it does not"},
        {"test": "test_a", "verdict": "FAIL", "expected": ""},
    ]
    counts = [first[name] for name in ("passed", "failed", "expected", "other")]
    assert counts == [1, 1, 1, 0]
    costs = {one["name"]: one for one in plain["costs"]}
    tx = costs["vhost_tx 64 B"]
    assert tx["movement"] == pytest.approx(0.05)
    assert tx["by_kernel"][OLD]["median"] == 2000.0
    assert tx["by_kernel"][NEW]["compiler"] == COMPILERS[NEW]
    assert tx["by_kernel"][NEW]["clock"] == "instructions"
    assert costs["vhost_rx 64 B"]["movement"] is None


def test_picture_has_a_bar_for_each_kernel() -> None:
    drawn = picture(MATRIX)
    bars = [(bar.panel, bar.group, bar.name, bar.value) for bar in drawn.bars]
    assert bars == [
        ("vhost", "echo 64 B", "7.2.12", 70.0),
        ("vhost", "rx 64 B", "5.10.262", 500.0),
        ("vhost", "tx 64 B", "5.10.262", 2000.0),
        ("vhost", "tx 64 B", "7.2.12", 2100.0),
    ]
    assert "nothing is judged" in drawn.note
    root = ElementTree.fromstring(as_svg(drawn))  # noqa: S314 (our own)
    assert any("5.10.262" in (text.text or "") for text in root.iter())


def test_picture_of_two_units_has_a_panel_for_each() -> None:
    measured = (NamedCost("vhost_rules 1000 rules", cost(90.0, 0.0, RULES)),)
    runs = (*MATRIX.runs, Run(OLD, "x", 0, replace(told(OLD), measured=measured)))
    drawn = picture(Matrix((OLD, NEW), runs))
    assert drawn.panels == ["vhost, instructions/packet", "vhost, instructions/rule"]


def test_costs_of_two_units_have_not_moved() -> None:
    def counted(kernel: str, fingerprint: Fingerprint) -> Run:
        measured = (NamedCost("tc_insert 1000 rules", cost(90.0, 0.0, fingerprint)),)
        return Run(kernel, "tc", 0, replace(told(kernel), measured=measured))

    matrix = Matrix((OLD, NEW), (counted(OLD, RULES), counted(NEW, IMAGE)))
    (by_kernel,) = matrix.costs.values()
    assert matrix.movement(by_kernel) is None
