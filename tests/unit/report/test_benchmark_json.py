# SPDX-License-Identifier: GPL-2.0-or-later
"""The candidate's costs as pytest-benchmark has them, read back by its own tool."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError
from ksuite.measure.result import NamedComparison
from ksuite.report.benchmark_json import as_plain, write
from tests.unit.measure.samples import comparison, result

if TYPE_CHECKING:
    from pathlib import Path

RESULT = result(
    costs=(
        NamedComparison("vhost_tx 64 B", comparison(0.1, 0.02)),
        NamedComparison("vhost_rx 64 B", comparison(0.0)),
    )
)


def test_cost_is_in_seconds_a_packet() -> None:
    told, exact = as_plain(RESULT)["benchmarks"]
    assert told["name"] == told["fullname"] == "vhost_tx 64 B"
    assert told["stats"]["median"] == pytest.approx(1.1e-6)
    assert told["stats"]["min"] == pytest.approx(1.089e-6)
    assert told["stats"]["max"] == pytest.approx(1.111e-6)
    assert told["stats"]["rounds"] == len(told["stats"]["data"]) == 3
    assert told["params"] == {"batch": 500, "frame_bytes": 64}
    assert exact["stats"]["stddev"] == 0


def test_comparison_with_the_base_is_told_beside() -> None:
    [told, _] = as_plain(RESULT)["benchmarks"]
    assert told["extra_info"] == {
        "clock": "instructions",
        "unit": "instructions/packet",
        "spread": pytest.approx(0.02),
        "base_median": 1000.0,
        "base_spread": pytest.approx(0.02),
        "change": pytest.approx(0.1),
        "difference": pytest.approx(100),
        "verdict": "REGRESSION",
    }


def test_machine_is_the_dut() -> None:
    machine = as_plain(RESULT)["machine_info"]
    assert machine["release"] == "6.1.0-1-amd64"
    assert "QEMU 7.2.22" in machine["ksuite"]


def test_refused_series_has_no_costs(tmp_path: Path) -> None:
    write(replace(result(), subject=None), tmp_path / "benchmark.json")
    told = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert told["benchmarks"] == []


def test_pytest_benchmark_reads_it(tmp_path: Path) -> None:
    """Its comparison is what this is written for."""
    path = tmp_path / "0001_it.json"
    write(RESULT, path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", path, "--columns", "median,rounds"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"vhost_tx 64 B.* +1\.1\d* ", done.stdout), done.stdout
    assert re.search(r"vhost_rx 64 B.* +1\.0\d* ", done.stdout), done.stdout


def test_place_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="can't write"):
        write(RESULT, tmp_path / "missing" / "benchmark.json")
