# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite bisect --run-step``: what git is told of the revision that is checked out."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.cli import main
from ksuite.errors import InfrastructureError, NothingToCompare
from tests.unit.bisecting import StubCampaign, bisect, commit, new_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return new_tree(tmp_path / "tree")


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
def test_step_of_git(
    campaign: StubCampaign, tmp_path: Path, tree: Path, found: Any, code: int
) -> None:
    campaign.finds = found
    assert bisect(tmp_path, tree, "--run-step") == code
    head = ["git", "-C", str(tree), "rev-parse", "HEAD"]
    assert campaign.judged == subprocess.check_output(head, text=True).strip()


def test_step_where_git_checks_nothing_out(
    campaign: StubCampaign, tmp_path: Path, tree: Path
) -> None:
    """HEAD is one commit all the time then."""
    start = ["bisect", "start", "--no-checkout", "new", "old"]
    subprocess.run(["git", "-C", str(tree), *start], check=True, stdout=subprocess.DEVNULL)
    campaign.finds = 1
    assert bisect(tmp_path, tree, "--run-step") == 1
    assert campaign.judged == commit(tree, "middle")
    assert campaign.judged != commit(tree, "HEAD")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--clock", "wall"], "one boot is no verdict"),
        (["a.mbox"], "SERIES is none of it"),
        (["--bad", "HEAD"], "another commit each time"),
        (["--good", "@~3"], "another commit each time"),
        (["--bad", "BISECT_HEAD"], "another commit each time"),
        (["--resume"], "goes with no --resume"),
        (["--replay", "log"], "goes with no --resume"),
    ],
)
def test_step_that_makes_no_sense(
    campaign: StubCampaign,
    tmp_path: Path,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    assert bisect(tmp_path, tree, "--run-step", *more) == 130
    assert said in capsys.readouterr().err
    assert campaign.quests == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["bisect", "--run-step", "--drop", "none"],
        ["bisect", "--run-step", "--no-such-option"],
        ["bisect", "--run", "--drop", "none"],
        ["bisect", "--r"],
        ["--no-such-option", "bisect", "--run-step"],
    ],
)
def test_usage_error_ends_the_search_of_git(arguments: list[str]) -> None:
    """It takes each code up to 127 for a verdict."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 130
    with pytest.raises(SystemExit) as raised:
        main(["bisect", "--no-such-option"])
    assert raised.value.code == 2


def test_step_whose_answer_can_not_be_written_is_no_verdict(tree: Path) -> None:
    code = """
import sys
from ksuite import cli_bisect
from ksuite.cli import main
class Campaign:
    def __init__(self, *_, **__): pass
    def judge(self, commit): return 1
cli_bisect.Campaign = Campaign
sys.exit(main(sys.argv[1:]))
"""
    ends = ["--tree", str(tree), "--good", "old", "--bad", "new", "--scenario", "tc_redirect"]
    step = [sys.executable, "-c", code, "bisect", "--run-step", *ends]
    assert subprocess.run(step, check=False, capture_output=True).returncode == 1
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 (a device)
        for buffered in (True, False):
            # What is buffered is written once more as Python ends.
            variables = os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"}
            for streams in ({"stdout": full}, {"stdout": full, "stderr": full}):
                quiet: dict[str, Any] = {"stderr": subprocess.DEVNULL} | streams
                done = subprocess.run(step, check=False, env=variables, **quiet)
                assert done.returncode == 131
