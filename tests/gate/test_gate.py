# SPDX-License-Identifier: GPL-2.0-or-later
"""The gate on a module of our own: it passes as it is, and each broken variant is caught."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.measure.result import CANDIDATE
from ksuite.measure.verdict import Verdict
from tests.gate.gates import Gate
from tests.git import git

if TYPE_CHECKING:
    from ksuite.measure.result import CheckResult, TestOutcome

HERE = Path(__file__).parent
LOOPS = ("redirect", "tc_redirect")
MATRIX = ("debian:5.10", "distro", "debian:6.12", "debian:7.2")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Return a gate on a copy of our own module, in a git repository."""
    return Gate.of(HERE / "redirect", tmp_path)


def test_it_passes_on_all_kernels(gate: Gate) -> None:
    assert gate.run("--kernel", *MATRIX) == 0
    for kernel in MATRIX:
        result = gate.result(kernel)
        assert result.verdict is Verdict.PASS
        costs = {named.name for named in result.measured}
        assert costs == {f"{loop} {size} B" for loop in LOOPS for size in (64, 1500)}
        assert len(result.outcomes) > 12


def test_a_harmless_change_costs_nothing(gate: Gate) -> None:
    gate.edit("ks_redirect.c", "/* Both are held", "/* Both of them are held")
    assert gate.run("--base", "HEAD") == 0
    result = gate.result()
    assert {one.comparison.difference for one in result.comparisons} == {0.0}
    assert len(result.comparisons) == 4


def test_a_leaked_reference_is_a_failure(gate: Gate) -> None:
    gate.breaks("leaks-a-reference")
    assert gate.run() == 1
    # Whatever had a pair when its module was unloaded, until enough was known.
    failed = gate.failed().values()
    told = [one for one in failed if "unregister_netdevice: waiting for out" in one.detail]
    assert told
    assert all(one.console for one in told)


def test_a_wrong_checksum_is_a_failure(gate: Gate) -> None:
    gate.breaks("drops-the-checksum")
    assert gate.run("--base", "HEAD") == 1
    assert "test_all_checksums_are_right" in gate.failed()
    assert "test_what_is_no_ip_goes_through_as_it_is" not in gate.failed()


def test_three_percent_are_a_regression(gate: Gate) -> None:
    gate.breaks("three-percent-slower")
    assert gate.run("--base", "HEAD") == 1
    changes = {one.name: one.comparison for one in gate.result().comparisons}
    assert changes["redirect 64 B"].verdict is Verdict.REGRESSION
    assert 0.02 < changes["redirect 64 B"].change < 0.04
    assert changes["tc_redirect 64 B"].verdict is Verdict.PASS
    assert {one.verdict for one in _functions(gate.result())} == {Verdict.PASS}


def test_three_percent_more_than_stored_are_a_regression(gate: Gate) -> None:
    assert gate.run("--save-baseline") == 0
    assert gate.run() == 0
    assert {one.baseline for one in gate.result().comparisons} == {"distro"}
    gate.breaks("three-percent-slower")
    assert gate.run() == 1
    assert gate.result().verdict is Verdict.REGRESSION


def test_what_does_not_compile_fails_where_it_does_not(gate: Gate) -> None:
    gate.breaks("does-not-build-on-7.2")
    assert gate.run("--part", "module", "--kernel", "debian:6.12", "debian:7.2") == 1
    assert gate.result("debian:6.12").verdict is Verdict.PASS
    refused = gate.result("debian:7.2")
    assert refused.verdict is Verdict.FAIL
    assert "ks_redirect.c" in refused.error
    assert "del_timer_sync" in refused.error


def test_a_change_that_mends_the_build_passes(gate: Gate) -> None:
    gate.breaks("does-not-build-on-7.2")
    git(gate.top, "commit", "-qam", "for older ones")
    git(gate.top, "revert", "--no-edit", "HEAD")
    newest = ("--part", "module", "--kernel", "debian:7.2")
    assert gate.run(*newest, "--base", "HEAD~1") == 0
    subject = gate.result("debian:7.2").subject
    assert subject is not None
    assert "there is no base to compare with" in subject.built
    assert "del_timer_sync" in subject.built


def test_what_will_not_load_fails_with_what_the_kernel_says(gate: Gate) -> None:
    gate.breaks("refuses-to-load")
    assert gate.run("--part", "module") == 1
    told = {one.detail for one in gate.failed().values()}
    assert any("ks_redirect: this machine will not do" in text for text in told)


def test_what_will_not_unload_fails(gate: Gate) -> None:
    gate.breaks("does-not-unload")
    assert gate.run("--part", "module") == 1
    assert "test_unloads_and_loads_again" in gate.failed()


def test_what_taints_fails(gate: Gate) -> None:
    gate.breaks("taints")
    assert gate.run("--part", "module") == 1
    assert list(gate.failed()) == ["test_taints_no_more_than_it_must"]


def test_sleeping_where_no_one_may_fails_on_the_debug_kernel(gate: Gate) -> None:
    kernels = ("distro", "distro+debug")
    assert gate.run("--part", "tests", "--kernel", *kernels) == 0
    assert {gate.result(kernel).verdict for kernel in kernels} == {Verdict.PASS}
    gate.breaks("sleeps-in-atomic-context")
    assert gate.run("--part", "tests", "--kernel", *kernels) == 1
    assert gate.failed("distro") == {}
    failed = gate.failed("distro+debug").values()
    assert {one.detail for one in failed} == {"lockdep: WARNING: suspicious RCU usage"}
    # __might_resched() looks for that before all else (kernel/sched/core.c: rcu_sleep_check()).
    told = "Illegal context switch in RCU read-side critical section"
    assert all(told in one.console for one in failed)


def test_a_missing_module_is_nothing_to_compare(gate: Gate) -> None:
    gate.edit("ksuite.toml", '"veth", "dummy"', '"veth", "no_such_module"')
    assert gate.run("--part", "tests") == 4
    assert "no_such_module" in gate.result().error


def test_a_flake_is_counted_and_fails_only_if_it_should(gate: Gate) -> None:
    # Flakes are counted by a project's name, in a store that remembers.
    gate.edit("ksuite.toml", 'name = "ks_redirect"', f'name = "flaky-{time.time_ns()}"')
    gate.edit("tests/test_redirect.py", "def test_nonsense_is_refused(machine):", FLAKE)
    assert gate.run("--part", "tests") == 0
    (flaky,) = [one for one in gate.result().outcomes if one.verdict is Verdict.FLAKY]
    assert flaky.test == "test_now_and_then"
    assert "for the first time" in flaky.detail
    gate.write("ksuite.toml", f"{gate.read('ksuite.toml')}\n[flakes]\nfail = true\n")
    (gate.top / "seen").unlink()
    assert gate.run("--part", "tests") == 1
    assert "2 times since" in gate.failed()["test_now_and_then"].detail


FLAKE = """\
def test_now_and_then(machine, request):
    seen = request.config.rootpath / "seen"
    if not seen.exists():
        seen.touch()
        raise AssertionError("not this time")


def test_nonsense_is_refused(machine):"""


def test_the_first_file_and_test_pass(gate: Gate) -> None:
    for name in ("ksuite.toml", "tests"):
        path = gate.top / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert gate.command("init") == 0
    assert gate.run() == 0
    tests = {one.test for one in gate.result().outcomes}
    assert "test_frames_get_through" in tests
    assert "test_unloads_and_loads_again" in tests
    assert gate.command("init") == 2


def _functions(result: CheckResult) -> list[TestOutcome]:
    return [one for one in result.outcomes if one.variant == CANDIDATE]
