# SPDX-License-Identifier: GPL-2.0-or-later
"""The DUT whose every use is a guest of its own, over machines that only keep books."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.dut import modules
from ksuite.errors import DutError, InfrastructureError, KernelFault, KsuiteError
from tests.unit.campaigns.guests import (
    GONE,
    IN_USE,
    NAMES,
    PANIC,
    WAIT_SECONDS,
    Guest,
    Guests,
    break_off,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ksuite.machines.machine import Call

REFUSED = DutError("load vhost: Unknown symbol")
NO_AGENT = InfrastructureError("no agent within 120 s")
FULL = InfrastructureError("QEMU could not save the guest")


class Lab:
    """A DUT, and all guests that were restored for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.guests = Guests(directory)
        self.dut = self.new_dut()

    def new_dut(self, saved: dict[str, Path] | None = None) -> RestoredDut:
        """Return a DUT as another process would have it, over the same snapshot."""
        snapshot = self.guests.snapshot()
        dut = RestoredDut(snapshot, self.directory, ["tun", "vhost_net"], saved)
        dut.offer(self.guests.builds)
        return dut

    def used(self) -> Guest:
        """Call something, and return the guest that it reached."""
        assert self.dut.call(work) == "answer"
        (guest,) = self.guests.alive
        assert guest.did[-1] == "work"
        return guest

    def loads(self) -> int:
        """Return how many guests had modules loaded into them."""
        return sum("load" in guest.did for guest in self.guests.all)

    def expect_other_build(self, variant: str) -> None:
        """Offer a module that won't have the build-id that it was built with."""
        build = self.guests.builds[variant]
        other = replace(build.modules[0], build_id="else")
        self.dut.offer({variant: replace(build, modules=(other, *build.modules[1:]))})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    with lab.dut:
        yield lab
    assert lab.guests.alive == []


def test_nothing_is_up_before_it_is_wanted(lab: Lab) -> None:
    assert len(lab.guests) == 0
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)


def test_every_use_is_a_guest_of_its_own(lab: Lab) -> None:
    seen: list[Guest] = []
    for variant in ("base", "candidate", "candidate", "base", "base"):
        lab.dut.use(variant)
        guest = lab.used()
        assert guest.did == ["work"]
        assert guest.variant == variant
        assert guest not in seen
        assert all(other.closed for other in seen)
        seen.append(guest)


def test_variant_is_loaded_once_and_restored_from_then_on(lab: Lab) -> None:
    for count in (2, 3, 4):
        lab.dut.use("base")
        assert len(lab.guests) == count
    assert lab.guests[0].asked[0][0] == "load"
    assert lab.guests[0].saved
    assert lab.guests[0].closed
    assert lab.loads() == 1
    lab.dut.use("candidate")
    assert lab.loads() == 2
    states = {guest.restored_from for guest in lab.guests.all}
    assert len(states) == 3, "pristine, base, candidate"


def test_what_others_have_saved_is_not_loaded_again(lab: Lab) -> None:
    for variant in ("base", "candidate"):
        lab.dut.save(variant)
    before = len(lab.guests)
    with lab.new_dut(lab.dut.saved) as other:
        other.use("candidate")
        assert other.call(work) == "answer"
        (guest,) = lab.guests.all[before:]
        assert guest.variant == "candidate"
        assert guest.did == ["work"]


def test_other_build_of_a_variant_is_loaded_and_saved_by_itself(lab: Lab) -> None:
    """A harmless series may be given to both variants: then one load does for both."""
    lab.dut.use("candidate")
    lab.dut.offer(dict.fromkeys(("base", "candidate"), lab.guests.builds["base"]))
    lab.dut.use("candidate")
    assert lab.used().variant == "base"
    assert lab.loads() == 2
    lab.dut.use("base")
    assert lab.loads() == 2


def test_one_build_under_two_names_is_saved_once(lab: Lab) -> None:
    """A series that changes nothing: its candidate's build is the base's, found in the store.

    Two guests that are saved into one file at the same time would both be spoilt.
    """
    build = lab.guests.builds["base"]
    lab.dut.offer({"base": replace(build, cached=False), "candidate": replace(build, cached=True)})
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lab.dut.save, ["base", "candidate"]))
    assert len(lab.guests) == 1


def test_modules_are_handed_over_as_they_are_in_their_files(lab: Lab) -> None:
    given: list[tuple[Any, ...]] = []

    def load(guest: Guest, *args: Any) -> dict[str, str]:
        given.append(args)
        return guest.load(args[0])

    lab.guests.does[modules.load] = load
    lab.dut.use("base")
    images = {name: f"base-{name}".encode() for name in NAMES}
    assert given == [(images, ["tun", "vhost_net"])]


