# SPDX-License-Identifier: GPL-2.0-or-later
"""A cost followed to its functions, over guests that only keep books and a plugin that is told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.attributing import attribute_cost
from ksuite.campaigns.costs import ROUNDS, WINDOWS, CostRequest
from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.dut import loops, symbols
from ksuite.errors import InfrastructureError, KernelFault
from ksuite.measure.attribution import FunctionCost
from ksuite.measure.result import VARIANTS
from tests.unit.campaigns.guests import PANIC, Guest, Guests, Plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksuite.measure.attribution import Attribution

RX = CostRequest("vhost_rx", 64)
COUNTED = {"base": 1000, "candidate": 1100}


class Lab:
    """A DUT, the guests that are restored for it, and a plugin in each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.guests = Guests(directory)
        self.plugin = Plugin(self.guests, COUNTED)
        self.asked: list[tuple[object, ...]] = []
        self.costs = {name: [float(level)] * WINDOWS for name, level in COUNTED.items()}
        self.guests.does[loops.measure] = self._measure
        self.dut = RestoredDut(self.guests.snapshot(), directory, [])
        self.dut.offer(self.guests.builds)

    def _measure(self, guest: Guest, *asked: object) -> list[float]:
        self.asked.append(asked)
        self.plugin.count(guest)
        return self.costs[guest.variant]

    def attribute(self) -> Attribution:
        return attribute_cost(
            [(self.dut, variant) for variant in VARIANTS],
            RX,
            self.plugin.path,
            self.directory,
            jobs=2,
        )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_cost_is_told_by_function(lab: Lab) -> None:
    seen = lab.attribute()
    assert (seen.base, seen.candidate) == (1000, 1100)
    assert seen.functions == (
        FunctionCost("handle_rx", "vhost_net", 900, 1000),
        FunctionCost("schedule", "kernel", 60, 60),
        FunctionCost("(user space)", "python3.11", 40, 40),
    )


def test_what_is_counted_is_what_was_measured(lab: Lab) -> None:
    """The same windows of the same loop, each variant in one go in a guest of its own."""
    lab.attribute()
    assert lab.asked == [("vhost_rx", 64, WINDOWS, ROUNDS)] * 2
    assert [guest.runs for guest in lab.guests.all] == [1, 1]
    assert {guest.variant for guest in lab.guests.all} == {"base", "candidate"}
    assert lab.guests.alive == []


def test_each_guest_counts_into_a_file_of_its_own_that_goes(lab: Lab) -> None:
    lab.attribute()
    assert len(set(lab.plugin.outputs)) == 2
    assert not any(path.exists() for path in lab.plugin.outputs)


def test_counts_that_do_not_add_up_are_refused(lab: Lab) -> None:
    lab.costs["candidate"] = [2000.0] * WINDOWS
    with pytest.raises(InfrastructureError, match=r"1,100\.0 .* were counted, and 2,000\.0 meas"):
        lab.attribute()


def test_guest_that_sets_no_marks_is_told(lab: Lab) -> None:
    lab.guests.does[loops.measure] = lambda *_: [1000.0] * WINDOWS
    with pytest.raises(InfrastructureError, match="plugin did not count"):
        lab.attribute()


@pytest.mark.parametrize("where", [symbols.kernel, symbols.process], ids=lambda f: f.__name__)
@pytest.mark.parametrize("garbage", [None, "text", 7, []], ids=repr)
def test_garbage_is_no_symbols(lab: Lab, where: Callable[..., bytes], garbage: object) -> None:
    lab.guests.does[where] = lambda _: garbage
    with pytest.raises(InfrastructureError, match="sent no symbols"):
        lab.attribute()


@pytest.mark.parametrize("garbage", [[], [math.nan] * WINDOWS], ids=["none", "nan"])
def test_garbage_is_no_cost(lab: Lab, garbage: list[float]) -> None:
    lab.costs["base"] = garbage
    with pytest.raises(InfrastructureError):
        lab.attribute()


def test_fault_while_counting_is_raised(lab: Lab) -> None:
    lab.guests.trouble[loops.measure] = PANIC
    with pytest.raises(KernelFault):
        lab.attribute()
    assert lab.guests.alive == []
    assert lab.dut.faults.total() == 0, "it may be the plugin's"
