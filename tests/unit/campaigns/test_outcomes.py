# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests say, on its way from the processes that ran them to the run's result."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ksuite.campaigns.dut import LiveDut
from ksuite.campaigns.outcomes import (
    Run,
    Told,
    crashed,
    late_faults,
    measured_alone,
    outcome_of,
)
from ksuite.dut import modules
from ksuite.errors import ExitCode, InfrastructureError, KernelFault
from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.measure.result import NamedComparison, TestOutcome
from ksuite.measure.verdict import Verdict
from tests.unit.campaigns.guests import GONE, IN_USE, PANIC, RELEASE, Guests
from tests.unit.measure.samples import comparison, result

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.campaigns.check import Check

FUNCTIONS = (FunctionCost("handle_rx", "vhost_net", 10.25, 12.5),)
NAMED = NamedComparison("vhost_rx 64 B", comparison(0.1), Attribution(1000.0, 1100.0, FUNCTIONS))
RECALLED = replace(
    NAMED, comparison=replace(NAMED.comparison, base=replace(NAMED.comparison.base, recalled=True))
)


class Judged:
    """In the place of a check; only its subject is asked for."""

    subject = result().subject


def judged() -> Run:
    return Run(check=cast("Check", Judged()))


def outcome(verdict: Verdict, variant: str = "candidate", test: str = "test_a") -> TestOutcome:
    return TestOutcome(test, variant, verdict, 0.25)


@pytest.mark.parametrize(
    "told",
    [
        Told(),
        Told(beside=True),
        Told(
            "vhost/test_a.py::test_a", (outcome(Verdict.PASS), outcome(Verdict.FAIL, "base")), NAMED
        ),
        Told("a", (replace(outcome(Verdict.PASS, "base"), recalled=True),), RECALLED),
        Told("a", (TestOutcome("b", "", Verdict.FAIL, 0.1, "\x1b[2J\0ü\ud800", "\u2028"),)),
    ],
    ids=["nothing", "beside", "all", "recalled", "any text"],
)
def test_what_is_told_arrives_as_it_was(told: Told) -> None:
    text = told.as_json()
    assert text.isascii()
    assert Told.from_json(text) == told
    assert isinstance(json.loads(text), dict)


def test_first_outcome_that_is_no_pass_stands() -> None:
    """A test may fail in its call and in its teardown; or only there."""
    run = Run()
    for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.PASS):
        run.hear(Told("node", (outcome(verdict),)))
    assert [seen.verdict for seen in run.outcomes.values()] == [Verdict.FAIL]


def test_outcomes_of_other_tests_and_variants_are_kept_apart() -> None:
    run = Run()
    run.hear(Told("one", (outcome(Verdict.FAIL, "base"), outcome(Verdict.PASS))))
    run.hear(Told("other", (outcome(Verdict.SKIP),)))
    assert {key: seen.verdict for key, seen in run.outcomes.items()} == {
        ("one", "base"): Verdict.FAIL,
        ("one", "candidate"): Verdict.PASS,
        ("other", "candidate"): Verdict.SKIP,
    }


def test_comparison_is_kept_though_each_phase_tells_it() -> None:
    run = judged()
    for _ in range(3):
        run.hear(Told("node", comparison=NAMED))
    run.hear(Told("node", (outcome(Verdict.PASS, ""),)))
    run.conclude(pytest.ExitCode.OK)
    assert run.result is not None
    assert run.result.comparisons == (NAMED,)


def test_result_is_in_the_order_of_the_tests() -> None:
    """Whichever process was done first; what no test says comes last."""
    run = judged()
    run.order = {"first": 0, "second": 1}
    for node in ("", "second", "first"):
        run.hear(Told(node, (outcome(Verdict.PASS, test=f"test_{node}"),)))
    run.conclude(pytest.ExitCode.OK)
    assert run.result is not None
    assert [seen.test for seen in run.result.outcomes] == ["test_first", "test_second", "test_"]


def test_result_is_in_the_order_of_events_where_all_run_here() -> None:
    run = judged()
    for node in ("b", "a", "c"):
        run.hear(Told(node, (outcome(Verdict.PASS, test=node),)))
    run.conclude(pytest.ExitCode.OK)
    assert run.result is not None
    assert [seen.test for seen in run.result.outcomes] == ["b", "a", "c"]


