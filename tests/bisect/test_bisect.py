# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection says, leaves behind, goes on with, and refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from shutil import disk_usage
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.kernels.store import Store
from tests.bisect.repositories import Kind, Repository
from tests.bisect.searching import COST, command, history, must_be_right, run, search
from tests.broken.test_broken import outside_pytest

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 200
ENOUGH = 3
"""Revisions that were measured before something happens."""
STEP = [sys.executable, "-m", "ksuite", "bisect", "--run-step", "--kernel", "distro"]


@pytest.fixture(scope="module")
def culprit(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return history(tmp_path_factory.mktemp("culprit") / "tree", Kind.CULPRIT, 1, COUNT)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CULPRIT])
def test_kind(tmp_path: Path, kind: Kind) -> None:
    repository = history(tmp_path / "tree", kind, 2, COUNT)
    must_be_right(search(repository, tmp_path / "found", kind), repository, kind)


def test_culprit_is_told_in_every_form(culprit: Repository, tmp_path: Path) -> None:
    tree = culprit.path
    (tree / "net/sched/act_mirred.c").write_text("changed, and not committed", encoding="utf-8")
    head = culprit.git("rev-parse", "HEAD")
    found = search(culprit, tmp_path, Kind.CULPRIT)
    must_be_right(found, culprit, Kind.CULPRIT)
    [step] = found["steps"]
    # Nothing there was touched.
    assert culprit.git("status", "--porcelain") == "M net/sched/act_mirred.c"
    assert culprit.git("rev-parse", "HEAD") == head
    assert not (tree / ".git" / "BISECT_START").exists()
    functions = found["attribution"]["functions"]
    assert functions[0]["function"] == "tcf_mirred_act"
    assert functions[0]["candidate"] - functions[0]["base"] == pytest.approx(60, abs=4)
    report = (tmp_path / "bisect.md").read_text(encoding="utf-8")
    assert ".rept 60; nop; .endr" in report
    assert "tcf" in report
    picture = (tmp_path / "bisect.svg").read_text(encoding="utf-8")
    assert step["revision"][:12] in picture
    # git takes the log, and comes to the same.
    culprit.git("checkout", "--quiet", "--force", "main")
    culprit.git("bisect", "replay", str(tmp_path / "bisect.log"))
    log = culprit.git("bisect", "log")
    assert f"# first bad commit: [{step['revision']}]" in log
    culprit.git("bisect", "reset")
    # What git has logged is taken over: nothing of it is built again.
    (tmp_path / "git.log").write_text(log, encoding="utf-8")
    again = search(culprit, tmp_path / "again", Kind.CULPRIT, "--replay", str(tmp_path / "git.log"))
    assert again["steps"][0]["revision"] == step["revision"]
    measured = [one for one in again["seen"] if one["result"] == "measured"]
    assert len(measured) == 4, "both ends, and both sides of the step"


def test_killed_run_goes_on_without_building_anything_again(
    culprit: Repository, tmp_path: Path
) -> None:
    asked = command(culprit, tmp_path, Kind.CULPRIT)
    with subprocess.Popen(
        asked, env=outside_pytest(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as killed:
        state = tmp_path / "state.json"
        deadline = time.monotonic() + 600
        while not (state.exists() and len(_seen(state)) >= ENOUGH):
            assert time.monotonic() < deadline
            assert killed.poll() is None
            time.sleep(0.05)
        os.kill(killed.pid, signal.SIGKILL)
    _must_go_on(culprit, tmp_path, _seen(state))


def _must_go_on(culprit: Repository, output: Path, before: list[dict[str, Any]]) -> None:
    """Resume, and hold what is found to what is known, and to what was seen before."""
    done = run([sys.executable, "-m", "ksuite", "bisect", "--resume", "--output", str(output)])
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((output / "bisect.json").read_text(encoding="utf-8"))
    must_be_right(found, culprit, Kind.CULPRIT)
    after = {one["revision"]: one for one in found["seen"]}
    for one in before:
        assert after[one["revision"]]["costs"][:1] == one["costs"][:1]


def test_full_disk_loses_nothing_of_what_was_seen(culprit: Repository, tmp_path: Path) -> None:
    search(culprit, tmp_path / "before", Kind.CULPRIT)
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "small", store], check=True)
    try:
        # All but the modules: each has to be built.
        for kind in Store.default().root.glob("[a-z]*"):
            if kind.name not in {"modules", "logs"}:
                (store / kind.name).symlink_to(kind)
        printed = _search_until_it_is_full(command(culprit, tmp_path, Kind.CULPRIT), store)
    finally:
        subprocess.run(["umount", store], check=True)
    assert f"disk full in the store at {store}: nothing was kept" in " ".join(printed.split())
    assert "Traceback" not in printed
    _must_go_on(culprit, tmp_path, _seen(tmp_path / "state.json"))


