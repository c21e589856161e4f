# SPDX-License-Identifier: GPL-2.0-or-later
"""A result as cases, each told once, in text that drives nobody's screen: for other tools' formats.

A test of a cost and what it compared are one case.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ksuite.machines.console import printable
from ksuite.measure.result import BASE, NamedComparison, NamedCost
from ksuite.measure.verdict import EXIT_CODES, SEVERITY, Verdict, overall
from ksuite.report.again import again
from ksuite.report.cost_tables import small

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ksuite.measure.cost import Cost
    from ksuite.measure.result import CheckResult, TestOutcome

MOST_NAME = 200
MOST_TEXT = 16_384
"""Of a detail or a console; KCIDB takes no more."""
GOOD = (Verdict.PASS, Verdict.IMPROVED)
BAD = SEVERITY[: SEVERITY.index(Verdict.PASS)]
"""What is no pass and was not left out, the worst first."""
WHOLE_RUN = "the run as a whole"
NOTHING = "nothing judged"


@dataclass(frozen=True)
class Case:
    """One thing that was tried.

    :param name: as people read it.
    :param test: as it is called.
    :param side: base or candidate; empty where both are compared.
    :param expected: why it can't pass on this kernel.
    :param command: runs it again.
    :param of_run: it is none of the tests, but what is said of all of them.
    """

    name: str
    test: str
    side: str
    verdict: Verdict
    seconds: float = 0.0
    detail: str = ""
    console: str = ""
    expected: str = ""
    recalled: bool = False
    command: str = ""
    compared: NamedComparison | None = None
    measured: NamedCost | None = None
    of_run: bool = False

    @property
    def group(self) -> str:
        """What it is one of."""
        if self.of_run:
            return "run"
        return self.side or ("cost" if self.compared or self.measured else "both")

    @property
    def excused(self) -> str:
        """Why it is no failure of the series; empty where its verdict stands."""
        if self.expected and self.verdict is Verdict.SKIP:
            return f"expected of {self.expected}"
        if self.side == BASE and self.verdict not in {*GOOD, Verdict.ERROR, Verdict.SKIP}:
            return f"{self.verdict} without the series"
        return ""

    @property
    def why(self) -> str:
        """What is said of it, on one line; may be empty."""
        reason = self.compared.comparison.reason if self.compared else ""
        return one_line(self.detail or reason).removeprefix(f"{self.verdict}: ")

    @property
    def figures(self) -> dict[str, str | float]:
        """The numbers of its cost by their names; none where it has no cost."""
        if self.compared:
            return _compared(self.compared)
        return _figures("candidate", self.measured.cost) if self.measured else {}

    @property
    def told(self) -> str:
        """Its cost in a line; empty where it has none."""
        if self.measured:
            cost = self.measured.cost
            return f"{cost.median:,.1f} {cost.unit}, compared with nothing"
        if self.compared is None:
            return ""
        seen = self.compared.comparison
        ends = f"{seen.base.median:,.1f} -> {seen.candidate.median:,.1f} {seen.candidate.unit}"
        change = f"{small(seen.difference)}, {seen.change:+.2%}"
        return f"{ends} ({change}), limit {seen.threshold:.2%}"


def clean(text: str, most: int = MOST_TEXT) -> str:
    """Return a text without what drives a terminal, cut where it is longer than anybody reads."""
    if len(text) <= most:
        return printable(text)
    note = f"\n[... {len(text) - most:,} more characters]"
    return printable(text[: most - len(note)]) + note


def one_line(text: str, most: int = MOST_NAME) -> str:
    """Return the beginning of a text as one line."""
    words = " ".join(printable(text[: most * 8]).split())
    return words if len(words) <= most else f"{words[: most - 3]}..."


def title(test: str) -> str:
    """Return a test's name as words: what it says of the kernel, then its parameters."""
    name, _, parameters = one_line(test).removeprefix("test_").partition("[")
    words = name.replace("_", " ")
    return f"{words} ({parameters.removesuffix(']')})" if parameters else words


def worse(one: TestOutcome | None, other: TestOutcome) -> TestOutcome:
    """Return which of two outcomes a row shows that both are told in."""
    order = (*SEVERITY, Verdict.IMPROVED)
    return min(filter(None, (one, other)), key=lambda outcome: order.index(outcome.verdict))


def run_verdict(result: CheckResult) -> Verdict:
    """Return what is said of the run; its exit code has the last word.

    A report that could not be written changes that, and nothing else.
    """
    if int(EXIT_CODES[result.verdict]) == result.exit_code:
        return result.verdict
    by_code = {0: Verdict.PASS, 1: Verdict.FAIL, 4: Verdict.INCOMPARABLE}
    return by_code.get(result.exit_code, Verdict.ERROR)


def worst(results: Iterable[CheckResult]) -> Verdict:
    """Return what is said of several runs."""
    return overall(map(run_verdict, results))


