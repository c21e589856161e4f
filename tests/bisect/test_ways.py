# SPDX-License-Identifier: GPL-2.0-or-later
"""Other ways to search: with a series on top, on the wall clock, and through whole kernels."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from ksuite.measure.statistics import FEWEST_GUESTS
from tests.bisect.repositories import MIRRED, SLOWED, Kind, Repository
from tests.bisect.searching import COST, command, history, must_be_right, run, search
from tests.full.test_full import NOPS, TWO_GUESTS

FULL = Path(__file__).parent.parent / "full"
COUNT = 30
SERIES_NOPS = 100
BUDGET_MINUTES = 15
READ = "\tretval = READ_ONCE(m->tcf_action);\n"
"""What every packet passes a few lines below where histories become slower."""
WAITS = "\t{ volatile unsigned int turns = 4000; while (turns) turns--; }\n"
"""Some 20,000 instructions: four packets' worth, which any clock can see."""
AS_SOMEBODY = ("-c", "user.name=ksuite", "-c", "user.email=ksuite@example.org", "-c", "gc.auto=0")


def edit(repository: Repository, name: str, old: str, new: str, subject: str) -> str:
    """Commit a change of a file, and return the commit."""
    path = repository.path / name
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", errors="surrogateescape")
    repository.git(*AS_SOMEBODY, "commit", "--quiet", "--all", "--message", subject)
    return repository.git("rev-parse", "HEAD")


def remark(repository: Repository, name: str, number: int) -> None:
    """Commit one more line that no compiler reads."""
    with (repository.path / name).open("a", encoding="utf-8") as file:
        file.write(f"/* One more remark: {number}. */\n")
    repository.git(
        *AS_SOMEBODY, "commit", "--quiet", "--all", "--message", f"{name}: remark {number}"
    )


def found_by(asked: list[str], output: Path) -> dict[str, Any]:
    """Run a search that must find something, and return what."""
    done = run(asked)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((output / "bisect.json").read_text(encoding="utf-8"))
    return found


def cost_of(seen: dict[str, Any]) -> float:
    """Return the mean cost of a packet."""
    windows: list[float] = seen["costs"][0]["windows"]
    return statistics.mean(windows)


def test_series_is_put_on_top_of_each_revision(tmp_path: Path) -> None:
    repository = history(tmp_path / "tree", Kind.CULPRIT, 3, COUNT)
    repository.git("checkout", "--quiet", "-b", "mine", "first")
    added = f'{READ}\tasm volatile(".rept {SERIES_NOPS}; nop; .endr");\n'
    edit(repository, MIRRED, READ, added, "act_mirred: mine")
    series = tmp_path / "mine.mbox"
    shown = repository.git("format-patch", "--stdout", "-U1", "-1", "mine")
    series.write_text(shown + "\n", encoding="utf-8")
    without = search(repository, tmp_path / "without", Kind.CULPRIT)
    found = search(repository, tmp_path / "with", Kind.CULPRIT, "--series", str(series))
    must_be_right(found, repository, Kind.CULPRIT)
    for end in ("good", "bad"):
        on_top = cost_of(found[end]) - cost_of(without[end])
        assert on_top == pytest.approx(SERIES_NOPS, abs=8)


def test_series_that_does_not_apply_ends_the_search(tmp_path: Path) -> None:
    repository = history(tmp_path / "tree", Kind.CULPRIT, 3, COUNT)
    repository.git("checkout", "--quiet", "-b", "mine", "first")
    edit(repository, MIRRED, SLOWED, f"\tcpu_relax();\n{SLOWED}", "act_mirred: mine")
    edit(repository, MIRRED, f"\tcpu_relax();\n{SLOWED}", f"\tbarrier();\n{SLOWED}", "mine, too")
    series = tmp_path / "mine.mbox"
    series.write_text(repository.git("format-patch", "--stdout", "-1", "mine") + "\n")
    done = run(command(repository, tmp_path, Kind.CULPRIT, "--series", str(series)))
    printed = done.stdout + done.stderr
    assert done.returncode == 4, printed
    assert "does not apply" in printed
    assert "Traceback" not in printed


def test_wall_clock_finds_what_it_can_see_or_says_that_it_can_not(tmp_path: Path) -> None:
    """On a host that does much else, packets take from one to ten times as long."""
    repository = history(tmp_path / "tree", Kind.NONE, 4, COUNT)
    culprit = edit(repository, MIRRED, SLOWED, WAITS + SLOWED, "act_mirred: wait")
    for number in range(5):
        remark(repository, "net/sched/act_gact.c", number)
    budget = ("--drop", "30", "--budget", str(BUDGET_MINUTES))
    done = run(command(repository, tmp_path, Kind.CULPRIT, "--clock", "wall", *budget))
    found = json.loads((tmp_path / "bisect.json").read_text(encoding="utf-8"))
    assert {one["fingerprint"]["clock"] for one in found["bad"]["costs"]} == {"wall"}
    assert len(found["bad"]["costs"]) >= FEWEST_GUESTS
    if done.returncode == 0:
        assert found["outcome"] == "culprit"
        assert [step["revision"] for step in found["steps"]] == [culprit]
        assert found["confidence"] >= 0.95
    else:
        assert done.returncode == 4, done.stdout + done.stderr
        assert found["outcome"] in {"undecided", "suspects"}
        assert culprit in dict(found["suspects"]) or not found["suspects"]


def test_whole_kernels(tmp_path: Path) -> None:
    """What no module has in it is found in kernels that were built and booted."""
    source = unpack(distro_source(), Store.default()).path
    repository = Repository(tmp_path / "linux")
    shutil.copytree(source, repository.path, symlinks=True)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.git("add", "--all", "--force")
    repository.git(*AS_SOMEBODY, "commit", "--quiet", "--message", "as the distro has it")
    repository.git("tag", "first")
    remark(repository, "net/core/dev.c", 1)
    remark(repository, "Documentation/networking/index.rst", 2)
    repository.git(*AS_SOMEBODY, "am", "--quiet", str(FULL / "does-not-compile.patch"))
    repository.git(*AS_SOMEBODY, "revert", "--no-edit", "HEAD")
    repository.git(*AS_SOMEBODY, "am", "--quiet", str(FULL / "slower-1-percent.patch"))
    culprit = repository.git("rev-parse", "HEAD")
    remark(repository, "net/core/skbuff.c", 3)
    ends = ["--tree", str(repository.path), "--good", "first", "--bad", "main"]
    asked = [*command(repository, tmp_path, Kind.CULPRIT)[:4], *ends, "--scenario", COST]
    found = found_by([*asked, "--output", str(tmp_path)], tmp_path)
    [step] = found["steps"]
    assert step["revision"] == culprit
    assert step["difference"] == pytest.approx(NOPS, abs=TWO_GUESTS)
    functions = found["attribution"]["functions"]
    assert functions[0]["function"].startswith("__netif_receive_skb_core")
    assert functions[0]["candidate"] - functions[0]["base"] == pytest.approx(NOPS, abs=0.001)
    assert "kernel" in found["how"]
