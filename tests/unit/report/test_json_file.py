# SPDX-License-Identifier: GPL-2.0-or-later
"""The result as JSON: what it holds, and that it is written whole or not at all."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema
import pytest

from ksuite import __version__
from ksuite.errors import UserError
from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.measure.result import CheckResult, NamedComparison, NamedCost, TestOutcome
from ksuite.measure.verdict import Verdict
from ksuite.report.json_file import SCHEMA, as_plain, read, write
from tests.unit.measure.samples import comparison, cost, result

if TYPE_CHECKING:
    from pathlib import Path

FAILED = TestOutcome("test_a[64]", "candidate", Verdict.FAIL, 1.5, "lost 3 packets", "[ 1.0] Oops")
RESULT = result(FAILED, costs=(NamedComparison("vhost_tx 64 B", comparison(0.1)),))
FINGERPRINT = {
    "clock": "instructions",
    "scenario": "vhost_tx",
    "scenario_version": 1,
    "parameters": [["frame_bytes", 64], ["batch", 500]],
    "kernel_release": "6.1.0-1-amd64",
    "kernel_config": "c0ffee",
    "compiler": "gcc-12 12.2.0",
    "cpu_model": "Nehalem",
    "vcpus": 1,
    "memory_mib": 1024,
    "qemu": "7",
    "root": "host",
    "host": "a machine",
}
GOLDEN = {
    "schema": 1,
    "ksuite": __version__,
    "verdict": "PASS",
    "exit_code": 0,
    "error": "",
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 12.346,
    "subject": {
        "series": "limit rx bursts",
        "series_digest": "0123456789abcdef0123",
        "kernel": "6.1.0-1-amd64",
        "kernel_version": "6.1.1-1",
        "clock": "instructions",
        "machine": "virtme-ng, QEMU 7.2.22, Nehalem, 1 vCPU, 1024 MiB",
        "modules": {"base": ["vhost_net aa11"], "candidate": ["vhost_net bb22"]},
        "identical": False,
        "not_exercised": [],
        "packages": {},
        "guest_code": "600d",
        "built": "modules vhost_net",
        "command": ["ksuite", "check", "limit.mbox"],
    },
    "tests": [
        {
            "test": "test_a[64]",
            "variant": "candidate",
            "verdict": "FAIL",
            "seconds": 1.5,
            "detail": "lost 3 packets",
            "console": "[ 1.0] Oops",
            "recalled": False,
            "expected": "",
        }
    ],
    "costs": [
        {
            "name": "vhost_tx 64 B",
            "verdict": "REGRESSION",
            "reason": "",
            "change": pytest.approx(0.1),
            "difference": pytest.approx(100.0),
            "threshold": 0.005,
            "base": {
                "median": 1000.0,
                "unit": "instructions/packet",
                "spread": 0.0,
                "windows": [1000.0, 1000.0, 1000.0],
                "guests": 1,
                "recalled": False,
                "fingerprint": FINGERPRINT,
            },
            "candidate": {
                "median": pytest.approx(1100.0),
                "unit": "instructions/packet",
                "spread": 0.0,
                "windows": pytest.approx([1100.0, 1100.0, 1100.0]),
                "guests": 1,
                "recalled": False,
                "fingerprint": FINGERPRINT,
            },
            "note": "",
            "baseline": "",
            "attribution": None,
        }
    ],
    "measured": [],
}


def test_structure() -> None:
    assert json.loads(json.dumps(as_plain(RESULT))) == GOLDEN


def test_what_was_recalled_is_told() -> None:
    compared = comparison(0.1)
    recalled = replace(compared, base=replace(compared.base, recalled=True))
    whole = result(
        replace(FAILED, recalled=True), costs=(NamedComparison("vhost_tx 64 B", recalled),)
    )
    told = as_plain(whole)
    assert [test["recalled"] for test in told["tests"]] == [True]
    [cost] = told["costs"]
    assert (cost["base"]["recalled"], cost["candidate"]["recalled"]) == (True, False)


def test_attribution_is_told_by_function() -> None:
    functions = (FunctionCost("handle_rx", "vhost_net", 10.25, 12.5),)
    named = replace(RESULT.comparisons[0], attribution=Attribution(1000.0, 1100.0, functions))
    [told] = as_plain(result(costs=(named,)))["costs"]
    assert json.loads(json.dumps(told["attribution"])) == {
        "base": 1000.0,
        "candidate": 1100.0,
        "functions": [
            {"function": "handle_rx", "module": "vhost_net", "base": 10.25, "candidate": 12.5}
        ],
    }


def test_result_without_a_subject() -> None:
    plain = as_plain(replace(result(), subject=None, error="the series is empty"))
    assert plain["subject"] is None
    assert plain["error"] == "the series is empty"
    assert plain["tests"] == plain["costs"] == []


def test_written_file_is_what_was_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("an old result")
    write(RESULT, path)
    assert json.loads(path.read_text(encoding="utf-8")) == GOLDEN
    assert list(tmp_path.iterdir()) == [path]


def test_any_text_can_be_written(tmp_path: Path) -> None:
    """Test names and details come from anywhere: control characters, lone surrogates."""
    outcome = replace(FAILED, detail="\x1b[31m\0 \ud800 ü", console="\u2028")
    write(result(outcome), tmp_path / "result.json")
    told = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["tests"][0]
    assert told["detail"] == outcome.detail
    assert told["console"] == outcome.console


WHOLE = replace(
    RESULT,
    comparisons=(
        replace(RESULT.comparisons[0], note="not attributed", baseline="distro"),
        NamedComparison(
            "vhost_rx 64 B",
            comparison(0.123456789),
            Attribution(1.0, 2.0, (FunctionCost("handle_rx", "vhost_net", 10.25, 12.5),)),
        ),
    ),
    measured=(NamedCost("vhost_echo 64 B", cost(math.pi)),),
    seconds=1.5,
    ksuite="9.9",
)


@pytest.mark.parametrize(
    "whole",
    [WHOLE, replace(WHOLE, subject=None, error="the series is empty", comparisons=())],
    ids=["judged", "refused"],
)
def test_it_is_read_as_it_was_written(tmp_path: Path, whole: CheckResult) -> None:
    path = tmp_path / "result.json"
    write(whole, path)
    assert read(path) == whole


@pytest.mark.parametrize("whole", [WHOLE, replace(WHOLE, subject=None)], ids=["judged", "refused"])
def test_schema_describes_it(checkout: Path, whole: CheckResult) -> None:
    schema = json.loads((checkout / "docs" / "result-v1.schema.json").read_text())
    if whole.subject:
        whole = replace(whole, subject=replace(whole.subject, series_digest="0" * 64))
    plain = json.loads(json.dumps(as_plain(whole)))
    jsonschema.validate(plain, schema)
    described = schema["properties"]
    assert set(plain) == set(described)
    assert set(plain["costs"][0]) == set(described["costs"]["items"]["properties"])
    assert set(plain["measured"][0]["cost"]) == set(schema["$defs"]["cost"]["properties"])


def test_result_of_an_older_ksuite_is_read(tmp_path: Path) -> None:
    """New fields have come since, and raise no schema."""
    plain = json.loads(json.dumps(as_plain(RESULT)))
    del plain["measured"], plain["subject"]["guest_code"], plain["subject"]["built"]
    for one in plain["costs"]:
        del one["baseline"], one["base"]["guests"]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(plain | {"new": 1}))
    seen = read(path)
    assert seen.comparisons == RESULT.comparisons
    assert seen.measured == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": SCHEMA + 1}, f"is of schema {SCHEMA + 1}, and this ksuite knows {SCHEMA}"),
        ({"schema": "1"}, "has not been written with --json"),
        ({"schema": None}, "has not been written with --json"),
        ({"costs": None}, "is no result: "),
        ({"costs": [1]}, "is no result: "),
        ({"costs": [{"name": "a"}]}, "is no result: "),
        ({"tests": None}, "is no result: "),
        ({"verdict": "MAYBE"}, "is no result: "),
        ({"exit_code": "0"}, "is no result: "),
        ({"subject": {}}, "is no result: "),
        ({"measured": [{"name": "a", "cost": {"windows": [0]}}]}, "is no result: "),
    ],
    ids=repr,
)
def test_what_is_no_result(tmp_path: Path, change: dict[str, object], says: str) -> None:
    path = tmp_path / "it.json"
    path.write_text(json.dumps(as_plain(RESULT) | change))
    with pytest.raises(UserError) as raised:
        read(path)
    assert says in str(raised.value)
    assert "it.json" in str(raised.value)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("text", ["", "{", "[]", "NaN"])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.json").write_text(text)
    with pytest.raises(UserError, match=r"it\.json is no"):
        read(tmp_path / "it.json")
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path / "missing.json")
