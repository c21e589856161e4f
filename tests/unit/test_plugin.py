# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest, over a check that builds and boots nothing: outcomes, exit codes, files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest

from ksuite import pytest_plugin
from ksuite.errors import (
    DoesNotApply,
    InfrastructureError,
    KernelFault,
    KsuiteError,
    NothingToCompare,
    UserError,
)
from tests.unit.measure.samples import comparison, result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.check import CheckOptions, CostRequest
    from ksuite.campaigns.suites import Suite
    from ksuite.measure.result import Subject
    from ksuite.measure.verdict import Comparison

pytest_plugins = ["pytester"]

FUNCTION = """
import pytest
from ksuite.errors import DutError, InfrastructureError, KernelFault

pytestmark = pytest.mark.ks_scenario("vhost_function")
BASE = {"base"}
BOTH = {"base", "candidate"}
CANDIDATE = {"candidate"}

"""
PASSES = "def test_passes(ks_dut): assert ks_dut.variant in BOTH\n"


def raising(error: str, variants: str, name: str = "test_it") -> str:
    """Return a test that raises on some variants."""
    return f"def {name}(ks_dut):\n    if ks_dut.variant in {variants}: raise {error}\n"


def cost(change: float, *, name: str = "test_cost") -> str:
    return f"""
@pytest.mark.ks_cost("{change}", 64)
def {name}(ks_comparison):
    assert ks_comparison.verdict in ("PASS", "IMPROVED"), "the cost changed"
"""


class StubDut:
    """Counts the faults that using a variant raises."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.trouble: dict[str, KsuiteError] = {}
        self.late_faults: dict[str, KernelFault] = {}
        self.variant = ""

    def retire(self) -> None:
        self.variant = ""

    def use(self, variant: str) -> None:
        self.variant = variant
        if variant in self.trouble:
            self.faults[variant] += isinstance(self.trouble[variant], KernelFault)
            raise self.trouble[variant]


@dataclass
class Stub:
    """What all checks of a test do, and what was asked of them."""

    preparing: BaseException | None = None
    misfit: KsuiteError | None = None
    dut: StubDut = field(default_factory=StubDut)
    cost_faults: dict[str, KsuiteError] = field(default_factory=dict)
    options: list[CheckOptions] = field(default_factory=list)
    entered: int = 0
    left: int = 0


class StubCheck:
    """In the place of `Check`; a cost request's scenario is the change that it measures."""

    stub: Stub

    def __init__(
        self, options: CheckOptions, suites: Sequence[Suite], progress: Callable[[str], None]
    ) -> None:
        assert [suite.name for suite in suites] == ["vhost"]
        progress("preparing")
        self.stub.options.append(options)
        self.dut = self.stub.dut
        self.cost_faults: dict[str, KsuiteError] = self.stub.cost_faults

    def must_fit(self, suites: Sequence[Suite]) -> None:
        assert suites
        if self.stub.misfit:
            raise self.stub.misfit

    def __enter__(self) -> Self:
        if self.stub.preparing:
            raise self.stub.preparing
        self.stub.entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.stub.left += 1

    @property
    def subject(self) -> Subject | None:
        return result().subject

    def compare_costs(self, requests: Sequence[CostRequest]) -> dict[CostRequest, Comparison]:
        return {request: comparison(float(request.scenario)) for request in requests}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    monkeypatch.setattr(pytest_plugin, "Check", StubCheck)
    stub = Stub()
    monkeypatch.setattr(StubCheck, "stub", stub, raising=False)
    return stub


