# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: thin, each command calls a campaign."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite import (
    __version__,
    cli_baseline,
    cli_bisect,
    cli_gate,
    cli_kernels,
    cli_matrix,
    cli_report,
    cli_selftest,
    cli_shell,
    cli_store,
)
from ksuite.campaigns.doctor import examine
from ksuite.campaigns.options import OPTIONS
from ksuite.campaigns.suites import check_scenario, suites_for
from ksuite.cli_running import add_options, runner_arguments
from ksuite.errors import ExitCode, InfrastructureError, KsuiteError
from ksuite.interrupts import fatal_interrupts
from ksuite.kernels.series import read_series
from ksuite.machines.console import printable
from ksuite.measure.result import refused
from ksuite.report import chart, json_file
from ksuite.report.progress import progress_line
from ksuite.report.whole_file import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_CODES = """\
exit codes:
  0    the candidate passes
  1    the series fails: function, regression, splat, crash, hang, doesn't apply, compile or boot
  2    usage, or input that is no patch series at all or reaches outside the tree
  3    infrastructure: a missing tool, a full disk, a guest that doesn't come up, a failed selftest
  4    incomparable, nothing to run, or needs a build that isn't there
  130  interrupted
"""

CHECK = """\
Build the kernel modules that SERIES touches, without it (base) and with it (candidate); boot a
guest; run the checks on both; compare the costs of a packet. The verdict is the candidate's: what
only the base gets wrong is shown as what the series mends.

SERIES is an mbox, a patch, a quilt directory with a `series` file, or TREE:REV..REV of a git tree.
The suites to run are picked by the files that it touches.
"""

DOCTOR = """\
Try out what this host can do for ksuite, and say how to mend what it can't. The first time, this
builds the DUT's image and boots it, which every check needs.
"""

CHART = """\
Show the candidate's costs of RESULT, which ksuite check --json has written, side by side: what a
name has in common is a row, what it differs in is a column.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ksuite",
        description="Does a kernel change still work, and did it get slower?",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ksuite {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, summary: str, description: str, exit_codes: str = EXIT_CODES
    ) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=description,
            epilog=exit_codes,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_check(command("check", "judge a patch series: base against candidate", CHECK))
    cli_kernels.add_commands(command("kernels", cli_kernels.HELP, cli_kernels.DESCRIPTION))
    cli_store.add_commands(command("store", cli_store.HELP, cli_store.DESCRIPTION))
    cli_baseline.add_commands(command("baseline", cli_baseline.HELP, cli_baseline.DESCRIPTION))
    cli_matrix.add_arguments(command("matrix", cli_matrix.HELP, cli_matrix.DESCRIPTION))
    cli_bisect.add_arguments(command("bisect", cli_bisect.HELP, cli_bisect.DESCRIPTION))
    gate = command("gate", cli_gate.HELP, cli_gate.DESCRIPTION, cli_gate.EXIT_CODES)
    cli_gate.add_arguments(gate)
    shell = command("shell", cli_shell.HELP, cli_shell.DESCRIPTION, cli_shell.EXIT_CODES)
    cli_shell.add_arguments(shell)
    report = command("report", cli_report.HELP, cli_report.DESCRIPTION, cli_report.EXIT_CODES)
    cli_report.add_arguments(report)
    _add_chart(command("chart", "a result's costs side by side, as a table and a picture", CHART))
    cli_selftest.add_arguments(command("selftest", cli_selftest.HELP, cli_selftest.DESCRIPTION))
    command("doctor", "what this host can do", DOCTOR).set_defaults(run=_doctor)
    return parser


def _add_check(check: argparse.ArgumentParser) -> None:
    check.set_defaults(run=_check)
    check.add_argument("series", metavar="SERIES")
    add_options(check, OPTIONS)


def _add_chart(drawing: argparse.ArgumentParser) -> None:
    drawing.set_defaults(run=_chart)
    drawing.add_argument("result", metavar="RESULT", type=Path)
    drawing.add_argument(
        "--output", metavar="FILE", type=Path, help="write the picture to FILE (SVG)"
    )


def _check(options: argparse.Namespace) -> int:
    # pytest is imported late: doctor has to work where it is missing.
    with fatal_interrupts():
        from ksuite.runner import run_suites  # noqa: PLC0415

    if options.scenario:
        check_scenario(options.scenario)
    suites = suites_for(read_series(options.series).files, options.scenario or "")
    arguments = runner_arguments(options, OPTIONS, suites, options.series)
    return run_suites(arguments)


def _chart(options: argparse.Namespace) -> int:
    drawn = chart.read_chart(options.result)
    print(chart.as_table(drawn), end="")
    if options.output:
        write_text(chart.as_svg(drawn), options.output)
    return int(ExitCode.PASS)


def _doctor(_options: argparse.Namespace) -> int:
    with progress_line(sys.stderr) as progress:
        findings = examine(progress)
    for finding in findings:
        print(f"{'ok  ' if finding.good else 'GAP '} {finding.what}: {finding.found}")
        if not finding.good:
            print(f"     mend: {finding.mend}")
    needed = [finding for finding in findings if finding.needed and not finding.good]
    return int(ExitCode.INFRASTRUCTURE if needed else ExitCode.PASS)


def _refuse(error: KsuiteError, json: str | None) -> int:
    print(f"ksuite: {printable(str(error))}", file=sys.stderr)
    if json:
        try:
            json_file.write(refused(error, 0.0), Path(json))
        except KsuiteError as other:
            return _refuse(other, None)
    return int(error.exit_code)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    try:
        return _parser().parse_args(arguments)
    except SystemExit as end:
        if end.code == ExitCode.USAGE and cli_bisect.is_step(arguments):
            # git would take argparse's own code for a bad revision.
            sys.exit(cli_bisect.ABORT + int(ExitCode.USAGE))
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(options.run(options))
    except KsuiteError as error:
        return _refuse(error, getattr(options, "json", None))
    except (OSError, UnicodeError) as error:
        return _refuse(InfrastructureError(str(error)), getattr(options, "json", None))
    except KeyboardInterrupt:
        print("ksuite: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
