# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite selftest``: thin, over campaigns/selftest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from ksuite.campaigns.selftest import Summary, Trial, chosen, summary, try_out
from ksuite.errors import ExitCode
from ksuite.report.cost_tables import as_text
from ksuite.report.progress import progress_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

HELP = "how often ksuite sees what is not there, and what is the least that it sees"
DESCRIPTION = """\
Compare a kernel with itself, and with kernels that were made slower by one instruction a packet,
and by 0.5, 1, 2 and 5 %, again and again in new guests, on the instruction clock. What is printed
is how often each was a REGRESSION, by the usual threshold and by none at all; how often the kernel
was not told to be equal to itself; and the smallest change that was seen each time.
"""
RUNS = 20
MOST_RUNS = 10_000


def runs(text: str) -> int:
    """Read a number of runs from a command line; argparse makes its ValueError a usage error."""
    number = int(text)
    if not 0 < number <= MOST_RUNS:
        raise ValueError(f"no number of runs: {text}")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--runs",
        type=runs,
        metavar="N",
        default=RUNS,
        help=f"comparisons of each kernel (default: {RUNS})",
    )
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="only this cost; may be given several times (default: one cost of vhost, TC and OVS)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 3 where ksuite told a kernel from itself."""
    places = chosen(options.scenario)
    with progress_line(sys.stderr) as progress:
        trials = list(try_out(places, options.runs, progress))
    print(as_text(_table(trials)), end="")
    told = summary(trials)
    print(_in_words(told, trials))
    return int(ExitCode.INFRASTRUCTURE if told.false else ExitCode.PASS)


def _table(trials: Sequence[Trial]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cost", no_wrap=True)
    for heading in ("added", "measured", "REGRESSION", "with threshold 0"):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in trials:
        table.add_row(
            trial.cost,
            f"{trial.added:+,} {trial.unit}" if trial.added else "nothing",
            f"{trial.change:+.3%}",
            f"{trial.usual} of {trial.runs}",
            f"{trial.least} of {trial.runs}",
        )
    return table


def _in_words(told: Summary, trials: Sequence[Trial]) -> str:
    same = f"{told.false} of {told.compared} comparisons"
    lines = [f"a kernel was not the same as itself, to the digit, in {same}"]
    for cost in dict.fromkeys(trial.cost for trial in trials):
        for how, found in (("usual threshold", told.usual), ("threshold 0", told.least)):
            seen = found.get(cost)
            least = f"{seen.change:+.3%} ({seen.added:+,} {seen.unit})" if seen else "none of these"
            lines.append(f"{cost}, smallest change seen each time, {how}: {least}")
    return "\n".join(lines)
