# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite bisect``: what it asks for, writes, goes on with, and answers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite import cli_bisect
from ksuite.campaigns.options import Build
from ksuite.campaigns.quest import Quest
from ksuite.cli import main
from ksuite.errors import InfrastructureError, NothingToCompare
from ksuite.machines.machine import Clock
from ksuite.measure.finding import TOLD_BAD, Outcome
from tests.unit.report.test_bisection import FOUND, NONE, A, C, seen

if TYPE_CHECKING:
    from pathlib import Path


class Stub:
    """Stands for a campaign: notes what it is asked, and finds what a test wants."""

    def __init__(self) -> None:
        self.quests: list[Quest] = []
        self.known: list[dict[str, Any]] = []
        self.finds: Any = FOUND
        self.sees = [seen(A, 6000.0), seen(C, 6060.0)]

    def __call__(self, quest: Quest, known: Any, keep: Any = None, progress: Any = None) -> Stub:
        del progress
        self.quests.append(quest)
        self.known.append(dict(known))
        self._keep = keep
        return self

    def run(self) -> Any:
        so_far = {}
        for one in self.sees:
            so_far[one.revision] = one
            self._keep(so_far)
        return self._answer()

    def judge(self, commit: str) -> Any:
        self.judged = commit
        return self._answer()

    def _answer(self) -> Any:
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    stub = Stub()
    monkeypatch.setattr(cli_bisect, "Campaign", stub)
    return stub


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(top)]
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    for name in ("old", "new"):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", name], check=True)
        subprocess.run([*git, "tag", name], check=True)
    return top


def bisect(tmp_path: Path, tree: Path, *more: str) -> int:
    ends = ["--tree", str(tree), "--good", "old", "--bad", "new", "--scenario", "tc_redirect"]
    return main(["bisect", *ends, "--output", str(tmp_path / "out"), *more])


def test_quest_has_commits_for_ends(stub: Stub, tmp_path: Path, tree: Path) -> None:
    asked = ["--drop", "1.5", "--clock", "wall", "--build", "module", "--size", "1500"]
    assert bisect(tmp_path, tree, *asked) == 0
    [quest] = stub.quests
    assert len(quest.good) == len(quest.bad) == 40
    assert quest.drop == pytest.approx(0.015)
    assert (quest.clock, quest.build) == (Clock.WALL, Build.MODULE)
    assert quest.request.name == "tc_redirect 1500 B"
    assert quest.kernel == ""


def test_usual_size_and_drop() -> None:
    assert Quest(scenario="tc_insert").request.name == "tc_insert 1000 rules"
    assert Quest(scenario="vhost_rx").request.name == "vhost_rx 64 B"
    assert Quest(scenario="vhost_rx").drop == pytest.approx(0.003)
    assert Quest(scenario="vhost_rx", clock=Clock.WALL).drop == pytest.approx(0.005)
    assert Quest(check="test_action").drop is None


def test_all_that_was_found_is_written(
    stub: Stub, tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bisect(tmp_path, tree) == 0
    out = tmp_path / "out"
    assert json.loads((out / "bisect.json").read_text())["outcome"] == "culprit"
    assert "bisect.svg" in (out / "bisect.md").read_text()
    assert (out / "bisect.svg").exists()
    assert f"# first bad commit: [{C}]" in (out / "bisect.log").read_text()
    assert "CULPRIT" in capsys.readouterr().out
    assert stub.known == [{}]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.STEPS, 0),
        (Outcome.DRIFT, 0),
        (Outcome.NONE, 4),
        (Outcome.SUSPECTS, 4),
        (Outcome.UNDECIDED, 4),
    ],
)
def test_exit_codes(stub: Stub, tmp_path: Path, tree: Path, outcome: Outcome, code: int) -> None:
    stub.finds = replace(NONE, outcome=outcome)
    assert bisect(tmp_path, tree) == code


@pytest.mark.parametrize(
    ("error", "code"), [(InfrastructureError("disk full"), 3), (NothingToCompare("alike"), 4)]
)
def test_errors(stub: Stub, tmp_path: Path, tree: Path, error: Exception, code: int) -> None:
    stub.finds = error
    assert bisect(tmp_path, tree) == code
    # What was seen until then is kept.
    assert len(json.loads((tmp_path / "out" / "state.json").read_text())["seen"]) == 2


def test_it_goes_on_with_what_was_seen(stub: Stub, tmp_path: Path, tree: Path) -> None:
    stub.finds = InfrastructureError("killed")
    assert bisect(tmp_path, tree, "--drop", "2") == 3
    stub.finds = FOUND
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 0
    first, again = stub.quests
    assert again == first
    assert stub.known[1] == {one.revision: one for one in stub.sees}


def test_nothing_to_go_on_with(stub: Stub, tmp_path: Path) -> None:
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 2
    (tmp_path / "out" / "state.json").write_text('{"schema": 1, "quest": {"tree": 7}, "seen": []}')
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 2
    (tmp_path / "out" / "state.json").write_text('{"schema": 99}')
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 2
    assert stub.quests == []


def test_what_git_has_logged_is_taken_over(stub: Stub, tmp_path: Path, tree: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"git bisect start\ngit bisect bad {C}\n", encoding="utf-8")
    assert bisect(tmp_path, tree, "--replay", str(log)) == 0
    assert {name: one.result for name, one in stub.known[0].items()} == {C: TOLD_BAD}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (1, 1),
        (-1, 0),
        (0, 125),
        (InfrastructureError("no guest"), 131),
        (NothingToCompare("alike"), 132),
        # Python's own exit code is 1, and git would take that for bad.
        (RuntimeError("a bug of ours"), 131),
    ],
)
def test_step_of_git(stub: Stub, tmp_path: Path, tree: Path, found: Any, code: int) -> None:
    stub.finds = found
    assert bisect(tmp_path, tree, "--run-step") == code
    head = ["git", "-C", str(tree), "rev-parse", "HEAD"]
    assert stub.judged == subprocess.check_output(head, text=True).strip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["series.mbox"], "say what to look at"),
        (["--scenario", "tc_redirect"], "say what to search"),
        (["--tree", ".", "--scenario", "tc_redirect"], "a range has two ends"),
        (["--good", "a", "--bad", "b", "--scenario", "tc_redirect", "x.mbox"], "give --tree DIR"),
        (["a.mbox", "--series", "b.mbox", "--scenario", "tc_redirect"], "goes with --tree"),
        (["a.mbox", "--tree", ".", "--scenario", "tc_redirect"], "or a range of --tree"),
        (["a.mbox", "--scenario", "tc_function"], "is not one cost"),
    ],
)
def test_what_makes_no_sense(
    stub: Stub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert main(["bisect", *arguments, "--output", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert stub.quests == []
