# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite bisect``: thin, over campaigns/bisect."""

from __future__ import annotations

import argparse
import math
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksuite.campaigns.bisect import Campaign
from ksuite.campaigns.bisect_state import (
    kernel_from_anywhere,
    read_state,
    series_from_anywhere,
    write_state,
)
from ksuite.campaigns.judging import UNTOLD
from ksuite.campaigns.options import OPTIONS, Build
from ksuite.campaigns.quest import Ground, Quest
from ksuite.errors import (
    DutError,
    ExitCode,
    KernelFault,
    KsuiteError,
    NothingToCompare,
    SeriesError,
    UserError,
)
from ksuite.kernels.gitrange import commit_of, commits_of_range, must_be_tree
from ksuite.kernels.sources import pinned
from ksuite.machines.console import printable
from ksuite.machines.machine import Clock
from ksuite.measure.finding import Outcome, Seen
from ksuite.report import bisection, bisection_files, git_bisect
from ksuite.report.progress import progress_line
from ksuite.report.whole_file import must_be_writable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ksuite.measure.finding import Finding

HELP = "which revision, or which patch of a series, made it slower or broke it"
DESCRIPTION = """\
Find the revision of a git tree from which on a packet costs more, or a check fails:

  ksuite bisect --tree DIR --good REV --bad REV --scenario tc_redirect
  ksuite bisect --tree DIR --good REV --bad REV --check 'test_action[drop]'

or tell what each patch of SERIES costs by itself:

  ksuite bisect SERIES --scenario tc_redirect

Both ends are measured first: if they don't differ by --drop percent, nothing is searched. Revisions
that change nothing of what is compiled, or whose code is that of one already judged, are not run;
those that don't build, boot or survive are passed over, and never taken for bad. Only as many
modules are built as the range needs, and whole kernels where modules won't do. On the instruction
clock a cost is the same each time: one guest a revision is enough. On the wall clock boots are
repeated until one culprit is as likely as --confidence, or --budget is spent.

A tree that holds only a part of a kernel is laid over the source of --kernel. The tree is only
read: what is checked out there, and what was changed there, does not matter.

OUTPUT gets bisect.json, bisect.md, bisect.svg, and bisect.log for `git bisect replay`; those of an
earlier run are removed first. After each step it gets state.json, from which --resume goes on: that
takes nothing beside but --budget.
--run-step judges what is checked out in --tree, or BISECT_HEAD after `git bisect start
--no-checkout`, for `git bisect run`. It takes no wall clock, and neither does SERIES: one boot of
each is no verdict.
"""
EPILOG = """\
exit codes:
  0    a culprit, several steps, a drift, or what each patch costs
  2    usage, or input that is no git tree, revision or series
  3    infrastructure
  4    nothing to find, or it can't be told: an end that is not built or breaks, among others
  130  interrupted

exit codes of --run-step:
  0    as the good end
  1    as the bad end
  125  neither: it does not build, boot or survive
  128  and above: it could not be tried, or was asked for in a wrong way; git bisect run stops
"""
OUTPUT = Path("results", "bisect")
SKIP_STEP, ABORT = 125, 128
"""git-bisect(1): 125 skips a revision, and what is above 127 ends the run."""
SURE = (0.5, 1.0)


def percent(text: str) -> float:
    """Read a percentage from a command line; argparse makes its ValueError a usage error."""
    number = float(text)
    if not 0 < number < 100:
        raise ValueError(f"no percentage: {text}")
    return number


def confidence(text: str) -> float:
    """Read a probability from a command line."""
    number = float(text)
    if not SURE[0] < number < SURE[1]:
        raise ValueError(f"no confidence: {text}")
    return number


