# SPDX-License-Identifier: GPL-2.0-or-later
"""What the formats of other tools tell: each thing once, and nothing greener than the run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ksuite.errors import ExitCode, InfrastructureError
from ksuite.measure.result import BASE, CANDIDATE, NamedComparison, TestOutcome, refused
from ksuite.measure.verdict import EXIT_CODES, Verdict
from ksuite.report.cases import (
    MOST_TEXT,
    Case,
    about,
    cases,
    clean,
    counted,
    failed,
    one_line,
    run_verdict,
    started,
    titles,
    unique,
)
from tests.unit.measure.samples import IMAGE, comparison, cost, result
from tests.unit.report.specimens import CASES, COSTS, WHOLE


def by_name(name: str, group: str = CANDIDATE) -> Case:
    [case] = [one for one in cases(WHOLE) if (one.name, one.group) == (name, group)]
    return case


def test_cost_and_its_test_are_one_case() -> None:
    assert len(cases(WHOLE)) == CASES
    case = by_name("vhost_tx 64 B", "cost")
    assert case.verdict is Verdict.REGRESSION
    assert case.seconds == 6.0
    assert case.compared == COSTS[0]
    assert case.command == "ksuite check limit.mbox --check 'test_cost[vhost_tx-64]'"
    assert case.told == "1,000.0 -> 1,100.0 instructions/packet (+100.0, +10.00%), limit 0.50%"


def test_cost_of_which_no_test_says_anything_is_a_case() -> None:
    case = by_name("vhost_echo 64 B", "cost")
    assert case.verdict is Verdict.INCOMPARABLE
    assert "too noisy" in case.why
    assert case.figures["note"] == "not attributed"


def test_cost_that_was_only_measured_is_no_pass() -> None:
    case = by_name("vhost_rx 64 B", "cost")
    assert case.verdict is Verdict.SKIP
    assert case.told == "6,862.4 instructions/packet, compared with nothing"
    alone = replace(WHOLE, outcomes=())
    assert [one.verdict for one in cases(alone) if one.measured] == [Verdict.SKIP]


def test_test_of_a_variant_is_never_taken_for_a_cost() -> None:
    """Where the base broke while it was measured, its failure has the name of the cost's test."""
    broken = TestOutcome("test_cost[vhost_tx-64]", BASE, Verdict.FAIL, 0.0)
    told = cases(result(broken, costs=COSTS[:1]))
    assert [case.group for case in told] == [BASE, "cost"]


def test_numbers_of_a_cost() -> None:
    assert by_name("vhost_tx 64 B", "cost").figures == {
        "base": 1000.0,
        "base_spread": 0.0,
        "base_guests": 1,
        "candidate": pytest.approx(1100.0),
        "candidate_spread": 0.0,
        "candidate_guests": 1,
        "difference": pytest.approx(100.0),
        "change": pytest.approx(0.1),
        "limit": 0.005,
        "unit": "instructions/packet",
        "clock": "instructions",
    }


def test_restored_guests_are_one_for_each_window() -> None:
    exact = replace(COSTS[0].comparison, candidate=cost(1000.0, fingerprint=IMAGE))
    [case] = cases(result(costs=(NamedComparison("a 64 B", exact),)))
    assert case.figures["candidate_guests"] == 3


@pytest.mark.parametrize(
    ("side", "verdict", "expected", "excused"),
    [
        (BASE, Verdict.FAIL, "", True),
        (BASE, Verdict.REGRESSION, "", True),
        (BASE, Verdict.INCOMPARABLE, "", True),
        (BASE, Verdict.PASS, "", False),
        (BASE, Verdict.SKIP, "", False),
        (BASE, Verdict.ERROR, "", False),
        (CANDIDATE, Verdict.FAIL, "", False),
        (CANDIDATE, Verdict.SKIP, "not on 5.10", True),
        (CANDIDATE, Verdict.FAIL, "not on 5.10", False),
        ("", Verdict.REGRESSION, "", False),
    ],
)
def test_what_is_no_failure_of_the_series(
    side: str, verdict: Verdict, expected: str, excused: bool
) -> None:
    assert bool(Case("a", "a", side, verdict, expected=expected).excused) is excused