class Judge:
    """Runs a suite named vhost in a directory of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.json: dict[str, Any] = {}
        self.text = ""

    def write(self, name: str, tests: str) -> None:
        place = self.pytester.path / "vhost"
        place.mkdir(exist_ok=True)
        (place / f"{name}.py").write_text(FUNCTION + tests, encoding="utf-8")

    def __call__(self, tests: str, *options: str) -> int:
        """Run these tests; return the exit code, keep what was printed and written."""
        self.write("test_it", tests)
        answer = self.pytester.path / "answer.json"
        answer.unlink(missing_ok=True)
        done = self.pytester.runpytest_inprocess(
            *("-p", "no:benchmark", "--ks-json", str(answer), *options), no_reraise_ctrlc=True
        )
        self.text = done.stdout.str() + done.stderr.str()
        self.json = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
        assert "INTERNALERROR" not in self.text
        if self.json:
            assert self.json["exit_code"] == done.ret
        return int(done.ret)

    def verdicts(self) -> dict[tuple[str, str], str]:
        return {(test["test"], test["variant"]): test["verdict"] for test in self.json["tests"]}


@pytest.fixture
def judge(pytester: pytest.Pytester, stub: Stub) -> Judge:
    assert stub.entered == 0
    return Judge(pytester)


def test_both_pass(judge: Judge, stub: Stub) -> None:
    assert judge(PASSES) == 0
    assert judge.verdicts() == {
        ("test_passes", "base"): "PASS",
        ("test_passes", "candidate"): "PASS",
    }
    assert judge.json["verdict"] == "PASS"
    assert judge.json["subject"]["series"] == "limit rx bursts"
    assert "verdict: PASS (exit 0" in judge.text
    assert (stub.entered, stub.left) == (1, 1)


@pytest.mark.parametrize(
    "error",
    ["AssertionError('3 lost')", "DutError('3 lost')", "KernelFault('warn', '3 lost', 'splat')"],
)
def test_bases_failure_is_what_the_series_mends(judge: Judge, error: str) -> None:
    assert judge(raising(error, "BASE")) == 0
    assert judge.verdicts() == {("test_it", "base"): "FAIL", ("test_it", "candidate"): "PASS"}
    assert "1 passed, 1 xfailed" in judge.text
    assert "base FAIL, without the series: it" in judge.text
    assert "3 lost" in judge.text


@pytest.mark.parametrize(
    "error",
    [
        "AssertionError('3 lost')",
        "DutError('3 lost')",
        "KernelFault('warn', '3 lost', 'splat')",
        "pytest.fail.Exception('3 lost')",
    ],
)
def test_candidates_failure_is_the_runs(judge: Judge, error: str) -> None:
    assert judge(PASSES + raising(error, "CANDIDATE")) == 1
    assert judge.verdicts()["test_it", "candidate"] == "FAIL"
    assert judge.verdicts()["test_it", "base"] == "PASS"
    assert judge.json["verdict"] == "FAIL"
    assert "3 lost" in judge.text


def test_splat_is_in_the_report_and_in_the_file(judge: Judge) -> None:
    judge(raising("KernelFault('warn', 'WARNING', '[ 1.0] Call Trace: handle_rx')", "CANDIDATE"))
    told = [test for test in judge.json["tests"] if test["variant"] == "candidate"]
    assert told[0]["console"] == "[ 1.0] Call Trace: handle_rx"
    assert told[0]["detail"] == "warn: WARNING"
    assert "Call Trace: handle_rx" in judge.text


@pytest.mark.parametrize("error", ["DutError(WORDS, WORDS)", "InfrastructureError(WORDS)"])
def test_words_of_the_dut_can_not_drive_the_terminal(judge: Judge, error: str) -> None:
    tests = "WORDS = '\\x1b[2J\\x07owned'\n" + raising(error, "BOTH")
    judge(tests, "-rA")
    assert "owned" in judge.text
    assert not set(judge.text) & {"\x1b", "\x07"}


@pytest.mark.parametrize("variants", ["BASE", "CANDIDATE", "BOTH"])
@pytest.mark.parametrize("error", ["InfrastructureError('qemu died')", "KeyError('qemu died')"])
def test_what_is_ours_is_an_error(judge: Judge, error: str, variants: str) -> None:
    code = judge(PASSES + raising(error, variants))
    failed = {variant for (_, variant), verdict in judge.verdicts().items() if verdict == "ERROR"}
    assert failed == {"BASE": {"base"}, "CANDIDATE": {"candidate"}}.get(
        variants, {"base", "candidate"}
    )
    assert code == 3
    assert "qemu died" in judge.text
    assert "xfail" not in judge.text


def test_proven_fault_outweighs_an_error(judge: Judge) -> None:
    ours = raising("InfrastructureError('x')", "CANDIDATE", "test_ours")
    assert judge(ours + raising("AssertionError", "CANDIDATE")) == 1


def test_fault_in_a_teardown_counts(judge: Judge) -> None:
    tests = """
@pytest.fixture
def late(ks_dut):
    yield
    if ks_dut.variant in CANDIDATE: raise KernelFault("warn", "late")

