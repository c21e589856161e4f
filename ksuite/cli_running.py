# SPDX-License-Identifier: GPL-2.0-or-later
"""From a command's options to the arguments that its suites are run with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.campaigns.options import OPTIONS, jobs
from ksuite.errors import InfrastructureError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from ksuite.campaigns.suites import Suite


def add_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add options that mean the same to the runner, and how many guests run at once."""
    for name in names:
        parser.add_argument(f"--{name}", **OPTIONS[name])
    parser.add_argument(
        "--jobs",
        type=jobs,
        metavar="N",
        help="restored guests that may run at once (default: the number of CPUs)",
    )


def runner_arguments(
    options: argparse.Namespace, names: Iterable[str], suites: Sequence[Suite], series: str
) -> list[str]:
    """Return the runner's arguments.

    :param names: of the options that mean the same to it.
    :raises InfrastructureError: a suite is missing.
    """
    arguments = [*_directories(suites, options.scenario), "--ks-series", series]
    for name in names:
        value = getattr(options, name.replace("-", "_"))
        if value is True:
            arguments += [f"--ks-{name}"]
        elif isinstance(value, tuple):
            arguments += [f"--ks-{name}={','.join(value)}"] if value else []
        # What nobody has chosen is empty or 0, and the suites choose it themselves.
        elif value:
            arguments += [f"--ks-{name}", str(value)]
    return [*arguments, "--dist", "worksteal", *_processes(options.jobs)]


def _processes(jobs: int | None) -> list[str]:
    """Return how many processes run the tests, each one guest at a time; one needs no workers."""
    if jobs is None:
        return ["-n", "auto"]
    return ["-n", str(jobs if jobs > 1 else 0), "--ks-jobs", "1"]


def _directories(suites: Sequence[Suite], scenario: str | None) -> list[str]:
    chosen = [suite for suite in suites if not scenario or suite.answers_to(scenario)] or suites
    missing = [suite.directory for suite in chosen if not suite.directory.is_dir()]
    if missing:
        raise InfrastructureError(f"{missing[0]} is missing: run ksuite from its checkout")
    return [str(suite.directory) for suite in chosen]
