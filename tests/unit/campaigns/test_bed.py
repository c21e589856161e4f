# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that does not come up, as guests of revisions are booted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ksuite.campaigns import bed
from ksuite.campaigns.bed import Bed
from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.options import CheckOptions
from ksuite.campaigns.suites import TC
from ksuite.errors import DoesNotBoot, GuestNotReady
from ksuite.kernels.store import Store
from ksuite.machines.machine import Clock


@dataclass(frozen=True)
class Answer:
    value: tuple[float, ...] = (1.0,)
    recalled: bool = False


@dataclass(frozen=True)
class Kernel:
    image: Path
    release: str = "6.1.0"


class Runnable:
    """Stands for a revision's kernel."""

    def __init__(self, name: str) -> None:
        self.kernel = Kernel(Path(name))
        self.build = self
        self.key = name


@pytest.fixture
def booting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return what measures a kernel of a name; those in `broken` don't come up."""
    broken: set[str] = set()

    def ask(_dut: Any, key: str, *_: Any) -> Answer:
        if key in broken:
            raise GuestNotReady("no agent within 300 s")
        return Answer()

    options = CheckOptions("", clock=Clock.WALL)
    one = Bed(options, TC, CostRequest("tc_redirect", 64), Store(tmp_path))
    monkeypatch.setattr(bed, "kvm_works", lambda _: False)
    monkeypatch.setattr(bed, "ask_for_windows", ask)
    monkeypatch.setattr(Bed, "_booted", lambda *_, **__: None)
    monkeypatch.setattr(Bed, "_cost", lambda *_, **__: "cost")

    def measure(name: str, *mute: str) -> Any:
        broken.clear()
        broken.update(mute)
        runnable: Any = Runnable(name)
        return one.measure(runnable)

    return measure


def test_first_kernel_that_does_not_come_up_may_be_the_hosts_fault(booting: Any) -> None:
    with pytest.raises(GuestNotReady):
        booting("a", "a")


def test_kernel_that_does_not_come_up_where_another_did_is_broken(booting: Any) -> None:
    assert booting("a") == "cost"
    with pytest.raises(DoesNotBoot, match="no agent"):
        booting("b", "b")
    # This one has come up before.
    with pytest.raises(GuestNotReady):
        booting("a", "a")


class Live:
    """Stands for a guest that is booted when it is asked something."""

    up: ClassVar[set[Live]] = set()

    def __init__(self, *_: Any) -> None:
        self.up.add(self)

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        self.up.discard(self)

    def offer(self, _: Any) -> None:
        self.up.add(self)

    def retire(self) -> None:
        pass


def test_only_the_kernel_that_is_measured_is_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bed, "LiveDut", Live)
    options = CheckOptions("", clock=Clock.WALL)
    one = Bed(options, TC, CostRequest("tc_redirect", 64), Store(tmp_path))
    for name in ("a", "b", "a", "a"):
        runnable: Any = Runnable(name)
        one._booted(runnable, kvm=False)
        assert len(Live.up) == 1
    one._stack.close()
    assert Live.up == set()
