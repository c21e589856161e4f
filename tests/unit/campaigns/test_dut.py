# SPDX-License-Identifier: GPL-2.0-or-later
"""The DUT of a check over machines that only keep books."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.dut import LiveDut
from ksuite.dut import modules, setup
from ksuite.errors import DutError, GuestNotReady, InfrastructureError, KernelFault, KsuiteError
from tests.unit.campaigns.guests import GONE, IN_USE, PANIC, RELEASE, Guest, Guests, break_off, work

if TYPE_CHECKING:
    from pathlib import Path


class Lab:
    """A DUT, and all guests that it has booted."""

    def __init__(self, directory: Path) -> None:
        self.guests = Guests(directory)
        self.dut = LiveDut(self.guests.boot, RELEASE, ["tun", "vhost_net"], ["vhost_loops"])
        self.dut.offer(self.guests.builds)

    @property
    def guest(self) -> Guest:
        return self.guests[-1]

    def offer_wrong_build(self, variant: str) -> None:
        """Offer a module that won't have the build-id that it was built with."""
        build = self.guests.builds[variant]
        other = replace(build.modules[0], build_id="else")
        self.dut.offer({variant: replace(build, modules=(other, *build.modules[1:]))})


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_one_boot_serves_both_variants(lab: Lab) -> None:
    with lab.dut:
        for variant in ("base", "candidate", "base", "candidate"):
            lab.dut.use(variant)
            assert lab.guest.loaded["vhost_net"] == f"{variant}-vhost_net"
            assert lab.dut.call(work) == "answer"
    assert len(lab.guests) == 1
    assert lab.guest.closed
    swap = ["unload", "load", "work"]
    assert lab.guest.did == ["settle", *swap * 4]
    assert lab.guest.asked[0] == ("settle", ["vhost_loops"])
    assert lab.guest.asked[1] == ("unload", ["vhost", "vhost_net"])


def test_variant_in_use_is_not_loaded_again(lab: Lab) -> None:
    lab.dut.use("base")
    before = len(lab.guest.asked)
    lab.dut.use("base")
    assert len(lab.guest.asked) == before


def test_nothing_is_booted_before_it_is_wanted(lab: Lab) -> None:
    assert len(lab.guests) == 0
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)
    lab.dut.use("base")
    assert len(lab.guests) == 1


def test_module_that_was_not_built_by_us_is_infrastructure(lab: Lab) -> None:
    lab.offer_wrong_build("candidate")
    with pytest.raises(InfrastructureError, match="build-ids on the DUT") as raised:
        lab.dut.use("candidate")
    assert "'vhost': 'candidate-vhost'" in str(raised.value)
    assert "'vhost': 'else'" in str(raised.value)


def test_after_a_wrong_build_id_nothing_counts_as_loaded(lab: Lab) -> None:
    lab.offer_wrong_build("base")
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="build-ids"):
            lab.dut.use("base")
    assert lab.guests.alive == []
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)


def test_wrong_kernel_is_infrastructure(lab: Lab) -> None:
    lab.guests.kernel = "6.12.0"
    with pytest.raises(InfrastructureError, match=r"runs 6\.12\.0, not 6\.1\.0-1-amd64"):
        lab.dut.use("base")
    assert lab.guest.loaded == {}
    lab.dut.close()
    assert lab.guests.alive == []


@pytest.mark.parametrize("error", [PANIC, GONE], ids=type)
def test_fault_costs_the_guest_its_life(lab: Lab, error: KsuiteError) -> None:
    lab.dut.use("candidate")
    lab.guest.trouble[work] = error
    with pytest.raises(type(error)):
        lab.dut.call(work)
    assert lab.guests[0].closed
    lab.dut.use("candidate")
    assert lab.dut.call(work) == "answer"
    assert len(lab.guests) == 2
    assert lab.guest.loaded["vhost"] == "candidate-vhost"
    assert not lab.guest.closed
    assert lab.dut.faults["candidate"] == isinstance(error, KernelFault)
    assert lab.dut.faults["base"] == 0


def test_refusal_of_a_kernel_interface_does_not(lab: Lab) -> None:
    lab.dut.use("candidate")
    lab.guest.trouble[work] = DutError("EPERM")
    with pytest.raises(DutError):
        lab.dut.call(work)
    lab.dut.use("candidate")
    assert len(lab.guests) == 1
    assert lab.dut.faults.total() == 0


