# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that are listed for the running kernel: they are expected to fail, and told so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.differences import Difference, find_difference, must_be_there
from ksuite.campaigns.outcomes import without_variant
from ksuite.errors import DutError, InfrastructureError, KernelFault
from ksuite.machines.console import printable
from ksuite.measure.result import CANDIDATE, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.campaigns.bench import Bench


@dataclass(frozen=True)
class Expected:
    """What is expected of a test on the running kernel.

    :param why: it can't pass.
    :param must_fail: a pass says that the list is wrong; where the base is looked at too, the
        candidate's only says that the series mends it.
    :param faults: of the kernel so far, by variant.
    """

    difference: Difference
    why: str
    variant: str
    must_fail: bool
    faults: Counter[str]


EXPECTED = pytest.StashKey[Expected]()


def expect(item: pytest.Item, bench: Bench, variant: str) -> None:
    """Note what is expected of a test that is about to run; skip it where it must not run."""
    kernel = bench.prepared.kernel
    test = without_variant(item.nodeid, variant)
    difference = find_difference(bench.differences, kernel, test)
    if difference is None:
        return
    option = item.config.getoption
    alone = option("--ks-candidate-only") or option("--ks-unpatched")
    why = printable(difference.told(kernel))
    item.stash[EXPECTED] = Expected(
        difference, why, variant, variant != CANDIDATE or bool(alone), bench.dut.faults
    )
    if not difference.runs:
        pytest.skip(why)


def as_expected(
    item: pytest.Item, report: pytest.TestReport, error: BaseException | None
) -> tuple[BaseException | None, str]:
    """Have a listed test's failure be a skip, and its pass an error.

    :return: what was wrong in this phase, and why it was expected; empty where it was not.
    """
    expected = item.stash.get(EXPECTED, None)
    if expected is None or report.when == "teardown":
        return error, ""
    if report.failed and _excused(expected.difference, error):
        # One that is expected is no sign that enough is known.
        expected.faults[expected.variant] -= isinstance(error, KernelFault)
        _mark(report, "skipped", wasxfail=expected.why)
        return error, expected.why
    if report.skipped and not expected.difference.runs:
        return error, expected.why
    if report.passed and report.when == "call" and expected.must_fail:
        text = f"passes, though it is listed as a difference of {expected.why}"
        _mark(report, "failed", longrepr=text)
        return InfrastructureError(text), ""
    return error, ""


def check_list(
    config: pytest.Config, differences: Sequence[Difference], tests: Sequence[str]
) -> None:
    """Refuse a list that names tests which are not there, where all are known.

    :raises UserError: see `must_be_there`.
    """
    chosen = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob")
    ours = ("--ks-scenario", "--ks-check", "--ks-costs-only")
    if any(config.getoption(name, None) for name in (*chosen, *ours)):
        return
    whole = [place for place in map(Path, config.args) if place.is_dir()]
    directories = {Path(test.partition("::")[0]).parent for test in tests}
    covered = [
        str(one)
        for one in directories
        if any((config.rootpath / one).is_relative_to(place.resolve()) for place in whole)
    ]
    must_be_there(differences, covered, [_bare(test) for test in tests])


def _bare(test: str) -> str:
    for variant in VARIANTS:
        test = without_variant(test, variant)
    return test


def _excused(difference: Difference, error: BaseException | None) -> bool:
    if isinstance(error, KernelFault):
        return difference.faults
    return isinstance(error, (AssertionError, DutError, pytest.fail.Exception))


def _mark(report: pytest.TestReport, outcome: Any, **more: str) -> None:
    report.outcome = outcome
    for name, value in more.items():
        setattr(report, name, value)
