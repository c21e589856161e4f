# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest, where a module's own tests judge it."""

from __future__ import annotations

import pytest

from tests.unit.judging import PASSES, Judge

pytest_plugins = ["pytester"]

ALONE = """
def test_on_the_host(): assert {holds}
def test_mistyped(machne): pass
"""


@pytest.fixture
def gate(judge: Judge) -> Judge:
    """Return a judge in a repository of a module's."""
    (judge.pytester.path / "ksuite.toml").write_text('[module]\nname = "mine"\n', encoding="utf-8")
    return judge


def run(gate: Judge, tests: str, *options: str) -> int:
    return gate(tests, "--ks-gate", "ksuite.toml", "--ks-candidate-only", *options)


@pytest.mark.parametrize("beside", [PASSES, "def test_s(ks_dut): pytest.skip('no tool')\n", ""])
def test_what_looks_at_no_dut_counts_by_its_name(gate: Judge, beside: str) -> None:
    assert run(gate, beside + ALONE.format(holds=False)) == 1
    told = {name: verdict for (name, _), verdict in gate.verdicts().items()}
    assert told["test_on_the_host"] == "FAIL"
    assert told["test_mistyped"] == "ERROR"
    details = {test["test"]: test["detail"] for test in gate.json["tests"]}
    assert "machne" in details["test_mistyped"]


def test_mistyped_fixture_is_no_pass_where_all_else_passes(gate: Judge) -> None:
    assert run(gate, PASSES + ALONE.format(holds=True)) == 3
    assert gate.verdicts()["test_on_the_host", ""] == "PASS"


def test_what_a_test_does_not_expect_is_an_answer(gate: Judge) -> None:
    """Such as no frame where one should be; but not what we could not do."""
    stumbles = "def test_stumbles(ks_dut): [][0]\n"
    ours = "def test_ours(ks_dut): raise InfrastructureError('no')\n"
    assert run(gate, stumbles) == 1
    assert gate.verdicts()["test_stumbles", "candidate"] == "FAIL"
    assert run(gate, ours) == 3
    assert gate.verdicts()["test_ours", "candidate"] == "ERROR"


def test_what_looks_at_no_dut_can_be_run_alone(gate: Judge) -> None:
    assert run(gate, PASSES + ALONE.format(holds=True), "--ks-check", "test_on_the_host") == 0
    assert gate.verdicts() == {("test_on_the_host", ""): "PASS"}
