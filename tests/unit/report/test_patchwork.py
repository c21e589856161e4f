# SPDX-License-Identifier: GPL-2.0-or-later
"""A check of patchwork's: its state, and that patchwork would take it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from ksuite.errors import DoesNotApply, UserError
from ksuite.measure.result import CheckResult, refused
from ksuite.measure.verdict import EXIT_CODES, Verdict
from ksuite.report.patchwork import OUTWARD, render
from tests.unit.measure.samples import result
from tests.unit.report.specimens import HOSTILE, WHOLE, everywhere


def parsed(text: str) -> dict[str, str]:
    """Return a check that patchwork would take."""
    check: dict[str, str] = json.loads(text)
    assert set(check) - {"target_url"} == {"state", "context", "description"}
    assert check["state"] in {"success", "warning", "fail"}
    assert re.fullmatch(r"[-a-zA-Z0-9_]{1,100}", check["context"])
    assert 0 < len(check["description"]) <= 255
    assert check["description"].isprintable()
    return check


def judged(verdict: Verdict) -> CheckResult:
    return replace(result(), verdict=verdict, exit_code=int(EXIT_CODES[verdict]))


def test_check() -> None:
    assert parsed(render([WHOLE], url="https://ci.example.org/42")) == {
        "state": "fail",
        "context": "ksuite-6-1-0-1-amd64-instructions",
        "description": "FAIL: unloads: warn: WARNING more (1 FAIL, 1 REGRESSION, 1 ERROR, "
        "1 INCOMPARABLE, 1 PASS, 1 SKIP, 1 expected)",
        "target_url": "https://ci.example.org/42",
    }


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict(verdict: Verdict) -> None:
    check = parsed(render([judged(verdict)]))
    assert check["state"] == OUTWARD[verdict]
    assert check["description"].startswith(verdict)


def test_only_what_passes_is_a_success() -> None:
    assert {one for one in Verdict if OUTWARD[one] == "success"} == {
        Verdict.PASS,
        Verdict.IMPROVED,
    }


def test_worst_of_several_stands() -> None:
    subject = WHOLE.subject
    assert subject is not None
    other = replace(judged(Verdict.PASS), subject=replace(subject, kernel="5.10"))
    check = parsed(render([other, WHOLE, judged(Verdict.ERROR)]))
    assert (check["state"], check["context"]) == ("fail", "ksuite")
    assert check["description"].startswith("FAIL: unloads: ")
    assert "one of 3 runs" in check["description"]


def test_refusal() -> None:
    check = parsed(render([refused(DoesNotApply("hunk 3"), 0.1)], context="ksuite-net"))
    assert check["state"] == "fail"
    assert "hunk 3" in check["description"]
    assert check["context"] == "ksuite-net"


@pytest.mark.parametrize(
    "url", ["ftp://a/", "javascript:alert(1)", "https://a b", "https://a\n", f"http://{'a' * 200}"]
)
def test_url_that_patchwork_refuses(url: str) -> None:
    with pytest.raises(UserError, match="is no URL"):
        render([WHOLE], url=url)


@pytest.mark.parametrize("context", ["a b", "a.b", "ü", "a\n", "x" * 101])
def test_context_that_patchwork_refuses(context: str) -> None:
    with pytest.raises(UserError, match="is no context"):
        render([WHOLE], context=context)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_makes_a_check(text: str) -> None:
    assert parsed(render([everywhere(text)]))["state"] == "fail"
    assert parsed(render([everywhere(text), WHOLE]))["state"] == "fail"
