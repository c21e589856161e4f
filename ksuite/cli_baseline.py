# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite baseline``: costs that are kept, and what is compared with them."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns import baselines
from ksuite.campaigns.cost_names import thresholds_of
from ksuite.campaigns.options import OPTIONS, jobs
from ksuite.campaigns.suites import BASELINES, SUITES, check_scenario, suites_for
from ksuite.cli_running import runner_arguments
from ksuite.errors import ExitCode, InfrastructureError, KsuiteError, NothingToCompare, UserError
from ksuite.kernels.series import read_series
from ksuite.machines.console import printable
from ksuite.measure.result import CANDIDATE, VARIANTS
from ksuite.measure.thresholds import Thresholds
from ksuite.measure.verdict import EXIT_CODES, Verdict, overall
from ksuite.report import cost_tables, json_file
from ksuite.report.baseline_file import (
    baseline_names,
    baseline_path,
    read_baseline,
    write_baseline,
)
from ksuite.report.whole_file import must_be_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ksuite.campaigns.suites import Suite
    from ksuite.measure.baseline import Baseline
    from ksuite.measure.cost import Cost
    from ksuite.measure.result import CheckResult

HELP = "keep costs, and compare others with them"
DESCRIPTION = """\
A baseline is a file of costs, with all that must be equal for others to be compared with them (the
fingerprint) and where they are from. Costs of restored guests hold on any machine: no property of
a host is in them. The file is JSON as pytest-benchmark writes it, in seconds per packet, and
`pytest-benchmark compare DIR/A.json DIR/B.json` reads it.

To judge a series by a baseline: ksuite check SERIES --baseline NAME [--costs-only]
"""
SAVE = """\
Measure costs and keep them as NAME. With SERIES these are the candidate's, in the suites that the
series touches. Without, they are of the distro's source as it is: in each suite the modules are
built, unpatched, that its default series touches.

With --from nothing is measured: the costs are those in a result that --json has written. A result
of a kernel that fails its checks makes no baseline.

A name that is taken needs --force; of two that save the same name at once without it, the second
is refused. What is written is always whole.
"""
COMPARE = """\
Compare with the baseline NAME another baseline, the candidate's costs in a result that --json has
written (a path that ends in .json), or, without either, the distro's costs, measured now.

With --scenario only the costs of this suite or scenario are compared.

Only equal fingerprints can be compared: else the answer is INCOMPARABLE, with the fields that
differ. What only one of both has is named, and judged by nothing.
"""
PRUNE = """\
Remove baselines by name, or with --stale all those of which this ksuite can measure no cost any
more: their scenarios are gone, or of another version. A file that can't be read is left alone.
"""
EXIT_CODES_TOLD = """\
exit codes:
  0    done; what was compared passes
  1    a cost rose, or what was to be measured fails
  2    usage: no such baseline, a name that is taken or impossible, a file that is no baseline
  3    infrastructure: a missing tool, a full disk, a guest that doesn't come up
  4    incomparable, or nothing to save or to compare
  130  interrupted
"""
MEASURING = ("kernel", "scenario", "clock", "root", "packages", "timeout")
"""The options of a check that costs are measured with."""


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add ours to a parser."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, description: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=description,
            epilog=EXIT_CODES_TOLD,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument(
            "--directory",
            type=Path,
            default=BASELINES,
            metavar="DIR",
            help="where they are (default: tests/baselines of the checkout)",
        )
        added.set_defaults(run=run)
        return added

    save = command("save", _save, "measure costs, or take a result's, and keep them", SAVE)
    save.add_argument("name", metavar="NAME")
    save.add_argument("series", metavar="SERIES", nargs="?")
    save.add_argument("--from", dest="result", metavar="RESULT.json", type=Path)
    save.add_argument("--variant", choices=VARIANTS, help="whose, of a result (default: candidate)")
    save.add_argument("--force", action="store_true", help="replace what has this name")
    _add_measuring(save)
    command("list", _list, "which there are", "Tell which baselines there are.")
    show = command(
        "show", _show, "one's costs", "Tell a baseline's costs, and what they were taken with."
    )
    show.add_argument("name", metavar="NAME")
    compare = command(
        "compare", _compare, "another's costs, or those measured now, with one's", COMPARE
    )
    compare.add_argument("name", metavar="NAME")
    compare.add_argument("other", metavar="OTHER|RESULT.json", nargs="?")
    compare.add_argument("--thresholds", **OPTIONS["thresholds"])
    compare.add_argument(
        "--threshold",
        type=_percent,
        metavar="PERCENT",
        help="from when a change of a cost counts that has no threshold of its own (default: 0.3)",
    )
    _add_measuring(compare)
    prune = command("prune", _prune, "remove some", PRUNE)
    prune.add_argument("names", metavar="NAME", nargs="*")
    prune.add_argument("--stale", action="store_true", help="those that are of no more use")
    prune.add_argument("--dry-run", action="store_true", help="only say which")


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where costs are measured")
    for name in MEASURING:
        group.add_argument(f"--{name}", **OPTIONS[name])
    group.add_argument("--jobs", type=jobs, metavar="N", help="restored guests at once")


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value < 100 or math.isnan(value):
        raise ValueError(f"no percentage: {text}")
    return value