def test_threads_that_save_the_same_load_it_once(lab: Lab) -> None:
    pause = threading.Event()

    def load(guest: Guest, images: dict[str, bytes], _: object) -> dict[str, str]:
        # Long enough for others to come, if others may.
        pause.wait(0.05)
        return guest.load(images)

    lab.guests.does[modules.load] = load
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lab.dut.save, ["base"] * 4))
    assert len(lab.guests) == 1


def test_variants_are_saved_side_by_side(lab: Lab) -> None:
    """Two can only meet when two load at once."""
    meeting = threading.Barrier(2)

    def load(guest: Guest, images: dict[str, bytes], _: object) -> dict[str, str]:
        meeting.wait(WAIT_SECONDS)
        return guest.load(images)

    lab.guests.does[modules.load] = load
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lab.dut.save, ["base", "candidate"]))
    assert len(set(lab.dut.saved.values())) == 2


@pytest.mark.parametrize(("error", "faults"), [(PANIC, 1), (REFUSED, 1), (GONE, 0)], ids=str)
def test_trouble_while_loading_is_raised_and_counted(
    lab: Lab, error: KsuiteError, faults: int
) -> None:
    lab.guests.trouble[modules.load] = error
    with pytest.raises(type(error)) as raised:
        lab.dut.use("candidate")
    assert raised.value is error
    assert +lab.dut.faults == +Counter(candidate=faults)
    assert lab.guests.alive == []
    assert lab.dut.saved == {}
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)
    lab.guests.trouble.clear()
    lab.dut.use("candidate")
    assert lab.used().variant == "candidate"


def test_guest_that_can_not_be_saved_is_infrastructure(lab: Lab) -> None:
    lab.guests.unsavable = FULL
    with pytest.raises(InfrastructureError, match="could not save"):
        lab.dut.use("base")
    assert lab.guests.alive == []
    assert lab.dut.saved == {}
    assert lab.dut.faults.total() == 0


def test_module_that_was_not_built_by_us_is_infrastructure(lab: Lab) -> None:
    lab.expect_other_build("candidate")
    with pytest.raises(InfrastructureError, match="build-ids on the DUT"):
        lab.dut.use("candidate")
    assert lab.guests.alive == []
    assert lab.dut.saved == {}
    assert lab.dut.faults.total() == 0


def test_wrong_kernel_is_infrastructure(lab: Lab) -> None:
    lab.guests.kernel = "6.12.0"
    for using in (lab.dut.use, lambda variant: lab.dut.use_for(variant, work)):
        with pytest.raises(InfrastructureError, match=r"runs 6\.12\.0, not 6\.1\.0-1-amd64"):
            using("base")
    assert lab.guests.alive == []
    assert lab.dut.saved == {}


@pytest.mark.parametrize("alone", [False, True], ids=["use", "use_for"])
def test_guests_that_do_not_come_up_are_not_tried_for_ever(lab: Lab, alone: bool) -> None:
    def using() -> None:
        if alone:
            lab.dut.use_for("base", work)
        else:
            lab.dut.use("base")

    lab.guests.stillborn = NO_AGENT
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="no agent"):
            using()
    with pytest.raises(InfrastructureError, match="not tried again"):
        using()
    assert len(lab.guests) == 2
    assert lab.dut.faults.total() == 0


def test_guest_that_ends_after_it_was_up_is_tried_again(lab: Lab) -> None:
    lab.guests.trouble[modules.load] = GONE
    for _ in range(5):
        with pytest.raises(InfrastructureError, match="the guest ended"):
            lab.dut.use("base")


@pytest.mark.parametrize("error", [PANIC, GONE], ids=type)
def test_fault_in_a_call_costs_the_guest_its_life(lab: Lab, error: KsuiteError) -> None:
    lab.guests.trouble[work] = error
    lab.dut.use("candidate")
    with pytest.raises(type(error)):
        lab.dut.call(work)
    assert lab.guests.alive == []
    assert lab.dut.faults["candidate"] == isinstance(error, KernelFault)
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)
    lab.dut.use("candidate")
    assert len(lab.guests.alive) == 1
    assert lab.loads() == 1


