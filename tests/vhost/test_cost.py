# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs through vhost-net, candidate against base, in closed loops on one CPU.

::

    vhost_tx     ring driver --tx ring--> vhost worker --> tap0 --> host stack

    vhost_rx     packet socket --> tap0 queue --> vhost worker --rx ring--> ring driver

    vhost_echo   packet socket --> tap0 --> vhost --> ring driver --> vhost --> tap0 --> host stack
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.costs import gated, must_not_have_risen

if TYPE_CHECKING:
    from ksuite.measure.verdict import Comparison
    from tests.costs import Cost


GATED = [(loop, size) for loop in ("vhost_tx", "vhost_rx", "vhost_echo") for size in (64, 1500)]


@gated(GATED)
def test_cost(ks_comparison: Comparison, cost: Cost) -> None:
    must_not_have_risen(ks_comparison, cost)
