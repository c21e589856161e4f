# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest behind a bridge talks to another namespace: vhost among its usual neighbours.

::

    netns ks-outside                     the DUT's own netns
    packet socket <--> veth-out ====== veth-in -- br0 -- tap0 <--> vhost <--> ring driver
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import vhost_bridged
from tests.vhost.frames import flows

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("vhost_function")


def test_requests_and_answers_cross_a_bridge(ks_dut: Dut) -> None:
    answers, requests = flows(16)
    seen = ks_dut.call(vhost_bridged.request_and_answer, requests, answers, 40)
    for name, tally in seen.items():
        assert tally["sent"] == 40 * 16, name
        assert tally["arrived"] == tally["sent"], f"{name}: {tally}"
        assert tally["corrupt"] == 0, f"{name}: {tally['first_corrupt']}"
        trouble = tally["missing"], tally["duplicated"], tally["reordered"]
        assert trouble == (0, 0, 0), f"{name}: {tally}"
