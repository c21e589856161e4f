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
    RELEASE,
    WAIT_SECONDS,
    Guest,
    Guests,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REFUSED = DutError("load vhost: Unknown symbol")
NO_AGENT = InfrastructureError("no agent within 120 s")


class Lab:
    """A DUT, and all guests that were restored for it."""

    def __init__(self, directory: Path) -> None:
        self.guests = Guests(directory)
        self.dut = RestoredDut(self.guests.boot, RELEASE, ["tun", "vhost_net"])
        self.dut.offer(self.guests.builds)

    def used(self) -> Guest:
        """Call something, and return the guest that it reached."""
        assert self.dut.call(work) == "answer"
        (guest,) = [guest for guest in self.guests.alive if guest.did[-1] == "work"]
        return guest

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


def after_threads() -> None:
    """Wait until the guests that are got ready in the background are."""
    for thread in threading.enumerate():
        if thread.name == "ks-spare":
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()


def test_nothing_is_up_before_it_is_wanted(lab: Lab) -> None:
    lab.dut.start()
    assert len(lab.guests) == 0
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)


def test_every_use_is_a_pristine_guest(lab: Lab) -> None:
    seen: list[Guest] = []
    for variant in ("base", "candidate", "candidate", "base", "base"):
        lab.dut.use(variant)
        guest = lab.used()
        assert guest.did == ["load", "work"]
        assert guest.variant == variant
        assert guest not in seen
        assert all(other.closed for other in seen)
        seen.append(guest)


def test_modules_are_handed_over_as_they_are_in_their_files(lab: Lab) -> None:
    given: list[tuple[Any, ...]] = []

    def load(guest: Guest, *args: Any) -> dict[str, str]:
        given.append(args)
        return guest.load(args[0])

    lab.guests.does[modules.load] = load
    lab.dut.use("base")
    images = {name: f"base-{name}".encode() for name in NAMES}
    assert given[0] == (images, ["tun", "vhost_net"])


def test_next_guest_is_prepared_in_the_background(lab: Lab) -> None:
    """The second one's modules load while the first is used."""
    go_on = threading.Event()

    def load(guest: Guest, images: dict[str, bytes], _: object) -> dict[str, str]:
        if guest is not lab.guests[0]:
            assert go_on.wait(WAIT_SECONDS)
        return guest.load(images)

    lab.guests.does[modules.load] = load
    lab.dut.use("base")
    assert lab.used() is lab.guests[0]
    assert lab.guests[1].variant == ""
    go_on.set()
    lab.dut.use("base")
    assert lab.used() is lab.guests[1]


def test_spare_is_taken_by_the_variant_that_it_is_for(lab: Lab) -> None:
    for count in (2, 3, 4):
        lab.dut.use("base")
        assert len(lab.guests) == count
        assert lab.used() is lab.guests[count - 2]


def test_spare_of_the_other_variant_is_thrown_away(lab: Lab) -> None:
    lab.dut.use("base")
    lab.dut.use("candidate")
    first, spare, *_ = lab.guests.all
    assert first.closed
    assert spare.closed
    assert "work" not in spare.did
    assert lab.used() is lab.guests[2]


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
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)
    lab.guests.trouble.clear()
    lab.dut.use("candidate")
    assert lab.used().variant == "candidate"


def break_spare(guests: Guests) -> None:
    """Let the first guest that is got ready in the background break as it loads."""

    def load(guest: Guest, images: dict[str, bytes], _: object) -> dict[str, str]:
        if guests.all.index(guest) == 1:
            raise PANIC
        return guest.load(images)

    guests.does[modules.load] = load


def test_trouble_of_the_spare_is_raised_by_its_own_use(lab: Lab) -> None:
    break_spare(lab.guests)
    lab.dut.use("base")
    after_threads()
    assert lab.used() is lab.guests[0]
    assert lab.dut.faults.total() == 0
    with pytest.raises(KernelFault):
        lab.dut.use("base")
    assert +lab.dut.faults == Counter(base=1)
    assert lab.guests.alive == []


