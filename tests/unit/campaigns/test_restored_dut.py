# SPDX-License-Identifier: GPL-2.0-or-later
"""The DUT whose every use is a guest of its own, over machines that only keep books."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.dut import Answer
from ksuite.campaigns.recalling import KIND, Answers
from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.dut import kmemleak, modules
from ksuite.errors import DutError, InfrastructureError, KernelFault, KsuiteError
from ksuite.kernels.store import Store
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS
from tests.unit.campaigns.guests import (
    GONE,
    IN_USE,
    NAMES,
    PANIC,
    RELEASE,
    WAIT_SECONDS,
    Guest,
    Guests,
    break_off,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from ksuite.machines.machine import Call

REFUSED = DutError("load vhost: Unknown symbol")
NO_AGENT = InfrastructureError("no agent within 120 s")
FULL = InfrastructureError("QEMU could not save the guest")


class Lab:
    """A DUT, and all guests that were restored for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store(directory / "store")
        self.guests = Guests(directory)
        self.dut = self.new_dut()

    def new_dut(self, saved: dict[str, Path] | None = None) -> RestoredDut:
        """Return a DUT as another process would have it, over the same snapshot."""
        snapshot = self.guests.snapshot()
        dut = RestoredDut(snapshot, self.directory, ["tun", "vhost_net"], saved)
        dut.offer(self.guests.builds)
        return dut

    def recalling(
        self,
        recalls: Collection[str] = VARIANTS,
        *,
        key: str = "5eed",
        suite: tuple[str, ...] = ("vhost_net",),
    ) -> RestoredDut:
        """Return a DUT as another run would have it, over the same store.

        :param recalls: the variants that need not be asked again.
        :param key: the snapshot's.
        :param suite: the modules that it needs.
        """
        snapshot = replace(self.guests.snapshot(), key=key)
        answers = Answers(self.store, snapshot)
        dut = RestoredDut(snapshot, self.directory, suite, answers=answers, recalls=recalls)
        dut.offer(self.guests.builds)
        return dut

    def offer_other_modules(self, variant: str) -> None:
        """Let a variant's next build be another one, as another series would have it."""
        build = self.guests.builds[variant]
        build.modules[0].path.write_bytes(b"other")
        other = replace(build.modules[0], build_id="other")
        self.guests.builds[variant] = replace(build, modules=(other, *build.modules[1:]))

    def used(self) -> Guest:
        """Call something, and return the guest that it reached."""
        assert self.dut.call(work) == "answer"
        (guest,) = self.guests.alive
        assert guest.did[-1] == "work"
        return guest

    def loads(self) -> int:
        """Return how many guests had modules loaded into them."""
        return sum("load" in guest.did for guest in self.guests.all)

    def expect_other_build(self, variant: str, dut: RestoredDut | None = None) -> None:
        """Offer a module that won't have the build-id that it was built with."""
        build = self.guests.builds[variant]
        other = replace(build.modules[0], build_id="else")
        (dut or self.dut).offer({variant: replace(build, modules=(other, *build.modules[1:]))})


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
    assert lab.dut.use_for("candidate", work).value == "answer"
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
    assert lab.dut.use_for("base", work, "vhost_tx", 64).value == ["vhost_tx", 64]


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
        seen = list(pool.map(lambda variant: lab.dut.use_for(variant, work).value, variants))
    assert seen == variants
    assert len(lab.guests) == 3


def test_nothing_is_left_when_a_check_breaks_off(lab: Lab) -> None:
    break_off(lab.dut)
    assert len(lab.guests) == 2
    assert lab.guests.alive == []


def test_what_was_answered_once_needs_no_guest(lab: Lab) -> None:
    for recalled in (False, True):
        before = len(lab.guests)
        with lab.recalling() as dut:
            for variant in VARIANTS:
                dut.use(variant)
                assert [dut.call(work, number) for number in (1, 2)] == ["answer"] * 2
                assert dut.recalled is recalled
                assert dut.use_for(variant, work, 64) == Answer("answer", recalled)
            dut.retire()
            assert dut.late_faults == {}
        assert (len(lab.guests) == before) is recalled


