# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite selftest``: thin, over campaigns/selftest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from ksuite.campaigns.selftest import Summary, Trial, chosen, summary, try_out
from ksuite.errors import ExitCode
from ksuite.machines.machine import Clock
from ksuite.measure.rivals import RIVALS
from ksuite.report.cost_tables import as_text
from ksuite.report.progress import progress_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

HELP = "how often ksuite sees what is not there, and what is the least that it sees"
DESCRIPTION = """\
Compare a kernel with itself, and with kernels that were made slower by one instruction a packet,
and by 0.5, 1, 2 and 5 %, again and again in new guests. What is printed is how often each was a
REGRESSION, by the usual threshold and by none at all; how often the kernel was not told to be equal
to itself; and the smallest change that was seen each time.

On the wall clock kernels wait 0.5, 1, 2 and 5 % longer for each packet. Each comparison takes ten
boots there, some minutes; and what a fixed threshold of 5 %, and the jumpavg of FD.io's CSIT, would
have made of the very same samples is printed beside it.
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
    parser.add_argument(
        "--clock",
        choices=[str(clock) for clock in Clock],
        default=str(Clock.INSTRUCTIONS),
        help="what time is made of (default: instructions)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 3 where ksuite told a kernel from itself."""
    places = chosen(options.scenario)
    clock = Clock(options.clock)
    trials = []
    with progress_line(sys.stderr) as progress:
        for trial in try_out(places, options.runs, progress, clock):
            trials.append(trial)
            # Who stops it after an hour has seen what was found until then.
            print(_line(trial), file=sys.stderr)
    print(as_text(_table(trials, clock)), end="")
    told = summary(trials)
    print(_in_words(told, trials, clock))
    return int(ExitCode.INFRASTRUCTURE if told.false else ExitCode.PASS)


def _line(trial: Trial) -> str:
    return f"{trial.cost}, {_added(trial)}: {trial.change:+.3%}, {_seen(trial)} a REGRESSION"


def _added(trial: Trial) -> str:
    return f"{trial.added:+,} {trial.unit}" if trial.added else "nothing added"


def _seen(trial: Trial) -> str:
    return f"{trial.usual} of {trial.runs}"


def _table(trials: Sequence[Trial], clock: Clock) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cost", no_wrap=True)
    exact = clock is Clock.INSTRUCTIONS
    how = ("with threshold 0",) if exact else ("undecided", *RIVALS)
    for heading in ("added", "measured", "REGRESSION", *how):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in trials:
        seen = (trial.least,) if exact else (trial.open, *trial.rivals.values())
        table.add_row(
            trial.cost,
            _added(trial),
            f"{trial.change:+.3%}",
            _seen(trial),
            *(f"{times} of {trial.runs}" for times in seen),
        )
    return table


def _in_words(told: Summary, trials: Sequence[Trial], clock: Clock) -> str:
    same = f"{told.false} of {told.compared} comparisons"
    lines = [f"a kernel was not the same as itself, to the digit, in {same}"]
    ways = {"usual threshold": told.usual, "threshold 0": told.least}
    if clock is Clock.WALL:
        same_kernel = [trial for trial in trials if not trial.added]
        undecided = sum(trial.open for trial in same_kernel)
        lines = [f"a kernel was told from itself in {same}; undecided: {undecided}"]
        for name in RIVALS:
            wrong = sum(trial.rivals[name] for trial in same_kernel)
            lines.append(f"{name} called it a regression in {wrong} of {told.compared}")
        ways = {"usual threshold": told.usual, **told.rivals}
    for cost in dict.fromkeys(trial.cost for trial in trials):
        for how, found in ways.items():
            seen = found.get(cost)
            least = f"{seen.change:+.3%} ({seen.added:+,} {seen.unit})" if seen else "none of these"
            lines.append(f"{cost}, smallest change seen each time, {how}: {least}")
    return "\n".join(lines)
