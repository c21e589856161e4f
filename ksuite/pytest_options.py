# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite's options in pytest, ``--ks-*``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.cost_names import thresholds_of
from ksuite.campaigns.differences import DIFFERENCES, Difference, read_differences
from ksuite.campaigns.gate_check import Asked
from ksuite.campaigns.gate_file import read_gate_file
from ksuite.campaigns.options import OPTIONS, Attribute, Build, CheckOptions, Recall, jobs
from ksuite.campaigns.suites import BASELINES
from ksuite.machines.machine import Clock, Root
from ksuite.measure.thresholds import Thresholds
from ksuite.report.baseline_file import read_baseline

if TYPE_CHECKING:
    from ksuite.measure.baseline import Baseline

ASKED = pytest.StashKey[Asked]()


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
    group.addoption(
        "--ks-any-change",
        action="store_true",
        help="judge a series of which the tests exercise nothing, too: for a bisection, which asks "
        "whether they pass, and not what that says",
    )
    group.addoption(
        "--ks-gate",
        metavar="FILE",
        help="judge the out-of-tree modules that FILE describes, and no series (see ksuite gate)",
    )
    group.addoption(
        "--ks-gate-output", metavar="DIRECTORY", help="no part of them: where the gate writes"
    )
    for side in ("base", "head"):
        group.addoption(
            f"--ks-gate-{side}", metavar="REV", default="", help=f"revision that is their {side}"
        )


def gate_of(config: pytest.Config) -> Asked | None:
    """Return which out-of-tree modules are judged; None where a series is.

    :raises UserError: their file can't be read.
    """
    if (given := config.getoption("--ks-gate")) is None:
        return None
    if ASKED not in config.stash:
        base, head = (config.getoption(f"--ks-gate-{side}") for side in ("base", "head"))
        alone = config.getoption("--ks-candidate-only")
        output = Path(place) if (place := config.getoption("--ks-gate-output")) else None
        config.stash[ASKED] = Asked(read_gate_file(Path(given)), base, head, alone, output)
    return config.stash[ASKED]


def options_of(config: pytest.Config) -> CheckOptions:
    """Return what was chosen.

    :raises UserError: a file that an option names can't be read.
    """

    def path(option: str) -> Path | None:
        return Path(given) if (given := config.getoption(option)) else None

    thresholds = path("--ks-thresholds")
    options = CheckOptions(
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
        any_change=config.getoption("--ks-any-change"),
    )
    asked = gate_of(config)
    if asked is None:
        return options
    alone = (not asked.base or asked.alone) and options.baseline is None
    return replace(
        options, thresholds=asked.file.thresholds, packages=asked.file.packages, alone=alone
    )


def _differences(config: pytest.Config) -> tuple[Difference, ...]:
    given = config.getoption("--ks-differences")
    path = Path(given) if given else config.rootpath / DIFFERENCES
    return read_differences(path) if given or path.exists() else ()


def _baseline(config: pytest.Config) -> Baseline | None:
    if (name := config.getoption("--ks-baseline")) is None:
        return None
    return read_baseline(Path(config.getoption("--ks-baselines") or BASELINES), name)
