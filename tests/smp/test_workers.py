# SPDX-License-Identifier: GPL-2.0-or-later
"""Queue pairs whose vhost workers run on two CPUs at once.

::

    driver on CPU 0 --tx ring--> worker on CPU 0 --+
                                                   +--> tap0 --> packet socket
    driver on CPU 1 --tx ring--> worker on CPU 1 --+
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import smp, smp_vhost
from tests.smp.order import trouble

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("smp_function")

CPUS = 2
ROUNDS = 20


def test_workers_on_every_cpu_send_each_frame_once(ks_dut: Dut) -> None:
    """Unchanged, in its pair's order, and tap0, which counts on each CPU, has counted all."""
    seen = ks_dut.call(smp_vhost.transmit, ROUNDS)
    each = ROUNDS * smp_vhost.BATCH
    assert seen["ran_on"] == list(range(CPUS))
    assert all(seen["ran"])
    for numbers in seen["arrived"]:
        assert trouble(numbers, each) == ""
    assert seen["whole"] == CPUS * each
    assert seen["turns"] > CPUS
    assert seen["counted"] == {"packets": CPUS * each, "bytes": CPUS * each * smp.FRAME_BYTES}