def test_fault_while_a_variant_is_loaded(lab: Lab) -> None:
    lab.guests.trouble[modules.load] = PANIC
    with pytest.raises(KernelFault):
        lab.dut.use("candidate")
    assert lab.guests[0].closed
    lab.guests.trouble.clear()
    lab.dut.use("candidate")
    assert len(lab.guests) == 2


def test_kernel_that_breaks_before_any_module_is_no_fault_of_the_series(lab: Lab) -> None:
    lab.guests.trouble[setup.settle] = PANIC
    with pytest.raises(GuestNotReady, match="broke by itself"):
        lab.dut.use("candidate")
    assert lab.guests[0].closed


def test_fault_while_loading_counts_for_the_variant(lab: Lab) -> None:
    """A module that panics as it loads would cost every test a boot."""
    lab.guests.trouble[modules.load] = PANIC
    with pytest.raises(KernelFault):
        lab.dut.use("candidate")
    assert +lab.dut.faults == Counter(candidate=1)


def test_refused_module_is_the_variants_failure(lab: Lab) -> None:
    lab.guests.trouble[modules.load] = DutError("load vhost_net: Unknown symbol")
    with pytest.raises(DutError, match="Unknown symbol"):
        lab.dut.use("candidate")
    lab.guests.trouble.clear()
    lab.dut.use("candidate")
    assert lab.guest.loaded["vhost"] == "candidate-vhost"


@pytest.mark.parametrize("error", [IN_USE, PANIC], ids=["leak", "panic"])
def test_late_trouble_is_the_variants_that_ran(lab: Lab, error: KsuiteError) -> None:
    """What base breaks as it leaves must not be the candidate's failure."""
    lab.dut.use("base")
    lab.guest.trouble[modules.unload] = error
    lab.dut.use("candidate")
    assert +lab.dut.faults == Counter(base=1)
    assert list(lab.dut.late_faults) == ["base"]
    assert lab.guests[0].closed
    assert len(lab.guests) == 2
    assert lab.guest.loaded["vhost_net"] == "candidate-vhost_net"


def test_modules_that_do_not_unload_are_a_leak(lab: Lab) -> None:
    lab.dut.use("candidate")
    lab.guest.trouble[modules.unload] = DutError(
        "unload vhost_net: Resource temporarily unavailable"
    )
    lab.dut.retire()
    assert lab.dut.late_faults["candidate"].kind == "leak"
    assert "Resource temporarily unavailable" in lab.dut.late_faults["candidate"].summary


def test_retiring_twice_does_nothing(lab: Lab) -> None:
    lab.dut.use("candidate")
    lab.dut.retire()
    before = len(lab.guest.asked)
    lab.dut.retire()
    assert len(lab.guest.asked) == before
    assert lab.dut.late_faults == {}


def test_modules_of_the_distro_that_do_not_unload_are_infrastructure(lab: Lab) -> None:
    """Nothing of the series has run yet."""
    lab.guests.trouble[modules.unload] = DutError(
        "unload vhost_net: Resource temporarily unavailable"
    )
    with pytest.raises(InfrastructureError, match="distro's own modules"):
        lab.dut.use("base")
    assert lab.guest.closed


def test_boots_that_fail_are_not_tried_for_ever(lab: Lab) -> None:
    lab.guests.stillborn = InfrastructureError("no agent within 120 s")
    with pytest.raises(InfrastructureError, match="no agent"):
        lab.dut.use("base")
    with pytest.raises(InfrastructureError, match="not tried again"):
        lab.dut.use("base")
    assert len(lab.guests) == 2
    assert lab.guests.alive == []


def test_one_boot_that_fails_is_made_up_for(lab: Lab) -> None:
    """Again and again, as long as the next one comes up."""
    for _ in range(3):
        lab.guests.stillborn_once = InfrastructureError("no agent within 120 s")
        lab.dut.use("base")
        assert lab.dut.call(work) == "answer"
        lab.dut.discard()
    assert len(lab.guests) == 6


def test_nothing_is_left_when_a_check_breaks_off(lab: Lab) -> None:
    break_off(lab.dut)
    assert lab.guest.closed
