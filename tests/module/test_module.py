# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every out-of-tree module; ``ksuite gate`` runs it with the modules loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.dut import modules

if TYPE_CHECKING:
    from ksuite.campaigns.bench import Bench
    from ksuite.campaigns.lab import Lab

EXPECTED = set("OE")
"""That a module is out of tree, and not signed, is no fault of its own."""
TIMES = 5


def test_taints_no_more_than_it_must(machine: Lab) -> None:
    assert set(machine.taint()) <= EXPECTED, "see Documentation/admin-guide/tainted-kernels.rst"


def test_unloads_and_loads_again(machine: Lab, ks_bench: Bench, ks_variant: str) -> None:
    built = ks_bench.builds[ks_variant].modules
    images = {module.name: module.path.read_bytes() for module in built}
    words = {module.name: module.parameters for module in built}
    for _ in range(TIMES):
        assert set(machine.call(modules.unload, list(images))) == set(images)
        running = machine.call(modules.load, images, [], words)
        assert {name: running[name] for name in images} == {m.name: m.build_id for m in built}


def test_lets_go_of_a_link_that_goes_first(machine: Lab) -> None:
    machine.veth("left/a", "b")
    machine.tap("t")
    machine.take_links_down()
