# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite shell``: thin, over campaigns/shell."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.check import Check
from ksuite.campaigns.cost_names import is_cost
from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.gate_check import Asked, GateCheck
from ksuite.campaigns.gate_file import must_be_gates, read_gate_file
from ksuite.campaigns.options import OPTIONS, Build, CheckOptions
from ksuite.campaigns.own_tests import OnDut, own_suite
from ksuite.campaigns.quest import USUAL_SIZES
from ksuite.campaigns.shell import Shell
from ksuite.campaigns.suites import SUITES, check_scenario, suites_for
from ksuite.dut import loops
from ksuite.errors import ExitCode, KernelFault, UserError
from ksuite.kernels.series import read_series
from ksuite.kernels.sources import must_be_known
from ksuite.machines.console import printable
from ksuite.measure.result import CANDIDATE, VARIANTS
from ksuite.report.progress import progress_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from ksuite.campaigns.costs import OwnLoop
    from ksuite.campaigns.suites import Suite
    from ksuite.campaigns.trial import Trial

HELP = "a prompt on the DUT, with a scenario's topology up"
DESCRIPTION = """\
Build SERIES, restore a guest with it loaded, set up what --scenario measures a packet in (links,
rules, queues; `ip link` shows them), and read lines from stdin, each of which a shell in the guest
runs. For a module's repository, say --gate DIRECTORY in the place of SERIES.

The guest's clock stands still while its CPU has nothing to do, and leaps to what comes next: a
sleep takes no time, and what waits for ever is ended after an hour of it. There is no terminal in
there: what wants one doesn't work. Nothing of the guest is kept.
"""
EXIT_CODES = """\
exit codes:
  0    the end of the input, or exit; with --command the exit status of that line
  1    the kernel broke: its console is shown
  2    usage, or a series that is none
  3    infrastructure
  4    nothing exercises the series
  130  interrupted
"""
TAKES = ("kernel", "build", "config", "packages", "timeout")
"""The options of a check that mean the same here."""
CONSOLE_LINES = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.set_defaults(run=run)
    parser.add_argument("series", metavar="SERIES", nargs="?")
    parser.add_argument("--gate", metavar="DIRECTORY", type=Path, help="out-of-tree modules")
    parser.add_argument("--scenario", metavar="NAME", default="", help="whose topology is set up")
    parser.add_argument(
        "--size", type=int, default=0, help="of its frames, in bytes, or its number of rules"
    )
    parser.add_argument("--variant", choices=VARIANTS, default=CANDIDATE, help="default: candidate")
    parser.add_argument("--command", metavar="LINE", help="run this line, and end")
    for name in TAKES:
        parser.add_argument(f"--{name}", **OPTIONS[name])


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code says how it ended."""
    (must_be_gates if options.gate else must_be_known)(options.kernel)
    try:
        with _ready(options) as shell:
            if options.command is not None:
                said = shell.run(options.command)
                print(printable(said.output), end="")
                return int(ExitCode.FAIL) if said.status is None else said.status
            _converse(shell, options.variant)
    except KernelFault as fault:
        tail = "\n".join(fault.console.splitlines()[-CONSOLE_LINES:])
        print(printable(tail), file=sys.stderr)
        print(f"ksuite: the kernel broke: {printable(str(fault))}", file=sys.stderr)
        return int(ExitCode.FAIL)
    return int(ExitCode.PASS)


@contextmanager
def _ready(options: argparse.Namespace) -> Iterator[Shell]:
    with ExitStack() as stack:
        with progress_line(sys.stderr) as progress:
            trial, request = _asked(options, progress)
            stack.enter_context(trial)
            shell = Shell(trial, options.variant, request)
        yield shell


def _converse(shell: Shell, variant: str) -> None:
    shown = sys.stdin.isatty()
    if shown:
        # input() edits lines with it; nobody else needs it loaded.
        import readline  # noqa: F401, PLC0415
    with suppress(EOFError):
        while True:
            line = input(f"{variant}:{printable(shell.directory)}# " if shown else "").strip()
            if line == "exit":
                return
            if not line:
                continue
            said = shell.run(line)
            print(printable(said.output), end="", flush=True)
            if said.status is None:
                print("(ended: it did not end by itself)", file=sys.stderr)
            elif said.status and shown:
                print(f"(exit status {said.status})", file=sys.stderr)


def _asked(
    options: argparse.Namespace, progress: Callable[[str], None]
) -> tuple[Trial, CostRequest | None]:
    """Return what is to be tried, and whose topology is to be there.

    :raises UserError: that makes no sense.
    """
    if bool(options.series) == bool(options.gate):
        raise UserError("say what to load: SERIES, or --gate DIRECTORY")
    chosen = CheckOptions(
        options.series or "",
        kernel=options.kernel,
        build=Build(options.build),
        config=options.config,
        timeout_seconds=options.timeout,
        packages=Path(options.packages) if options.packages else None,
    )
    if options.gate:
        file = read_gate_file(options.gate)
        request = _request(options, OnDut(file).loops())
        suites: tuple[Suite, ...] = (own_suite(file), *_suites_of(request))
        chosen = replace(chosen, packages=file.packages or chosen.packages)
        return GateCheck(chosen, Asked(file), suites, progress), request
    request = _request(options, {})
    suites = suites_for(read_series(options.series).files, options.scenario)
    return Check(chosen, suites, progress), request


def _request(options: argparse.Namespace, own: Mapping[str, OwnLoop]) -> CostRequest | None:
    if not options.scenario:
        return None
    loop = own.get(options.scenario)
    if loop is None and not is_cost(options.scenario):
        check_scenario(options.scenario)
        raise UserError(f"{options.scenario} has no topology of its own: name one of its costs")
    size = loop.size if loop else loops.size_of(options.scenario)
    usual = options.size or USUAL_SIZES.get(size.name, 1)
    if usual < 0:
        raise UserError(f"--size {usual} is none")
    return CostRequest(options.scenario, usual, loop)


def _suites_of(request: CostRequest | None) -> list[Suite]:
    """Return the suite whose modules one of our own topologies needs."""
    if request is None or request.own is not None:
        return []
    return [suite for suite in SUITES if request.scenario in suite.scenarios]
