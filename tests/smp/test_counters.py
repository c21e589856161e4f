# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing is lost, doubled or counted wrong where two CPUs send through one rule or flow at once.

::

    packet socket of CPU 0 --+
                             +--> gen ==veth== port -- datapath --> out ==veth== sink --> socket
    packet socket of CPU 1 --+
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksuite.dut import smp
from tests.smp.order import trouble

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("smp_function")

CPUS = 2
PACKETS = 2000
"""Of each CPU: tens of milliseconds, of which both get their turns."""
MISSES = 40
ETHERNET_BYTES = 14


def must_be_all(seen: dict[str, Any]) -> None:
    """Each frame arrived once, in its CPU's order, and both CPUs had a hand in it, by turns."""
    # Those that came out are handed to the sink by way of the backlog, too.
    assert {
        "trouble": [trouble(numbers, PACKETS) for numbers in seen["arrived"]],
        "sent": seen["sent"],
        "processed": seen["processed"],
        "counted": seen["counted"]["packets"],
    } == {
        "trouble": [""] * CPUS,
        "sent": CPUS * PACKETS,
        "processed": [2 * PACKETS] * CPUS,
        "counted": CPUS * PACKETS,
    }
    assert seen["turns"] > CPUS


@pytest.mark.parametrize("counters", ["of_each_cpu", "of_all"])
def test_rule_counts_what_every_cpu_redirects(ks_dut: Dut, counters: str) -> None:
    """By a counter for each CPU, and by one under a lock."""
    flags = "no_percpu" if counters == "of_all" else ""
    seen = ks_dut.call(smp.redirect, PACKETS, flags)
    must_be_all(seen)
    size = smp.FRAME_BYTES - ETHERNET_BYTES
    assert seen["counted"] == {"packets": CPUS * PACKETS, "bytes": CPUS * PACKETS * size}


def test_flow_counts_what_every_cpu_switches(ks_dut: Dut) -> None:
    """And so does the datapath; each miss is told once; statistics of all CPUs can be cleared."""
    seen = ks_dut.call(smp.switch, PACKETS, MISSES)
    must_be_all(seen)
    assert seen["missed"] == CPUS * MISSES
    assert seen["told"] == [(cpu, number) for cpu in range(CPUS) for number in range(MISSES)]
    assert seen["counted"]["packets"] == seen["hit"] == CPUS * PACKETS
    assert seen["counted"]["bytes"] == CPUS * PACKETS * smp.FRAME_BYTES
    assert seen["cleared"] == 0
