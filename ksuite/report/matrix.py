# SPDX-License-Identifier: GPL-2.0-or-later
"""Results of several kernels side by side: as text, Markdown, JSON and a picture.

Nothing is judged here: costs of two kernels have different fingerprints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from ksuite import __version__
from ksuite.machines.console import printable
from ksuite.measure.cost import UNITS
from ksuite.measure.result import BASE, CheckResult
from ksuite.measure.verdict import Verdict
from ksuite.report.chart import Bar, Chart, natural
from ksuite.report.cost_tables import as_text
from ksuite.report.markdown import line, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ksuite.measure.cost import Cost
    from ksuite.measure.result import TestOutcome

SCHEMA = 1
WIDTH = 160
WORST = (130, 1, 3, 2, 4, 0)
"""Exit codes, the worst first: a proven fault stands even where we failed too."""
NOT_JUDGED = (
    "Costs stand side by side and are not judged: kernel, configuration and, where it says so, "
    "compiler differ, so that any two of them are INCOMPARABLE by their fingerprints."
)
GOOD = (Verdict.PASS, Verdict.IMPROVED, Verdict.FLAKY)


@dataclass(frozen=True)
class Counts:
    """What became of a run's tests.

    :param expected: that can't pass on that kernel.
    :param other: that say nothing.
    """

    passed: int = 0
    failed: int = 0
    expected: int = 0
    other: int = 0

    def __str__(self) -> str:
        """Return them in words."""
        named = (("failed", self.failed), ("passed", self.passed), ("expected", self.expected))
        words = [f"{count} {what}" for what, count in (*named, ("other", self.other)) if count]
        return ", ".join(words) or "nothing ran"


@dataclass(frozen=True)
class Run:
    """One suite on one kernel.

    :param kernel: as it was asked for.
    :param result: None where there is none.
    :param error: why nothing was judged, where that is so.
    """

    kernel: str
    suite: str
    exit_code: int
    result: CheckResult | None = None
    error: str = ""

    @property
    def outcomes(self) -> tuple[TestOutcome, ...]:
        """What the candidate's tests say."""
        outcomes = self.result.outcomes if self.result else ()
        return tuple(one for one in outcomes if one.variant != BASE)

    @property
    def counts(self) -> Counts:
        """What became of the candidate's tests."""
        kinds = [_kind(one) for one in self.outcomes]
        names = ("passed", "failed", "expected", "other")
        return Counts(**{name: kinds.count(name) for name in names})

    @property
    def costs(self) -> dict[str, Cost]:
        """The candidate's costs by their names."""
        if self.result is None:
            return {}
        compared = {one.name: one.comparison.candidate for one in self.result.comparisons}
        return compared | {one.name: one.cost for one in self.result.measured}


def worst_code(codes: Iterable[int]) -> int:
    """Return the exit code of several runs; where there is none, that nothing was judged."""
    return min(codes, key=WORST.index, default=4)


def _kind(outcome: TestOutcome) -> str:
    if outcome.expected:
        return "expected"
    if outcome.verdict is Verdict.SKIP:
        return "other"
    return "passed" if outcome.verdict in GOOD else "failed"


