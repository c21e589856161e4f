# SPDX-License-Identifier: GPL-2.0-or-later
"""One worker, two backlogs: neither direction may starve the other.

::

    packet socket --> tap0 queue (6,144 packets) --+
                                                   +--> vhost worker
    ring driver --tx ring (6,144 packets)----------+

Bursts are the packets of one run of a handler, counted by a kprobe on vhost_exceeds_weight().
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.dut import vhost_fairness

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("vhost_function")

PKT_WEIGHT = 256
"""VHOST_NET_PKT_WEIGHT, drivers/vhost/net.c (db688c24eada)."""
ROUNDS = 20
BACKLOG = (ROUNDS + 4) * PKT_WEIGHT
FAIR = (0.8, 1.25)

Bursts = list[tuple[str, int]]


def serve(dut: Dut, rx: int, tx: int, size: int = 64, **how: Any) -> Bursts:
    """Let the worker serve the backlogs; return its bursts once all packets are accounted for."""
    seen = dut.call(vhost_fairness.serve_backlogs, rx, tx, size, **how)
    assert seen["transmitted"] == tx
    assert seen["received"] == (0 if how.get("tiny_buffers") else rx)
    return [(str(queue), int(packets)) for queue, packets in seen["bursts"]]


def longest(bursts: Bursts) -> int:
    return max(packets for _, packets in bursts)


def total(bursts: Bursts, queue: str) -> int:
    return sum(packets for name, packets in bursts if name == queue)


def while_both_wait(bursts: Bursts, backlog: int) -> Bursts:
    """Return the bursts up to where one side has less than a full burst left."""
    kept: Bursts = []
    for burst in bursts:
        kept.append(burst)
        if max(total(kept, "rx"), total(kept, "tx")) > backlog - PKT_WEIGHT:
            break
    return kept


def test_rx_bursts_are_limited(ks_dut: Dut) -> None:
    bursts = serve(ks_dut, BACKLOG, 0)
    assert total(bursts, "rx") == BACKLOG
    assert longest(bursts) <= PKT_WEIGHT


def test_tx_bursts_are_limited(ks_dut: Dut) -> None:
    bursts = serve(ks_dut, 0, BACKLOG)
    assert total(bursts, "tx") == BACKLOG
    assert longest(bursts) <= PKT_WEIGHT


def test_tx_completes_while_rx_is_flooded(ks_dut: Dut) -> None:
    """A few packets to send do not wait for the end of a flood from outside."""
    bursts = serve(ks_dut, BACKLOG, 64)
    waited = total(bursts[: [queue for queue, _ in bursts].index("tx")], "rx")
    assert waited <= PKT_WEIGHT, f"tx waited for {waited} rx packets"


def test_rx_goes_on_while_tx_is_flooded(ks_dut: Dut) -> None:
    bursts = serve(ks_dut, 64, BACKLOG, first="tx")
    waited = total(bursts[: [queue for queue, _ in bursts].index("rx")], "tx")
    assert waited <= PKT_WEIGHT, f"rx waited for {waited} tx packets"


def test_service_is_even_under_double_saturation(ks_dut: Dut) -> None:
    bursts = while_both_wait(serve(ks_dut, BACKLOG, BACKLOG), BACKLOG)
    rx, tx = total(bursts, "rx"), total(bursts, "tx")
    assert tx > 0, f"{rx} rx packets were served before the first tx packet"
    assert FAIR[0] <= rx / tx <= FAIR[1], f"served rx:tx = {rx}:{tx}"
    turns = [queue for queue, _ in groupby(queue for queue, _ in bursts)]
    assert len(turns) >= 2 * ROUNDS, f"only {len(turns)} turns while both were backlogged"


def test_oversized_packets_yield_to_tx(ks_dut: Dut) -> None:
    """Packets that fit no buffers are thrown away, and count all the same (CVE-2019-3900)."""
    bursts = serve(ks_dut, 1024, 1024, 1500, tiny_buffers=True)
    assert total(bursts, "rx") == 1024
    waited = total(bursts[: [queue for queue, _ in bursts].index("tx")], "rx")
    assert waited <= PKT_WEIGHT, f"tx waited while {waited} oversized packets were thrown away"
    assert longest(bursts) <= PKT_WEIGHT
