# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking at revisions: built once, measured once, and never again for the same code."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.judging import CostJudge, Notes
from ksuite.campaigns.revisions import KernelRevisions, Revisions
from ksuite.errors import (
    DoesNotBoot,
    DoesNotCompile,
    DutError,
    InfrastructureError,
    KernelFault,
    NeedsFullBuild,
    UserError,
)
from ksuite.measure.cost import Cost
from ksuite.measure.finding import MEASURED, TOLD_BAD, TOLD_GOOD, Seen
from tests.unit.measure.samples import FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Built:
    code: str


@dataclass
class Fakes(Revisions):
    """Revisions whose code has the name that a test gives it, and a bed that knows its cost."""

    codes: dict[str, Any]
    costs: dict[str, Any] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    measured: list[tuple[str, int]] = field(default_factory=list)
    exact: bool = True
    how = "nothing"

    def build(self, name: str) -> Any:
        self.built.append(name)
        code = self.codes[name]
        if isinstance(code, Exception):
            raise code
        return Built(code)

    def measure(self, runnable: Any, repeat: int = 0) -> Cost:
        self.measured.append((runnable.code, repeat))
        cost = self.costs[runnable.code]
        if isinstance(cost, list):
            cost = cost.pop(0)
        if isinstance(cost, Exception):
            raise cost
        return Cost(FINGERPRINT, (cost,) * 5)


def judge(fakes: Fakes, notes: Notes | None = None) -> CostJudge:
    return CostJudge(fakes, fakes, notes or Notes({}))  # type: ignore[arg-type]


def test_cost_is_measured_once() -> None:
    fakes = Fakes({"a": "x"}, {"x": 100.0})
    one = judge(fakes)
    first = one.see("a")
    assert (first.result, first.cost, first.code) == (MEASURED, 100.0, "x")
    assert one.see("a") is first
    assert fakes.measured == [("x", 0)]
    assert fakes.built == ["a"]


def test_more_guests_are_asked_when_wanted() -> None:
    fakes = Fakes({"a": "x"}, {"x": 100.0})
    one = judge(fakes)
    one.see("a")
    assert len(one.see("a", guests=3).costs) == 3
    assert fakes.measured == [("x", 0), ("x", 1), ("x", 2)]


def test_same_code_is_not_measured_again() -> None:
    fakes = Fakes({"a": "x", "b": "x", "c": "y"}, {"x": 100.0, "y": 200.0})
    one = judge(fakes)
    one.see("a")
    again = one.see("b")
    assert (again.same_as, again.cost) == ("a", 100.0)
    assert one.see("c").same_as == ""
    assert fakes.measured == [("x", 0), ("y", 0)]


@pytest.mark.parametrize(
    ("trouble", "result"),
    [
        (DoesNotCompile("dev.c:1: error"), "does not compile"),
        (NeedsFullBuild("needs a full build: x"), "needs a full build"),
    ],
)
def test_what_can_not_be_built_is_neither_good_nor_bad(trouble: Exception, result: str) -> None:
    fakes = Fakes({"a": trouble, "g": "x", "b": "y"}, {"x": 100.0, "y": 200.0})
    one = judge(fakes)
    seen = one.see("a")
    assert (seen.result, seen.cost) == (result, None)
    assert str(trouble) in seen.why
    assert ("--build full" in seen.why) is isinstance(trouble, NeedsFullBuild)
    assert one.side(seen, one.see("g"), one.see("b")) == 0
    one.see("a")
    assert fakes.built.count("a") == 1


@pytest.mark.parametrize(
    ("trouble", "result"),
    [
        (KernelFault("panic", "Kernel panic", "the console"), "panic"),
        (DutError("mirred: Invalid argument"), "refused"),
        (DoesNotBoot("it does not come up"), "does not boot"),
    ],
)
def test_what_breaks_is_neither_good_nor_bad(trouble: Exception, result: str) -> None:
    fakes = Fakes({"a": "z", "b": "z"}, {"z": trouble})
    one = judge(fakes)
    seen = one.see("a")
    assert (seen.result, seen.cost, seen.code) == (result, None, "z")
    assert one.see("b").same_as == "a", "the same code breaks the same way"
    assert len(fakes.measured) == 1
    if isinstance(trouble, KernelFault):
        assert "the console" in seen.why


@pytest.mark.parametrize("where", ["build", "measure"])
def test_trouble_of_ours_says_nothing_of_a_revision(where: str) -> None:
    trouble = InfrastructureError("disk full")
    fakes = Fakes({"a": trouble if where == "build" else "x"}, {"x": trouble})
    notes = Notes({})
    with pytest.raises(InfrastructureError):
        judge(fakes, notes).see("a")
    assert notes.seen == {}


