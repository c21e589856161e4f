# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cases of a check come to, for a revision."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.bisect import _must_be_judged
from ksuite.campaigns.checking import CheckJudge, _seen
from ksuite.campaigns.judging import ENDS, Notes
from ksuite.campaigns.quest import Quest
from ksuite.campaigns.revisions import KernelRevisions, ModuleRevisions, Revisions
from ksuite.campaigns.suites import TC
from ksuite.campaigns.trial import NOT_UP
from ksuite.errors import InfrastructureError, NothingToCompare, UserError
from ksuite.kernels.series import Patch, read_series
from ksuite.measure.finding import FAILS, PASSES, SKIPPED, TOLD_GOOD, Seen
from ksuite.measure.result import CANDIDATE, TestOutcome, refused
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Ranged:
    """Stands for a range: what a check asks one."""

    kernel = "distro"

    def __init__(self, revisions: Revisions) -> None:
        self.revisions = revisions


def kernels(*patches: Patch) -> KernelRevisions:
    """Return revisions of whole kernels: of one with the name N, the first N patches."""
    nothing: Any = None

    def on_top(name: str) -> Sequence[Patch]:
        return patches[: int(name)]

    return KernelRevisions(
        nothing, lambda name: f"/tree@{name}", on_top, nothing, nothing, "asked", "0"
    )


def subject(revisions: Revisions, name: str, directory: Path) -> list[str]:
    searched: Any = Ranged(revisions)
    return CheckJudge(searched, "test_x", (), (), Notes({}))._subject(name, directory)


def diff(text: str) -> Patch:
    """Return a patch that makes a line of a file another."""
    old, new = text.split()
    lines = ("--- a/f.c", "+++ b/f.c", "@@ -1 +1 @@", f"-{old}", f"+{new}", "")
    return Patch(text, text, "\n".join(lines).encode(), ("f.c",))


def test_whole_kernel_is_checked_with_its_patches(tmp_path: Path) -> None:
    patches = (diff("one two"), diff("two three"))
    given = subject(kernels(*patches), "2", tmp_path)
    assert given[:4] == ["--ks-kernel", "/tree@2", "--ks-build", "full"]
    assert given[4] == "--ks-series"
    assert [patch.text for patch in read_series(given[5]).patches] == [one.text for one in patches]


def test_whole_kernel_without_patches_is_checked_as_it_is(tmp_path: Path) -> None:
    given = subject(kernels(diff("one two")), "0", tmp_path)
    assert given == ["--ks-kernel", "/tree@0", "--ks-build", "full", "--ks-unpatched"]


def test_modules_are_checked_by_what_they_change(tmp_path: Path) -> None:
    nothing: Any = None
    tree = tmp_path / "source"
    tree.mkdir()
    (tree / "f.c").write_text("one\n", encoding="utf-8")
    contents = {"a": {}, "b": {"f.c": b"two\n"}}
    revisions = ModuleRevisions(nothing, tree, (), lambda name: contents[name], nothing)
    kernel = ["--ks-kernel", "distro", "--ks-build", "module"]
    assert subject(revisions, "a", tmp_path) == [*kernel, "--ks-unpatched"]
    given = subject(revisions, "b", tmp_path)
    assert given[:5] == [*kernel, "--ks-series"]
    [patch] = read_series(given[5]).patches
    assert b"+two" in patch.text


def case(verdict: Verdict, detail: str = "", console: str = "") -> TestOutcome:
    return TestOutcome("test_x[1]", CANDIDATE, verdict, 0.1, detail, console)


PASSED = case(Verdict.PASS)


def test_all_cases_must_pass() -> None:
    assert _seen("a", "code", [PASSED, PASSED]).result == PASSES
    failed = _seen("a", "code", [PASSED, case(Verdict.FAIL, "3 of 8 arrived")])
    assert (failed.result, failed.code) == (FAILS, "code")
    assert failed.why == "test_x[1]: 3 of 8 arrived"


def test_fault_of_the_kernel_is_another_way_to_fail() -> None:
    fault = case(Verdict.FAIL, "panic: Kernel panic - not syncing", "[ 1.0] the console")
    seen = _seen("a", "code", [PASSED, fault])
    assert seen.result == "panic"
    assert "the console" in seen.why


def test_what_was_not_run_says_nothing() -> None:
    assert _seen("a", "code", [case(Verdict.SKIP)]).result == SKIPPED
    assert _seen("a", "code", [case(Verdict.SKIP), PASSED]).result == PASSES


def test_trouble_of_ours_is_no_failure() -> None:
    with pytest.raises(InfrastructureError, match="no guest came up"):
        _seen("a", "code", [PASSED, case(Verdict.ERROR, "no guest came up")])


@pytest.mark.parametrize("result", [*ENDS.values(), SKIPPED])
def test_what_did_not_run_is_like_no_end(result: str) -> None:
    nothing: Any = None
    one = CheckJudge(nothing, "test_x", (), (), Notes({}))
    good, bad = Seen("g", PASSES), Seen("b", result, why="the console")
    assert one.side(Seen("a", result), good, bad) == 0
    assert one.side(good, good, bad) == -1
    quest = Quest(check="test_x", good="v1", bad="v2")
    with pytest.raises(NothingToCompare, match=f"does not fail on bad v2: {result}: the console"):
        _must_be_judged(good, bad, quest)


@pytest.mark.parametrize("result", [FAILS, "panic"])
def test_bad_end_fails_or_breaks(result: str) -> None:
    _must_be_judged(Seen("g", PASSES), Seen("b", result), Quest(check="test_x"))


def test_revision_that_does_not_come_up_is_passed_over_where_another_did() -> None:
    nothing: Any = None
    notes = Notes({})
    one = CheckJudge(nothing, "test_x", (), (), notes)
    told = f"6.1.0 {NOT_UP}: panic: Attempted to kill init!"
    for known in (Seen("n", "does not compile"), Seen("t", TOLD_GOOD)):
        notes.put(known)
        with pytest.raises(InfrastructureError, match=r"was not checked: .* does not come up"):
            one._unchecked("a", "x", refused(InfrastructureError(told), 1.0))
    notes.put(Seen("g", PASSES))
    seen = one._unchecked("a", "x", refused(InfrastructureError(told), 1.0))
    assert (seen.result, seen.code, seen.why) == ("does not boot", "x", told)
    with pytest.raises(InfrastructureError, match="no room"):
        one._unchecked("a", "x", refused(InfrastructureError("no room for it"), 1.0))


def test_revision_whose_kernel_is_not_there_without_patches_is_passed_over() -> None:
    nothing: Any = None
    one = CheckJudge(nothing, "test_x", (), (), Notes({}))
    told = "there is nothing to compare with: without the series, the kernel does not compile"
    seen = one._unchecked("a", "x", refused(NothingToCompare(told), 1.0))
    assert (seen.result, seen.why) == (SKIPPED, told)


def test_revision_is_checked_whatever_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what changes nothing that is exercised could not be told from the culprit."""
    asked: list[str] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.extend(command)
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(subprocess, "run", run)
    searched: Any = Ranged(kernels())
    with pytest.raises(InfrastructureError, match="left no result"):
        CheckJudge(searched, "test_x", [TC], (), Notes({}))._checked("0", "x")
    assert "--ks-any-change" in asked


def test_check_that_no_suite_has() -> None:
    """It is the runner that knows."""
    searched: Any = Ranged(kernels())
    one = CheckJudge(searched, "test_nothing_like_this", [TC], (), Notes({}))
    with pytest.raises(UserError, match="no check of tc is called 'test_nothing_like_this'"):
        one._checked("0", "x")
