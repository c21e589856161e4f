# SPDX-License-Identifier: GPL-2.0-or-later
"""The gate: a repository's modules on one kernel after the other, each part in its own process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.cost_names import must_be_costs
from ksuite.campaigns.costs import SAYS_NOTHING
from ksuite.campaigns.flakes import Flakes
from ksuite.campaigns.gate_check import (
    NO_BASE,
    Asked,
    NoBase,
    build_variants,
    command_of,
    gate_kernel,
)
from ksuite.campaigns.gate_file import DEBUG, GateFile
from ksuite.campaigns.matrix import as_file_name, run_one
from ksuite.campaigns.own_tests import OWN, OnDut
from ksuite.campaigns.suites import GATE, NO_SUCH_TEST, SUITES
from ksuite.errors import ExitCode, KsuiteError, NothingToCompare, as_ours
from ksuite.kernels.store import Store
from ksuite.measure.result import (
    BASE,
    CANDIDATE,
    CheckResult,
    Subject,
    TestOutcome,
    candidate_verdict,
    refused,
)
from ksuite.measure.verdict import EXIT_CODES, Verdict, overall
from ksuite.report.baseline_file import baseline_path
from ksuite.report.matrix import worst_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.kernels.source import KernelSource


DEBUG_SECONDS = 600
"""What a check may take on a kernel that looks for bugs."""
MOST_NOTE = 500
MOST_AGAIN = 10
"""Checks that are run once more: where so many fail, it is no flake."""
PARALLEL = ("-n", "auto", "--dist", "worksteal")
CONFIGURATIONS = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")


@dataclass(frozen=True)
class Part:
    """What runs in one process.

    :param arguments: the runner's, beside what all parts have in common.
    """

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Chosen:
    """How a gate is run.

    :param directory: gets each part's result, and what it printed.
    :param check: only this one; all when empty.
    :param saving: costs are measured for a new baseline, and compared with none.
    """

    parts: tuple[Part, ...]
    directory: Path
    check: str = ""
    saving: bool = False


def parts_of(file: GateFile) -> tuple[Part, ...]:
    """Return the parts of a gate: what holds for all modules, scenarios, the project's own tests.

    :raises UserError: a file for the DUT can't be read or imported, or a threshold is of no cost.
    """
    own = {name: loop.size.unit for name, loop in OnDut(file).loops().items()}
    must_be_costs(file.path, file.thresholds.own, own)
    parts = [Part(GATE.name, (str(GATE.directory), "-n", "0"))]
    for scenario in file.scenarios:
        suite = next(one for one in SUITES if one.answers_to(scenario))
        whole = scenario == suite.name
        chosen = () if whole else ("--ks-scenario", scenario)
        parts.append(Part(scenario, (str(suite.directory), *chosen, *PARALLEL)))
    if file.tests:
        tests = [str(file.top / name) for name in file.tests]
        parts.append(Part(OWN, (*tests, *_rooted(file.top), *PARALLEL)))
    return tuple(parts)


def _rooted(top: Path) -> tuple[str, ...]:
    """Return pytest's arguments that make a repository its root, and its settings the ones."""
    found = [top / name for name in CONFIGURATIONS if (top / name).is_file()]
    settings = next((path for path in found if "pytest" in path.read_text(errors="replace")), None)
    return "--rootdir", str(top), "-c", str(settings or "/dev/null")


def judge(
    asked: Asked, kernel: str, chosen: Chosen, progress: Callable[[str], None] = lambda _: None
) -> CheckResult:
    """Return what is to be said of the modules on a kernel."""
    began = time.monotonic()
    subject: Subject | None = None
    try:
        with ExitStack() as held:
            progress(f"{kernel}: looking for it")
            source = gate_kernel(kernel, Store.default(), held, progress)
            subject = Subject(
                series=asked.title,
                series_digest="",
                kernel=source.release,
                kernel_version=source.version,
                clock="instructions",
                machine="none came up",
                modules={},
                command=command_of(asked, kernel),
            )
            # Else each part would find out by itself.
            asked, lacking = _buildable(asked, source, progress)
    except (KsuiteError, OSError, UnicodeError) as error:
        told = refused(as_ours(error, f"judging on {kernel}"), time.monotonic() - began)
        return replace(told, subject=subject)
    gate = _Gate(asked, kernel, chosen, progress)
    results = [gate.told(part) for part in chosen.parts]
    found = [result for result in results if result is not None]
    result = merged([*found, *_unless_one(found)], subject)
    return _with_note(result, lacking)


