# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection came to: for a terminal, as JSON, and as Markdown."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ksuite import __version__
from ksuite.machines.console import printable
from ksuite.measure.finding import MEASURED, Outcome
from ksuite.report import markdown
from ksuite.report.cost_tables import SMALLEST, as_text
from ksuite.report.terminal import where_changed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from ksuite.measure.finding import Finding, Seen, Step, Stretch

SCHEMA = 1
SHORT = 12
"""Characters of a hash that people are shown."""
SUBJECT = 60
MOST_FUNCTIONS = 12
WORDS = {
    Outcome.CULPRIT: "this revision",
    Outcome.STEPS: "several revisions have a part each; the largest that was found",
    Outcome.DRIFT: "a drift: no revision by itself changes as much as counts",
    Outcome.NONE: "nothing to find: both ends are alike",
    Outcome.SUSPECTS: "one of these, which can't be told apart",
    Outcome.UNDECIDED: "undecided",
    Outcome.SERIES: "each patch by itself",
}
BESIDE = "beside that, these were found, which have a part each"


def render(finding: Finding, *, width: int = 110, colour: bool = False) -> str:
    """Return the whole report as text."""
    return as_text(Group(*_parts(finding)), width=width, colour=colour)


def _parts(finding: Finding) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(printable("\n".join(_about(finding))))]
    if finding.outcome is Outcome.SERIES:
        parts.append(_table(_PATCHES, [_patch_row(step, finding) for step in finding.steps]))
    else:
        parts.append(_table(_REVISIONS, [_seen_row(one, finding) for one in finding.seen]))
    if finding.attribution and finding.steps:
        parts.append(
            where_changed(
                f"{finding.what} in {finding.steps[0].revision[:SHORT]}", finding.attribution
            )
        )
    parts.append(Text(printable("\n".join(_conclusion(finding)))))
    return parts


_REVISIONS = ("revision", "cost", "to good", "how", "subject")
_PATCHES = ("patch", "cost", "change", "", "subject")


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(heading):
        right = 0 < place < len(heading) - 1 and name != "how"
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _about(finding: Finding) -> list[str]:
    lines = [f"searched  {finding.about}", f"for       {finding.what}"]
    if finding.unit:
        clock = finding.good.costs[0].fingerprint.clock
        lines[1] += f", {finding.unit} on the {clock} clock"
    lines.append(f"built     {finding.how}")
    if finding.outcome is not Outcome.SERIES:
        telling = f"{finding.telling:,} of which may make a difference"
        lines.append(f"range     {finding.commits:,} commits, {telling}")
    return lines


def _seen_row(seen: Seen, finding: Finding) -> list[str]:
    name = seen.revision[:SHORT]
    ends = {finding.good.revision: "good ", finding.bad.revision: "bad "}
    cost = seen.cost
    change = _percent(cost / finding.good.cost - 1) if cost and finding.good.cost else ""
    how = f"as {seen.same_as[:SHORT]}" if seen.same_as else seen.result
    subject = finding.subjects.get(seen.revision, "")[:SUBJECT]
    shown = f"{cost:,.1f}" if cost is not None else "-"
    return [f"{ends.get(seen.revision, '')}{name}", shown, change, how, subject]


def _patch_row(step: Step, finding: Finding) -> list[str]:
    cost = step.after.cost
    if not finding.unit or cost is None:
        return [step.revision, "-", step.after.result, "", step.subject[:SUBJECT]]
    share = _percent(step.change)
    return [
        step.revision,
        f"{cost:,.1f}",
        f"{step.difference:+,.1f}",
        share,
        step.subject[:SUBJECT],
    ]


def _conclusion(finding: Finding) -> list[str]:
    lines = [f"{finding.outcome.upper()}: {WORDS[finding.outcome]}"]
    lines += [f"  {name[:SHORT]} {subject}" for name, subject in finding.suspects]
    if finding.suspects and finding.steps:
        lines.append(BESIDE)
    if finding.outcome is not Outcome.SERIES:
        lines += [f"  {_told(step)}" for step in finding.steps]
    if math.isfinite(finding.change):
        ends = f"{finding.good.cost:,.1f} -> {finding.bad.cost:,.1f} ({_percent(finding.change)})"
        least = f"{finding.drop:.2%} is the least that counts"
        lines.append(f"from good to bad: {ends}; {least}")
    lines += [f"{_left(one)}" for one in finding.stretches]
    lines += [text for text in (finding.why, _confidence(finding), finding.note) if text]
    beside = f", and {finding.guests_beside} to tell more" if finding.guests_beside else ""
    lines.append(f"{finding.guests} guests measured revisions{beside}; {finding.seconds:.0f} s")
    return lines