def test_next_use_of_the_same_run_needs_none_either(lab: Lab) -> None:
    with lab.recalling() as dut:
        for recalled in (False, True):
            dut.use("base")
            before = len(lab.guests)
            assert dut.call(work) == "answer"
            assert dut.recalled is recalled
            assert (len(lab.guests) == before) is recalled


def test_guest_that_is_up_is_not_recalled(lab: Lab) -> None:
    assert not lab.dut.recalled
    lab.dut.use("base")
    assert not lab.dut.recalled
    assert lab.dut.use_for("base", work) == Answer("answer", recalled=False)


def test_nothing_is_recalled_where_nobody_was_asked(lab: Lab) -> None:
    with lab.recalling() as dut:
        assert not dut.recalled
        dut.use("base")
        dut.discard()
        assert not dut.recalled


def test_another_call_starts_a_guest_that_is_told_what_went_before(lab: Lab) -> None:
    def echo(guest: Guest, number: int) -> tuple[str, int]:
        return guest.variant, number

    lab.guests.does[work] = echo
    for last in (4, 3):
        with lab.recalling() as dut:
            dut.use("candidate")
            before = len(lab.guests)
            assert [dut.call(work, number) for number in (2, 1)] == [
                *(("candidate", 2), ("candidate", 1)),
            ]
            assert dut.recalled is (last == 3)
            assert dut.call(work, last) == ("candidate", last)
            assert not dut.recalled
    saving, guest = lab.guests.all[before:]
    assert saving.did == ["load"]
    assert saving.closed
    assert guest.restored_from != saving.restored_from
    assert guest.asked == [("work", 2), ("work", 1), ("work", 3)]


def test_guest_that_is_needed_after_all_is_restored_from_where_it_was_saved(lab: Lab) -> None:
    with lab.recalling() as dut:
        dut.use("base")
    with lab.recalling() as dut:
        dut.use("base")
        for number in range(3):
            dut.call(work, number)
        dut.use("base")
        dut.call(work, "other")
    assert lab.loads() == 2, "each run by itself"
    assert len(lab.guests) == 4


ANOTHER_RUN: dict[str, Callable[[Lab], RestoredDut]] = {
    "other suite": lambda lab: lab.recalling(suite=("tun", "vhost_net")),
    "other snapshot": lambda lab: lab.recalling(key="other"),
}


def other_modules(lab: Lab) -> RestoredDut:
    lab.offer_other_modules("base")
    return lab.recalling()


@pytest.mark.parametrize(
    "another",
    [*ANOTHER_RUN.values(), other_modules],
    ids=[*ANOTHER_RUN, "other modules"],
)
def test_guests_that_are_not_the_same_are_asked(
    lab: Lab, another: Callable[[Lab], RestoredDut]
) -> None:
    for new_dut in (Lab.recalling, another):
        before = len(lab.guests)
        with new_dut(lab) as dut:
            dut.use("base")
            dut.call(work)
            assert not dut.recalled
            assert not dut.use_for("base", work).recalled
        assert len(lab.guests) == before + 3


@pytest.mark.parametrize("alone", [False, True], ids=["use", "use_for"])
def test_other_arguments_are_another_question(lab: Lab, alone: bool) -> None:
    lab.guests.does[work] = lambda _, *args: list(args)

    def asked(dut: RestoredDut, *args: Any) -> Answer:
        if alone:
            return dut.use_for("base", work, *args)
        dut.use("base")
        return Answer(dut.call(work, *args), dut.recalled)

    with lab.recalling() as dut:
        assert asked(dut, "vhost_tx", 64) == Answer(["vhost_tx", 64])
        assert asked(dut, "vhost_tx", 1500) == Answer(["vhost_tx", 1500])
        assert asked(dut, "vhost_tx", 64) == Answer(["vhost_tx", 64], recalled=True)