def test_failures_beside_the_series_are_counted() -> None:
    run = judged()
    run.hear(Told("a", (outcome(Verdict.PASS),)))
    for _ in range(2):
        run.hear(Told(beside=True))
    run.conclude(pytest.ExitCode.TESTS_FAILED)
    assert run.result is not None
    assert run.result.exit_code == ExitCode.INFRASTRUCTURE
    assert run.result.error == "2 tests beside the series failed"


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.SKIP, 3), (Verdict.INCOMPARABLE, 3), (Verdict.FAIL, 1)]
)
def test_failures_beside_the_series_are_told_whatever_else_there_is(
    verdict: Verdict, code: int
) -> None:
    run = judged()
    run.hear(Told("a", (outcome(verdict),)))
    run.hear(Told(beside=True))
    run.conclude(pytest.ExitCode.TESTS_FAILED)
    assert run.result is not None
    assert run.result.exit_code == code
    assert run.result.error == "1 tests beside the series failed"


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (pytest.ExitCode.OK, ExitCode.PASS),
        (pytest.ExitCode.INTERRUPTED, ExitCode.INTERRUPTED),
        (pytest.ExitCode.INTERNAL_ERROR, ExitCode.INFRASTRUCTURE),
    ],
)
def test_how_pytest_ends_counts_too(ended: pytest.ExitCode, code: ExitCode) -> None:
    run = judged()
    run.hear(Told("a", (outcome(Verdict.PASS),)))
    run.interrupted = ended is pytest.ExitCode.INTERRUPTED
    run.conclude(ended)
    assert run.result is not None
    assert run.result.exit_code == code


def test_process_that_crashed_is_an_error_of_its_test() -> None:
    node = "vhost/test_a.py::test_a[candidate]"
    report = pytest.TestReport(node, ("", None, ""), {}, "failed", "worker 'gw0' crashed", "call")
    told = crashed(report)
    assert told.node == node
    [seen] = told.outcomes
    assert (seen.test, seen.verdict) == ("test_a[candidate]", Verdict.ERROR)
    assert seen.detail == "worker 'gw0' crashed"


def test_parameters_may_have_colons() -> None:
    node = "tests/test_a.py::TestA::test_v6[candidate-2001:db8::1]"
    report = pytest.TestReport(node, ("", None, ""), {}, "passed", None, "call")
    seen = outcome_of(report, None, "candidate", None)
    assert seen is not None
    assert seen.test == "test_v6[2001:db8::1]"
    assert crashed(report).outcomes[0].test == "test_v6[candidate-2001:db8::1]"
    assert measured_alone("a.py::test_cost[x-::1]", KernelFault("oops", ""))[0].test == (
        "test_cost[x-::1]"
    )


def test_base_that_breaks_alone_leaves_the_candidate_a_pass() -> None:
    fault = KernelFault("oops", "NULL pointer", "the splat")
    broken, alone = measured_alone("vhost/test_cost.py::test_cost[a]", fault)
    assert (broken.test, broken.variant, broken.verdict) == ("test_cost[a]", "base", Verdict.FAIL)
    assert (broken.detail, broken.console) == ("oops: NULL pointer", "the splat")
    assert (alone.test, alone.variant, alone.verdict) == (
        *("test_cost[a]", "candidate", Verdict.PASS),
    )


@pytest.fixture
def guests(tmp_path: Path) -> Guests:
    return Guests(tmp_path)


def used(guests: Guests) -> LiveDut:
    """Return a DUT that the candidate runs on."""
    dut = LiveDut(guests.boot, RELEASE, [], [])
    dut.offer(guests.builds)
    dut.use("candidate")
    return dut


@pytest.mark.parametrize(("error", "kind"), [(IN_USE, "leak"), (PANIC, "panic")], ids=str)
def test_late_fault_is_the_variants(guests: Guests, error: KernelFault, kind: str) -> None:
    dut = used(guests)
    guests[-1].trouble[modules.unload] = error
    told = late_faults(dut)
    assert told.node == ""
    [seen] = told.outcomes
    assert (seen.variant, seen.verdict) == ("candidate", Verdict.FAIL)
    assert seen.detail.startswith(kind)


def test_nothing_late_nothing_told(guests: Guests) -> None:
    assert late_faults(used(guests)) == Told()


def test_dut_that_ends_as_it_is_retired_is_nobodys_fault(
    guests: Guests, capsys: pytest.CaptureFixture[str]
) -> None:
    dut = used(guests)
    guests[-1].trouble[modules.unload] = GONE
    assert late_faults(dut) == Told()
    assert "the guest ended" in capsys.readouterr().err


def test_result_that_can_not_be_written_has_not_passed() -> None:
    def fail(*_: object) -> None:
        raise InfrastructureError("disk full")

    for verdict, code in ((Verdict.PASS, 3), (Verdict.FAIL, 1)):
        run = judged()
        run.hear(Told("a", (outcome(verdict),)))
        run.conclude(pytest.ExitCode.OK)
        run.write(cast("Path", None), fail)
        assert run.result is not None
        assert (run.result.exit_code, run.result.error) == (code, "disk full")
