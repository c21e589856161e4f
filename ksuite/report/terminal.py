# SPDX-License-Identifier: GPL-2.0-or-later
"""A check's result as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ksuite.measure.result import BASE, CANDIDATE
from ksuite.measure.verdict import Verdict
from ksuite.report import cost_tables
from ksuite.report.again import again
from ksuite.report.cases import BAD, cases, clean, counted, run_verdict, title, titles, worse
from ksuite.report.cost_tables import SMALLEST, STYLES, as_text, cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from ksuite.measure.attribution import Attribution, FunctionCost
    from ksuite.measure.result import CheckResult, NamedComparison, Subject, TestOutcome

MOST_FUNCTIONS = 12
"""Of those that changed by `SMALLEST` at least."""
LONGEST_LINE = 500


def render(result: CheckResult, *, width: int = 100, colour: bool = False) -> str:
    """Return the whole report as text."""
    return as_text(_report(result), width=width, colour=colour)


def render_all(results: Sequence[CheckResult], *, width: int = 120, colour: bool = False) -> str:
    """Return all reports, and at the end a line for each where there are several."""
    told = [render(result, width=width, colour=colour) for result in results]
    if len(results) > 1:
        lines = [_line(*pair) for pair in zip(results, titles(results), strict=True)]
        told.append(as_text(Group(*lines), width=LONGEST_LINE, colour=colour))
    return "\n".join(told)


def _line(result: CheckResult, name: str) -> Text:
    return Text.assemble(cell(run_verdict(result)), f" {name}: {counted(cases(result))}")


def _report(result: CheckResult) -> Group:
    parts: list[RenderableType] = []
    if result.subject:
        parts.append(_subject(result.subject))
    if any(outcome.variant for outcome in result.outcomes):
        parts.append(_functions(result.outcomes))
        parts += _expected(result.outcomes)
    if result.comparisons:
        parts.append(cost_tables.compared(result.comparisons))
    if result.measured:
        parts.append(cost_tables.measured(result.measured))
    # Why one is no pass is told among the failures.
    parts += cost_tables.reasons([one for one in result.comparisons if _passes(one)])
    if recalled := _recalled(result):
        parts.append(Text(recalled))
    parts += [
        where_changed(named.name, named.attribution)
        for named in result.comparisons
        if named.attribution
    ]
    parts += [
        Text(clean(f"{named.name}: {named.note}")) for named in result.comparisons if named.note
    ]
    parts.extend(_failures(result))
    verdict = Text("verdict: ").append(result.verdict, style=STYLES[result.verdict])
    parts.append(verdict.append(f" (exit {result.exit_code}, {result.seconds:.0f} s)"))
    if result.error:
        parts.append(Text(clean(result.error)))
    return Group(*parts)


def _subject(subject: Subject) -> Text:
    lines = [
        f"series    {subject.series} ({subject.series_digest[:12]})",
        f"kernel    {subject.kernel} ({subject.kernel_version})",
        f"machine   {subject.machine}; clock: {subject.clock}",
    ]
    lines += [f"built     {subject.built}"] if subject.built else []
    lines += [
        f"{name:<9} {', '.join(modules)}" for name, modules in subject.modules.items() if modules
    ]
    if subject.not_exercised:
        lines.append(f"note      not exercised by any check: {', '.join(subject.not_exercised)}")
    if subject.identical:
        lines.append("note      base and candidate have identical object code")
    return Text(clean("\n".join(lines)))


def _recalled(result: CheckResult) -> str:
    """Return what of the result is an earlier run's; empty where nothing is."""
    tests = sum(outcome.recalled for outcome in result.outcomes)
    costs = sum(
        cost.recalled
        for named in result.comparisons
        for cost in (named.comparison.base, named.comparison.candidate)
    )
    counts = ((tests, "check"), (costs, "cost"))
    parts = [f"{count} {what}{'s' * (count > 1)}" for count, what in counts if count]
    if not parts:
        return ""
    what = " and ".join(parts)
    return f"{what} recalled from guests with the same content (see --recall)"


def _functions(outcomes: tuple[TestOutcome, ...]) -> Table:
    table = Table("function", BASE, CANDIDATE, box=box.SIMPLE_HEAD, pad_edge=False)
    rows: dict[str, dict[str, TestOutcome]] = {}
    for outcome in outcomes:
        if outcome.variant:
            row = rows.setdefault(outcome.test, {})
            # Two files may have a test of one name.
            row[outcome.variant] = worse(row.get(outcome.variant), outcome)
    for test, row in rows.items():
        verdicts = {variant: outcome.verdict for variant, outcome in row.items()}
        table.add_row(Text(title(test)), *(cell(verdicts.get(name)) for name in (BASE, CANDIDATE)))
    return table


def _expected(outcomes: tuple[TestOutcome, ...]) -> list[Text]:
    """Return which tests can't pass on this kernel, by the reason."""
    named: dict[str, dict[str, None]] = {}
    for outcome in outcomes:
        if outcome.expected:
            named.setdefault(outcome.expected, {})[title(outcome.test)] = None
    return [
        Text(clean(f"expected of {why}:\n    {', '.join(tests)}")) for why, tests in named.items()
    ]


def _passes(named: NamedComparison) -> bool:
    return named.comparison.verdict in {Verdict.PASS, Verdict.IMPROVED}


def changed_most(total: Attribution) -> list[FunctionCost]:
    """Return the functions that are shown one by one."""
    return [one for one in total.functions if abs(one.difference) >= SMALLEST][:MOST_FUNCTIONS]


def where_changed(name: str, total: Attribution) -> Table:
    """Return where a cost changed: the functions that changed most, and all others as one row."""
    shown = changed_most(total)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(f"where {clean(name)} changed"), no_wrap=True)
    for heading in (BASE, CANDIDATE, "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in shown:
        where = Text(clean(f"{one.function} [{one.module}]"))
        table.add_row(where, *_difference(one.base, one.candidate))
    base = total.base - sum(one.base for one in shown)
    candidate = total.candidate - sum(one.candidate for one in shown)
    others = len(total.functions) - len(shown)
    table.add_row(Text(f"({others} others)"), *_difference(base, candidate))
    table.add_row(Text("all that was counted"), *_difference(total.base, total.candidate))
    return table


def _difference(base: float, candidate: float) -> tuple[str, str, str]:
    return f"{base:,.1f}", f"{candidate:,.1f}", f"{candidate - base:+,.1f}"


def _failures(result: CheckResult) -> list[Text]:
    texts = []
    for outcome in result.outcomes:
        if outcome.verdict not in BAD:
            continue
        if outcome.variant == BASE:
            what = f"{BASE} {outcome.verdict}, without the series: {title(outcome.test)}"
        else:
            what = f"{outcome.verdict}: {title(outcome.test)}"
        text = Text(what, style=STYLES[outcome.verdict])
        text.append(f"\n    {clean(_first_lines(outcome.detail))}\n", style="not bold default")
        if outcome.console and outcome.variant != BASE:
            text.append(f"{clean(outcome.console)}\n", style="not bold dim")
        if outcome.variant != BASE and (command := again(result, outcome)):
            text.append(f"    again: {clean(command)}\n", style="not bold default")
        texts.append(text)
    return texts


def _first_lines(detail: str, limit: int = 12) -> str:
    lines = detail.splitlines()
    more = [f"[... {len(lines) - limit} more lines]"] if len(lines) > limit else []
    return "\n    ".join(lines[:limit] + more)