def _save(options: argparse.Namespace) -> int:
    path = baseline_path(options.directory, options.name)
    if options.result and options.series:
        raise UserError("SERIES is measured, and --from measures nothing: give one of them")
    if options.result:
        _must_measure_nothing(options, "--from")
    if options.variant and not options.result:
        raise UserError("--variant tells which costs of a result to take: it goes with --from")
    if options.scenario:
        check_scenario(options.scenario)
    if path.exists() and not options.force:
        raise UserError(f"there is a baseline {options.name!r} already: replace it by --force")
    must_be_writable(options.directory)
    if options.result:
        results = [json_file.read(options.result)]
    else:
        files = read_series(options.series).files if options.series else ()
        suites = suites_for(files, options.scenario or "") if files else SUITES
        results = _measure(options, suites)
    variant = options.variant or CANDIDATE
    baseline = baselines.make(options.name, results, variant, options.scenario)
    written = write_baseline(baseline, options.directory, replace=options.force)
    print(f"{len(baseline.costs)} costs are kept as {baseline.name}, in {printable(str(written))}")
    return int(ExitCode.PASS)


def _must_measure_nothing(options: argparse.Namespace, instead: str) -> None:
    """Refuse what says how to measure, where costs are taken from elsewhere."""
    given = [
        f"--{name}"
        for name in MEASURING
        if name != "scenario" and getattr(options, name) != OPTIONS[name].get("default")
    ]
    given += ["--jobs"] if options.jobs is not None else []
    if given:
        msg = f"{', '.join(given)}: nothing is measured, the costs are those of {instead}"
        raise UserError(msg)


def _list(options: argparse.Namespace) -> int:
    found, code = _readable(options.directory)
    print(cost_tables.as_text(cost_tables.listed(found)), end="")
    return int(code)


def _readable(directory: Path) -> tuple[list[Baseline], ExitCode]:
    """Return the baselines that can be read, and complain of the others."""
    found, code = [], ExitCode.PASS
    for name in baseline_names(directory):
        try:
            found.append(read_baseline(directory, name))
        except UserError as error:
            print(f"ksuite: {printable(str(error))}", file=sys.stderr)
            code = ExitCode.USAGE
    return found, code


def _show(options: argparse.Namespace) -> int:
    baseline = read_baseline(options.directory, options.name)
    print(cost_tables.as_text(cost_tables.conditions(baseline)), end="")
    print(cost_tables.as_text(cost_tables.stored(baseline)), end="")
    return int(ExitCode.PASS)


