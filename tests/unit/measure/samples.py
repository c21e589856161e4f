# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs and results to judge and to report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ksuite.machines.machine import Clock
from ksuite.measure.baseline import Baseline, Provenance, StoredCost
from ksuite.measure.cost import Cost, Fingerprint
from ksuite.measure.result import CheckResult, NamedComparison, Subject, TestOutcome
from ksuite.measure.verdict import Verdict, compare

if TYPE_CHECKING:
    from ksuite.measure.verdict import Comparison

FINGERPRINT = Fingerprint(
    clock=Clock.INSTRUCTIONS,
    scenario="vhost_tx",
    scenario_version=1,
    parameters=(("frame_bytes", 64), ("batch", 500)),
    kernel_release="6.1.0-1-amd64",
    kernel_config="c0ffee",
    compiler="gcc-12 12.2.0",
    cpu_model="Nehalem",
    vcpus=1,
    memory_mib=1024,
    qemu="7",
    root="host",
    host="a machine",
)
OTHER = {
    "clock": Clock.WALL,
    "scenario": "vhost_rx",
    "scenario_version": 2,
    "parameters": (("frame_bytes", 1500), ("batch", 500)),
    "kernel_release": "6.1.0-2-amd64",
    "kernel_config": "decaf",
    "compiler": "gcc-13",
    "cpu_model": "host",
    "vcpus": 2,
    "memory_mib": 2048,
    "qemu": "8",
    "root": "0badcafe",
    "host": "another machine",
}
"""For each field another value."""
WALL = replace(FINGERPRINT, clock=Clock.WALL)
RULES = replace(FINGERPRINT, scenario="tc_insert", parameters=(("batch", 10), ("rules", 1000)))
IMAGE = replace(FINGERPRINT, root="c0ffee")


def cost(median: float, spread: float = 0.0, fingerprint: Fingerprint = FINGERPRINT) -> Cost:
    """Return three windows with this median, and this relative distance between the outer two."""
    return Cost(fingerprint, (median * (1 + spread / 2), median * (1 - spread / 2), median))


def comparison(change: float, spread: float = 0.0) -> Comparison:
    return compare(cost(1000.0, spread), cost(1000.0 * (1 + change), spread))


def baseline(name: str = "old", **levels: float) -> Baseline:
    """Return a baseline of restored guests' costs: of the loop ``vhost_NAME``, with 64 bytes."""
    provenance = Provenance("6.1.1-1", "0.1.0", "limit rx bursts", "5e21e5", ("vhost aa",), "600d")
    costs = {
        f"vhost_{loop} 64 B": StoredCost(
            cost(level, fingerprint=replace(IMAGE, scenario=f"vhost_{loop}")), provenance
        )
        for loop, level in levels.items()
    }
    return Baseline(name, "2026-01-01T00:00:00+00:00", costs)


def result(*outcomes: TestOutcome, costs: tuple[NamedComparison, ...] = ()) -> CheckResult:
    """Return a passing result with these parts."""
    subject = Subject(
        series="limit rx bursts",
        series_digest="0123456789abcdef0123",
        kernel="6.1.0-1-amd64",
        kernel_version="6.1.1-1",
        clock="instructions",
        machine="virtme-ng, QEMU 7.2.22, Nehalem, 1 vCPU, 1024 MiB",
        modules={"base": ("vhost_net aa11",), "candidate": ("vhost_net bb22",)},
        guest_code="600d",
        built="modules vhost_net",
        command=("ksuite", "check", "limit.mbox"),
    )
    return CheckResult(
        subject, outcomes, costs, Verdict.PASS, 0, 12.34567, started="2026-01-01T00:00:00+00:00"
    )
