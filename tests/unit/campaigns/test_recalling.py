# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers that are kept, and guests that are only started for what nobody was asked before."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ksuite.campaigns import recalling
from ksuite.campaigns.recalling import KIND, Answers, RecallingMachine
from ksuite.errors import DutError, InfrastructureError, KsuiteError, NothingToCompare
from ksuite.kernels.store import Store
from tests.unit.campaigns.guests import GONE, PANIC, RELEASE, Guest, Guests, snapshot, work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ksuite.campaigns.recalling import Messages
    from ksuite.machines.image_machine import RestoredMachine
    from ksuite.machines.machine import Call

REFUSED = DutError("ioctl: Invalid argument")
BLIND = NothingToCompare("no counter here")
NO_AGENT = InfrastructureError("no agent within 120 s")


def rest() -> None:
    """Stand for another scenario."""


def asking(*args: Any, **kwargs: Any) -> Call:
    return work, args, kwargs


ONE, TWO, THREE = asking(1), asking(2), asking(3)


class Lab:
    """A store, and machines over it: each would be a guest of its own if it had to be started."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store(directory / "store")
        self.guests = Guests(directory)
        self.guests.does[work] = lambda _, *args: list(args)

    def answers(self, key: str = "5eed", state: str = "state") -> Answers:
        return Answers(self.store, replace(snapshot(self.directory / state), key=key))

    def machine(self, before: Messages = (), repeat: int = 0) -> RecallingMachine:
        def start() -> RestoredMachine:
            return cast("RestoredMachine", self.guests.boot())

        return RecallingMachine(start, RELEASE, self.answers(), before, repeat)

    def told(self, *messages: Sequence[Call]) -> RecallingMachine:
        """Return a machine that has been told this."""
        machine = self.machine()
        for calls in messages:
            machine.run(calls)
        return machine

    def kept(self) -> list[Path]:
        """Return where each answer is kept."""
        return list((self.store.root / KIND).iterdir())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_what_nobody_was_asked_is_not_recalled(lab: Lab) -> None:
    assert lab.answers().recall([[ONE]]) is None


def test_answers_come_back_as_they_were(lab: Lab) -> None:
    """To the last digit, and to the type: True is not 1, and a list is no tuple."""
    given: list[Any] = [
        *(None, True, 1, 1.0, 0.1 + 0.2, -1, 2**70, "ü\0", b"\0\xff", ""),
        *([], (), {}, (1, [2]), {"a": {3: 4.5}}),
    ]
    lab.answers().keep([[ONE]], given)
    assert repr(lab.answers().recall([[ONE]])) == repr(given)


def test_no_answers_are_answers(lab: Lab) -> None:
    lab.answers().keep([[]], [])
    assert lab.answers().recall([[]]) == []


OTHERS: dict[str, Messages] = {
    "other function": [[TWO], [(rest, (1,), {})]],
    "other argument": [[TWO], [asking(3)]],
    "other type": [[TWO], [asking(1.0)]],
    "truth": [[TWO], [asking(True)]],
    "bytes": [[TWO], [asking(b"1")]],
    "one more argument": [[TWO], [asking(1, 1)]],
    "by name": [[TWO], [asking(packets=1)]],
    "one more call": [[TWO], [ONE, ONE]],
    "nothing before": [[ONE]],
    "more before": [[TWO], [TWO], [ONE]],
    "something else before": [[THREE], [ONE]],
    "other order": [[ONE], [TWO]],
    "in one message": [[TWO, ONE]],
    "in other messages": [[], [TWO, ONE]],
    "unfinished": [[TWO]],
}


@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS)
def test_something_else_was_asked(lab: Lab, said: Messages) -> None:
    lab.answers().keep([[TWO], [ONE]], ["answer"])
    assert lab.answers().recall(said) is None


def test_names_of_arguments_count(lab: Lab) -> None:
    lab.answers().keep([[asking(packets=1)]], ["answer"])
    assert lab.answers().recall([[asking(packets=1)]]) == ["answer"]
    assert lab.answers().recall([[asking(frames=1)]]) is None
    assert lab.answers().recall([[asking(packets=2)]]) is None


def test_each_repeat_has_its_own_answer(lab: Lab) -> None:
    for repeat in range(3):
        lab.answers().keep([[ONE]], [repeat], repeat)
    assert [lab.answers().recall([[ONE]], repeat) for repeat in range(4)] == [[0], [1], [2], None]
    assert lab.answers().recall([[ONE]]) == [0]


def test_other_snapshots_guests_were_not_asked(lab: Lab) -> None:
    lab.answers("5eed").keep([[ONE]], ["answer"])
    assert lab.answers("other").recall([[ONE]]) is None


def test_snapshot_is_known_by_what_made_it_and_not_by_its_place(lab: Lab) -> None:
    lab.answers(state="here").keep([[ONE]], ["answer"])
    assert lab.answers(state="there").recall([[ONE]]) == ["answer"]


def test_other_format_asks_all_anew(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.answers().keep([[ONE]], ["answer"])
    monkeypatch.setattr(recalling, "FORMAT", f"{recalling.FORMAT}+1")
    assert lab.answers().recall([[ONE]]) is None


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lost(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [damaged, cut, lost])
def test_what_is_not_as_it_was_kept_is_asked_anew(lab: Lab, harm: Callable[[Path], None]) -> None:
    lab.told([ONE])
    [place] = lab.kept()
    harm(place / "answers")
    assert lab.answers().recall([[ONE]]) is None
    assert lab.machine().call(work, 1) == [1]
    assert len(lab.guests) == 2
    assert lab.answers().recall([[ONE]]) == [[1]]


def test_store_that_can_not_be_written_means_asking_again(lab: Lab) -> None:
    lab.store.root.write_text("no directory")
    for _ in range(2):
        assert lab.machine().call(work, 1) == [1]
    assert len(lab.guests) == 2


def test_full_disk_means_asking_again(
    lab: Lab, tiny_disk: Callable[[str], AbstractContextManager[Path]]
) -> None:
    lab.guests.does[work] = lambda _: bytes(2 << 20)
    with tiny_disk("1m") as root:
        lab.store = Store(root)
        for _ in range(2):
            assert lab.machine().call(work) == bytes(2 << 20)
        assert lab.kept() == []
    assert len(lab.guests) == 2


def test_no_guest_is_started_before_something_is_asked(lab: Lab) -> None:
    machine = lab.machine()
    machine.wait_ready()
    assert (machine.recalled, machine.release, machine.console) == (True, RELEASE, "")
    machine.close()
    assert len(lab.guests) == 0


def test_who_is_asked_first_is_a_guest(lab: Lab) -> None:
    machine = lab.machine()
    assert machine.run([ONE, TWO]) == [[1], [2]]
    assert not machine.recalled
    [guest] = lab.guests.all
    assert guest.did == ["work", "work"]
    assert guest.runs == 1


def test_what_was_asked_before_needs_no_guest(lab: Lab) -> None:
    lab.told([ONE, TWO], [THREE])
    machine = lab.machine()
    assert machine.run([ONE, TWO]) == [[1], [2]]
    assert machine.run([THREE]) == [[3]]
    assert machine.recalled
    assert (machine.release, machine.console) == (RELEASE, "")
    machine.close()
    assert len(lab.guests) == 1


def test_one_call_is_a_message_of_its_own(lab: Lab) -> None:
    lab.guests.does[work] = lambda _, *args: f"answer to {args}"
    assert lab.machine().call(work, 1) == "answer to (1,)"
    assert lab.machine().run([ONE]) == ["answer to (1,)"]
    assert len(lab.guests) == 1


def test_calls_by_name_are_handed_on(lab: Lab) -> None:
    """A guest that keeps books drops them; the question does not."""
    lab.machine().call(work, packets=1)
    assert lab.answers().recall([[asking(packets=1)]]) == [[]]


def test_guest_that_is_needed_is_told_what_it_seemed_to_have_been_told(lab: Lab) -> None:
    lab.told([ONE, TWO], [TWO])
    machine = lab.told([ONE, TWO], [TWO])
    assert machine.recalled
    assert machine.call(work, 3) == [3]
    assert not machine.recalled
    guest = lab.guests[-1]
    assert len(lab.guests) == 2
    assert guest.asked == [("work", 1), ("work", 2), ("work", 2), ("work", 3)]
    assert guest.runs == 3, "each message by itself"


def test_guest_that_is_there_is_asked_everything(lab: Lab) -> None:
    """What comes later may need what it would have been told."""
    lab.answers().keep([[ONE], [TWO]], ["recalled"])
    machine = lab.told([ONE])
    assert machine.call(work, 2) == [2]
    assert lab.guests[-1].asked == [("work", 1), ("work", 2)]
    assert machine.call(work, 3) == [3]
    assert len(lab.guests) == 1
    assert not machine.recalled


def test_answer_is_kept_with_all_that_went_before(lab: Lab) -> None:
    lab.told([ONE])
    lab.told([ONE], [TWO], [THREE])
    assert lab.told([ONE], [TWO], [THREE]).recalled
    assert len(lab.guests) == 2
    assert not lab.told([ONE], [THREE]).recalled
    assert not lab.told([TWO]).recalled


def test_guest_that_was_saved_is_not_told_again_what_it_knows(lab: Lab) -> None:
    for _ in range(2):
        assert lab.machine(before=[[ONE], [TWO]]).call(work, 3) == [3]
    [guest] = lab.guests.all
    assert guest.asked == [("work", 3)]


def test_what_it_was_told_when_it_was_saved_counts(lab: Lab) -> None:
    lab.machine(before=[[ONE]]).call(work, 3)
    for before in ([], [[TWO]], [[ONE], [TWO]]):
        lab.machine(before=before).call(work, 3)
    assert len(lab.guests) == 4
    assert lab.answers().recall([[ONE], [THREE]]) == [[3]]


def test_repeats_are_asked_each(lab: Lab) -> None:
    for _ in range(2):
        for repeat in range(3):
            lab.machine(repeat=repeat).call(work, 1)
    assert len(lab.guests) == 3


@pytest.mark.parametrize("error", [PANIC, REFUSED, GONE, BLIND], ids=type)
def test_what_is_no_answer_is_not_kept(lab: Lab, error: KsuiteError) -> None:
    lab.guests.trouble[work] = error
    for count in (1, 2):
        machine = lab.machine()
        with pytest.raises(type(error)) as raised:
            machine.call(work, 1)
        assert raised.value is error
        assert not machine.recalled
        assert len(lab.guests) == count
    lab.guests.trouble.clear()
    assert lab.machine().call(work, 1) == [1]
    assert len(lab.guests) == 3


@pytest.mark.parametrize("error", [PANIC, REFUSED, GONE], ids=type)
def test_guest_that_breaks_as_it_is_told_what_went_before_is_looked_at(
    lab: Lab, error: KsuiteError
) -> None:
    lab.told([ONE])
    lab.guests.trouble[work] = error
    machine = lab.told([ONE])
    with pytest.raises(type(error)) as raised:
        machine.call(work, 2)
    assert raised.value is error
    assert lab.guests[-1].asked == [("work", 1)]
    assert lab.answers().recall([[ONE], [TWO]]) is None


def test_guest_that_does_not_come_up_has_no_release(lab: Lab) -> None:
    lab.guests.stillborn = NO_AGENT
    machine = lab.machine()
    with pytest.raises(InfrastructureError, match="no agent"):
        machine.call(work, 1)
    assert machine.release == ""
    with pytest.raises(InfrastructureError, match="no agent"):
        machine.wait_ready()


def test_guest_that_is_there_speaks_for_itself(lab: Lab) -> None:
    lab.guests.kernel = "6.12.0"

    def speak(guest: Guest, _: int) -> None:
        guest.console = "[ 1.0] a word"

    lab.guests.does[work] = speak
    machine = lab.told([ONE])
    assert (machine.release, machine.console) == ("6.12.0", "[ 1.0] a word")


def test_guest_ends_with_its_machine(lab: Lab) -> None:
    machine = lab.told([ONE])
    assert len(lab.guests.alive) == 1
    machine.close()
    assert lab.guests.alive == []


def test_refused_call_is_part_of_what_went_before(lab: Lab) -> None:
    """A DutError doesn't end the guest: what it answers next is not what a fresh one would."""
    refused: list[Guest] = []

    def answer(guest: Guest, number: int) -> str:
        if number == 1:
            refused.append(guest)
            raise DutError("refused")
        return "after it" if guest in refused else "fresh"

    lab.guests.does[work] = answer
    machine = lab.machine()
    with pytest.raises(DutError):
        machine.call(work, 1)
    assert machine.call(work, 2) == "after it"
    assert lab.machine().call(work, 2) == "fresh"


def test_read_only_store_means_asking_again(
    lab: Lab, tiny_disk: Callable[[str], AbstractContextManager[Path]]
) -> None:
    with tiny_disk("1m") as root:
        lab.store = Store(root / "store")
        lab.told([TWO])
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        assert lab.machine().call(work, 2) == [2]
        assert lab.machine().call(work, 1) == [1]