def _unless_one(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Return what is to be said where not all have judged the same modules."""
    if len(_judged(one.subject for one in results)) <= 1:
        return []
    changed = NothingToCompare("the modules changed while they were judged: run it again")
    return [refused(changed, 0.0)]


def _judged(subjects: Iterable[Subject | None]) -> set[tuple[str, ...]]:
    """Return the build-ids of the modules that some runs have judged.

    A test may write into its repository: that is no other module.
    """
    return {tuple(sorted(one.modules[CANDIDATE])) for one in subjects if one and one.modules}


def _buildable(
    asked: Asked, source: KernelSource, progress: Callable[[str], None]
) -> tuple[Asked, str]:
    """Return what of the modules can be judged, and why it isn't all, which may be empty."""
    try:
        build_variants(asked, source, Store.default(), progress)
    except NoBase as error:
        # A change that mends the build is judged by what it does; its costs have no other.
        return replace(asked, alone=True), " ".join(str(error).split())[:MOST_NOTE]
    return asked, ""


def _with_note(result: CheckResult, note: str) -> CheckResult:
    if not note or result.subject is None:
        return result
    built = result.subject.built.removesuffix(f"; {NO_BASE}")
    said = "; ".join(filter(None, (built, note)))
    return replace(result, subject=replace(result.subject, built=said))


@dataclass(frozen=True)
class _Gate:
    """A gate on a kernel on which the modules are built."""

    asked: Asked
    kernel: str
    chosen: Chosen
    progress: Callable[[str], None]

    def told(self, part: Part) -> CheckResult | None:
        """Return what a part finds; what it can't be run for is its result, too."""
        began = time.monotonic()
        try:
            return self.result(part)
        except (KsuiteError, OSError) as error:
            ours = as_ours(error, f"judging on {self.kernel}")
            return refused(ours, time.monotonic() - began)

    def result(self, part: Part) -> CheckResult | None:
        """Return what a part finds; None where the check that is asked for is none of its own."""
        check = self.chosen.check
        result = self._run(part, part.name, check)
        if check and not result.outcomes and result.error.startswith(NO_SUCH_TEST):
            return None
        failed = [one for one in result.outcomes if _may_be_flaky(one)]
        if not 0 < len(failed) <= MOST_AGAIN:
            return result
        told = {one: self._again(part, one, result.subject) for one in failed}
        outcomes = tuple(told.get(one, one) for one in result.outcomes)
        if result.error:
            return replace(result, outcomes=outcomes)
        verdict = candidate_verdict(outcomes)
        code = int(EXIT_CODES[verdict])
        return replace(result, outcomes=outcomes, verdict=verdict, exit_code=code)

    def _again(self, part: Part, outcome: TestOutcome, subject: Subject | None) -> TestOutcome:
        """Run a check that failed once more, in fresh guests, and return what is said of it."""
        fresh = ("-n", "0", "--ks-recall", "never")
        try:
            result = self._run(part, f"{part.name}-again", outcome.test, *fresh)
        except (KsuiteError, OSError):
            # That it failed is known all the same.
            return outcome
        mine = [one for one in result.outcomes if one.variant == outcome.variant]
        passes = mine and all(one.verdict is Verdict.PASS for one in mine)
        if not passes or _judged([subject]) != _judged([result.subject]):
            return outcome
        file = self.asked.file
        times = _counted(Flakes(Store.default(), file.name), f"{part.name}: {outcome.test}")
        verdict = Verdict.FAIL if file.flakes_fail else Verdict.FLAKY
        detail = f"passes when it is run again, in a fresh guest ({times}); at first: "
        return replace(outcome, verdict=verdict, detail=f"{detail}{outcome.detail}")

    def _run(self, part: Part, name: str, check: str, *more: str) -> CheckResult:
        """Return the result of a run.

        :param name: of its files.
        :param check: the only one that is run; all when empty.
        """
        self.progress(f"{self.kernel}: {name} {check}".rstrip())
        arguments = [*part.arguments, *self._arguments(), *more]
        arguments += ["--ks-check", check] if check else []
        run = run_one(self.kernel, name, arguments, self.chosen.directory)
        if run.result is not None:
            return run.result
        error = f"{name}: {run.error}"
        nothing = run.exit_code == ExitCode.INCOMPARABLE
        verdict = Verdict.INCOMPARABLE if nothing else Verdict.ERROR
        return CheckResult(None, (), (), verdict, run.exit_code, 0.0, error)

    def _arguments(self) -> list[str]:
        """Return the runner's arguments that all parts have in common."""
        asked = self.asked
        arguments = ["--ks-gate", str(asked.file.path)]
        arguments += ["--ks-gate-output", str(asked.output)] if asked.output else []
        for side, revision in (("base", asked.base), ("head", asked.head)):
            arguments += [f"--ks-gate-{side}", revision] if revision else []
        if not asked.base or asked.alone:
            arguments += ["--ks-candidate-only"]
        if not asked.base and not self.chosen.saving:
            arguments += _baseline(asked.file, self.kernel)
        if self.kernel.endswith(DEBUG):
            arguments += ["--ks-timeout", str(DEBUG_SECONDS)]
        return arguments


def _counted(flakes: Flakes, check: str) -> str:
    try:
        return flakes.count(check)
    except KsuiteError as error:
        # A number is not worth a verdict.
        return f"not counted: {str(error).partition(chr(10))[0]}"


def _baseline(file: GateFile, kernel: str) -> list[str]:
    """Return the arguments that name the stored baseline of a kernel, where it has one."""
    name = as_file_name(kernel)
    if file.baselines is None or not baseline_path(file.baselines, name).exists():
        return []
    return ["--ks-baselines", str(file.baselines), "--ks-baseline", name]


def _may_be_flaky(outcome: TestOutcome) -> bool:
    return outcome.variant != BASE and outcome.verdict is Verdict.FAIL and outcome.seconds > 0


def merged(results: Sequence[CheckResult], subject: Subject | None) -> CheckResult:
    """Return the results of all parts as one; it is as bad as the worst.

    :param subject: what is judged, where no part can say it.
    """
    results = [_unless_skipped(one) for one in results]
    # A part that only measured has judged nothing, and leaves the word to the others.
    judged = [one for one in results if one.verdict is not Verdict.SKIP or one.error] or results
    return CheckResult(
        next((one.subject for one in results if one.subject), subject),
        tuple(outcome for one in results for outcome in one.outcomes),
        tuple(named for one in results for named in one.comparisons),
        overall(one.verdict for one in results),
        worst_code(one.exit_code for one in judged),
        sum(one.seconds for one in results),
        error="\n".join(dict.fromkeys(one.error for one in results if one.error)),
        measured=tuple(named for one in results for named in one.measured),
        started=min((one.started for one in results if one.started), default=""),
    )


def _unless_skipped(result: CheckResult) -> CheckResult:
    """Return a result; where all that there was has been skipped, it says that of itself."""
    skipped = [one for one in result.outcomes if SAYS_NOTHING not in one.detail]
    measures = result.measured or (result.outcomes and not skipped)
    if result.verdict is not Verdict.SKIP or result.error or measures:
        return result
    why = f"no check ran, and {len(skipped)} were skipped"
    first = f", such as {skipped[0].test}: {skipped[0].detail}" if skipped else ""
    return replace(result, verdict=Verdict.INCOMPARABLE, error=f"{why}{first}")
