# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite gate``, whose kernels are judged by a stub."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite import cli_gate
from ksuite.errors import DoesNotCompile, InfrastructureError
from ksuite.measure.result import CANDIDATE, CheckResult, NamedCost, TestOutcome, refused
from ksuite.measure.verdict import Verdict
from ksuite.report.baseline_file import read_baseline
from tests.git import asked, git
from tests.unit.measure.samples import cost, result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksuite.campaigns.gate_check import Asked

    Ksuite = Callable[..., tuple[int, str, str]]

FILE = """\
[module]
name = "mine"
[kernels]
run = ["distro", "debian:6.12", "distro"]
[baseline]
directory = "baselines"
"""
GOOD = TestOutcome("test_a", CANDIDATE, Verdict.PASS, 0.1)


class Kernels:
    """Judged as it is told for each."""

    def __init__(self) -> None:
        self.answers: dict[str, CheckResult] = {}
        self.asked: list[str] = []
        self.states: list[Asked] = []

    def __call__(self, asked: Asked, kernel: str, *_: object) -> CheckResult:
        self.asked.append(kernel)
        self.states.append(asked)
        usual = replace(result(GOOD), measured=(NamedCost("mine 64 B", cost(1234.5)),))
        return self.answers.get(kernel, usual)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernels:
    """Return what judges, in a directory that has a file for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ksuite.toml").write_text(FILE, encoding="utf-8")
    stub = Kernels()
    monkeypatch.setattr(cli_gate, "judge", stub)
    return stub


def test_each_kernel_is_judged_once(kernels: Kernels, ksuite: Ksuite) -> None:
    assert ksuite("gate")[0] == 0
    assert kernels.asked == ["distro", "debian:6.12"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refused(DoesNotCompile("x.c:3: error"), 0.1), 1),
        (refused(InfrastructureError("no disk"), 0.1), 3),
        (result(GOOD), 4),
    ],
    ids=["fails", "ours", "no cost"],
)
def test_baselines_of_the_other_kernels_are_stored(
    kernels: Kernels, ksuite: Ksuite, tmp_path: Path, answer: CheckResult, code: int
) -> None:
    kernels.answers = {"distro": answer}
    ended, out, said = ksuite("gate", "--save-baseline")
    assert ended == code
    assert "distro: no baseline is stored: " in said
    assert read_baseline(tmp_path / "baselines", "debian-6.12").costs
    assert out.endswith("debian-6.12.json\n")


def test_a_branch_is_looked_up_once(kernels: Kernels, ksuite: Ksuite, tmp_path: Path) -> None:
    """It may move while the parts run."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "ksuite.toml")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    assert ksuite("gate", "--base", "main", "--head", "HEAD")[0] == 0
    commit = asked(tmp_path, "rev-parse", "main")
    assert {(one.base, one.head) for one in kernels.states} == {(commit, commit)}
    assert commit[:12] in kernels.states[0].title


def test_no_such_revision_is_told_before_anything_runs(
    kernels: Kernels, ksuite: Ksuite, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    ended, _, said = ksuite("gate", "--base", "nowhere")
    assert ended == 2
    assert "nowhere" in said
    assert kernels.asked == []


def test_nothing_of_a_module_writes_to_the_terminal(kernels: Kernels, ksuite: Ksuite) -> None:
    kernels.answers = {"distro": refused(DoesNotCompile("\x1b]0;owned\x07 no"), 0.1)}
    _, _, said = ksuite("gate", "--save-baseline")
    assert "owned" in said
    assert "\x1b" not in said
