# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page says of earlier runs: each cost over all of them, and the runs themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.measure.verdict import Verdict
from ksuite.report.cases import moment
from ksuite.report.html_charts import Run, over_runs
from ksuite.report.html_costs import worst_first
from ksuite.report.html_element import clip, element
from ksuite.report.html_parts import badge, section, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.measure.cost import Cost, Fingerprint
    from ksuite.measure.result import CheckResult
    from ksuite.measure.verdict import Comparison
    from ksuite.report.html_element import Markup

MOST_RUNS = 40
"""The latest ones: more are no line on a phone any more."""
MOST_UNLIKE = 160
"""Characters of why a run can't be compared."""

Seen = tuple["CheckResult", "Cost", "Comparison | None"]


def history(runs: Sequence[CheckResult]) -> Markup | None:
    """Return the section of a cost's history; None where there is but one run.

    :param runs: the last one is judged, and its costs are those that are shown.
    """
    if len(runs) < 2:
        return None
    seen = _by_name(runs)
    names = [named.name for named in worst_first(runs[-1].comparisons)]
    names += [alone.name for alone in runs[-1].measured]
    charts = [_chart(name, seen[name][-MOST_RUNS:]) for name in names if len(seen[name]) > 1]
    return section(
        "history",
        "Costs over the stored runs",
        element("p", _legend(len(runs)), class_="soft"),
        element("div", *charts, class_="charts") if charts else None,
        _runs(runs),
    )


def began(started: str) -> str:
    """Return when a run began as people read it; as it is where it is no time."""
    when = moment(started)
    return f"{when:%Y-%m-%d %H:%M} UTC" if when else clip(started, 30) or "unknown"


def _legend(runs: int) -> str:
    words = "The candidate's cost in each run that has it, with its spread as a line; short dashes "
    words += "are the base, the band is what the last run allows. Hollow marks are runs that can't "
    words += "be compared with the last one, and no line leads through them. In brackets is the "
    words += "change since the run before that can be."
    if runs > MOST_RUNS:
        words += f" Of {runs} runs, each picture shows the last {MOST_RUNS}."
    return words


def _by_name(runs: Sequence[CheckResult]) -> dict[str, list[Seen]]:
    seen: dict[str, list[Seen]] = {}
    for run in runs:
        for named in run.comparisons:
            one = (run, named.comparison.candidate, named.comparison)
            seen.setdefault(named.name, []).append(one)
        for alone in run.measured:
            seen.setdefault(alone.name, []).append((run, alone.cost, None))
    return seen


def _chart(name: str, seen: Sequence[Seen]) -> Markup:
    _, last, comparison = seen[-1]
    told = clip(name)
    runs = [_run(one, last.fingerprint) for one in seen]
    limit = comparison if comparison and comparison.threshold else None
    alike = [run.cost.median for run in runs if not run.unlike]
    figures = f"{alike[-1]:,.1f} {last.unit}"
    if len(alike) > 1:
        figures += f" ({alike[-1] / alike[-2] - 1:+.2%})"
    verdict = badge(comparison.verdict) if comparison else None
    return element(
        "figure",
        element(
            "figcaption",
            element("span", element("b", told), " ", verdict, class_="named"),
            element("span", figures, class_="soft"),
        ),
        over_runs(told, runs, limit),
    )


def _run(seen: Seen, last: Fingerprint) -> Run:
    result, cost, comparison = seen
    # Most runs are alike in all, and telling it is cheap.
    pairs = () if cost.fingerprint == last else last.unlike(cost.fingerprint)
    why = "; ".join(f"{name}: {here} in the last, {there} here" for name, here, there in pairs)
    base = comparison.base if comparison and comparison.base.fingerprint == last else None
    verdict = comparison.verdict if comparison else None
    return Run(began(result.started), cost, base, verdict, clip(why, MOST_UNLIKE))


def _runs(runs: Sequence[CheckResult]) -> Markup:
    rows = [_row(run) for run in reversed(runs[-MOST_RUNS:])]
    heading = ("began", "verdict", "series", "kernel", "costs")
    return element(
        "details",
        element("summary", f"The runs ({len(runs)})"),
        table(heading, rows, "The latest runs, the one that is judged first"),
    )


def _row(run: CheckResult) -> Markup:
    subject = run.subject
    bad = sum(named.comparison.verdict is Verdict.REGRESSION for named in run.comparisons)
    costs = str(len(run.comparisons) + len(run.measured))
    return element(
        "tr",
        element("th", began(run.started), scope="row"),
        element("td", badge(run.verdict)),
        element("td", clip(subject.series) if subject else clip(run.error), class_="words"),
        element("td", clip(subject.kernel, 40) if subject else "-"),
        element("td", f"{costs}, {bad} risen" if bad else costs),
    )