def test_all_that_is_seen_is_kept_at_once() -> None:
    kept: list[list[str]] = []

    def keep(seen: Mapping[str, Seen]) -> None:
        kept.append(list(seen))

    fakes = Fakes({"a": "x", "b": "y"}, {"x": 1.0, "y": 2.0})
    one = judge(fakes, Notes({}, keep))
    one.see("a")
    one.see("b")
    assert kept == [["a"], ["a", "b"]]


def test_what_was_seen_earlier_is_neither_built_nor_measured() -> None:
    fakes = Fakes({}, {})
    known = Seen("a", MEASURED, (Cost(FINGERPRINT, (5.0,)),), code="x")
    assert judge(fakes, Notes({"a": known})).see("a") is known
    assert fakes.built == []


def test_sides() -> None:
    fakes = Fakes({"g": "x", "b": "y", "m": "m"}, {"x": 100.0, "y": 200.0, "m": 140.0})
    one = judge(fakes)
    good, bad = one.see("g"), one.see("b")
    assert one.side(one.see("m"), good, bad) == -1
    assert one.side(Seen("t", TOLD_BAD), good, bad) == 1
    assert one.side(Seen("t", TOLD_GOOD), good, bad) == -1


def test_what_somebody_told_is_measured_where_its_cost_is_wanted() -> None:
    fakes = Fakes({"a": "x"}, {"x": 100.0})
    one = judge(fakes, Notes({"a": Seen("a", TOLD_GOOD)}))
    assert one.see("a").result == TOLD_GOOD
    assert one.see("a", guests=2).cost == 100.0


def test_what_somebody_told_is_measured_where_one_boot_says_nothing() -> None:
    """A log would tell the culprit and its parent, and neither would ever be booted."""
    fakes = Fakes({"a": "x"}, {"x": 100.0}, exact=False)
    seen = judge(fakes, Notes({"a": Seen("a", TOLD_BAD)})).see("a")
    assert (seen.result, seen.cost) == (MEASURED, 100.0)


def test_one_boot_that_broke_does_not_cost_those_before_it() -> None:
    hang = KernelFault("hang", "soft lockup", "the console")
    fakes = Fakes({"a": "x"}, {"x": [100.0, 102.0, hang, 101.0]}, exact=False)
    seen = judge(fakes).see("a", guests=3)
    assert [cost.median for cost in seen.costs] == [100.0, 102.0, 101.0]
    assert fakes.measured == [("x", 0), ("x", 1), ("x", 2), ("x", 2)]


@pytest.mark.parametrize("boots", [0, 2])
def test_what_breaks_at_once_or_again_can_not_be_measured(boots: int) -> None:
    hang = KernelFault("hang", "soft lockup", "the console")
    fakes = Fakes({"a": "x"}, {"x": [*[100.0] * boots, hang, hang, 101.0]}, exact=False)
    one = judge(fakes)
    assert one.see("a", guests=boots + 1).result == "hang"
    assert one.see("a", guests=boots + 2).cost is None
    assert len(fakes.measured) == boots + (2 if boots else 1)


NEWER = replace(FINGERPRINT, qemu="8", kernel_release="6.2.0-1", kernel_config="beef")


def test_cost_that_can_not_be_compared_with_what_is_known_is_refused() -> None:
    """What was seen in an earlier run may have been seen with another QEMU."""
    fakes = Fakes({"b": "y"}, {"y": 200.0})
    known = Seen("a", MEASURED, (Cost(NEWER, (100.0,)),), code="x")
    notes = Notes({"t": Seen("t", TOLD_GOOD), "a": known})
    said = r"kernel_release: 6\.2\.0-1 then, 6\.1\.0-1-amd64 now; .*qemu: 8 then, 7 now.*begin anew"
    with pytest.raises(UserError, match=said):
        judge(fakes, notes).see("b")
    assert "b" not in notes.seen


def test_whole_kernels_are_others_each_time() -> None:
    fakes = Fakes({"b": "y"}, {"y": 200.0})
    fakes.varying = KernelRevisions.varying
    alike = replace(NEWER, qemu=FINGERPRINT.qemu)
    known = Seen("a", MEASURED, (Cost(alike, (100.0,)),), code="x")
    assert judge(fakes, Notes({"a": known})).see("b").cost == 200.0
    known = Seen("a", MEASURED, (Cost(NEWER, (100.0,)),), code="x")
    with pytest.raises(UserError, match=r"\(qemu: 8 then, 7 now\)"):
        judge(fakes, Notes({"a": known})).see("b")
