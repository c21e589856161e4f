# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports to KernelCI's database, validated by the schema's own package."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import kcidb_io
import pytest

from ksuite.errors import (
    DoesNotApply,
    DoesNotCompile,
    InfrastructureError,
    KsuiteError,
    NothingToCompare,
    UserError,
)
from ksuite.measure.result import BASE, CANDIDATE, TestOutcome, refused
from ksuite.measure.verdict import Verdict
from ksuite.report.kcidb import OUTWARD, VERSION, render
from tests.unit.measure.samples import result
from tests.unit.report.specimens import CASES, CONSOLE, EXPECTED, HOSTILE, WHOLE, everywhere

SCHEMA = kcidb_io.schema.V5_3


def parsed(text: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(text)
    SCHEMA.validate(report)
    for kind in ("checkouts", "builds", "tests"):
        ids = [one["id"] for one in report[kind]]
        assert len(set(ids)) == len(ids)
    return report


def by_path(path: str) -> dict[str, Any]:
    [test] = [one for one in parsed(render([WHOLE]))["tests"] if one["path"] == path]
    found: dict[str, Any] = test
    return found


def test_it_is_the_newest_version() -> None:
    assert kcidb_io.schema.LATEST is SCHEMA
    assert {"major": SCHEMA.major, "minor": SCHEMA.minor} == VERSION


def test_structure() -> None:
    report = parsed(render([WHOLE], origin="our_lab"))
    [checkout], [build] = report["checkouts"], report["builds"]
    assert checkout["valid"]
    assert checkout["misc"]["series"] == "limit rx bursts"
    assert build["checkout_id"] == checkout["id"]
    assert build["status"] == "PASS"
    assert build["compiler"] == "gcc-12 12.2.0"
    assert build["misc"]["modules"]["candidate"] == "vhost_net bb22"
    assert len(report["tests"]) == CASES - 2
    for one in (checkout, build, *report["tests"]):
        assert one["id"].startswith("our_lab:")
        assert one["origin"] == "our_lab"
        assert one["start_time"] == "2026-01-01T00:00:00+00:00"
    for test in report["tests"]:
        assert test["build_id"] == build["id"]
        assert test["environment"]["comment"].startswith("virtme-ng")


def test_failure_of_the_candidate() -> None:
    test = by_path("ksuite.function.unloads")
    assert (test["status"], test["duration"]) == ("FAIL", 0.25)
    assert test["log_excerpt"] == f"warn: WARNING\nmore\n{CONSOLE}"
    assert test["misc"]["base_verdict"] == "PASS"
    assert test["misc"]["command"] == "ksuite check limit.mbox --check test_unloads"


def test_failure_of_the_base_is_only_told_beside() -> None:
    test = by_path("ksuite.function.bursts_are_limited.64")
    assert (test["status"], test["misc"]["base_verdict"]) == ("PASS", "FAIL")


def test_expected_failure_is_skipped() -> None:
    test = by_path("ksuite.function.key")
    assert test["status"] == "SKIP"
    assert test["misc"]["expected"] == EXPECTED


def test_costs_have_numbers() -> None:
    test = by_path("ksuite.cost.vhost_tx.64_B")
    assert test["status"] == "FAIL"
    assert test["number"] == {"value": pytest.approx(1100.0), "unit": "instructions/packet"}
    assert test["misc"]["cost"]["base"] == 1000.0


def test_number_without_a_verdict_is_done() -> None:
    assert by_path("ksuite.cost.vhost_rx.64_B")["status"] == "DONE"
    assert by_path("ksuite.cost.vhost_echo.64_B")["status"] == "DONE"


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict(verdict: Verdict) -> None:
    outcome = TestOutcome("test_a", CANDIDATE, verdict, 0.1)
    tests = parsed(render([result(outcome)]))["tests"]
    assert [one["status"] for one in tests] == [OUTWARD[verdict]]


def test_our_own_trouble_with_the_base_is_told() -> None:
    outcome = TestOutcome("test_a", BASE, Verdict.ERROR, 0.1)
    [test] = parsed(render([result(outcome)]))["tests"]
    assert (test["status"], test["misc"]["variant"]) == ("ERROR", BASE)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DoesNotApply("hunk 3"), "FAIL"),
        (InfrastructureError("hunk 3"), "ERROR"),
        (NothingToCompare("hunk 3"), "SKIP"),
    ],
)
def test_refusal_is_a_build(error: KsuiteError, status: str) -> None:
    report = parsed(render([refused(error, 1.5)]))
    [build] = report["builds"]
    assert (build["status"], build["log_excerpt"]) == (status, "hunk 3")
    assert "valid" not in report["checkouts"][0]
    assert report["tests"] == []


def test_gate_that_does_not_compile_is_a_build_that_failed() -> None:
    """It knows what it judges before that."""
    told = refused(DoesNotCompile("a.c:1:1: error: no"), 1.0)
    assert WHOLE.subject is not None
    subject = replace(WHOLE.subject, modules={})
    report = parsed(render([replace(told, subject=subject)]))
    assert [one["status"] for one in report["builds"]] == ["FAIL"]
    assert report["tests"] == []


def test_what_did_not_run_is_missed() -> None:
    run = replace(result(), verdict=Verdict.ERROR, exit_code=130, error="interrupted")
    [test] = parsed(render([run]))["tests"]
    assert (test["status"], test["path"]) == ("MISS", "ksuite")


def test_same_result_gets_the_same_ids() -> None:
    assert render([WHOLE]) == render([WHOLE])
    assert parsed(render([WHOLE, WHOLE])) == parsed(render([WHOLE]))
    other = replace(WHOLE, started="")
    report = parsed(render([WHOLE, other]))
    assert len(report["checkouts"]) == 2
    assert "start_time" not in report["checkouts"][1]


@pytest.mark.parametrize("origin", ["", "A", "a:b", "a\n", "a b", "ü", "-"])
def test_nobody_is_called_so(origin: str) -> None:
    with pytest.raises(UserError, match="is no origin"):
        render([WHOLE], origin)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_fits_the_schema(text: str) -> None:
    statuses = [one["status"] for one in parsed(render([everywhere(text)]))["tests"]]
    assert statuses == [one["status"] for one in parsed(render([everywhere("x")]))["tests"]]
