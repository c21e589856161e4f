# SPDX-License-Identifier: GPL-2.0-or-later
"""A repository of its own, and gates on it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ksuite.campaigns.matrix import as_file_name
from ksuite.measure.result import BASE, CheckResult, TestOutcome
from ksuite.measure.verdict import Verdict
from ksuite.report import json_file
from tests.git import git

BROKEN = Path(__file__).parent / "broken"


@dataclass(frozen=True)
class Gate:
    """Gates on a copy of a repository.

    :param top: where the copy is.
    :param output: where gates write.
    """

    top: Path
    output: Path

    @classmethod
    def of(cls, repository: Path, directory: Path) -> Self:
        """Return one on a copy, whose HEAD is as it was copied."""
        top = directory / repository.name
        shutil.copytree(repository, top, ignore=shutil.ignore_patterns("__pycache__"))
        made = cls(top, directory / "results")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is"]):
            git(top, *words)
        return made

    def breaks(self, name: str) -> None:
        """Apply one of the patches that break it."""
        git(self.top, "apply", str(BROKEN / f"{name}.patch"))

    def edit(self, name: str, old: str, new: str) -> None:
        """Put a text in the place of another, which must be there."""
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def read(self, name: str) -> str:
        """Return what is in a file."""
        return (self.top / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Put a text into a file."""
        (self.top / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> int:
        """Run a gate on the distro's kernel, if none is named, and return its exit code."""
        where = () if "--kernel" in arguments else ("--kernel", "distro")
        return self.command(*where, *arguments, "--output", str(self.output))

    def command(self, *arguments: str) -> int:
        """Run ``ksuite gate`` in the repository."""
        first = ("init",) if arguments[:1] == ("init",) else ()
        command = [sys.executable, "-m", "ksuite", "gate", *first, str(self.top)]
        done = subprocess.run(
            [*command, *arguments[len(first) :]], check=False, text=True, capture_output=True
        )
        print(done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.returncode

    def result(self, kernel: str = "distro") -> CheckResult:
        """Return what the last gate has found on a kernel."""
        return json_file.read(self.output / f"{as_file_name(kernel)}.json")

    def failed(self, kernel: str = "distro") -> dict[str, TestOutcome]:
        """Return the candidate's checks that failed, by their names."""
        return {
            one.test: one
            for one in self.result(kernel).outcomes
            if one.variant != BASE and one.verdict is Verdict.FAIL
        }
