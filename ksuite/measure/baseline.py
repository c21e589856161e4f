# SPDX-License-Identifier: GPL-2.0-or-later
"""Stored baselines: costs that were measured once, to compare others with at any time.

What is measured in restored guests holds on any machine, since no property of a host is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ksuite.measure.cost import Cost
from ksuite.measure.verdict import Comparison, Threshold, compare

if TYPE_CHECKING:
    from ksuite.measure.result import CheckResult

SIDES = ("in the baseline", "now")


@dataclass(frozen=True)
class Provenance:
    """What a cost was measured with, as far as it is no part of the fingerprint.

    :param kernel_version: of the package that the kernel came from.
    :param ksuite: version that measured it.
    :param series: title of what was the candidate.
    :param series_digest: its SHA-256, in hex.
    :param modules: what had been built, each as "name build-id".
    :param guest_code: SHA-256 of all of the guest that was ours; costs are the same to the digit
        where it is the same.
    """

    kernel_version: str
    ksuite: str
    series: str
    series_digest: str
    modules: tuple[str, ...]
    guest_code: str


@dataclass(frozen=True)
class StoredCost:
    """A cost, and where it is from."""

    cost: Cost
    provenance: Provenance


@dataclass(frozen=True)
class Baseline:
    """A set of stored costs.

    :param made: when, in ISO 8601.
    :param costs: by name, such as ``vhost_rx 64 B``.
    """

    name: str
    made: str
    costs: Mapping[str, StoredCost] = field(default_factory=dict)

    def compare(self, name: str, cost: Cost, threshold: Threshold) -> Comparison:
        """Judge a cost that was measured now against the one of that name, which must be there."""
        return compare(self.costs[name].cost, cost, threshold, sides=SIDES)

    def lacks(self, name: str) -> str:
        """Return that it has no cost of this name."""
        return f"the baseline {self.name} has no cost {name!r}"


def provenance_of(result: CheckResult, variant: str) -> Provenance:
    """Return where the costs of a variant are from; the result must have a subject."""
    subject = result.subject
    assert subject is not None
    return Provenance(
        kernel_version=subject.kernel_version,
        ksuite=result.ksuite,
        series=subject.series,
        series_digest=subject.series_digest,
        modules=subject.modules[variant],
        guest_code=subject.guest_code,
    )