def test_trouble_of_a_spare_that_nobody_wants_is_nobodys(lab: Lab) -> None:
    break_spare(lab.guests)
    lab.dut.use("base")
    after_threads()
    lab.dut.use("candidate")
    assert lab.used().variant == "candidate"
    assert lab.guests[1].closed
    assert lab.dut.faults.total() == 0


def test_module_that_was_not_built_by_us_is_infrastructure(lab: Lab) -> None:
    lab.expect_other_build("candidate")
    with pytest.raises(InfrastructureError, match="build-ids on the DUT"):
        lab.dut.use("candidate")
    assert lab.guests.alive == []
    assert lab.dut.faults.total() == 0


def test_wrong_kernel_is_infrastructure(lab: Lab) -> None:
    lab.guests.kernel = "6.12.0"
    for using in (lab.dut.use, lambda variant: lab.dut.use_for(variant, work)):
        with pytest.raises(InfrastructureError, match=r"runs 6\.12\.0, not 6\.1\.0-1-amd64"):
            using("base")
    assert lab.guests.alive == []


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
    assert lab.guests[0].closed
    assert lab.dut.faults["candidate"] == isinstance(error, KernelFault)
    with pytest.raises(InfrastructureError, match="no guest is up"):
        lab.dut.call(work)
    lab.dut.use("candidate")
    assert not lab.guests[1].closed


@pytest.mark.parametrize(("error", "kind"), [(IN_USE, "leak"), (PANIC, "panic")], ids=str)
def test_late_trouble_is_the_variants_that_ran(lab: Lab, error: KsuiteError, kind: str) -> None:
    """What base breaks as it leaves must not be the candidate's failure."""
    lab.guests.trouble[modules.unload] = error
    lab.dut.use("base")
    lab.guests.trouble.clear()
    lab.dut.use("candidate")
    assert lab.guests[0].did == ["load", "unload"]
    assert +lab.dut.faults == Counter(base=1)
    assert {variant: fault.kind for variant, fault in lab.dut.late_faults.items()} == {"base": kind}
    assert lab.used().variant == "candidate"


def test_guest_is_unloaded_before_it_goes(lab: Lab) -> None:
    """Only then does a leak show; afterwards nothing is loaded that could be retired again."""
    lab.dut.use("base")
    lab.dut.retire()
    lab.dut.retire()
    assert lab.guests[0].asked[-1] == ("unload", list(NAMES))
    assert lab.guests[0].did == ["load", "unload"]
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
    assert mine.did == ["load", "work", "work"]


def test_use_for_asks_for_all_of_it_at_once(lab: Lab) -> None:
    """Whatever the host does between two requests could be noticed."""
    lab.dut.use_for("base", work)
    assert lab.guests[0].runs == 1


def test_use_for_hands_over_arguments(lab: Lab) -> None:
    lab.guests.does[work] = lambda _, *args: list(args)
    assert lab.dut.use_for("base", work, "vhost_tx", 64) == ["vhost_tx", 64]


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


def test_use_for_closes_its_guest_when_interrupted(lab: Lab) -> None:
    def interrupt(_: Guest) -> None:
        raise KeyboardInterrupt

    lab.guests.does[work] = interrupt
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


def test_close_ends_the_spare_even_while_it_loads(lab: Lab) -> None:
    def load(guest: Guest, images: dict[str, bytes], _: object) -> dict[str, str]:
        if guest is lab.guests[0]:
            return guest.load(images)
        # As a real machine does whose process is killed in mid call.
        assert guest.closing.wait(WAIT_SECONDS)
        raise GONE

    lab.guests.does[modules.load] = load
    lab.dut.use("base")
    assert len(lab.guests.alive) == 2
    lab.dut.close()
    assert lab.guests.alive == []
    assert not [thread for thread in threading.enumerate() if thread.name == "ks-spare"]
    lab.dut.close()


def test_nothing_is_left_when_a_check_breaks_off(lab: Lab) -> None:
    def interrupted() -> None:
        with lab.dut:
            lab.dut.use("base")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(lab.guests) == 2
    assert lab.guests.alive == []
