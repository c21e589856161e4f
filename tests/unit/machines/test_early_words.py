# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that break before they have a console, over guests that are played."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pytest

from ksuite.errors import GuestNotReady, KernelFault
from ksuite.kernels.store import Store
from ksuite.machines import snapshot
from ksuite.machines.machine import MachineSpec
from ksuite.machines.qemu import qemu_command
from ksuite.machines.snapshot import EARLY, _boot_and_save
from tests.unit.machines.test_qemu import make_files, value

if TYPE_CHECKING:
    from pathlib import Path

PANIC = KernelFault("panic", "Kernel panic - not syncing: no memory", "[ 0.0] the console")
SPEC = MachineSpec(memory_mib=1)


class Guests:
    """What becomes of each guest that is booted, and what its kernel was told."""

    def __init__(self, console: str, *ends: Exception | None) -> None:
        self.console = console
        self.ends = list(ends)
        self.told: list[tuple[str, ...]] = []
        self.running = 0

    def __call__(self, *_: Any, told: tuple[str, ...] = ()) -> Self:
        self.told.append(told)
        return self

    def __enter__(self) -> Self:
        self.running += 1
        assert self.running == 1
        return self

    def __exit__(self, *_: object) -> None:
        self.running = 0

    def close(self) -> None:
        self.running = 0

    def wait_ready(self) -> None:
        if end := self.ends.pop(0):
            raise end


def boot(guests: Guests, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "ImageMachine", guests)
    _boot_and_save(make_files(place / "files"), SPEC, [], place, Store(place / "store"))


@pytest.mark.parametrize(
    ("second", "error", "said"),
    [
        (PANIC, KernelFault, "no memory"),
        (GuestNotReady("no agent, its console: x"), GuestNotReady, "its console: x"),
        (None, GuestNotReady, "the guest ended"),
    ],
    ids=["breaks", "hangs", "comes up"],
)
def test_kernel_that_was_mute_is_heard_in_another_guest(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    second: Exception | None,
    error: type[Exception],
    said: str,
) -> None:
    guests = Guests("", GuestNotReady("the guest ended"), second)
    with pytest.raises(error, match=said):
        boot(guests, tmp_path, monkeypatch)
    assert guests.told == [(), EARLY]


@pytest.mark.parametrize(
    ("console", "end"),
    [("[ 0.0] Linux version 6.1", GuestNotReady("no agent within 1 s")), ("", PANIC)],
    ids=["it spoke", "its fault is known"],
)
def test_no_other_kernel_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, console: str, end: Exception
) -> None:
    guests = Guests(console, end)
    with pytest.raises(type(end)):
        boot(guests, tmp_path, monkeypatch)
    assert guests.told == [()]


def test_what_a_kernel_is_told_comes_last(tmp_path: Path) -> None:
    files = make_files(tmp_path / "files")
    plain, told = (
        value(qemu_command(files, SPEC, tmp_path / "mailbox", paused=False, told=more), "-append")
        for more in ((), EARLY)
    )
    assert told == f"{plain} earlyprintk=ttyS0,115200"