def test_refusal_is_one_case() -> None:
    [case] = cases(refused(InfrastructureError("the disk is full"), 1.5))
    assert (case.of_run, case.verdict, case.detail) == (True, Verdict.ERROR, "the disk is full")


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.PASS, Verdict.IMPROVED}))
def test_no_report_is_greener_than_the_run(verdict: Verdict) -> None:
    passed = TestOutcome("test_a", CANDIDATE, Verdict.PASS, 0.1)
    run = replace(result(passed), verdict=verdict, exit_code=int(EXIT_CODES[verdict]))
    assert verdict in [case.verdict for case in cases(run) if not case.excused]


def test_run_in_which_nothing_ran_is_told() -> None:
    empty = replace(result(), verdict=Verdict.SKIP, exit_code=4)
    assert [case.verdict for case in cases(empty)] == [Verdict.SKIP]
    assert counted(cases(empty)) == "nothing ran"


@pytest.mark.parametrize(
    ("verdict", "code", "told"),
    [
        (Verdict.PASS, ExitCode.PASS, Verdict.PASS),
        (Verdict.IMPROVED, ExitCode.PASS, Verdict.IMPROVED),
        (Verdict.PASS, ExitCode.INFRASTRUCTURE, Verdict.ERROR),
        (Verdict.REGRESSION, ExitCode.FAIL, Verdict.REGRESSION),
        (Verdict.ERROR, ExitCode.INTERRUPTED, Verdict.ERROR),
        (Verdict.ERROR, ExitCode.USAGE, Verdict.ERROR),
        (Verdict.PASS, ExitCode.INCOMPARABLE, Verdict.INCOMPARABLE),
    ],
)
def test_exit_code_has_the_last_word(verdict: Verdict, code: ExitCode, told: Verdict) -> None:
    """A report that could not be written makes a run which passed none."""
    run = replace(result(), verdict=verdict, exit_code=int(code), error="can't write b.json")
    assert run_verdict(run) is told
    assert cases(run)[-1].detail == "can't write b.json"
    assert cases(run)[-1].verdict not in {Verdict.PASS, Verdict.IMPROVED}


def test_counts_are_the_candidate_s() -> None:
    counts = "1 FAIL, 1 REGRESSION, 1 ERROR, 1 INCOMPARABLE, 1 PASS, 1 SKIP, 1 expected"
    assert counted(cases(WHOLE)) == counts


def test_worst_comes_first() -> None:
    verdicts = [case.verdict for case in failed(cases(WHOLE))]
    assert verdicts == [Verdict.FAIL, Verdict.REGRESSION, Verdict.ERROR, Verdict.INCOMPARABLE]


def test_no_two_cases_or_results_are_called_alike() -> None:
    """GitLab shows only the first of these."""
    same = TestOutcome("test_a", CANDIDATE, Verdict.PASS, 0.1)
    told = cases(result(same, same, same, replace(same, variant=BASE)))
    assert [case.name for case in told] == ["a", "a (2)", "a (3)", "a"]
    assert unique([("", "a"), ("", "a (2)"), ("", "a")]) == ["a", "a (2)", "a (3)"]
    names = titles([result(), result(), refused(InfrastructureError("no"), 0.0)])
    first = "limit rx bursts on 6.1.0-1-amd64"
    assert names == [first, f"{first} (2)", "nothing judged"]


def test_thousands_of_one_name_take_no_time() -> None:
    assert len(set(unique([("", "a")] * 50_000))) == 50_000


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T01:30:00+01:30", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00"),
        ("", ""),
        ("yesterday", ""),
        ("0001-01-01T00:00:00+14:00", ""),
        ("\ud800", ""),
    ],
)
def test_when_it_began(written: str, told: str) -> None:
    assert started(replace(result(), started=written)) == told


def test_what_is_not_known_is_not_told() -> None:
    assert set(about(refused(InfrastructureError("no"), 0.0))) == {"ksuite"}
    assert about(result())["machine"].startswith("virtme-ng")
    assert "not_exercised" not in about(result())


def test_texts_are_cut_with_a_note() -> None:
    assert clean("a\x1bb\tc\n") == "ab\tc\n"
    cut = clean("x" * (MOST_TEXT + 1))
    assert len(cut) <= MOST_TEXT
    assert cut.endswith(f"[... {1:,} more characters]")
    assert one_line(" a\r\n\n b\0 ") == "a b"
    assert len(one_line("x" * 1000)) == 200


def test_reason_is_told_where_there_is_no_detail() -> None:
    noisy = NamedComparison("a 64 B", comparison(0.0, 0.5))
    [case] = cases(result(costs=(noisy,)))
    assert case.why.startswith("too noisy")
