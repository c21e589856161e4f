# SPDX-License-Identifier: GPL-2.0-or-later
"""Stored baselines as files: one each, in pytest-benchmark's JSON, which its own tools read.

Its statistics are in seconds per packet. The exact windows, in the clock's unit, and all that makes
a cost comparable are in each one's ``extra_info``, and that is what is read back.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ksuite.errors import UserError
from ksuite.measure.baseline import Baseline, StoredCost
from ksuite.report.benchmark_json import benchmark, file_of
from ksuite.report.strict import read_object, structured
from ksuite.report.whole_file import must_be_writable, write_json

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""Raised whenever an older ksuite would misread what is written."""
MARK = "ksuite_baseline"
"""Where a file has its format; pytest-benchmark's own have no such thing."""
WHAT = "baseline"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_NAME = 100


def baseline_path(directory: Path, name: str) -> Path:
    """Return where a baseline is.

    :raises UserError: it can't have this name.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UserError(
            f"{name!r:.120} is no name of a baseline: it begins with a letter or digit, and goes "
            "on with these, dots, dashes and underscores"
        )
    return directory / f"{name}.json"


def baseline_names(directory: Path) -> list[str]:
    """Return the names of all baselines in a directory; none where it is missing."""
    found = (path.stem for path in directory.glob("*.json") if _NAME.fullmatch(path.stem))
    return sorted(found)


def read_baseline(directory: Path, name: str) -> Baseline:
    """Read a stored baseline.

    :raises UserError: there is none of this name, or the file is none that we wrote.
    """
    path = baseline_path(directory, name)
    if not path.exists():
        known = ", ".join(baseline_names(directory)) or "none"
        raise UserError(f"no baseline {name!r} in {directory}; there are: {known}")
    data = read_object(path, WHAT)
    _must_be_ours(data, path)
    made = structured(data.get("datetime"), str, path, WHAT)
    costs: dict[str, StoredCost] = {}
    for one in structured(data.get("benchmarks"), list[dict[str, Any]], path, WHAT):
        cost_name = structured(one.get("name"), str, path, WHAT)
        if cost_name in costs:
            raise UserError(f"{path} is no baseline: it has {cost_name!r:.60} twice")
        costs[cost_name] = structured(one.get("extra_info"), StoredCost, path, WHAT)
    if not costs:
        raise UserError(f"{path} is no baseline: no cost is in it")
    return Baseline(name, made, costs)


def _must_be_ours(data: dict[str, Any], path: Path) -> None:
    written = data.get(MARK)
    if written is None:
        raise UserError(f"{path} is no baseline: `ksuite baseline save` has not written it")
    if type(written) is not int or written < 1:
        raise UserError(f"{path} is no baseline: {written!r:.60} is no format")
    if written > FORMAT:
        raise UserError(f"{path} is of format {written}, and this ksuite knows {FORMAT}: update it")


def as_plain(baseline: Baseline) -> dict[str, Any]:
    """Return a baseline in pytest-benchmark's layout."""
    benchmarks = [
        benchmark(name, stored.cost, asdict(stored)) for name, stored in baseline.costs.items()
    ]
    # No property of this host or checkout: a baseline says the same wherever it was made.
    return file_of(benchmarks, {}, {}, baseline.made) | {MARK: FORMAT}


def write_baseline(baseline: Baseline, directory: Path, *, replace: bool = False) -> Path:
    """Write a baseline whole or not at all, and return where it is.

    :param replace: one of the same name; of several at once the last one then stands, whole.
    :raises UserError: there is one of this name already, or it can't have it.
    :raises InfrastructureError: it can't be written.
    """
    path = baseline_path(directory, baseline.name)
    must_be_writable(directory)
    try:
        write_json(as_plain(baseline), path, replace=replace)
    except FileExistsError as error:
        msg = f"there is a baseline {baseline.name!r} in {directory} already: replace it by --force"
        raise UserError(msg) from error
    return path
