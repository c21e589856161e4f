# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite's options in pytest, ``--ks-*``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.differences import DIFFERENCES, Difference, read_differences
from ksuite.campaigns.options import OPTIONS, Attribute, Build, CheckOptions, Recall, jobs
from ksuite.campaigns.suites import BASELINES, SUITES
from ksuite.dut import loops
from ksuite.errors import UserError
from ksuite.machines.machine import Clock, Root
from ksuite.measure.thresholds import Thresholds, read_thresholds
from ksuite.report.baseline_file import read_baseline

if TYPE_CHECKING:
    import pytest

    from ksuite.measure.baseline import Baseline

_COST = re.compile(r"(\S+) \d+ (\S+)")


def add_options(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("ksuite", "kernel patch validation (ksuite)")
    group.addoption(
        "--ks-series",
        metavar="PATH",
        help="series to judge: an mbox, a patch, a quilt directory, or TREE:REV..REV "
        "(default: the suite's own, from patches/)",
    )
    group.addoption(
        "--ks-jobs",
        type=jobs,
        default=0,
        metavar="N",
        help="restored guests that one process may measure in at once (default: the number of "
        "CPUs, shared among the processes of -n)",
    )
    for name, settings in OPTIONS.items():
        group.addoption(f"--ks-{name}", **settings)


def options_of(config: pytest.Config) -> CheckOptions:
    """Return what was chosen.

    :raises UserError: a file that an option names can't be read.
    """

    def path(option: str) -> Path | None:
        return Path(given) if (given := config.getoption(option)) else None

    thresholds = path("--ks-thresholds")
    return CheckOptions(
        series=config.getoption("--ks-series") or "",
        kernel=config.getoption("--ks-kernel"),
        clock=Clock(config.getoption("--ks-clock")),
        timeout_seconds=config.getoption("--ks-timeout"),
        root=Root(root) if (root := config.getoption("--ks-root")) else None,
        jobs=config.getoption("--ks-jobs"),
        packages=path("--ks-packages"),
        thresholds=thresholds_of(thresholds) if thresholds else Thresholds(),
        attribute=Attribute(config.getoption("--ks-attribute")),
        recall=Recall(config.getoption("--ks-recall")),
        baseline=_baseline(config),
        costs_only=config.getoption("--ks-costs-only"),
        unpatched=config.getoption("--ks-unpatched"),
        vcpus=config.getoption("--ks-vcpus"),
        build=Build(config.getoption("--ks-build")),
        config=config.getoption("--ks-config"),
        differences=_differences(config),
    )


def _differences(config: pytest.Config) -> tuple[Difference, ...]:
    given = config.getoption("--ks-differences")
    path = Path(given) if given else config.rootpath / DIFFERENCES
    return read_differences(path) if given or path.exists() else ()


def _baseline(config: pytest.Config) -> Baseline | None:
    if (name := config.getoption("--ks-baseline")) is None:
        return None
    return read_baseline(Path(config.getoption("--ks-baselines") or BASELINES), name)


def thresholds_of(path: Path) -> Thresholds:
    """Read a file of thresholds for costs that can be measured.

    :raises UserError: as `read_thresholds`, and for the name of a cost that no suite has.
    """
    thresholds = read_thresholds(path)
    for name in thresholds.own:
        if not _is_cost(name):
            example = f"{SUITES[0].scenarios[0]} 64 B"
            raise UserError(f"{path}: no cost is named {name!r:.60}; one is named {example!r}")
    return thresholds


def _is_cost(name: str) -> bool:
    """Whether a scenario's cost, in its unit, may have this name."""
    words = _COST.fullmatch(name)
    try:
        return words is not None and loops.size_of(words[1]).unit == words[2]
    except KeyError:
        return False