def _search_until_it_is_full(asked: list[str], store: Path) -> str:
    """Fill a store once three revisions were measured, and return what was printed."""
    with subprocess.Popen(
        asked,
        env=outside_pytest() | {"KSUITE_STORE": str(store)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as search:
        state = store.parent / "state.json"
        with (store / ".filler").open("wb", buffering=0) as filler:
            while search.poll() is None:
                if state.exists() and len(_seen(state)) >= ENOUGH:
                    with suppress(OSError):
                        filler.write(bytes(disk_usage(store).free))
                time.sleep(0.05)
        printed, _ = search.communicate()
    assert search.returncode == 3, printed
    return printed


def _seen(state: Path) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = json.loads(state.read_text(encoding="utf-8"))["seen"]
    return seen


def test_git_does_the_search(culprit: Repository) -> None:
    """``git bisect run`` comes to the same commit, by our word on each."""
    step = [*STEP, "--tree", ".", "--good", "first", "--bad", "main", "--scenario", COST]
    culprit.git("checkout", "--quiet", "--force", "main")
    culprit.git("bisect", "start", "main", "first")
    try:
        done = subprocess.run(
            ["git", "bisect", "run", *step],
            cwd=culprit.path,
            capture_output=True,
            text=True,
            check=False,
            env=outside_pytest(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        first_bad = re.search(r"^([0-9a-f]{40}) is the first bad commit", done.stdout, re.MULTILINE)
        assert first_bad, done.stdout
        assert culprit.subject_of(first_bad[1]) in culprit.culprits
    finally:
        culprit.git("bisect", "reset")


def test_each_patch_of_a_series(culprit: Repository, tmp_path: Path) -> None:
    """One costs nothing, and the other 60 instructions."""
    slow = culprit.git("log", "--format=%H", "--grep=be thorough", "main")
    harmless = culprit.git("log", "--format=%H", "--grep=say it in other words", "main").split()[-1]
    series = tmp_path / "series.mbox"
    shown = [culprit.git("format-patch", "--stdout", "-1", one) for one in (harmless, slow)]
    series.write_text("\n".join(shown) + "\n", encoding="utf-8")
    asked = ["bisect", str(series), "--scenario", COST, "--output", str(tmp_path / "found")]
    done = run([sys.executable, "-m", "ksuite", *asked])
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found" / "bisect.json").read_text(encoding="utf-8"))
    assert found["outcome"] == "series"
    differences = [step["difference"] for step in found["steps"]]
    assert differences == pytest.approx([0, 60], abs=4)


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--good", "main", "--bad", "first"], 2, "are they swapped"),
        (["--good", "main", "--bad", "main"], 2, "the same commit"),
        (["--good", "main", "--bad", "nowhere"], 2, "'nowhere' does not exist"),
        (["--scenario", "tc_redirekt"], 2, "no scenario named 'tc_redirekt'"),
        (["--scenario", "tc"], 2, "is not one cost"),
        (["--scenario", "ovs_output", "--bad", "first~0"], 2, "same commit"),
        (["--kernel", ""], 2, "holds no whole kernel"),
        (["--drop", "0"], 2, "invalid percent"),
        (["--check", "test_nothing_like_this", "--scenario", "tc"], 2, "no check of tc"),
    ],
)
def test_what_makes_no_sense(
    culprit: Repository, tmp_path: Path, more: list[str], code: int, said: str
) -> None:
    done = run(command(culprit, tmp_path, Kind.CULPRIT, *more))
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert said in " ".join(printed.split())
    assert "Traceback" not in printed
