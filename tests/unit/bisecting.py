# SPDX-License-Identifier: GPL-2.0-or-later
"""A small tree with three commits, and what stands for a bisection's campaign."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from ksuite.campaigns.quest import Ground
from ksuite.cli import main
from tests.unit.report.test_bisection import FOUND, A, C, seen

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.campaigns.quest import Quest

GROUND = Ground("6.1.0-1 (6.1.1-1)", "ab" * 32)


class StubCampaign:
    """Stands for a campaign: notes what it is asked, and finds what a test wants."""

    def __init__(self) -> None:
        self.quests: list[Quest] = []
        self.known: list[dict[str, Any]] = []
        self.grounds: list[Ground | None] = []
        self.state: Path | None = None
        self.before: list[str] = []
        self.finds: Any = FOUND
        self.sees = [seen(A, 6000.0), seen(C, 6060.0)]

    def __call__(
        self,
        quest: Quest,
        known: Any,
        keep: Any = None,
        progress: Any = None,
        ground: Ground | None = None,
    ) -> StubCampaign:
        del progress
        self.quests.append(quest)
        self.grounds.append(ground)
        self.before.append(self.state.read_text() if self.state and self.state.exists() else "")
        self.known.append(dict(known))
        self._keep = keep
        return self

    def run(self) -> Any:
        so_far = {}
        for one in self.sees:
            so_far[one.revision] = one
            self._keep(so_far, GROUND)
        return self._answer()

    def judge(self, commit: str) -> Any:
        self.judged = commit
        return self._answer()

    def _answer(self) -> Any:
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds


def new_tree(top: Path) -> Path:
    """Make a repository of the commits old, middle and new."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(top)]
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    for name in ("old", "middle", "new"):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", name], check=True)
        subprocess.run([*git, "tag", name], check=True)
    return top


def commit(tree: Path, name: str) -> str:
    return subprocess.check_output(["git", "-C", str(tree), "rev-parse", name], text=True).strip()


def bisect(directory: Path, tree: Path, *more: str) -> int:
    """Run ``ksuite bisect`` over the whole of a tree that :func:`new_tree` made."""
    ends = ["--tree", str(tree), "--good", "old", "--bad", "new", "--scenario", "tc_redirect"]
    return main(["bisect", *ends, "--output", str(directory / "out"), *more])
