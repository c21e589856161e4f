# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite matrix``: thin, over campaigns/matrix."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.matrix import KERNELS, run_all
from ksuite.campaigns.suites import OVS, SUITES, TC, VHOST, check_scenario, suites_for
from ksuite.cli_running import add_options, runner_arguments
from ksuite.kernels.series import read_series
from ksuite.kernels.sources import must_be_known
from ksuite.report import chart
from ksuite.report.matrix import Matrix, as_markdown, as_plain, picture, render
from ksuite.report.progress import progress_line
from ksuite.report.whole_file import must_be_writable, write_json, write_text

if TYPE_CHECKING:
    import argparse

    from ksuite.campaigns.suites import Suite

HELP = "suites over several kernels: what works, and what it costs, side by side"
DESCRIPTION = """\
Run the suites vhost, tc and ovs over several kernels, one after the other, each with its default
series in the form that is made for the kernel, or those that exercise SERIES; and show side by side
what works and what a packet costs. DIRECTORY gets matrix.json, matrix.md and matrix.svg, and each
run's result and log. The exit code is that of the worst run; a kernel that can't be had is an
error, and the others go on. Costs of different kernels are shown, never judged.
"""
OURS = ("scenario", "candidate-only", "costs-only", "recall", "timeout", "differences")
"""Options that mean the same to each run."""
DIRECTORY = Path("results", "matrix")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.set_defaults(run=run)
    parser.add_argument("series", metavar="SERIES", nargs="?")
    parser.add_argument(
        "--kernels",
        metavar="NAME",
        nargs="+",
        default=list(KERNELS),
        help=f"which, from the oldest to the newest (default: {' '.join(KERNELS)})",
    )
    parser.add_argument(
        "--output",
        metavar="DIRECTORY",
        type=Path,
        default=DIRECTORY,
        help=f"where to write (default: {DIRECTORY})",
    )
    add_options(parser, OURS)


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is the worst run's."""
    kernels = tuple(dict.fromkeys(options.kernels))
    for kernel in kernels:
        must_be_known(kernel)
    must_be_writable(options.output)
    suites = {
        suite.name: runner_arguments(options, OURS, [suite], options.series or suite.series)
        for suite in _suites(options)
    }
    runs = []
    with progress_line(sys.stderr) as progress:
        for one in run_all(kernels, suites, options.output, progress):
            runs.append(one)
            # Who stops it after an hour has seen what was found until then.
            told = one.error.partition("\n")[0] or str(one.counts)
            print(f"{one.kernel}, {one.suite}: {told}", file=sys.stderr)
            _write(Matrix(kernels, tuple(runs)), options.output)
    matrix = Matrix(kernels, tuple(runs))
    print(render(matrix), end="")
    return matrix.exit_code


def _suites(options: argparse.Namespace) -> tuple[Suite, ...]:
    scenario = options.scenario or ""
    if scenario:
        check_scenario(scenario)
    if options.series:
        return suites_for(read_series(options.series).files, scenario)
    named = tuple(one for one in SUITES if one.answers_to(scenario))
    return named or (VHOST, TC, OVS)


def _write(matrix: Matrix, directory: Path) -> None:
    write_json(as_plain(matrix), directory / "matrix.json")
    write_text(as_markdown(matrix), directory / "matrix.md")
    if matrix.costs:
        write_text(chart.as_svg(picture(matrix)), directory / "matrix.svg")
