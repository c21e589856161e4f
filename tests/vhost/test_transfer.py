# SPDX-License-Identifier: GPL-2.0-or-later
"""Every packet arrives once, in order, byte for byte, and nobody misses a wake-up.

::

    to the host    ring driver --tx ring--> vhost worker --> tap0 --> packet socket

    to the guest   packet socket --> tap0 queue --> vhost worker --rx ring--> ring driver
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksuite.dut import vhost_transfer
from tests.vhost.frames import JUMBO, SIZES, batch, udp

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("vhost_function")

DIRECTIONS = {"to_host": vhost_transfer.to_host, "to_guest": vhost_transfer.to_guest}
COUNTED = {"to_host": "rx", "to_guest": "tx"}
"""The tap counts from the host's side: what the guest transmits it receives."""


def assert_all_arrived(seen: dict[str, Any], direction: str, templates: list[bytes]) -> None:
    """Every frame once, in order, unchanged, and the tap's counters agree."""
    assert seen["corrupt"] == 0, seen["first_corrupt"]
    trouble = {name: seen[name] for name in ("missing", "duplicated", "reordered", "lost_wakeups")}
    assert not any(trouble.values()), f"{trouble} of {seen['sent']} packets"
    assert seen["arrived"] == seen["sent"] > 0
    counters, side = seen["counters"], COUNTED[direction]
    assert counters[f"{side}_packets"] == seen["sent"]
    per_round = sum(len(frame) for frame in templates)
    assert counters[f"{side}_bytes"] == seen["sent"] // len(templates) * per_round
    assert counters["rx_dropped"] == counters["tx_dropped"] == 0


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_size_arrives_unchanged(ks_dut: Dut, direction: str) -> None:
    templates = batch(SIZES, times=4)
    seen = ks_dut.call(DIRECTIONS[direction], templates, 64)
    assert_all_arrived(seen, direction, templates)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_jumbo_frames_arrive_unchanged(ks_dut: Dut, direction: str) -> None:
    """Beyond a buffer: received into several mergeable ones, sent from one that is large."""
    templates = batch(JUMBO, times=2)
    seen = ks_dut.call(DIRECTIONS[direction], templates, 32)
    assert_all_arrived(seen, direction, templates)


@pytest.mark.parametrize("rx_buffer_bytes", [64, 256, 1024])
def test_small_buffers_are_merged(ks_dut: Dut, rx_buffer_bytes: int) -> None:
    templates = batch(SIZES)
    seen = ks_dut.call(vhost_transfer.to_guest, templates, 32, rx_buffer_bytes=rx_buffer_bytes)
    assert_all_arrived(seen, "to_guest", templates)


def test_unmergeable_buffers(ks_dut: Dut) -> None:
    templates = batch(SIZES, times=2)
    seen = ks_dut.call(vhost_transfer.to_guest, templates, 32, mergeable=False)
    assert_all_arrived(seen, "to_guest", templates)


@pytest.mark.parametrize("event_idx", [True, False], ids=["event_idx", "flags"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_wakeups_and_index_wrap(ks_dut: Dut, direction: str, event_idx: bool) -> None:
    """1e5 packets in batches of 50: 2,010 sleeps, and the ring's indices pass 65,536.

    50 is no multiple of VHOST_NET_BATCH (64), whose last packet is told of in another place.
    """
    templates = [udp(60, seed=seed) for seed in range(50)]
    seen = ks_dut.call(DIRECTIONS[direction], templates, 2010, event_idx=event_idx)
    assert_all_arrived(seen, direction, templates)
    assert seen["posted"] > 100_000
    assert seen["wakeups"] >= 2010


@pytest.mark.parametrize("entries", [64, 32768])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_ring_sizes(ks_dut: Dut, direction: str, entries: int) -> None:
    templates = batch((60, 1514), times=16)
    seen = ks_dut.call(DIRECTIONS[direction], templates, 50, entries=entries)
    assert_all_arrived(seen, direction, templates)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_small_batch_in_a_small_ring(ks_dut: Dut, direction: str) -> None:
    """Packet rings whose slots don't fill their last block go round, too."""
    templates = [udp(60, seed=seed) for seed in range(8)]
    seen = ks_dut.call(DIRECTIONS[direction], templates, 100, entries=16)
    assert_all_arrived(seen, direction, templates)