@dataclass(frozen=True)
class Matrix:
    """All runs.

    :param kernels: as they were asked for, in order.
    """

    kernels: tuple[str, ...]
    runs: tuple[Run, ...]

    @property
    def exit_code(self) -> int:
        """That of the worst run."""
        return worst_code(run.exit_code for run in self.runs)

    @property
    def suites(self) -> tuple[str, ...]:
        """What ran."""
        return tuple(dict.fromkeys(run.suite for run in self.runs))

    def of(self, kernel: str) -> list[Run]:
        """Return a kernel's runs."""
        return [run for run in self.runs if run.kernel == kernel]

    def version(self, kernel: str) -> str:
        """Return a kernel's upstream version, or what it was asked for by, if nothing ran."""
        subjects = [run.result.subject for run in self.of(kernel) if run.result]
        versions = [one.kernel_version.partition("-")[0] for one in subjects if one]
        return printable(versions[0]) if versions else kernel

    @property
    def costs(self) -> dict[str, dict[str, Cost]]:
        """Costs by name and kernel."""
        found: dict[str, dict[str, Cost]] = {}
        for run in self.runs:
            for name, cost in run.costs.items():
                found.setdefault(name, {})[run.kernel] = cost
        return found

    def movement(self, by_kernel: Mapping[str, Cost]) -> float | None:
        """Return how a cost changed from the first kernel to the last, relative to the first."""
        first, last = (by_kernel.get(self.kernels[end]) for end in (0, -1))
        if first is None or last is None or first.unit != last.unit:
            return None
        return last.median / first.median - 1

    @property
    def errors(self) -> list[str]:
        """Why runs judged nothing."""
        told = {f"{self.version(run.kernel)}: {run.error}": None for run in self.runs if run.error}
        return list(told)

    @property
    def made_of(self) -> list[str]:
        """What each kernel is, and what built what was measured on it."""
        return [self._made_of(kernel) for kernel in self.kernels]

    def _made_of(self, kernel: str) -> str:
        prints = [cost.fingerprint for run in self.of(kernel) for cost in run.costs.values()]
        subjects = [run.result.subject for run in self.of(kernel) if run.result]
        what = next((f"{one.kernel} ({one.kernel_version})" for one in subjects if one), "-")
        compiler = f", built by {prints[0].compiler}" if prints else ""
        return f"{self.version(kernel)}: {kernel}, {what}{compiler}"


def _functions(matrix: Matrix) -> list[list[str]]:
    """Return the rows of what works: a suite a row, a kernel a column."""
    rows = [["function", *map(matrix.version, matrix.kernels)]]
    for suite in matrix.suites:
        cells = []
        for kernel in matrix.kernels:
            runs = [run for run in matrix.of(kernel) if run.suite == suite]
            cells += [str(run.counts) if not run.error else _error(run) for run in runs] or ["-"]
        rows.append([suite, *cells])
    return rows


def _error(run: Run) -> str:
    return {1: Verdict.FAIL, 4: Verdict.INCOMPARABLE}.get(run.exit_code, Verdict.ERROR)


def _costs(matrix: Matrix) -> list[list[str]]:
    """Return the rows of costs: a cost a row, a kernel a column, and how it moved."""
    ends = " to ".join(matrix.version(matrix.kernels[end]) for end in (0, -1))
    rows = [["cost", *map(matrix.version, matrix.kernels), ends, "unit"]]
    for name, by_kernel in sorted(matrix.costs.items(), key=lambda item: natural(item[0])):
        cells = [_figure(by_kernel.get(kernel)) for kernel in matrix.kernels]
        moved = matrix.movement(by_kernel)
        unit = next(iter(by_kernel.values())).unit
        told = "-" if moved is None else f"{moved:+.1%}"
        rows.append([printable(name), *cells, told, unit])
    return rows


def _figure(cost: Cost | None) -> str:
    if cost is None:
        return "-"
    exact = cost.fingerprint.restored and not cost.spread
    return f"{cost.median:,.1f}" + ("" if exact else f" ± {cost.spread / 2:.1%}")


def _notes(matrix: Matrix) -> list[str]:
    clocks = {cost.fingerprint.clock for row in matrix.costs.values() for cost in row.values()}
    notes = [
        f"{UNITS[clock]} on the {clock} clock; exact where no ± says more"
        for clock in sorted(clocks)
    ]
    notes += [NOT_JUDGED] if clocks else []
    told = [*notes, *matrix.made_of, *_not_passed(matrix), *matrix.errors]
    return [printable(text) for text in (*told, f"exit {matrix.exit_code}")]