def minutes(text: str) -> float:
    """Read a time from a command line."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(f"no time: {text}")
    return number


def size(text: str) -> int:
    """Read a size from a command line."""
    number = int(text)
    if not 0 < number < 1 << 31:
        raise ValueError(f"no size: {text}")
    return number


class _Noted(argparse.Action):
    """Keeps a value, and notes that it was given: `given` has its name."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        setattr(namespace, self.dest, values)
        if values is not None:
            name = self.option_strings[0] if self.option_strings else str(self.metavar)
            namespace.given = (*namespace.given, name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = EPILOG
    parser.set_defaults(run=run, given=())
    parser.register("action", None, _Noted)
    parser.add_argument("patches", metavar="SERIES", nargs="?", help="tell each of its patches")
    parser.add_argument("--tree", metavar="DIR", help="a git tree")
    parser.add_argument("--good", metavar="REV", help="a revision before it")
    parser.add_argument("--bad", metavar="REV", help="a revision that has it")
    parser.add_argument("--series", metavar="PATH", help="patches to put on top of each revision")
    parser.add_argument("--scenario", metavar="NAME", help="whose cost to look at")
    parser.add_argument(
        "--size", type=size, default=0, metavar="N", help="of a frame (64 bytes), or rules (1000)"
    )
    parser.add_argument("--check", metavar="TEST", help="a check to look at instead")
    parser.add_argument(
        "--drop",
        type=percent,
        default=0.0,
        metavar="PERCENT",
        help="the smallest change that counts (default: 0.3, on the wall clock 0.5)",
    )
    for name in ("build", "config", "clock", "timeout"):
        parser.add_argument(f"--{name}", **OPTIONS[name])
    parser.add_argument(
        "--kernel",
        metavar="NAME",
        default="",
        help="the kernel whose modules are built (default: that of --good, built whole; distro for "
        "SERIES); see `ksuite check --help`",
    )
    parser.add_argument(
        "--confidence",
        type=confidence,
        default=0.95,
        metavar="P",
        help="on the wall clock, how likely the culprit must be (default: 0.95)",
    )
    parser.add_argument(
        "--budget",
        type=minutes,
        default=240.0,
        metavar="MINUTES",
        help="on the wall clock, how long it may search (default: 240)",
    )
    parser.add_argument(
        "--output",
        metavar="DIRECTORY",
        action="store",
        type=Path,
        default=OUTPUT,
        help=f"where to write (default: {OUTPUT})",
    )
    parser.add_argument("--resume", action="store_true", help="go on with what OUTPUT has")
    parser.add_argument(
        "--replay",
        metavar="FILE",
        action="store",
        type=Path,
        help="take over what a `git bisect log` says; on the wall clock, only what it skips",
    )
    parser.add_argument(
        "--run-step", action="store_true", help="judge what git has come to, for `git bisect run`"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.run_step:
        return _step(options)
    must_be_writable(options.output)
    quest, seen, ground = _begun(options)
    if options.replay:
        seen = _replayed(options.replay, quest) | seen
    bisection_files.remove(options.output)

    def keep(all_seen: Mapping[str, Seen], on: Ground) -> None:
        write_state(quest, all_seen, on, options.output)

    if not quest.tree or commits_of_range(Path(quest.tree), quest.good, quest.bad):
        # Whatever else was begun there is over; but not for ends that were swapped.
        keep(seen, ground)
    try:
        with progress_line(sys.stderr) as progress:
            finding = Campaign(quest, seen, keep, progress, ground).run()
    except (SeriesError, KernelFault, DutError) as error:
        # No verdict on a series: there are none here.
        raise NothingToCompare(str(error)) from error
    bisection_files.write(finding, options.output)
    print(bisection.render(finding), end="")
    return int(ExitCode.PASS if _tells(finding) else ExitCode.INCOMPARABLE)


def _tells(finding: Finding) -> bool:
    if finding.outcome is Outcome.SERIES:
        return any(step.after.result not in UNTOLD for step in finding.steps)
    return finding.outcome in {Outcome.CULPRIT, Outcome.STEPS, Outcome.DRIFT}


def _begun(options: argparse.Namespace) -> tuple[Quest, dict[str, Seen], Ground]:
    """Return what is asked for, and what is known of it already, and on what that was seen."""
    if not options.resume:
        return _pinned(_quest(options)), {}, Ground()
    if others := [name for name in options.given if name != "--budget"]:
        raise UserError(
            f"--resume goes on with what was asked for, and takes no {', '.join(others)}: leave "
            "it out, or begin anew"
        )
    state = read_state(options.output)
    seen = {one.revision: one for one in state.seen}
    quest = state.quest
    if options.given:
        quest = replace(quest, budget_minutes=options.budget)
    return _pinned(quest), seen, state.ground


def _replayed(log: Path, quest: Quest) -> dict[str, Seen]:
    """Return what a log says of revisions between the ends."""
    if not quest.tree:
        raise UserError("--replay takes over what is known of commits: it goes with --tree")
    inside = commits_of_range(Path(quest.tree), quest.good, quest.bad) - {quest.bad}
    told, others = {}, []
    for result, written in git_bisect.read_log(log):
        # A hash may be abbreviated.
        fitting = [one for one in inside if one.startswith(written)]
        if len(fitting) == 1:
            told[fitting[0]] = Seen(fitting[0], result)
        elif not _is_end(written, quest):
            others.append(written[:12])
    if others:
        print(f"ksuite: not in the range, and passed over: {', '.join(others)}", file=sys.stderr)
    return told


def _is_end(written: str, quest: Quest) -> bool:
    return any(end.startswith(written) for end in (quest.good, quest.bad))


def _quest(options: argparse.Namespace) -> Quest:
    if options.patches and options.series:
        raise UserError("SERIES is bisected itself: --series goes with --tree")
    if options.patches and options.tree:
        raise UserError("bisect SERIES, or a range of --tree, with --series put on top")
    return Quest(
        tree=str(Path(options.tree).absolute()) if options.tree else "",
        good=options.good or "",
        bad=options.bad or "",
        series=series_from_anywhere(options.patches or options.series or ""),
        scenario=options.scenario or "",
        size=options.size,
        check=options.check or "",
        drop_percent=options.drop,
        kernel=kernel_from_anywhere(options.kernel),
        build=Build(options.build),
        config=options.config,
        clock=Clock(options.clock),
        timeout_seconds=options.timeout,
        confidence=options.confidence,
        budget_minutes=options.budget,
    )


def _pinned(quest: Quest) -> Quest:
    """Return a quest whose ends are commits: a branch may be another one when it goes on."""
    quest.must_make_sense()
    quest = replace(quest, kernel=pinned(quest.kernel) if quest.kernel else "")
    if not quest.tree:
        return quest
    must_be_tree(Path(quest.tree))
    good, bad = (commit_of(Path(quest.tree), one) for one in (quest.good, quest.bad))
    return replace(quest, good=good, bad=bad)


def _quest_of_git(options: argparse.Namespace) -> Quest:
    if options.resume or options.replay:
        raise UserError("--run-step judges one revision: it goes with no --resume or --replay")
    if options.patches:
        raise UserError("--run-step judges what is checked out in --tree: SERIES is none of it")
    moving = "HEAD", "BISECT_HEAD", "@"
    if any((end or "").startswith(moving) for end in (options.good, options.bad)):
        raise UserError("HEAD is what git has checked out, another commit each time: name the ends")
    if options.clock == Clock.WALL:
        raise UserError(
            "--run-step goes with the instruction clock: on the wall clock one boot is no verdict; "
            "`ksuite bisect --clock wall` searches by itself"
        )
    return _quest(options)


def is_step(arguments: Sequence[str]) -> bool:
    """Say whether arguments that can't be read were meant for ``git bisect run``."""
    shortest = len("--r")
    flags = [one for one in arguments if len(one) >= shortest and "--run-step".startswith(one)]
    return "bisect" in arguments and bool(flags)


def _step(options: argparse.Namespace) -> int:
    """Judge what is checked out, and answer as ``git bisect run`` wants it."""
    try:
        quest = _pinned(_quest_of_git(options))
        head = _head(Path(quest.tree))
        with progress_line(sys.stderr) as progress:
            side = Campaign(quest, {}, progress=progress).judge(head)
        print(f"{head[:12]}: {({1: 'bad', -1: 'good', 0: 'skip'})[side]}", flush=True)
    except KsuiteError as error:
        return _aborted(error, int(error.exit_code))
    except Exception as error:  # noqa: BLE001 (Python would end with 1, and git take it for bad)
        return _aborted(error, int(ExitCode.INFRASTRUCTURE))
    return {1: 1, -1: 0, 0: SKIP_STEP}[side]


def _head(tree: Path) -> str:
    """Return the commit that git asks for."""
    with suppress(UserError):
        # Where git checks nothing out, HEAD stays what it was: --no-checkout, or a bare repository.
        return commit_of(tree, "BISECT_HEAD")
    return commit_of(tree, "HEAD")


def _aborted(error: Exception, code: int) -> int:
    """Say why, where anybody can hear it, and return what ends ``git bisect run``."""
    with suppress(OSError):
        if isinstance(error, KsuiteError):
            print(f"ksuite: {printable(str(error))}", file=sys.stderr)
        else:
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # Python tries once more as it ends, and would end with 120: bad, as git takes it.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return ABORT + code