def cases(result: CheckResult) -> tuple[Case, ...]:
    """Return all that a result tells; the names of each group differ."""
    compared = {_id(one.name): one for one in result.comparisons}
    measured = {_id(one.name): one for one in result.measured}
    told = []
    for outcome in result.outcomes:
        of = "" if outcome.variant else _parameters(outcome.test)
        told.append(_case(result, outcome, compared.pop(of, None), measured.pop(of, None)))
    told += [_cost(one, one.comparison.verdict, compared=one) for one in compared.values()]
    told += [_cost(one, Verdict.SKIP, measured=one) for one in measured.values()]
    verdict = run_verdict(result)
    # A report is never greener than the run.
    shown = {case.verdict for case in told if not case.excused}
    if result.error or not told or (verdict not in GOOD and verdict not in shown):
        said = verdict if not result.error or verdict not in GOOD else Verdict.ERROR
        detail = clean(result.error)
        told.append(Case(WHOLE_RUN, "run", "", said, result.seconds, detail, of_run=True))
    names = unique([(case.group, case.name) for case in told])
    return tuple(replace(case, name=name) for case, name in zip(told, names, strict=True))


def _id(cost: str) -> str:
    """Return what the test of a cost has in its brackets."""
    return "-".join(cost.split(" ")[:2])


def _parameters(test: str) -> str:
    return test.partition("[")[2].removesuffix("]")


def _case(
    result: CheckResult,
    outcome: TestOutcome,
    compared: NamedComparison | None,
    measured: NamedCost | None,
) -> Case:
    named = compared or measured
    return Case(
        name=one_line(named.name) if named else title(outcome.test),
        test=one_line(named.name if named else outcome.test),
        side=outcome.variant if outcome.variant in {"", BASE} else "candidate",
        verdict=outcome.verdict,
        seconds=max(0.0, outcome.seconds),
        detail=clean(outcome.detail),
        console=clean(outcome.console),
        expected=one_line(outcome.expected, MOST_TEXT),
        recalled=outcome.recalled,
        command=one_line(again(result, outcome), MOST_TEXT),
        compared=compared,
        measured=measured,
    )


def _cost(
    named: NamedComparison | NamedCost,
    verdict: Verdict,
    *,
    compared: NamedComparison | None = None,
    measured: NamedCost | None = None,
) -> Case:
    name = one_line(named.name)
    return Case(name, name, "", verdict, compared=compared, measured=measured)


def unique(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return names such that those of a group differ: the second and later ones are numbered."""
    taken: set[tuple[str, str]] = set()
    last: Counter[tuple[str, str]] = Counter()
    made = []
    for group, name in names:
        one = name
        while (group, one) in taken:
            last[group, name] += 1
            one = f"{name} ({last[group, name] + 1})"
        taken.add((group, one))
        made.append(one)
    return made


def _compared(named: NamedComparison) -> dict[str, str | float]:
    seen = named.comparison
    told: dict[str, str | float] = {
        **_figures("base", seen.base),
        **_figures("candidate", seen.candidate),
        "difference": seen.difference,
        "change": seen.change,
        "limit": seen.threshold,
    }
    texts = {"reason": seen.reason, "note": named.note, "baseline": named.baseline}
    return told | {name: one_line(text, MOST_TEXT) for name, text in texts.items() if text}


def _figures(side: str, cost: Cost) -> dict[str, str | float]:
    guests = len(cost.windows) if cost.fingerprint.restored else cost.guests
    return {
        side: cost.median,
        f"{side}_spread": cost.spread,
        f"{side}_guests": guests,
        "unit": cost.unit,
        "clock": str(cost.fingerprint.clock),
    }


def counted(told: Sequence[Case]) -> str:
    """Return how many of the candidate's cases got which verdict, the worst first."""
    standing = [case for case in told if case.side != BASE and not case.of_run]
    kinds = Counter("expected" if case.excused else str(case.verdict) for case in standing)
    order = [*map(str, SEVERITY), str(Verdict.IMPROVED), "expected"]
    return ", ".join(f"{kinds[kind]} {kind}" for kind in order if kinds[kind]) or "nothing ran"


def failed(told: Sequence[Case]) -> list[Case]:
    """Return what is no pass and was not skipped, the worst first."""
    found = [case for case in told if case.verdict in BAD and not case.excused]
    return sorted(found, key=lambda case: BAD.index(case.verdict))


def titles(results: Sequence[CheckResult]) -> list[str]:
    """Return a name for each result; no two are alike."""
    names = []
    for result in results:
        subject = result.subject
        name = one_line(f"{subject.series} on {subject.kernel}") if subject else NOTHING
        names.append(("", name))
    return unique(names)


def about(result: CheckResult) -> dict[str, str]:
    """Return what was judged and on what, by what it is; without what is not known."""
    told = {"ksuite": result.ksuite, "started": started(result)}
    if subject := result.subject:
        told |= {
            "series": subject.series,
            "series_digest": subject.series_digest,
            "kernel": subject.kernel,
            "kernel_version": subject.kernel_version,
            "machine": subject.machine,
            "clock": subject.clock,
            "built": subject.built,
            "not_exercised": ", ".join(subject.not_exercised),
        }
    return {name: one_line(text, 1000) for name, text in told.items() if text}


def started(result: CheckResult) -> str:
    """Return when a run began, as RFC 3339 has it; empty where nobody knows."""
    when = moment(result.started)
    return when.isoformat(timespec="seconds") if when else ""


def moment(text: str) -> datetime | None:
    """Return a time of ISO 8601 in UTC, taken for that where it has no zone; None if it is none."""
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