def _not_passed(matrix: Matrix) -> list[str]:
    """Return which tests did not pass, by what is said of them."""
    tests: dict[str, list[str]] = {}
    for run in matrix.runs:
        for one in run.outcomes:
            if _kind(one) != "passed":
                why = f"{matrix.version(run.kernel)}: {one.verdict}"
                told = f"expected of {one.expected}" if one.expected else why
                tests.setdefault(told, []).append(one.test)
    return [f"{why}: {', '.join(names)}" for why, names in tests.items()]


def _tables(matrix: Matrix) -> list[list[list[str]]]:
    return [_functions(matrix), *([_costs(matrix)] if matrix.costs else [])]


def render(matrix: Matrix) -> str:
    """Return it as text for a terminal."""
    parts = []
    for heading, *rows in _tables(matrix):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for at, name in enumerate(heading):
            table.add_column(Text(name), justify="right" if at else "left", no_wrap=True)
        for row in rows:
            table.add_row(*map(Text, row))
        parts.append(as_text(table, width=WIDTH))
    return "".join(parts) + "\n".join(_notes(matrix)) + "\n"


def as_markdown(matrix: Matrix) -> str:
    """Return it as Markdown."""
    lines = ["# Kernels side by side", ""]
    for heading, *rows in _tables(matrix):
        lines += [line(heading), line(["---", *["---:"] * (len(heading) - 1)])]
        lines += [*map(line, rows), ""]
    return "\n".join([*lines, *(f"- {note}" for note in map(plain, _notes(matrix)))]) + "\n"


def as_plain(matrix: Matrix) -> dict[str, Any]:
    """Return it as what `json` takes."""
    return {
        "schema": SCHEMA,
        "ksuite": __version__,
        "exit_code": matrix.exit_code,
        "kernels": [
            {"name": kernel, "version": matrix.version(kernel)} for kernel in matrix.kernels
        ],
        "function": [
            {
                "kernel": run.kernel,
                "suite": run.suite,
                **vars(run.counts),
                "exit_code": run.exit_code,
                "error": run.error,
                "seconds": run.result.seconds if run.result else 0.0,
                "not_passed": [
                    {"test": one.test, "verdict": str(one.verdict), "expected": one.expected}
                    for one in run.outcomes
                    if _kind(one) != "passed"
                ],
            }
            for run in matrix.runs
        ],
        "costs": [
            {
                "name": name,
                "by_kernel": {kernel: _figures(cost) for kernel, cost in by_kernel.items()},
                "movement": matrix.movement(by_kernel),
            }
            for name, by_kernel in matrix.costs.items()
        ],
    }


def _figures(cost: Cost) -> dict[str, Any]:
    return {
        "median": cost.median,
        "spread": cost.spread,
        "unit": cost.unit,
        "clock": str(cost.fingerprint.clock),
        "compiler": cost.fingerprint.compiler,
    }


def picture(matrix: Matrix) -> Chart:
    """Return it as a chart: a group a cost, a bar a kernel."""
    every = [cost for by_kernel in matrix.costs.values() for cost in by_kernel.values()]
    units = sorted({cost.unit for cost in every})
    clocks = ", ".join(sorted({str(cost.fingerprint.clock) for cost in every}))
    note = f"{' or '.join(units)} on the {clocks} clock: less is better, and nothing is judged"
    about = tuple(text.partition(", built by")[0] for text in matrix.made_of)
    bars = _bars(matrix, tell_unit=len(units) > 1)
    return Chart(note, about, tuple(sorted(bars, key=lambda bar: bar.order)))


def _bars(matrix: Matrix, *, tell_unit: bool) -> Iterable[Bar]:
    for name, by_kernel in matrix.costs.items():
        suite, _, group = printable(name).partition("_")
        for kernel, cost in by_kernel.items():
            panel = f"{suite}, {cost.unit}" if tell_unit else suite
            order = (natural(panel), natural(group))
            yield Bar(panel, group, matrix.version(kernel), cost.median, order)