def _compare(options: argparse.Namespace) -> int:
    if options.scenario:
        check_scenario(options.scenario)
    if options.other is not None:
        _must_measure_nothing(options, options.other)
    baseline = read_baseline(options.directory, options.name)
    thresholds = thresholds_of(Path(options.thresholds)) if options.thresholds else Thresholds()
    if options.threshold is not None:
        thresholds = replace(thresholds, default=options.threshold)
    costs = baselines.of_scenario(_others(options, baseline), options.scenario)
    mine = baselines.of_scenario(
        {name: stored.cost for name, stored in baseline.costs.items()}, options.scenario
    )
    compared = baselines.compare(baseline, costs, thresholds)
    print(cost_tables.as_text(cost_tables.compared(compared)), end="")
    for text in cost_tables.reasons(compared):
        print(cost_tables.as_text(text), end="")
    for where, names, others in (
        (f"only in {baseline.name}", mine, costs),
        (f"not in {baseline.name}", costs, mine),
    ):
        if alone := [name for name in names if name not in others]:
            print(f"{where}: {printable(', '.join(alone))}")
    verdict = overall(named.comparison.verdict for named in compared)
    print(f"verdict: {verdict} (exit {int(EXIT_CODES[verdict])})")
    return int(EXIT_CODES[verdict])


def _others(options: argparse.Namespace, baseline: Baseline) -> dict[str, Cost]:
    """Return what is to be compared with a baseline, by name."""
    if options.other is None:
        results = _measure(options, _suites_of(baseline))
        return {
            name: cost
            for result in results
            for name, cost in baselines.costs_of(result, CANDIDATE).items()
        }
    if options.other.endswith(".json"):
        result = json_file.read(Path(options.other))
        baselines.must_be_sound(result)
        return baselines.costs_of(result, CANDIDATE)
    other = read_baseline(options.directory, options.other)
    return {name: stored.cost for name, stored in other.costs.items()}


def _suites_of(baseline: Baseline) -> list[Suite]:
    scenarios = {stored.cost.fingerprint.scenario for stored in baseline.costs.values()}
    return [suite for suite in SUITES if scenarios & set(suite.scenarios)]


def _prune(options: argparse.Namespace) -> int:
    if bool(options.names) == options.stale:
        raise UserError("prune takes names of baselines, or --stale")
    code = ExitCode.PASS
    names = options.names
    if options.stale:
        found, code = _readable(options.directory)
        names = [baseline.name for baseline in found if baselines.stale(baseline)]
    paths = [baseline_path(options.directory, name) for name in names]
    for name, path in zip(names, paths, strict=True):
        if not path.exists():
            raise UserError(f"no baseline {name!r} in {options.directory}")
    for path in paths:
        if not options.dry_run:
            _remove(path)
        print(f"{'would remove' if options.dry_run else 'removed'} {path.stem}")
    return int(code)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InfrastructureError(f"can't remove {path}: {error.strerror}") from error


def _measure(options: argparse.Namespace, suites: Iterable[Suite]) -> list[CheckResult]:
    """Measure a series' costs, or each suite's of the distro's source.

    :raises KsuiteError: they could not be measured; what the run said has been printed.
    """
    wanted = options.scenario
    measuring = [suite for suite in suites if suite.measures]
    chosen = [one for one in measuring if not wanted or one.answers_to(wanted)]
    if not chosen:
        raise NothingToCompare(f"no suite that exercises the series has a scenario {wanted!r}")
    series = getattr(options, "series", None)
    runs = [(series, chosen)] if series else [(suite.series, [suite]) for suite in chosen]
    results = []
    for one, together in runs:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "result.json"
            arguments = runner_arguments(options, MEASURING, together, one)
            arguments += ["--ks-costs-only", *([] if series else ["--ks-unpatched"])]
            code = _run([*arguments, "--ks-json", str(place), "-q"])
            result = json_file.read(place) if place.exists() else None
        if result is None or result.error or result.verdict in {Verdict.FAIL, Verdict.ERROR}:
            failed = KsuiteError("the costs could not be measured")
            known = code in set(ExitCode) and code != ExitCode.PASS
            failed.exit_code = ExitCode(code) if known else ExitCode.INFRASTRUCTURE
            raise failed
        results.append(result)
    return results


def _run(arguments: list[str]) -> int:
    """Run suites in a process of their own, as pytest wants, and let it clear up in any case."""
    with subprocess.Popen([sys.executable, "-m", "ksuite.runner", *arguments]) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
