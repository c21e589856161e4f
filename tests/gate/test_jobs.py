# SPDX-License-Identifier: GPL-2.0-or-later
"""The jobs in ``docs/``: their commands, run in a clean directory of somebody else's.

What belongs to the container that they run in is left out: its packages, and its root directory.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ksuite.kernels.store import Store
from ksuite.measure.verdict import Verdict
from tests.gate.gates import Gate
from tests.git import asked, git

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
THERE = "/opt/ksuite"
ONE = 'run = ["distro"]'


@dataclass(frozen=True)
class Job:
    """What a job says.

    :param commands: that it runs.
    :param kept: files that it keeps.
    :param variables: of all of it and of each step; they may name the runner's own.
    """

    commands: list[str]
    kept: list[str]
    variables: dict[str, str]


def of_github(job: dict[Any, Any]) -> Job:
    """Read a job of GitHub's."""
    steps = job["jobs"]["gate"]["steps"]
    kept = [step["with"]["path"] for step in steps if "upload" in step.get("uses", "")]
    variables = dict(job["env"])
    for step in steps:
        variables |= step.get("env", {})
    return Job([step["run"] for step in steps if "run" in step], kept, variables)


def of_gitlab(job: dict[Any, Any]) -> Job:
    """Read a job of GitLab's."""
    mine = job["ksuite"]
    artifacts = mine["artifacts"]
    kept = [*artifacts["paths"], artifacts["reports"]["junit"]]
    return Job([*mine["before_script"], *mine["script"]], kept, mine["variables"])


JOBS: dict[str, Callable[[dict[Any, Any]], Job]] = {
    "gate-github.yml": of_github,
    "gate-gitlab.yml": of_gitlab,
}


def environment_of(job: Job, tmp_path: Path, top: Path, base: str) -> dict[str, str]:
    """Return what a job's commands find, once its runner has put in what it knows.

    Its store is the usual one, which has what it takes; where the job has it in the repository, a
    link leads there.
    """
    known = {
        "$CI_PROJECT_DIR": str(top),
        "${{ github.event.pull_request.base.sha }}": base,
    }
    variables = {name: str(value) for name, value in job.variables.items()}
    for said, value in known.items():
        variables = {name: text.replace(said, value) for name, text in variables.items()}
    store = Path(variables.pop("KSUITE_STORE"))
    ours = Store.default().root
    if store.is_relative_to(top):
        store.symlink_to(ours)
        ours = store
    return {
        **os.environ,
        **variables,
        "KSUITE": CHECKOUT.as_uri(),
        "KSUITE_STORE": str(ours),
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }


def run(job: Job, tmp_path: Path, top: Path, base: str) -> int:
    """Run a job's commands as its runner does, until one fails, and return the exit code."""
    environment = environment_of(job, tmp_path, top, base)
    code = 0
    for command in job.commands:
        if "apt-get" in command:
            continue
        # What tells of the run is run whatever it has come to.
        if code and "summary.md" not in command:
            continue
        here = command.replace(THERE, str(tmp_path / "ksuite"))
        done = subprocess.run(["sh", "-ec", here], cwd=top, env=environment, check=False)
        code = code or done.returncode
    return code


@pytest.mark.parametrize("name", JOBS)
def test_a_job_judges_a_change(name: str, tmp_path: Path) -> None:
    gate = Gate.of(Path(__file__).parent / "redirect", tmp_path)
    gate.edit("ksuite.toml", 'run = ["debian:5.10", "distro", "debian:6.12", "debian:7.2"]', ONE)
    git(gate.top, "commit", "-qam", "on one kernel")
    base = asked(gate.top, "rev-parse", "HEAD")
    gate.breaks("three-percent-slower")
    git(gate.top, "commit", "-qam", "three percent slower")
    job = JOBS[name](yaml.safe_load((DOCS / name).read_text(encoding="utf-8")))
    assert run(job, tmp_path, gate.top, base) == 1
    assert [path for path in job.kept if not (gate.top / path).exists()] == []
    inside = Gate(gate.top, gate.top / "results" / "gate")
    assert inside.result().verdict is Verdict.REGRESSION
    if name == "gate-github.yml":
        assert "REGRESSION" in (tmp_path / "summary").read_text(encoding="utf-8")


def test_gitlab_runs_it_where_there_is_something_to_compare_with() -> None:
    job = yaml.safe_load((DOCS / "gate-gitlab.yml").read_text(encoding="utf-8"))["ksuite"]
    assert any("merge_request_event" in rule["if"] for rule in job["rules"])