@pytest.mark.parametrize(("error", "kind"), [(IN_USE, "leak"), (PANIC, "panic")], ids=str)
def test_late_trouble_is_the_variants_that_ran(lab: Lab, error: KsuiteError, kind: str) -> None:
    """What base breaks as it leaves must not be the candidate's failure."""
    lab.guests.trouble[modules.unload] = error
    lab.dut.use("base")
    lab.guests.trouble.clear()
    lab.dut.use("candidate")
    assert lab.guests[1].did == ["unload"]
    assert +lab.dut.faults == Counter(base=1)
    assert {variant: fault.kind for variant, fault in lab.dut.late_faults.items()} == {"base": kind}
    assert lab.used().variant == "candidate"


def test_guest_is_unloaded_before_it_goes(lab: Lab) -> None:
    """Only then does a leak show; afterwards nothing is loaded that could be retired again."""
    lab.dut.use("base")
    guest = lab.used()
    lab.dut.retire()
    lab.dut.retire()
    assert guest.did == ["work", "unload"]
    assert guest.asked[-1] == ("unload", list(NAMES))
    assert lab.dut.late_faults == {}


def test_use_for_has_a_guest_to_itself(lab: Lab) -> None:
    lab.dut.use("base")
    mine = lab.used()
    before = len(lab.guests)
    assert lab.dut.use_for("candidate", work) == "answer"
    (other,) = lab.guests.all[before:]
    assert other.did == ["load", "work", "unload"]
    assert other.asked[-1] == ("unload", list(NAMES))
    assert other.variant == "candidate"
    assert other.closed
    assert lab.used() is mine
    assert mine.did == ["work", "work"]


def test_use_for_asks_for_all_of_it_at_once_of_a_pristine_guest(lab: Lab) -> None:
    """Whatever the host does between two requests could be noticed, and a save is one."""
    lab.dut.save("base")
    lab.dut.use_for("base", work)
    saving, alone = lab.guests.all
    assert alone.restored_from == saving.restored_from
    assert alone.did == ["load", "work", "unload"]
    assert alone.runs == 1


def test_use_for_hands_over_arguments(lab: Lab) -> None:
    lab.guests.does[work] = lambda _, *args: list(args)
    assert lab.dut.use_for("base", work, "vhost_tx", 64) == ["vhost_tx", 64]


def test_run_alone_answers_each_call_and_hands_arguments_to_qemu(lab: Lab) -> None:
    lab.guests.does[work] = lambda _, *args: list(args)
    calls: list[Call] = [(work, ("first",), {}), (work, ("second",), {})]
    assert lab.dut.run_alone("base", calls, ["-plugin", "x"]) == [["first"], ["second"]]
    assert lab.guests[0].more_arguments == ("-plugin", "x")
    lab.dut.use("base")
    assert [guest.more_arguments for guest in lab.guests.all[1:]] == [(), ()]


@pytest.mark.parametrize("where", [modules.load, work, modules.unload], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("error", "faults"), [(PANIC, 1), (REFUSED, 1), (GONE, 0)], ids=str)
def test_use_for_closes_its_guest_whatever_happens(
    lab: Lab, where: Callable[..., Any], error: KsuiteError, faults: int
) -> None:
    lab.guests.trouble[where] = error
    with pytest.raises(type(error)) as raised:
        lab.dut.use_for("candidate", work)
    assert raised.value is error
    assert lab.guests[0].closed
    assert lab.guests[0].did[-1] == where.__name__
    assert +lab.dut.faults == +Counter(candidate=faults)


@pytest.mark.parametrize("where", [modules.load, work], ids=lambda f: f.__name__)
def test_guest_is_closed_when_interrupted(lab: Lab, where: Callable[..., Any]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    lab.guests.does[where] = interrupt
    with pytest.raises(KeyboardInterrupt):
        lab.dut.use_for("base", work)
    assert lab.guests[0].closed


def test_use_for_refuses_another_build(lab: Lab) -> None:
    lab.expect_other_build("base")
    with pytest.raises(InfrastructureError, match="build-ids on the DUT"):
        lab.dut.use_for("base", work)
    assert lab.guests[0].closed


def test_use_for_runs_side_by_side(lab: Lab) -> None:
    meeting = threading.Barrier(3)
    lab.guests.does[work] = lambda guest: (meeting.wait(WAIT_SECONDS), guest.variant)[1]
    variants = ["base", "candidate", "base"]
    with ThreadPoolExecutor(len(variants)) as pool:
        seen = list(pool.map(lambda variant: lab.dut.use_for(variant, work), variants))
    assert seen == variants
    assert len(lab.guests) == 3


def test_nothing_is_left_when_a_check_breaks_off(lab: Lab) -> None:
    break_off(lab.dut)
    assert len(lab.guests) == 2
    assert lab.guests.alive == []
