# SPDX-License-Identifier: GPL-2.0-or-later
"""Each key of flower: the rule is dumped as it was installed, takes its packet, and no other.

::

    packet socket --> gen ==veth== port, clsact ingress: flower + redirect --> out ==veth== sink

Rules go in through ``tc -b``: pyroute2 does not know flower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import tc_flower
from tests.tc.flower import KEYS, Key

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")

REDIRECT = "action mirred egress redirect dev out"


@pytest.mark.parametrize("key", KEYS, ids=[key.name for key in KEYS])
def test_key(ks_dut: Dut, key: Key) -> None:
    seen = ks_dut.call(tc_flower.judge, key.protocol, key.keys, REDIRECT, [*key.hits, *key.misses])
    assert [one["sent"] for one in seen] == [
        *([hit] for hit in key.hits),
        *([] for _ in key.misses),
    ]
    (rule,) = seen[-1]["rules"]
    assert rule["options"]["keys"] == key.dumped
    (action,) = rule["options"]["actions"]
    assert action["stats"]["packets"] == len(key.hits)
    assert action["stats"]["bytes"] == key.counted_bytes