def test_it(late): pass
"""
    assert judge(tests) == 1
    assert judge.verdicts() == {("test_it", "base"): "PASS", ("test_it", "candidate"): "FAIL"}


@pytest.mark.parametrize(
    ("error", "code", "verdict"),
    [
        pytest.param(UserError("no series at x"), 2, "ERROR", id="usage"),
        pytest.param(DoesNotApply("hunk 3 of net.c refused"), 1, "FAIL", id="series"),
        pytest.param(NothingToCompare("nothing of ours"), 4, "INCOMPARABLE", id="nothing"),
        pytest.param(InfrastructureError("disk full"), 3, "ERROR", id="infrastructure"),
    ],
)
def test_preparation_that_fails(
    judge: Judge, stub: Stub, error: KsuiteError, code: int, verdict: str
) -> None:
    stub.preparing = error
    assert judge(PASSES) == code
    assert judge.text.count(str(error)) == 1
    assert "Traceback" not in judge.text
    assert judge.json["verdict"] == verdict
    assert judge.json["error"] == str(error)
    assert judge.json["tests"] == []
    assert judge.json["subject"] is None
    assert stub.left == 0


def test_series_of_another_suite(judge: Judge, stub: Stub) -> None:
    stub.misfit = NothingToCompare("the suite vhost does not exercise this series")
    assert judge(PASSES) == 4
    assert stub.entered == 0


@pytest.mark.parametrize("where", ["preparing", "running"])
def test_interrupt(judge: Judge, stub: Stub, where: str) -> None:
    if where == "preparing":
        stub.preparing = KeyboardInterrupt()
    assert judge(PASSES + raising("KeyboardInterrupt", "CANDIDATE")) == 130
    assert judge.json["error"] == "interrupted"
    assert judge.json["verdict"] == "ERROR"
    assert stub.left == stub.entered


def test_options_reach_the_check(judge: Judge, stub: Stub) -> None:
    options = ("--ks-series", "a.patch", "--ks-kernel", "k", "--ks-timeout", "7")
    judge(PASSES, *options, "--ks-clock", "wall")
    seen = stub.options[0]
    assert (seen.series, seen.kernel, seen.timeout_seconds) == ("a.patch", "k", 7)
    assert str(seen.clock) == "wall"


def test_defaults(judge: Judge, stub: Stub) -> None:
    judge(PASSES)
    seen = stub.options[0]
    assert seen.series == str(judge.pytester.path / "patches/vhost-rx-tx-limits")
    assert (seen.kernel, str(seen.clock)) == ("distro", "instructions")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_timeout_that_makes_no_sense(judge: Judge, seconds: str) -> None:
    assert judge(PASSES, f"--ks-timeout={seconds}") in {2, pytest.ExitCode.USAGE_ERROR}
    assert "timeout" in judge.text


def test_scenario_is_selected(judge: Judge) -> None:
    marked = cost(0.0).replace("@pytest", "@pytest.mark.ks_scenario('vhost_tx')\n@pytest", 1)
    assert judge(PASSES + marked, "--ks-scenario", "vhost_tx") == 0
    assert judge.verdicts() == {("test_cost", ""): "PASS"}
    assert judge(PASSES + marked, "--ks-scenario", "vhost_function") == 0
    assert set(judge.verdicts()) == {("test_passes", "base"), ("test_passes", "candidate")}
    assert judge(PASSES + marked, "--ks-scenario", "vhost") == 0
    assert len(judge.verdicts()) == 3


def test_unknown_scenario(judge: Judge, stub: Stub) -> None:
    assert judge(PASSES, "--ks-scenario", "vhost_tz") == 2
    assert judge.text.count("no scenario named 'vhost_tz'") == 1
    assert "vhost_echo" in judge.text
    assert stub.options == []


def test_scenario_that_no_test_belongs_to(judge: Judge) -> None:
    assert judge(PASSES, "--ks-scenario", "vhost_rx") == 4
    assert "vhost_rx" in judge.json["error"]


def test_candidate_only(judge: Judge) -> None:
    tests = PASSES + raising("AssertionError", "BASE") + cost(0.0)
    assert judge(tests, "--ks-candidate-only") == 0
    assert judge.verdicts() == {
        ("test_passes", "candidate"): "PASS",
        ("test_it", "candidate"): "PASS",
        ("test_cost", ""): "PASS",
    }


@pytest.mark.parametrize("variant", ["base", "candidate"])
def test_enough_faults_are_enough(judge: Judge, stub: Stub, variant: str) -> None:
    stub.dut.trouble[variant] = KernelFault("panic", "again")
    tests = "".join(PASSES.replace("test_passes", f"test_{n}") for n in range(5))
    code = judge(tests)
    seen = [verdict for (_, whose), verdict in judge.verdicts().items() if whose == variant]
    assert seen == ["FAIL"] * 3 + ["SKIP"] * 2
    others = {verdict for (_, whose), verdict in judge.verdicts().items() if whose != variant}
    assert others == {"PASS"}
    assert code == (1 if variant == "candidate" else 0)
    assert stub.dut.faults[variant] == 3


def test_everything_skipped_is_no_pass(judge: Judge) -> None:
    assert judge(raising("pytest.skip.Exception('not here')", "BOTH")) == 4
    assert set(judge.verdicts().values()) == {"SKIP"}
    assert judge.json["verdict"] == "SKIP"


@pytest.mark.parametrize(
    ("change", "code", "verdict"),
    [(0.0, 0, "PASS"), (-0.1, 0, "IMPROVED"), (0.1, 1, "REGRESSION")],
)
def test_cost(judge: Judge, change: float, code: int, verdict: str) -> None:
    assert judge(cost(change)) == code
    assert judge.verdicts() == {("test_cost", ""): verdict}
    [told] = judge.json["costs"]
    assert told["name"] == f"{change} 64 B"
    assert told["verdict"] == verdict
    assert told["change"] == pytest.approx(change)
    assert f"{change:+.2%}" in judge.text


def test_all_costs_are_told(judge: Judge) -> None:
    assert judge(cost(0.0, name="test_a") + cost(0.1, name="test_b")) == 1
    assert [told["verdict"] for told in judge.json["costs"]] == ["PASS", "REGRESSION"]


def test_base_that_breaks_in_a_cost_is_what_the_series_mends(judge: Judge, stub: Stub) -> None:
    stub.cost_faults["base"] = KernelFault("oops", "NULL pointer", "the splat")
    assert judge(cost(0.0)) == 0
    assert judge.verdicts() == {
        ("test_cost", "base"): "FAIL",
        ("test_cost", "candidate"): "PASS",
        ("test_cost", ""): "SKIP",
    }
    assert judge.json["costs"] == []


@pytest.mark.parametrize("too", [{}, {"base": KernelFault("oops", "base")}], ids=["alone", "both"])
def test_candidate_that_breaks_in_a_cost_fails(
    judge: Judge, stub: Stub, too: dict[str, KsuiteError]
) -> None:
    stub.cost_faults |= too | {"candidate": KernelFault("oops", "NULL pointer", "the splat")}
    assert judge(cost(0.0)) == 1
    assert judge.verdicts() == {("test_cost", ""): "FAIL"}
    assert "the splat" in judge.text


def test_cost_test_that_fails_for_another_reason(judge: Judge) -> None:
    """A comparison that passes doesn't make a broken test pass."""
    assert judge(cost(0.0) + "    raise KeyError('a bug of the test')\n") == 3
    assert judge.verdicts() == {("test_cost", ""): "ERROR"}


