# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as KernelCI's database takes them: the KCIDB I/O schema, version 5.3.

That has no field for a failure which is waived: what is the base's is left out, and what is
expected is SKIP; ``misc`` says so of both.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from ksuite.errors import UserError
from ksuite.measure.result import BASE
from ksuite.measure.verdict import Verdict
from ksuite.report.cases import about, cases, clean, one_line, run_verdict, started, titles
from ksuite.report.json_file import as_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.measure.result import CheckResult
    from ksuite.report.cases import Case

VERSION = {"major": 5, "minor": 3}
ORIGIN = "ksuite"
_ORIGIN = re.compile("[a-z0-9_]+")
OUTWARD = {
    Verdict.PASS: "PASS",
    Verdict.IMPROVED: "PASS",
    Verdict.FLAKY: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.REGRESSION: "FAIL",
    Verdict.ERROR: "ERROR",
    Verdict.INCOMPARABLE: "SKIP",
    Verdict.SKIP: "SKIP",
}
EXCUSED = "SKIP"
MEASURED = "DONE"
"""In place of SKIP where there is a number nonetheless."""
NOT_RUN = "MISS"
"""In place of ERROR where it is not one test that came to nothing."""
FUNCTION = "function"
MOST_COMMENT = 500


def render(results: Sequence[CheckResult], origin: str = ORIGIN) -> str:
    """Return results as one report.

    :param origin: who submits it; the same result gets the same ids each time, and is told once.
    :raises UserError: nobody can have this name.
    """
    if not _ORIGIN.fullmatch(origin):
        raise UserError(f"{origin!r:.60} is no origin: it is of a-z, 0-9 and underscores")
    report: dict[str, Any] = {"version": VERSION, "checkouts": [], "builds": [], "tests": []}
    for result, title in zip(results, titles(results), strict=True):
        one = f"{origin}:{_digest(result)}"
        if any(checkout["id"] == one for checkout in report["checkouts"]):
            continue
        report["checkouts"].append(_checkout(result, one, origin, title))
        report["builds"].append(_build(result, one, origin))
        if _was_built(result):
            report["tests"] += _tests(result, one, origin)
    return f"{json.dumps(report, indent=1)}\n"


def _digest(result: CheckResult) -> str:
    return hashlib.sha256(json.dumps(as_plain(result)).encode()).hexdigest()[:32]


def _checkout(result: CheckResult, one: str, origin: str, title: str) -> dict[str, Any]:
    told = {"id": one, "origin": origin, "comment": title, "misc": about(result)}
    # Where nothing was judged, nobody says whether it was for a patch that does not apply.
    return told | _when(result) | ({"valid": True} if result.subject else {})


def _was_built(result: CheckResult) -> bool:
    """Say whether there was something to test; a gate knows its subject before that."""
    subject = result.subject
    return subject is not None and bool(subject.modules or result.outcomes or not result.error)


def _build(result: CheckResult, one: str, origin: str) -> dict[str, Any]:
    told: dict[str, Any] = {"id": one, "checkout_id": one, "origin": origin, **_when(result)}
    subject = result.subject
    if subject is None or not _was_built(result):
        told["status"] = OUTWARD[run_verdict(result)]
        return told | _excerpt(clean(result.error))
    modules = {one_line(name): clean("\n".join(built)) for name, built in subject.modules.items()}
    told["misc"] = {"modules": modules, "identical": subject.identical}
    told |= {"status": "PASS", "comment": one_line(subject.built, MOST_COMMENT)}
    costs = [named.comparison.candidate for named in result.comparisons]
    costs += [named.cost for named in result.measured]
    return told | ({"compiler": one_line(costs[0].fingerprint.compiler)} if costs else {})


def _tests(result: CheckResult, one: str, origin: str) -> list[dict[str, Any]]:
    told = cases(result)
    of_base = {case.name: str(case.verdict) for case in told if case.side == BASE}
    tests = []
    for number, case in enumerate(told, 1):
        # Our own trouble counts wherever it came up.
        if case.side == BASE and case.verdict is not Verdict.ERROR:
            continue
        test = {"id": f"{one}-{number}", "build_id": one, "origin": origin}
        tests.append(test | _when(result) | _environment(result) | _test(case, of_base))
    return tests


def _test(case: Case, of_base: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "path": _path(case),
        "status": _status(case),
        "duration": case.seconds,
        "comment": one_line(_comment(case), MOST_COMMENT),
    }
    misc: dict[str, Any] = {"verdict": str(case.verdict), "test": case.test}
    if case.side == BASE:
        misc["variant"] = BASE
    elif case.name in of_base:
        misc["base_verdict"] = of_base[case.name]
    misc |= {name: text for name in ("expected", "command") if (text := getattr(case, name))}
    misc |= {"recalled": True} if case.recalled else {}
    if case.figures:
        told["number"] = {"value": case.figures["candidate"], "unit": case.figures["unit"]}
        misc["cost"] = case.figures
    return told | {"misc": misc} | _excerpt("\n".join(filter(None, (case.detail, case.console))))


def _comment(case: Case) -> str:
    said = case.excused or case.told or case.why
    return f"{case.name}: {said}" if said else case.name


def _status(case: Case) -> str:
    if case.excused:
        return EXCUSED
    status = OUTWARD[case.verdict]
    if case.figures and status == OUTWARD[Verdict.SKIP]:
        return MEASURED
    return NOT_RUN if case.of_run and case.verdict is Verdict.ERROR else status


def _path(case: Case) -> str:
    """Return where a test is among all of ours: ``ksuite.cost.vhost_tx.64_B``."""
    if case.of_run:
        return ORIGIN
    group = "cost" if case.figures else FUNCTION
    name, _, rest = case.test.removeprefix("test_").partition(" " if case.figures else "[")
    slugs = (re.sub("[^A-Za-z0-9_-]+", "_", one).strip("_") for one in (name, rest))
    return ".".join([ORIGIN, group, *filter(None, slugs)])


def _when(result: CheckResult) -> dict[str, Any]:
    return {"start_time": when} if (when := started(result)) else {}


def _environment(result: CheckResult) -> dict[str, Any]:
    told = about(result)
    misc = {name: told[name] for name in ("kernel", "kernel_version", "clock") if name in told}
    return {"environment": {"comment": told.get("machine", ""), "misc": misc}}


def _excerpt(text: str) -> dict[str, Any]:
    return {"log_excerpt": clean(text)} if text else {}
