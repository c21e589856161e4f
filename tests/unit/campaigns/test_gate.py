# SPDX-License-Identifier: GPL-2.0-or-later
"""A gate on one kernel, whose runs are told by a stub."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import gate
from ksuite.campaigns.costs import SAYS_NOTHING
from ksuite.campaigns.flakes import Flakes
from ksuite.campaigns.gate import Chosen, Part, judge, merged
from ksuite.campaigns.gate_check import NO_BASE, Asked, NoBase
from ksuite.campaigns.gate_file import GateFile
from ksuite.errors import DoesNotCompile, InfrastructureError
from ksuite.kernels.external import How
from ksuite.kernels.source import distro_source
from ksuite.kernels.store import Store
from ksuite.measure.result import CANDIDATE, CheckResult, NamedCost, TestOutcome, candidate_verdict
from ksuite.measure.verdict import EXIT_CODES, Verdict
from ksuite.report.matrix import Run
from tests.unit.measure.samples import cost as cost_of
from tests.unit.measure.samples import result as sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ksuite.errors import KsuiteError
    from ksuite.measure.result import Subject

PARTS = (Part("module", ("here",)), Part("tests", ("there",)))


def told(*outcomes: TestOutcome, error: str = "") -> CheckResult:
    verdict = Verdict.ERROR if error else candidate_verdict(outcomes)
    return CheckResult(None, outcomes, (), verdict, int(EXIT_CODES[verdict]), 1.0, error)


def outcome(test: str, verdict: Verdict) -> TestOutcome:
    return TestOutcome(test, CANDIDATE, verdict, 0.5, "it broke")


GOOD, BAD = outcome("test_good", Verdict.PASS), outcome("test_bad", Verdict.FAIL)


class Runs:
    """Answers runs by their names, and keeps what they were asked."""

    def __init__(self, answers: dict[str, CheckResult | Exception]) -> None:
        self.answers = answers
        self.asked: dict[str, list[str]] = {}

    def __call__(self, kernel: str, name: str, arguments: Sequence[str], _directory: Path) -> Run:
        self.asked[name] = list(arguments)
        result = self.answers.get(name, told(GOOD))
        if isinstance(result, Exception):
            raise result
        return Run(kernel, name, result.exit_code, result, result.error)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Return what judges with runs that answer so; its runs, and its result."""
    monkeypatch.setenv("KSUITE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(gate, "gate_kernel", lambda *_: distro_source())
    monkeypatch.setattr(gate, "build_variants", lambda *_: {})

    def run(
        answers: dict[str, CheckResult | Exception],
        check: str = "",
        *,
        base: str = "",
        fail: bool = False,
    ) -> tuple[Runs, CheckResult]:
        runs = Runs(answers)
        monkeypatch.setattr(gate, "run_one", runs)
        file = GateFile(tmp_path / "ksuite.toml", "x", How(), flakes_fail=fail)
        chosen = Chosen(PARTS, tmp_path, check)
        return runs, judge(Asked(file, base), "distro", chosen)

    return run


def test_parts_are_one_result(judged: Callable[..., Any]) -> None:
    runs, result = judged({})
    assert result.verdict is Verdict.PASS
    assert result.exit_code == 0
    assert result.outcomes == (GOOD, GOOD)
    assert runs.asked["module"][:1] == ["here"]
    assert "--ks-candidate-only" in runs.asked["tests"]


def test_with_a_base_both_are_looked_at(judged: Callable[..., Any]) -> None:
    runs, _ = judged({}, base="HEAD~1")
    assert "--ks-candidate-only" not in runs.asked["tests"]
    assert runs.asked["tests"][-2:] == ["--ks-gate-base", "HEAD~1"]


def test_a_failure_that_stays_one_is_one(judged: Callable[..., Any]) -> None:
    runs, result = judged({"tests": told(GOOD, BAD), "tests-again": told(BAD)})
    assert result.verdict is Verdict.FAIL
    assert result.exit_code == 1
    assert BAD in result.outcomes
    assert runs.asked["tests-again"][-2:] == ["--ks-check", "test_bad"]
    assert "never" in runs.asked["tests-again"]
    assert "module-again" not in runs.asked


def of(key: str) -> Subject:
    """Return what is judged, where the module has a build-id."""
    subject = sample().subject
    assert subject is not None
    return replace(subject, modules={CANDIDATE: (f"mine {key}",)})


@pytest.mark.parametrize(
    ("key", "verdict"), [("one", Verdict.PASS), ("other", Verdict.INCOMPARABLE)]
)
def test_parts_judge_the_same_modules(
    judged: Callable[..., Any], key: str, verdict: Verdict
) -> None:
    parts = {"module": replace(told(GOOD), subject=of("one"))}
    _, result = judged(parts | {"tests": replace(told(GOOD), subject=of(key))})
    assert result.verdict is verdict
    assert ("changed while they were judged" in result.error) == (verdict is not Verdict.PASS)


def test_a_pass_of_other_modules_is_no_flake(judged: Callable[..., Any]) -> None:
    passed = replace(told(replace(BAD, verdict=Verdict.PASS)), subject=of("other"))
    _, result = judged({"tests": replace(told(BAD), subject=of("one")), "tests-again": passed})
    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize("trouble", [InfrastructureError("no log"), OSError(28, "disk full")])
def test_our_trouble_in_a_part_leaves_what_others_found(
    judged: Callable[..., Any], trouble: Exception
) -> None:
    _, result = judged({"module": told(BAD), "module-again": told(BAD), "tests": trouble})
    assert (result.verdict, result.exit_code) == (Verdict.FAIL, 1)
    assert BAD in result.outcomes
    assert result.error


@pytest.mark.parametrize("trouble", [InfrastructureError("no log"), OSError(28, "disk full")])
def test_a_failure_stands_that_can_not_be_run_again(
    judged: Callable[..., Any], trouble: Exception
) -> None:
    _, result = judged({"tests": told(BAD), "tests-again": trouble})
    assert (result.verdict, result.exit_code) == (Verdict.FAIL, 1)


def test_a_flake_that_can_not_be_counted_is_one(
    judged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise InfrastructureError("disk full\nat all")

    monkeypatch.setattr(Flakes, "count", full)
    again = told(replace(BAD, verdict=Verdict.PASS))
    _, result = judged({"tests": told(BAD), "tests-again": again})
    assert result.verdict is Verdict.FLAKY
    assert "not counted: disk full)" in result.outcomes[-1].detail


@pytest.mark.parametrize(("fail", "code"), [(False, 0), (True, 1)])
def test_a_failure_that_passes_is_a_flake(
    judged: Callable[..., Any],
    fail: bool,
    code: int,
) -> None:
    again = told(replace(BAD, verdict=Verdict.PASS))
    for times in ("for the first time", "2 times since"):
        _, result = judged({"tests": told(GOOD, BAD), "tests-again": again}, fail=fail)
        assert result.exit_code == code
        (flaky,) = [one for one in result.outcomes if one.test == "test_bad"]
        assert flaky.verdict is (Verdict.FAIL if fail else Verdict.FLAKY)
        assert times in flaky.detail
        assert flaky.detail.endswith("at first: it broke")


def test_what_is_no_failure_is_not_run_again(judged: Callable[..., Any]) -> None:
    skipped, risen = outcome("test_s", Verdict.SKIP), outcome("test_r", Verdict.REGRESSION)
    runs, result = judged({"tests": told(skipped, risen)})
    assert result.verdict is Verdict.REGRESSION
    assert set(runs.asked) == {"module", "tests"}


def test_many_failures_are_no_flakes(judged: Callable[..., Any]) -> None:
    many = [outcome(f"test_{number}", Verdict.FAIL) for number in range(gate.MOST_AGAIN + 1)]
    runs, _ = judged({"tests": told(*many)})
    assert "tests-again" not in runs.asked


def test_a_check_of_one_part_is_missing_in_the_others(judged: Callable[..., Any]) -> None:
    nothing = CheckResult(None, (), (), Verdict.INCOMPARABLE, 4, 0.1, "no test here is called so")
    _, result = judged({"module": nothing}, "test_good")
    assert (result.verdict, result.exit_code, result.error) == (Verdict.PASS, 0, "")


def test_a_part_that_can_not_run_is_told_though_one_check_is_asked_for(
    judged: Callable[..., Any],
) -> None:
    lacks = CheckResult(None, (), (), Verdict.INCOMPARABLE, 4, 0.1, "the tests need the module x")
    nothing = replace(lacks, error="no test here is called 'test_good'")
    _, result = judged({"module": nothing, "tests": lacks}, "test_good")
    assert (result.verdict, result.exit_code) == (Verdict.INCOMPARABLE, 4)
    assert result.error == "the tests need the module x"


@pytest.mark.parametrize(("code", "verdict"), [(4, "INCOMPARABLE"), (2, "ERROR"), (3, "ERROR")])
def test_run_that_leaves_no_result(
    judged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, code: int, verdict: str
) -> None:
    def run_one(kernel: str, name: str, *_: object) -> Run:
        if name == "module":
            return Run(kernel, name, 0, told(GOOD))
        return Run(kernel, name, code, error="E   ImportError")

    monkeypatch.setattr(Runs, "__call__", lambda _, *words: run_one(*words))
    _, result = judged({})
    assert (result.verdict, result.exit_code) == (verdict, code)
    assert result.error == "tests: E   ImportError"


def test_trouble_of_ours_is_never_a_pass(judged: Callable[..., Any]) -> None:
    _, result = judged({"module": told(error="no guest came up")})
    assert (result.verdict, result.exit_code) == (Verdict.ERROR, 3)
    assert result.error == "no guest came up"


def test_a_part_that_only_measures_leaves_the_word_to_others() -> None:
    skipped = outcome("test_cost", Verdict.SKIP)
    measured = replace(told(skipped), measured=(NamedCost("mine 64 B", cost_of(1234.5)),))
    assert measured.exit_code == 4
    assert merged([told(GOOD), measured], None).exit_code == 0
    assert merged([measured], None).exit_code == 4
    assert merged([], None).exit_code == 4
    debug = told(replace(skipped, detail=f"Skipped: {SAYS_NOTHING} on a kernel with KASAN"))
    assert merged([told(GOOD), debug], None).exit_code == 0


def test_a_part_that_skips_all_is_no_pass() -> None:
    skipped = replace(outcome("test_tool", Verdict.SKIP), detail="Skipped: no tool")
    result = merged([told(GOOD), told(skipped, skipped)], None)
    assert (result.verdict, result.exit_code) == (Verdict.INCOMPARABLE, 4)
    assert result.error == "no check ran, and 2 were skipped, such as test_tool: Skipped: no tool"


def test_what_does_not_compile_fails_and_runs_nothing(
    judged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> KsuiteError:
        raise DoesNotCompile("x.c:3: error")

    monkeypatch.setattr(gate, "build_variants", refuses)
    runs, result = judged({})
    assert (result.verdict, result.exit_code) == (Verdict.FAIL, 1)
    assert "x.c:3" in result.error
    assert result.subject.kernel == distro_source().release
    assert runs.asked == {}


def test_without_a_base_that_compiles_the_head_is_judged_alone(
    judged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> KsuiteError:
        raise NoBase(f"{NO_BASE}:\nx.c:3: error")

    monkeypatch.setattr(gate, "build_variants", refuses)
    runs, result = judged({}, base="HEAD~1")
    assert (result.verdict, result.exit_code, result.error) == (Verdict.PASS, 0, "")
    assert result.subject.built == f"{NO_BASE}: x.c:3: error"
    assert runs.asked["tests"][-3:] == ["--ks-gate-base", "HEAD~1", "--ks-candidate-only"]


def test_damaged_counts_begin_anew(tmp_path: Path) -> None:
    flakes = Flakes(Store(tmp_path), "x")
    assert flakes.count("a") == flakes.count("b") == "for the first time"
    (path,) = (tmp_path / "flakes").glob("*.json")
    path.write_text("{", encoding="utf-8")
    assert flakes.count("a") == "for the first time"
    assert flakes.count("a").startswith("2 times since")