def test_cost_without_a_marker_is_told(judge: Judge) -> None:
    assert judge("def test_cost(ks_comparison): pass\n") == 3
    assert "ks_cost(scenario, frame_bytes)" in judge.text


def test_test_names_may_repeat_in_other_files(judge: Judge) -> None:
    judge.write("test_earlier", raising("pytest.skip.Exception('not here')", "BOTH"))
    assert judge(raising("AssertionError", "CANDIDATE")) == 1


def test_test_that_judges_nothing_fails_the_run_too(judge: Judge) -> None:
    assert judge(PASSES + "def test_plain(): assert False\n") != 0


def test_parameters_stay_in_the_names(judge: Judge) -> None:
    tests = "@pytest.mark.parametrize('size', [64, 1514])\n" + PASSES.replace(
        "(ks_dut)", "(ks_dut, size)"
    )
    assert judge(tests) == 0
    assert {name for name, _ in judge.verdicts()} == {"test_passes[64]", "test_passes[1514]"}


def test_result_that_can_not_be_written(judge: Judge) -> None:
    assert judge(PASSES, "--ks-json", "/proc/answer.json") == 3
    assert "can't write /proc/answer.json" in judge.text
    assert "verdict: PASS" in judge.text


def test_suite_without_a_default_series(pytester: pytest.Pytester, stub: Stub) -> None:
    pytester.makepyfile(test_elsewhere=FUNCTION + PASSES)
    done = pytester.runpytest_inprocess("-p", "no:benchmark")
    assert done.ret in {2, 4}
    assert "INTERNALERROR" not in done.stdout.str()
    assert stub.entered == 0


def test_run_that_judges_nothing_is_left_alone(pytester: pytest.Pytester, stub: Stub) -> None:
    pytester.makepyfile(test_plain="def test_a(): pass\ndef test_b(): assert False\n")
    done = pytester.runpytest_inprocess("-p", "no:benchmark", "--ks-json", "answer.json")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "ksuite" not in done.stdout.lines[-1]
    assert stub.options == []


def test_collecting_builds_nothing(judge: Judge, stub: Stub) -> None:
    assert judge(PASSES, "--collect-only") == 0
    assert stub.options == []
    assert "2 tests collected" in judge.text


def test_junit_names_what_was_judged(judge: Judge) -> None:
    judge(PASSES, "--junit-xml=junit.xml")
    text = (judge.pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert 'name="ksuite.series" value="limit rx bursts"' in text
    assert 'name="ksuite.kernel_version" value="6.1.1-1"' in text
