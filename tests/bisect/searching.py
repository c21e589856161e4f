# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite bisect`` on a history that is known, and whether what it says is right."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from tests.bisect.repositories import Kind, Repository, make
from tests.broken.test_broken import outside_pytest

if TYPE_CHECKING:
    from pathlib import Path

COST = "tc_redirect"
CHECK = "test_frames_arrive_unchanged[ingress-mirror-stolen]"
"""Counts every packet that a rule has seen."""
OUTCOMES = {
    Kind.CULPRIT: "culprit",
    Kind.SMALL: "culprit",
    Kind.NONE: "none",
    Kind.TWO: "steps",
    Kind.DRIFT: "drift",
    Kind.FUNCTION: "culprit",
}
SECONDS = 3000


def history(place: Path, kind: Kind, seed: int, count: int = 200) -> Repository:
    """Return a new tree over the distro's source."""
    return make(place, unpack(distro_source(), Store.default()).path, kind, seed, count)


def looking_for(kind: Kind) -> list[str]:
    """Return what is to be looked at."""
    return ["--check", CHECK] if kind is Kind.FUNCTION else ["--scenario", COST]


def command(repository: Repository, output: Path, kind: Kind, *more: str) -> list[str]:
    """Return the command that searches all of a history."""
    ends = ["--tree", str(repository.path), "--good", "first", "--bad", "main"]
    ours = [sys.executable, "-m", "ksuite", "bisect", *ends, "--kernel", "distro"]
    return [*ours, *looking_for(kind), "--output", str(output), *more]


def run(asked: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(
        asked, capture_output=True, text=True, check=False, timeout=SECONDS, env=outside_pytest()
    )


def search(repository: Repository, output: Path, kind: Kind, *more: str) -> dict[str, Any]:
    """Search, and return what was found."""
    done = run(command(repository, output, kind, *more))
    told = output / "bisect.json"
    assert told.exists(), done.stdout + done.stderr
    assert done.returncode == (4 if kind is Kind.NONE else 0), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return found


def must_be_right(found: dict[str, Any], repository: Repository, kind: Kind) -> None:
    """Hold what was found to what is known of a history."""
    assert found["outcome"] == OUTCOMES[kind]
    names = {subject: nops for subject, nops in repository.culprits.items() if nops}
    steps = found["steps"]
    match kind:
        case Kind.NONE:
            assert steps == []
        case Kind.DRIFT:
            assert found["change"] > 0.01
        case Kind.FUNCTION:
            [step] = steps
            assert step["subject"] in repository.culprits
            assert (step["before"]["result"], step["after"]["result"]) == ("passes", "fails")
        case _:
            largest = max(names, key=lambda subject: names[subject])
            assert steps[0]["subject"] == largest
            assert repository.subject_of(steps[0]["revision"]) == largest
            assert all(step["repeated"] for step in steps)
            for step in steps:
                # What surrounds it may be laid out otherwise by the compiler.
                assert step["difference"] == pytest.approx(names[step["subject"]], abs=4)
    bad = {one["revision"]: one["result"] for one in found["seen"]}
    for revision, result in bad.items():
        if result not in {"measured", "passes", "fails"}:
            assert result in {"does not compile", "panic"}, (revision, result)
