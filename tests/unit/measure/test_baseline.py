# SPDX-License-Identifier: GPL-2.0-or-later
"""A stored cost stands for the base's only where all that counts is equal."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from ksuite.measure.baseline import provenance_of
from ksuite.measure.cost import Fingerprint
from ksuite.measure.verdict import Threshold, Verdict
from tests.unit.measure.samples import FINGERPRINT, IMAGE, OTHER, baseline, cost, result

TX = "vhost_tx 64 B"
RULE = Threshold(floor=0.003)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (1000.0, Verdict.PASS),
        (1002.9, Verdict.PASS),
        (1003.1, Verdict.REGRESSION),
        (996.9, Verdict.IMPROVED),
    ],
)
def test_cost_is_judged_by_the_stored_one(now: float, verdict: Verdict) -> None:
    seen = baseline(tx=1000.0).compare(TX, cost(now, fingerprint=IMAGE), RULE)
    assert seen.verdict is verdict
    assert seen.difference == pytest.approx(now - 1000)
    assert seen.base.median == 1000


@pytest.mark.parametrize("field", [field.name for field in fields(Fingerprint)])
def test_field_that_differs_is_named(field: str) -> None:
    other = replace(IMAGE, **{field: OTHER[field]})  # type: ignore[arg-type]
    seen = baseline(tx=1000.0).compare(TX, cost(2000.0, fingerprint=other), RULE)
    assert seen.verdict is Verdict.INCOMPARABLE
    [(name, stored, now)] = IMAGE.unlike(other)
    assert seen.reason == f"{name}: {stored} in the baseline, {now} now"


def test_all_fields_that_differ_are_named() -> None:
    other = replace(IMAGE, kernel_release="6.1.0-2-amd64", qemu="8")
    seen = baseline(tx=1000.0).compare(TX, cost(1000.0, fingerprint=other), RULE)
    assert seen.reason == (
        "kernel_release: 6.1.0-1-amd64 in the baseline, 6.1.0-2-amd64 now; "
        "qemu: 7 in the baseline, 8 now"
    )


def test_cost_that_is_not_there_is_told() -> None:
    assert baseline(tx=1.0).lacks("vhost_rx 64 B") == "the baseline old has no cost 'vhost_rx 64 B'"


def test_provenance_is_the_results() -> None:
    seen = provenance_of(replace(result(), ksuite="9.9"), "base")
    assert seen.kernel_version == "6.1.1-1"
    assert seen.ksuite == "9.9"
    assert seen.series == "limit rx bursts"
    assert seen.series_digest == "0123456789abcdef0123"
    assert seen.modules == ("vhost_net aa11",)
    assert seen.guest_code == "600d"
    assert FINGERPRINT.kernel_release == "6.1.0-1-amd64"
