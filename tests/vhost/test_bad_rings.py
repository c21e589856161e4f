# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that lies gets an error, the kernel prints no splat, and the next driver works.

::

    ring driver --broken tx or rx ring--> vhost worker --> error eventfd
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import vhost_bad_rings

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("vhost_function")


@pytest.mark.parametrize("case", vhost_bad_rings.LIES)
@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_lie_is_refused(ks_dut: Dut, direction: str, case: str) -> None:
    seen = ks_dut.call(vhost_bad_rings.lie, direction, case)
    assert seen == {"error": True, "used": 0, "passed": 0, "works_after": True}