def _told(step: Step) -> str:
    text = f"{step.revision[:SHORT]} {step.subject}"
    if not math.isfinite(step.difference):
        first = step.after.why.partition("\n")[0]
        return (
            f"{text}: {step.before.result} -> {step.after.result}{f' ({first})' if first else ''}"
        )
    figures = f"{step.before.cost:,.1f} -> {step.after.cost:,.1f}"
    brought = f", and {step.brought:+,.1f} by what it merges" if step.brought else ""
    return f"{text}: {figures} ({step.difference:+,.1f}, {_percent(step.change)}{brought})"


def _left(stretch: Stretch) -> str:
    ends = f"--good {stretch.good[:SHORT]} --bad {stretch.bad[:SHORT]}"
    return f"{_percent(stretch.change)} more in {stretch.commits:,} commits; go on with {ends}"


def _confidence(finding: Finding) -> str:
    if finding.outcome in {Outcome.NONE, Outcome.SERIES}:
        return ""
    if not finding.unit:
        return ""
    if finding.good.costs[0].fingerprint.restored:
        if not finding.steps:
            return ""
        if all(step.repeated for step in finding.steps):
            return (
                "certain: on this clock a cost is the same each time, so that one guest a revision "
                "is enough; those beside each step were measured in two, and gave the same digits"
            )
        return "not certain: a second guest gave another cost; see the JSON"
    return f"{finding.confidence:.1%} sure"


def _percent(change: float) -> str:
    return f"{change:+.2%}"


def as_plain(finding: Finding) -> dict[str, Any]:
    """Return it as what `json` takes."""
    change = finding.change
    plain = asdict(finding) | {
        "schema": SCHEMA,
        "ksuite": __version__,
        "outcome": str(finding.outcome),
        "change": change if math.isfinite(change) else None,
        "unit": finding.unit,
    }
    for told, step in zip(plain["steps"], finding.steps, strict=True):
        finite = math.isfinite(step.difference)
        told["difference"] = step.difference if finite else None
        told["change"] = step.change if finite else None
        told["repeated"] = step.repeated
    return plain


def as_markdown(finding: Finding, picture: str = "") -> str:
    """Return it as Markdown.

    :param picture: the file name of its picture, if there is one.
    """
    lines = [f"# Bisection: {markdown.plain(finding.what)}", ""]
    lines += [f"- {markdown.plain(printable(text))}" for text in _about(finding)]
    lines += ["", *(f"> {markdown.plain(printable(text))}  " for text in _conclusion(finding)), ""]
    lines += [f"![cost of each revision]({picture})", ""] if picture else []
    if finding.outcome is Outcome.SERIES:
        rows, heading = [_patch_row(step, finding) for step in finding.steps], _PATCHES
    else:
        rows, heading = [_seen_row(one, finding) for one in finding.seen], _REVISIONS
    shown = [[printable(cell) for cell in row] for row in rows]
    lines += markdown.table(heading, shown, words=("how", "subject"))
    if finding.attribution:
        lines += ["## Where it changed", "", *_functions(finding)]
    if finding.patch:
        lines += ["## The culprit", "", *markdown.fenced(printable(finding.patch), "diff")]
    broken = [one for one in finding.seen if one.why and one.result != MEASURED and not one.same_as]
    for one in broken:
        lines += [f"## {markdown.plain(one.revision[:SHORT])}: {markdown.plain(one.result)}", ""]
        lines += markdown.fenced(printable(one.why))
    return "\n".join(lines) + "\n"


def _functions(finding: Finding) -> list[str]:
    assert finding.attribution is not None
    rows = [
        [
            printable(f"{one.function} [{one.module}]"),
            f"{one.base:,.1f}",
            f"{one.candidate:,.1f}",
            f"{one.difference:+,.1f}",
        ]
        for one in finding.attribution.functions[:MOST_FUNCTIONS]
        if abs(one.difference) >= SMALLEST
    ]
    return markdown.table(("function", "before", "after", "change"), rows)
