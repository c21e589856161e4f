# SPDX-License-Identifier: GPL-2.0-or-later
"""Each action behind a flower rule makes of a packet what it should, to the byte.

::

    packet socket --> gen ==veth== port, clsact ingress: flower + actions --> out ==veth== sink

Rules go in through ``tc -b``: pyroute2 knows neither flower nor most actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import tc_flower
from tests.tc.flower_actions import ACTIONS, Action

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")


@pytest.mark.parametrize("case", ACTIONS, ids=[case.name for case in ACTIONS])
def test_action(ks_dut: Dut, case: Action) -> None:
    frames = [bytes(packet) for packet in case.sent]
    seen = ks_dut.call(
        tc_flower.judge, case.protocol, case.keys, case.actions, frames, list(case.before)
    )
    assert [one["sent"] for one in seen] == [[bytes(out)] if out else [] for out in case.out]
    assert sum(one["passed"] for one in seen) == case.passed
    (rule,) = seen[-1]["rules"]
    actions = rule["options"]["actions"]
    assert tuple(action["kind"] for action in actions) == case.kinds
    assert actions[0]["stats"]["packets"] == len(frames)
