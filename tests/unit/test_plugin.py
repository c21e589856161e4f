# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest: outcomes, exit codes, options, files."""

from __future__ import annotations

import pytest

from ksuite.campaigns.options import Recall
from ksuite.errors import (
    DoesNotApply,
    InfrastructureError,
    KernelFault,
    KsuiteError,
    NothingToCompare,
    UserError,
)
from ksuite.measure.result import VARIANTS
from tests.unit.judging import FUNCTION, PASSES, Judge, Stub, cost, raising

pytest_plugins = ["pytester"]


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


def test_what_was_recalled_is_told(judge: Judge, stub: Stub) -> None:
    stub.dut.recalled = True
    assert judge(PASSES + cost(0.0)) == 0
    recalled = {(test["test"], test["variant"]): test["recalled"] for test in judge.json["tests"]}
    assert recalled == {
        ("test_passes", "base"): True,
        ("test_passes", "candidate"): True,
        ("test_cost", ""): False,
    }
    assert "2 checks recalled from guests with the same content" in judge.text


def test_what_was_asked_is_not_said_to_be_recalled(judge: Judge) -> None:
    judge(PASSES)
    assert [test["recalled"] for test in judge.json["tests"]] == [False, False]
    assert "recalled from" not in judge.text


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
    "error",
    [OSError(5, "Input/output error"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text")],
    ids=["system", "text"],
)
def test_what_nobody_expected_while_preparing_is_one_line(
    judge: Judge, stub: Stub, error: Exception
) -> None:
    stub.preparing = error
    assert judge(PASSES) == 3
    assert f"preparing the series failed: {error}" in judge.text
    assert "Traceback" not in judge.text
    assert "INTERNALERROR" not in judge.text
    assert judge.json["verdict"] == "ERROR"


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
    assert [one.any_change for one in stub.options] == [False]
    stub.misfit = None
    assert judge(PASSES, "--ks-any-change") == 0
    assert stub.options[-1].any_change


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
    judge(
        PASSES,
        *options,
        "--ks-clock",
        "wall",
        "--ks-attribute",
        "any",
        "--ks-jobs",
        "3",
        "--ks-recall",
        "all",
    )
    seen = stub.options[0]
    assert (seen.series, seen.kernel, seen.timeout_seconds) == ("a.patch", "k", 7)
    assert (str(seen.clock), str(seen.attribute), seen.jobs) == ("wall", "any", 3)
    assert seen.recall is Recall.ALL


def test_defaults(judge: Judge, stub: Stub) -> None:
    judge(PASSES)
    seen = stub.options[0]
    assert seen.series == "", "the suite's own"
    assert (seen.kernel, str(seen.clock)) == ("distro", "instructions")
    assert (str(seen.attribute), seen.jobs) == ("counted", 0)
    assert seen.recall is Recall.BASE


@pytest.mark.parametrize(
    "option",
    [
        *("--ks-jobs=0", "--ks-jobs=many", "--ks-attribute=some", "--ks-root=moon"),
        "--ks-recall=some",
    ],
)
def test_option_that_makes_no_sense(judge: Judge, stub: Stub, option: str) -> None:
    assert judge(PASSES, option) in {2, pytest.ExitCode.USAGE_ERROR}
    assert option.partition("=")[0] in judge.text
    assert stub.options == []


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


def test_check_is_selected_with_its_cases(judge: Judge) -> None:
    cases = "@pytest.mark.parametrize('case', ['one', 'two'])\n"
    cases += "def test_cases(ks_dut, case): pass\n"
    assert judge(PASSES + cases, "--ks-check", "test_cases") == 0
    every = {(f"test_cases[{case}]", variant) for case in ("one", "two") for variant in VARIANTS}
    assert judge.verdicts().keys() == every
    assert judge(PASSES + cases, "--ks-check", "test_cases[two]") == 0
    assert judge.verdicts().keys() == {("test_cases[two]", variant) for variant in VARIANTS}
    assert judge(PASSES, "--ks-check", "test_cases") == 4


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


@pytest.mark.parametrize("option", ["--ks-json", "--ks-benchmark-json"])
def test_result_that_can_not_be_written(judge: Judge, option: str) -> None:
    assert judge(PASSES, option, "/proc/answer.json") == 3
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