def test_another_repeat_is_another_question(lab: Lab) -> None:
    numbers = iter(range(10))
    lab.guests.does[work] = lambda _: next(numbers)
    for recalled in (False, True):
        with lab.recalling() as dut:
            seen = [dut.use_for("base", work, repeat=repeat) for repeat in (0, 1)]
            assert seen == [Answer(0, recalled), Answer(1, recalled)]
    assert len(lab.guests) == 2


def test_same_modules_under_another_name_are_the_same(lab: Lab) -> None:
    """A series that changes nothing."""
    builds = dict.fromkeys(VARIANTS, lab.guests.builds["base"])
    with lab.recalling() as dut:
        dut.offer(builds)
        assert not dut.use_for("base", work).recalled
        assert dut.use_for("candidate", work).recalled


def test_variant_that_may_not_be_recalled_is_always_asked(lab: Lab) -> None:
    for _ in range(2):
        before = len(lab.guests)
        with lab.recalling({"base"}) as dut:
            dut.use("candidate")
            dut.call(work)
            assert not dut.recalled
            assert not dut.use_for("candidate", work).recalled
        assert [guest.variant for guest in lab.guests.all[before:]] == ["candidate"] * 3


def test_variant_that_may_not_be_recalled_leaves_nothing_to_recall(lab: Lab) -> None:
    with lab.recalling(()) as dut:
        dut.use("base")
        dut.call(work)
        dut.use_for("base", work)
    assert not (lab.store.root / KIND).exists()


def test_what_is_run_alone_is_asked_each_time(lab: Lab) -> None:
    """QEMU's arguments may have it write a file."""
    for count in (1, 2):
        with lab.recalling() as dut:
            assert dut.run_alone("base", [(work, (), {})]) == ["answer"]
        assert len(lab.guests) == count


@pytest.mark.parametrize("error", [PANIC, REFUSED, GONE], ids=type)
def test_trouble_in_a_call_is_met_again(lab: Lab, error: KsuiteError) -> None:
    lab.guests.trouble[work] = error
    for _ in range(2):
        with lab.recalling() as dut:
            dut.use("base")
            with pytest.raises(type(error)) as raised:
                dut.call(work)
            assert raised.value is error
            assert lab.guests[-1].did == ["work"]
            assert dut.faults["base"] == isinstance(error, KernelFault)


@pytest.mark.parametrize("where", [modules.load, work, modules.unload], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("error", "faults"), [(PANIC, 1), (REFUSED, 1), (GONE, 0)], ids=str)
def test_trouble_in_a_guest_of_its_own_is_met_again(
    lab: Lab, where: Callable[..., Any], error: KsuiteError, faults: int
) -> None:
    lab.guests.trouble[where] = error
    for count in (1, 2):
        with lab.recalling() as dut:
            with pytest.raises(type(error)) as raised:
                dut.use_for("base", work)
            assert raised.value is error
            assert +dut.faults == +Counter(base=faults)
        assert len(lab.guests) == count
        assert lab.guests.alive == []


@pytest.mark.parametrize(("error", "faults"), [(PANIC, 1), (REFUSED, 1), (GONE, 0)], ids=str)
def test_variant_that_could_not_be_loaded_is_tried_again(
    lab: Lab, error: KsuiteError, faults: int
) -> None:
    lab.guests.trouble[modules.load] = error
    for count in (1, 2):
        with lab.recalling() as dut:
            with pytest.raises(type(error)) as raised:
                dut.use("candidate")
            assert raised.value is error
            assert +dut.faults == +Counter(candidate=faults)
        assert len(lab.guests) == count


def test_unloading_is_recalled_too(lab: Lab) -> None:
    for count in (2, 2):
        with lab.recalling() as dut:
            dut.use("base")
            dut.retire()
            assert dut.late_faults == {}
        assert len(lab.guests) == count
    assert lab.guests[-1].asked == [("unload", list(NAMES))]


