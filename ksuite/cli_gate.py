# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite gate``: thin, over campaigns/gate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns import baselines
from ksuite.campaigns.gate import Chosen, judge, parts_of
from ksuite.campaigns.gate_check import Asked
from ksuite.campaigns.gate_file import DEBUG, NAME, must_be_gates, read_gate_file
from ksuite.campaigns.gate_start import write_start
from ksuite.campaigns.matrix import as_file_name
from ksuite.errors import ExitCode, NothingToCompare, UserError
from ksuite.kernels.modulesource import commit_of_module
from ksuite.machines.console import printable
from ksuite.measure.result import CANDIDATE
from ksuite.report import html, json_file, junit, summary, terminal
from ksuite.report.baseline_file import write_baseline
from ksuite.report.matrix import worst_code
from ksuite.report.progress import progress_line
from ksuite.report.whole_file import must_be_writable, write_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ksuite.campaigns.gate import Part
    from ksuite.campaigns.gate_file import GateFile
    from ksuite.measure.result import CheckResult

HELP = "judge the out-of-tree modules of a repository, on several kernels"
DESCRIPTION = f"""\
Build the modules of a repository for each kernel, load them, run ksuite's scenarios with them in
place and the project's own tests, unload them, and compare what a packet costs. {NAME} in DIRECTORY
(default: here) says how; `ksuite gate init [DIRECTORY]` writes one, and a first test.

What is judged is the work tree as it is, or the revision --head. With --base it is compared with
that revision, else with the baseline that --save-baseline has stored, if there is one. The tests
are always those of the work tree.

Modules that don't compile for a kernel fail there, and the other kernels go on. A check that fails
is run once more in fresh guests; one that then passes is FLAKY, is counted, and fails only if the
file says so. A kernel's name with {DEBUG} behind it is the same source, built with KASAN, lockdep
and kmemleak.

OUTPUT gets a result and a page for each kernel, junit.xml and summary.md.
"""
EXIT_CODES = """\
exit codes, of the worst kernel:
  0    the modules work on all kernels, and cost no more
  1    on one they don't build, load, work, unload, or they cost more; a test of their own that
       raises anything as it runs says that they don't work
  2    usage, or a file that makes no sense
  3    infrastructure: it could not be judged, and that is not the modules' fault
  4    nothing to judge, or not comparable
  130  interrupted
"""
OUTPUT = Path("results", "gate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.set_defaults(run=run)
    parser.add_argument("where", metavar="[init] [DIRECTORY]", nargs="*")
    parser.add_argument("--base", metavar="REV", default="", help="compare with this revision")
    parser.add_argument("--head", metavar="REV", default="", help="judge this revision")
    parser.add_argument(
        "--kernel",
        metavar="NAME",
        nargs="+",
        default=[],
        help=f"judge on these, as ksuite check takes them (default: those of {NAME})",
    )
    parser.add_argument("--check", metavar="TEST", default="", help="run only this check")
    parser.add_argument(
        "--part", metavar="NAME", default="", help="run only this: module, tests, or a scenario"
    )
    parser.add_argument(
        "--save-baseline",
        action="store_true",
        help="store what packets cost now, for later runs to be compared with",
    )
    parser.add_argument(
        "--output",
        metavar="DIRECTORY",
        type=Path,
        default=OUTPUT,
        help=f"where to write (default: {OUTPUT})",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is the worst kernel's."""
    starts, top = _where(options.where)
    if starts:
        for path in write_start(top):
            print(path)
        return int(ExitCode.PASS)
    file = read_gate_file(top)
    parts = _parts(options, file)
    kernels = tuple(dict.fromkeys(options.kernel or file.kernels))
    for kernel in kernels:
        must_be_gates(kernel)
    base, head = (commit_of_module(top, one) for one in (options.base, options.head))
    asked = Asked(file, base, head, output=options.output.absolute())
    chosen = Chosen(parts, options.output, options.check, saving=options.save_baseline)
    must_be_writable(options.output)
    results = []
    with progress_line(sys.stderr) as progress:
        for kernel in kernels:
            result = judge(asked, kernel, chosen, progress)
            results.append(result)
            told = printable(result.error.partition("\n")[0])
            print(f"{kernel}: {result.verdict} {told}".rstrip(), file=sys.stderr)
            _write(kernel, result, results, options.output)
    print(terminal.render_all(results), end="")
    _must_have_run(results, options.check)
    codes = [one.exit_code for one in results]
    if options.save_baseline:
        codes += _save(file, kernels, results)
    return worst_code(codes)


def _where(words: Sequence[str]) -> tuple[bool, Path]:
    """Return whether a file is to be written, and for which directory."""
    starts = words[:1] == ["init"]
    left = words[starts:]
    if len(left) > 1:
        raise UserError(f"one directory at a time, not {' '.join(left)}")
    return starts, Path(left[0]) if left else Path()


def _parts(options: argparse.Namespace, file: GateFile) -> tuple[Part, ...]:
    """Return the parts that are to run.

    :raises UserError: there is none of this name, or what is asked for makes no sense.
    """
    if options.save_baseline and (options.base or options.check or options.part):
        raise UserError("--save-baseline stores all costs of one revision: without --base, --check")
    if options.save_baseline and file.baselines is None:
        raise UserError(f"{file.path}: [baseline] directory is missing: where is it to be stored?")
    parts = parts_of(file)
    chosen = tuple(part for part in parts if options.part in {"", part.name})
    if not chosen:
        names = ", ".join(part.name for part in parts)
        raise UserError(f"{file.name} has no part {options.part!r:.60}, but {names}")
    return chosen


def _write(
    kernel: str, result: CheckResult, results: Sequence[CheckResult], directory: Path
) -> None:
    stem = as_file_name(kernel)
    json_file.write(result, directory / f"{stem}.json")
    write_text(html.render([result]), directory / f"{stem}.html")
    write_text(junit.render(results), directory / "junit.xml")
    write_text(summary.render(results), directory / "summary.md")


def _must_have_run(results: Sequence[CheckResult], check: str) -> None:
    if check and not any(one.outcomes or one.error for one in results):
        raise NothingToCompare(f"no check here is called {check!r:.100}")


def _save(file: GateFile, kernels: Sequence[str], results: Sequence[CheckResult]) -> list[int]:
    """Store the costs of each kernel that works, and return the codes of what could not be."""
    assert file.baselines is not None
    must_be_writable(file.baselines)
    codes = []
    for kernel, result in zip(kernels, results, strict=True):
        if kernel.endswith(DEBUG):
            # No cost is measured there.
            continue
        try:
            made = baselines.make(as_file_name(kernel), [result], CANDIDATE)
        except (UserError, NothingToCompare) as error:
            print(f"{kernel}: no baseline is stored: {printable(str(error))}", file=sys.stderr)
            # What doesn't work has said so with its own code.
            codes += [int(error.exit_code)] if isinstance(error, NothingToCompare) else []
            continue
        print(write_baseline(made, file.baselines, replace=True))
    return codes
