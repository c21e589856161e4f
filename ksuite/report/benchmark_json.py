# SPDX-License-Identifier: GPL-2.0-or-later
"""The candidate's costs as pytest-benchmark writes them, for the tools that read that.

pytest-benchmark itself measures this process's clock, and switches itself off under pytest-xdist;
what is written here are the DUT's clock's seconds a packet.
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ksuite.report.whole_file import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.measure.cost import Cost
    from ksuite.measure.result import CheckResult, NamedComparison

NANOSECOND = 1e-9


def as_plain(result: CheckResult) -> dict[str, Any]:
    """Return a result's costs in pytest-benchmark's layout."""
    from pytest_benchmark.utils import get_commit_info  # noqa: PLC0415

    machine = {"node": "", "machine": platform.machine(), "system": "Linux", "cpu": {}}
    if result.subject:
        machine |= {"release": result.subject.kernel, "ksuite": result.subject.machine}
    benchmarks = [
        benchmark(named.name, named.comparison.candidate, _compared(named))
        for named in result.comparisons
    ]
    benchmarks += [
        benchmark(named.name, named.cost, _measured(named.cost)) for named in result.measured
    ]
    return file_of(benchmarks, machine, get_commit_info(), datetime.now(UTC).isoformat())


def file_of(
    benchmarks: list[dict[str, Any]], machine: dict[str, Any], commit: dict[str, Any], made: str
) -> dict[str, Any]:
    """Return all that a file of pytest-benchmark's holds."""
    # It imports pytest, and what only reads its files has to work where that is missing.
    from pytest_benchmark import __version__  # noqa: PLC0415

    return {
        "machine_info": machine,
        "commit_info": commit,
        "benchmarks": benchmarks,
        "datetime": made,
        "version": __version__,
    }


def benchmark(name: str, cost: Cost, extra_info: dict[str, Any]) -> dict[str, Any]:
    """Return a cost as one benchmark of such a file."""
    from pytest_benchmark.stats import Stats  # noqa: PLC0415

    stats = Stats()
    for value in cost.windows:
        stats.update(value * NANOSECOND)
    return {
        "group": cost.fingerprint.scenario,
        "name": name,
        "fullname": name,
        "params": dict(cost.fingerprint.parameters),
        "param": None,
        "extra_info": extra_info,
        "options": {},
        "stats": stats.as_dict() | {"data": stats.data, "iterations": 1},
    }


def _measured(cost: Cost) -> dict[str, Any]:
    return {"clock": str(cost.fingerprint.clock), "unit": cost.unit, "spread": cost.spread}


def _compared(named: NamedComparison) -> dict[str, Any]:
    comparison = named.comparison
    return _measured(comparison.candidate) | {
        "base_median": comparison.base.median,
        "base_spread": comparison.base.spread,
        "change": comparison.change,
        "difference": comparison.difference,
        "verdict": str(comparison.verdict),
    }


def write(result: CheckResult, path: Path) -> None:
    """Write a result's costs, whole or not at all.

    :raises InfrastructureError: the file can't be written.
    """
    write_json(as_plain(result), path)
