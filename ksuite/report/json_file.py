# SPDX-License-Identifier: GPL-2.0-or-later
"""A check's result as JSON; the schema is described in docs/result-v1.schema.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ksuite.errors import UserError
from ksuite.measure.result import CheckResult
from ksuite.report.strict import read_object, structured
from ksuite.report.whole_file import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.measure.cost import Cost

SCHEMA = 1
"""Raised when a field changes its meaning or goes away; new fields don't raise it."""
WHAT = "result"


def as_plain(result: CheckResult) -> dict[str, Any]:
    """Return a result as what `json` takes."""
    return {
        "schema": SCHEMA,
        "ksuite": result.ksuite,
        "verdict": str(result.verdict),
        "exit_code": int(result.exit_code),
        "error": result.error,
        "started": result.started,
        "seconds": round(result.seconds, 3),
        "subject": asdict(result.subject) if result.subject else None,
        "tests": [asdict(outcome) for outcome in result.outcomes],
        "costs": [
            {
                "name": named.name,
                "verdict": str(named.comparison.verdict),
                "reason": named.comparison.reason,
                "change": named.comparison.change,
                "difference": named.comparison.difference,
                "threshold": named.comparison.threshold,
                "base": _cost(named.comparison.base),
                "candidate": _cost(named.comparison.candidate),
                "note": named.note,
                "baseline": named.baseline,
                "attribution": asdict(named.attribution) if named.attribution else None,
            }
            for named in result.comparisons
        ],
        "measured": [{"name": named.name, "cost": _cost(named.cost)} for named in result.measured],
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "median": cost.median,
        "unit": cost.unit,
        "spread": cost.spread,
        "windows": list(cost.windows),
        "guests": cost.guests,
        "recalled": cost.recalled,
        "fingerprint": asdict(cost.fingerprint),
    }


def write(result: CheckResult, path: Path) -> None:
    """Write a result, whole or not at all.

    :raises InfrastructureError: the file can't be written.
    """
    write_json(as_plain(result), path)


def read(path: Path) -> CheckResult:
    """Read a result that was written as JSON.

    :raises UserError: it can't be read, or is no result, or a later ksuite's.
    """
    data = read_object(path, WHAT)
    schema = data.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise UserError(f"{path} is of schema {schema}, and this ksuite knows {SCHEMA}: update it")
    if schema != SCHEMA:
        raise UserError(f"{path} is no result: it has not been written with --json")
    costs = structured(data.get("costs"), list[dict[str, Any]], path, WHAT)
    compared = [{**cost, "comparison": cost} for cost in costs]
    plain = {**data, "outcomes": data.get("tests"), "comparisons": compared}
    result = structured(plain, CheckResult, path, WHAT)
    names = [one.name for one in result.comparisons] + [one.name for one in result.measured]
    if len(set(names)) != len(names):
        raise UserError(f"{path} is no result: it has two costs of one name")
    return result