@pytest.mark.parametrize(("error", "kind"), [(IN_USE, "leak"), (PANIC, "panic")], ids=str)
def test_late_trouble_of_what_is_recalled_is_met_again(
    lab: Lab, error: KsuiteError, kind: str
) -> None:
    """Whose answers stand must not get away with what it broke afterwards."""
    lab.guests.trouble[modules.unload] = error
    for recalled in (False, True):
        with lab.recalling() as dut:
            dut.use("base")
            dut.call(work)
            assert dut.recalled is recalled
            dut.retire()
            assert lab.guests[-1].did == ["work", "unload"]
            assert {name: fault.kind for name, fault in dut.late_faults.items()} == {"base": kind}
            assert +dut.faults == Counter(base=1)


def test_variant_that_was_loaded_in_an_earlier_run_is_not_loaded_to_be_saved(lab: Lab) -> None:
    with lab.recalling() as dut:
        dut.save("base")
        assert set(dut.saved) == {"base"}
    with lab.recalling() as dut:
        dut.save("base")
        assert dut.saved == {}
        dut.save("candidate")
        assert set(dut.saved) == {"candidate"}
    assert [guest.variant for guest in lab.guests.all] == ["base", "candidate"]


def test_variant_that_was_loaded_and_must_be_asked_is_saved(lab: Lab) -> None:
    for recalls in (VARIANTS, ["base"]):
        with lab.recalling(recalls) as dut:
            dut.save("candidate")
            assert set(dut.saved) == {"candidate"}


@pytest.mark.parametrize("alone", [False, True], ids=["use", "use_for"])
def test_build_ids_that_are_recalled_are_checked(lab: Lab, alone: bool) -> None:
    def using(dut: RestoredDut) -> None:
        if alone:
            dut.use_for("base", work)
        else:
            dut.use("base")

    with lab.recalling() as dut:
        using(dut)
    before = len(lab.guests)
    with lab.recalling() as dut:
        lab.expect_other_build("base", dut)
        with pytest.raises(InfrastructureError, match="build-ids on the DUT"):
            using(dut)
        assert dut.faults.total() == 0
    assert len(lab.guests) == before


def test_build_that_was_refused_is_refused_again(lab: Lab) -> None:
    for _ in range(2):
        with lab.recalling() as dut:
            lab.expect_other_build("base", dut)
            for using in (dut.use, lambda variant, dut=dut: dut.use_for(variant, work)):
                with pytest.raises(InfrastructureError, match="build-ids on the DUT"):
                    using("base")


def test_damaged_answers_are_asked_anew(lab: Lab) -> None:
    with lab.recalling() as dut:
        dut.use("base")
        dut.call(work)
        dut.use_for("base", work)
    kept = list((lab.store.root / KIND).iterdir())
    assert len(kept) == 3
    for place in kept:
        (place / "answers").write_bytes(b"")
    for recalled in (False, True):
        with lab.recalling() as dut:
            dut.use("base")
            assert dut.call(work) == "answer"
            assert dut.recalled is recalled
            assert dut.use_for("base", work) == Answer("answer", recalled)


def test_store_that_can_not_be_written_means_asking_again(lab: Lab) -> None:
    lab.store.root.write_text("no directory")
    for count in (3, 6):
        with lab.recalling() as dut:
            dut.use("base")
            assert dut.call(work) == "answer"
            assert dut.use_for("base", work) == Answer("answer")
        assert len(lab.guests) == count


@pytest.mark.parametrize("alone", [False, True], ids=["use", "use_for"])
def test_guests_that_are_started_late_are_not_tried_for_ever(lab: Lab, alone: bool) -> None:
    def using(dut: RestoredDut) -> None:
        if alone:
            dut.use_for("base", work)
        else:
            dut.use("base")
            dut.call(work)

    with lab.recalling() as dut:
        dut.use("base")
    before = len(lab.guests)
    lab.guests.stillborn = NO_AGENT
    with lab.recalling() as dut:
        for _ in range(2):
            with pytest.raises(InfrastructureError, match="no agent"):
                using(dut)
        with pytest.raises(InfrastructureError, match="not tried again"):
            using(dut)
        assert dut.faults.total() == 0
    assert len(lab.guests) == before + 2


