# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs as tables for a terminal: compared, only measured, or stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ksuite.machines.console import printable
from ksuite.measure.cost import shown
from ksuite.measure.result import BASE, CANDIDATE
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from ksuite.measure.baseline import Baseline
    from ksuite.measure.cost import Cost
    from ksuite.measure.result import NamedComparison, NamedCost

STYLES = {
    Verdict.PASS: "green",
    Verdict.IMPROVED: "bold green",
    Verdict.FLAKY: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.REGRESSION: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.INCOMPARABLE: "yellow",
    Verdict.SKIP: "dim",
}
SMALLEST = 0.05
"""Changes that are shown with one digit, in instructions per packet."""
MOST_COLUMNS = 200


def as_text(what: RenderableType, *, width: int = 100, colour: bool = False) -> str:
    """Return what rich makes of something."""
    console = Console(
        width=width, force_terminal=colour, color_system="standard" if colour else None, file=None
    )
    with console.capture() as capture:
        # A figure that a terminal breaks in two can still be read; one that is cut off can't.
        console.print(what, crop=False)
    return capture.get()


def cell(verdict: Verdict | None) -> Text:
    """Return a verdict in its colour."""
    return Text("-") if verdict is None else Text(verdict, style=STYLES[verdict])


def compared(comparisons: Sequence[NamedComparison]) -> Table:
    """Return what was compared."""
    first = comparisons[0]
    cost = first.comparison.base
    units = dict.fromkeys(named.comparison.base.unit for named in comparisons)
    caption = f"{', '.join(units)} on the {cost.fingerprint.clock} clock, {_repeats(cost)}"
    if first.baseline:
        caption += f"; the stored baseline {printable(first.baseline)} stands for the base"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("cost", no_wrap=True)
    left = "baseline" if first.baseline else BASE
    for heading in (left, "spread", CANDIDATE, "spread", "change", "", "limit"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for named in comparisons:
        comparison = named.comparison
        table.add_row(
            Text(printable(named.name)),
            f"{comparison.base.median:,.1f}",
            _spread(comparison.base),
            f"{comparison.candidate.median:,.1f}",
            _spread(comparison.candidate),
            small(comparison.difference),
            f"{comparison.change:+.2%}",
            f"{comparison.threshold:.2%}",
            cell(comparison.verdict),
        )
    endless = Console(width=MOST_COLUMNS)
    table.width = Measurement.get(endless, endless.options, table).maximum
    return table


def reasons(comparisons: Sequence[NamedComparison]) -> list[Text]:
    """Return why what was compared has got its verdict, where there is more to say."""
    return [
        Text(printable(f"{named.name}: {named.comparison.reason}"))
        for named in comparisons
        if named.comparison.reason
    ]


def measured(costs: Sequence[NamedCost]) -> Table:
    """Return what was compared with nothing."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measured only", no_wrap=True)
    for heading in (CANDIDATE, "spread", "unit"):
        table.add_column(heading, justify="right", no_wrap=True)
    for named in costs:
        table.add_row(Text(printable(named.name)), *_figures(named.cost))
    return table


def stored(baseline: Baseline) -> Table:
    """Return the costs of a baseline."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cost", no_wrap=True)
    for heading in ("median", "spread", "unit", "version", "windows"):
        table.add_column(heading, justify="right", no_wrap=heading != "windows")
    for name, one in baseline.costs.items():
        windows = " ".join(f"{value:,.3f}" for value in one.cost.windows)
        version = str(one.cost.fingerprint.scenario_version)
        table.add_row(Text(printable(name)), *_figures(one.cost), version, windows)
    return table


def conditions(baseline: Baseline) -> Text:
    """Return what all costs of a baseline have in common, of their fingerprints and origins."""
    every = list(baseline.costs.values())
    facts = [
        {
            **{name: shown(value) for name, value in vars(one.cost.fingerprint).items()},
            **{name: _plain(value) for name, value in vars(one.provenance).items()},
        }
        for one in every
    ]
    lines = [f"{'made':<16} {baseline.made}"]
    for name in facts[0]:
        values = list(dict.fromkeys(one[name] for one in facts))
        # A cost's own name says these.
        if name not in {"scenario", "scenario_version", "parameters"}:
            lines += [f"{name:<16} {value}" for value in values]
    return Text(printable("\n".join(lines)))


def listed(baselines: Sequence[Baseline]) -> Table:
    """Return which baselines there are."""
    table = Table("baseline", "made", "kernel", "clock", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("costs", justify="right")
    for one in baselines:
        prints = [stored.cost.fingerprint for stored in one.costs.values()]
        kernels = ", ".join(sorted({each.kernel_release for each in prints}))
        clocks = ", ".join(sorted({str(each.clock) for each in prints}))
        row = (one.name, one.made[:16], kernels, clocks, str(len(prints)))
        table.add_row(*(Text(printable(value)) for value in row))
    return table


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else shown(value)


def _figures(cost: Cost) -> tuple[str, str, str]:
    return f"{cost.median:,.1f}", _spread(cost), cost.unit


def small(difference: float) -> str:
    """Return a difference such that none looks like nothing."""
    return (
        f"{difference:+,.1f}"
        if abs(difference) >= SMALLEST or not difference
        else (f"{difference:+.4f}")
    )


def _repeats(cost: Cost) -> str:
    if not cost.fingerprint.restored:
        boots = f" of {cost.guests} boots" if cost.guests > 1 else ""
        return f"median of {len(cost.windows)} windows{boots}"
    return f"repeated in {len(cost.windows)} restored guests"


def _spread(cost: Cost) -> str:
    return f"{cost.spread:.3%}" if cost.spread else "exact"
