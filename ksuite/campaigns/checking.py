# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges revisions by a check of a suite, which runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.judging import SIDES, TOLD_CHARACTERS, UNTOLD, unjudged
from ksuite.campaigns.matrix import RUNNER
from ksuite.campaigns.revisions import KernelRevisions, ModuleRevisions
from ksuite.campaigns.suites import NO_SUCH_TEST
from ksuite.campaigns.trial import NOT_UP
from ksuite.errors import (
    DoesNotBoot,
    ExitCode,
    InfrastructureError,
    NeedsFullBuild,
    SeriesError,
    UserError,
)
from ksuite.measure.finding import FAILS, PASSES, SKIPPED, Seen
from ksuite.measure.result import CANDIDATE
from ksuite.measure.verdict import Verdict
from ksuite.processes import tool
from ksuite.report import json_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.judging import Notes
    from ksuite.campaigns.ranges import Range
    from ksuite.campaigns.suites import Suite
    from ksuite.measure.result import CheckResult, TestOutcome


class CheckJudge:
    """Judges revisions by whether a check passes.

    :param check: its name, as reports have it.
    :param suites: where it is looked for.
    :param arguments: for the runner, beside what says what to run and on what.
    """

    def __init__(
        self,
        searched: Range,
        check: str,
        suites: Sequence[Suite],
        arguments: Sequence[str],
        notes: Notes,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._range = searched
        self._check = check
        self._suites = tuple(suites)
        self._arguments = tuple(arguments)
        self._notes = notes
        self._progress = progress

    def see(self, revision: str, guests: int = 1) -> Seen:  # noqa: ARG002 (a check is no cost)
        """Return whether the check passes on a revision.

        :raises UserError: there is no such check.
        :raises InfrastructureError: it can't be told, and that is not the revision's fault.
        """
        if known := self._notes.seen.get(revision):
            return known
        try:
            self._progress(f"building {revision[:12]}")
            runnable = self._range.revisions.build(revision)
        except (SeriesError, NeedsFullBuild) as error:
            return self._notes.put(unjudged(revision, error))
        if like := self._notes.like(revision, runnable.code):
            return self._notes.put(like)
        self._progress(f"checking {revision[:12]}")
        return self._notes.put(self._checked(revision, runnable.code))

    @property
    def exact(self) -> bool:
        """Whether one look at a revision is as good as many."""
        return True

    def side(self, seen: Seen, good: Seen, bad: Seen) -> int:
        """Return which end it turned out like: 1 bad, -1 good, 0 neither.

        What did not run is like neither, even where an end did not run either.
        """
        if seen.result in UNTOLD:
            return 0
        return SIDES.get(seen.result) or {bad.result: 1, good.result: -1}.get(seen.result, 0)

    def _checked(self, revision: str, code: str) -> Seen:
        with tempfile.TemporaryDirectory() as directory:
            answer = Path(directory) / "result.json"
            command = [sys.executable, "-m", RUNNER]
            command += [str(suite.directory) for suite in self._suites]
            command += ["--ks-check", self._check, "--ks-candidate-only", "--ks-any-change"]
            command += ["-n", "0", "-q"]
            command += [*self._arguments, *self._subject(revision, Path(directory))]
            prefix = [tool("setpriv", "util-linux"), "--pdeathsig=KILL", "--"]
            done = subprocess.run(
                [*prefix, *command, "--ks-json", str(answer)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if not answer.exists():
                said = done.stdout.decode(errors="replace").strip()[-1000:]
                raise InfrastructureError(f"the check of {revision[:12]} left no result:\n{said}")
            result = json_file.read(answer)
        outcomes = [one for one in result.outcomes if one.variant == CANDIDATE]
        if not outcomes and NO_SUCH_TEST in result.error:
            suites = ", ".join(suite.name for suite in self._suites)
            raise UserError(f"no check of {suites} is called {self._check!r}")
        if not outcomes:
            return self._unchecked(revision, code, result)
        return _seen(revision, code, outcomes)

    def _unchecked(self, revision: str, code: str, result: CheckResult) -> Seen:
        """Return what became of a revision on which nothing ran.

        :raises InfrastructureError: it is not the revision's fault, as far as is known.
        """
        others = (one.result for one in self._notes.seen.values())
        error = result.error
        if result.exit_code == ExitCode.INCOMPARABLE:
            # Such as a kernel that is not built even without the patches.
            return Seen(revision, SKIPPED, why=error[:TOLD_CHARACTERS], code=code)
        if NOT_UP in error and any(one not in UNTOLD | SIDES.keys() for one in others):
            # Another one has come up on this host.
            return unjudged(revision, DoesNotBoot(error), code)
        raise InfrastructureError(f"{revision[:12]} was not checked: {error}")

    def _subject(self, revision: str, directory: Path) -> list[str]:
        """Return the runner's arguments that say what is to be checked, on which kernel."""
        revisions = self._range.revisions
        if isinstance(revisions, ModuleRevisions):
            changed = revisions.patch(revision)
            kernel, build, patches = self._range.kernel, "module", [changed] if changed else []
        elif isinstance(revisions, KernelRevisions):
            patches = [patch.text for patch in revisions.patches(revision)]
            kernel, build = revisions.kernel(revision), "full"
        else:
            raise TypeError(f"no check can be run on {type(revisions).__name__}")
        arguments = ["--ks-kernel", kernel, "--ks-build", build]
        if not patches:
            return [*arguments, "--ks-unpatched"]
        return [*arguments, "--ks-series", str(_written(patches, directory / "series"))]


def _written(patches: Sequence[bytes], directory: Path) -> Path:
    """Return a directory with patches in order, as quilt has them."""
    directory.mkdir()
    names = [f"{number}.patch" for number in range(1, len(patches) + 1)]
    for name, patch in zip(names, patches, strict=True):
        (directory / name).write_bytes(patch)
    (directory / "series").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return directory


def _seen(revision: str, code: str, outcomes: Sequence[TestOutcome]) -> Seen:
    """Return what the cases of a check come to: the first that does not pass speaks for all."""
    verdicts = {one.verdict for one in outcomes}
    if broken := [one for one in outcomes if one.verdict is Verdict.ERROR]:
        raise InfrastructureError(f"{broken[0].test} on {revision[:12]}: {broken[0].detail}")
    for one in outcomes:
        if one.verdict is Verdict.FAIL:
            # A fault of the kernel begins with its kind, and has its console.
            result = one.detail.partition(":")[0] if one.console else FAILS
            why = f"{one.test}: {one.detail}\n{one.console}".strip()[:TOLD_CHARACTERS]
            return Seen(revision, result, why=why, code=code)
    return Seen(revision, PASSES if Verdict.PASS in verdicts else SKIPPED, code=code)