@pytest.mark.parametrize("where", [modules.load, work], ids=lambda f: f.__name__)
def test_guest_that_was_started_late_is_closed_when_interrupted(
    lab: Lab, where: Callable[..., Any]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    lab.guests.does[where] = interrupt
    with lab.recalling() as dut, pytest.raises(KeyboardInterrupt):
        dut.use_for("base", work)
    assert lab.guests[0].closed


def test_recalled_and_asked_run_side_by_side(lab: Lab) -> None:
    lab.guests.does[work] = lambda guest, number: [guest.variant, number]
    with lab.recalling() as dut:
        for number in range(4):
            dut.use_for("base", work, number)
    work_to_do = [(variant, number) for variant in VARIANTS for number in range(8)]
    with lab.recalling({"base"}) as dut, ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda one: dut.use_for(one[0], work, one[1]), work_to_do))
    assert seen == [
        Answer([variant, number], recalled=variant == "base" and number < 4)
        for variant, number in work_to_do
    ]
    assert len(lab.guests) == 4 + 12


class Leaking(Lab):
    """A DUT whose kernel looks for leaks."""

    def new_dut(self, saved: dict[str, Path] | None = None) -> RestoredDut:
        dut = RestoredDut(
            self.guests.snapshot(), self.directory, ["vhost_net"], saved, finds_leaks=True
        )
        dut.offer(self.guests.builds)
        return dut


@pytest.mark.parametrize("report", ["", "unreferenced object 0xffff88 (size 64):\n  backtrace:"])
def test_leaks_are_looked_for_in_one_guest_at_its_end(tmp_path: Path, report: str) -> None:
    lab = Leaking(tmp_path)
    lab.guests.does[kmemleak.leaks] = lambda _guest: report
    for _ in range(3):
        lab.dut.use(CANDIDATE)
        lab.used()
    (guest,) = lab.guests.alive
    assert guest.did.count("work") == 3
    assert "leaks" not in guest.did
    assert [name for name in guest.did if name in {"work", "forget"}] == (
        ["work", "forget", "work", "forget", "work"]
    ), "what an earlier check has left in its tables is no other check's"
    lab.dut.retire()
    found_at_once = ["leaks"] if report else ["leaks", "unload", "leaks"]
    assert guest.did[guest.did.index("leaks") :] == found_at_once
    fault = lab.dut.late_faults.get(CANDIDATE)
    assert (fault.summary if fault else "") == (
        "kmemleak: unreferenced object 0xffff88 (size 64):" if report else ""
    )
    if fault:
        assert (fault.kind, fault.console) == ("leak", report)
        assert lab.guests.alive == []


def test_leak_that_only_shows_without_the_modules(tmp_path: Path) -> None:
    lab = Leaking(tmp_path)
    lab.guests.does[kmemleak.leaks] = lambda guest: "unreferenced" if "unload" in guest.did else ""
    lab.dut.use(CANDIDATE)
    lab.dut.retire()
    assert lab.dut.late_faults[CANDIDATE].summary == "kmemleak: unreferenced"


def test_variant_with_a_kernel_of_its_own(lab: Lab, tmp_path: Path) -> None:
    own = replace(lab.guests.snapshot(), release="6.13.0", key="other")
    dut = RestoredDut(lab.guests.snapshot(), tmp_path, [], others={CANDIDATE: own})
    dut.offer(lab.guests.builds)
    dut.use(BASE)
    with pytest.raises(InfrastructureError, match=rf"the DUT runs {RELEASE}, not 6\.13\.0"):
        dut.use(CANDIDATE)


@pytest.mark.parametrize(("runs", "proven"), [("aa", True), ("bb", False), ("", False)])
def test_kernel_that_runs_is_the_one_that_was_built(lab: Lab, runs: str, *, proven: bool) -> None:
    for variant, build in lab.guests.builds.items():
        lab.guests.builds[variant] = replace(build, vmlinux_id="aa")
    told = {"vmlinux": runs} if runs else {}
    lab.guests.does[modules.load] = lambda guest, images, _: guest.load(images) | told
    with nullcontext() if proven else pytest.raises(InfrastructureError, match="build-ids"):
        lab.dut.use(CANDIDATE)
