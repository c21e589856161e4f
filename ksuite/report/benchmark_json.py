# SPDX-License-Identifier: GPL-2.0-or-later
"""The candidate's costs as pytest-benchmark writes them, for the tools that read that.

pytest-benchmark itself measures this process's clock, and switches itself off under pytest-xdist;
what is written here are the DUT's clock's seconds a packet.
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest_benchmark
from pytest_benchmark.stats import Stats
from pytest_benchmark.utils import get_commit_info

from ksuite.report.whole_file import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.measure.result import CheckResult, NamedComparison

NANOSECOND = 1e-9


def as_plain(result: CheckResult) -> dict[str, Any]:
    """Return a result's costs in pytest-benchmark's layout."""
    machine = {"node": "", "machine": platform.machine(), "system": "Linux", "cpu": {}}
    if result.subject:
        machine |= {"release": result.subject.kernel, "ksuite": result.subject.machine}
    return {
        "machine_info": machine,
        "commit_info": get_commit_info(),
        "benchmarks": [_benchmark(named) for named in result.comparisons],
        "datetime": datetime.now(UTC).isoformat(),
        "version": pytest_benchmark.__version__,
    }


def _benchmark(named: NamedComparison) -> dict[str, Any]:
    comparison = named.comparison
    cost = comparison.candidate
    stats = Stats()
    for value in cost.windows:
        stats.update(value * NANOSECOND)
    parameters = dict(cost.fingerprint.parameters)
    return {
        "group": cost.fingerprint.scenario,
        "name": named.name,
        "fullname": named.name,
        "params": parameters,
        "param": None,
        "extra_info": {
            "clock": str(cost.fingerprint.clock),
            "unit": cost.unit,
            "spread": cost.spread,
            "base_median": comparison.base.median,
            "base_spread": comparison.base.spread,
            "change": comparison.change,
            "difference": comparison.difference,
            "verdict": str(comparison.verdict),
        },
        "options": {},
        "stats": stats.as_dict() | {"data": stats.data, "iterations": 1},
    }


def write(result: CheckResult, path: Path) -> None:
    """Write a result's costs, whole or not at all.

    :raises InfrastructureError: the file can't be written.
    """
    write_json(as_plain(result), path)
