# SPDX-License-Identifier: GPL-2.0-or-later
"""N queue pairs have N workers, and a flow stays on its pair.

::

                      +--> vhost worker 0 --+
    ring driver pairs +--> ...              +--> tap0 (N queues) <--> packet socket
                      +--> vhost worker N-1-+
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import vhost_queues
from tests.vhost.frames import flows

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("vhost_function")


@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_each_pair_has_a_worker(ks_dut: Dut, pairs: int) -> None:
    seen = ks_dut.call(vhost_queues.flows_through_pairs, *flows(pairs))
    assert seen["workers"] == pairs
    assert seen["ran"] == pairs
    assert seen["arrived"] == pairs
    assert seen["answered"] == [[pair] for pair in range(pairs)]
