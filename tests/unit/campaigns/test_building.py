# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules where they will do, whole kernels where they won't, and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import building
from ksuite.campaigns.building import ASKED_FOR, Builder
from ksuite.campaigns.options import Build
from ksuite.errors import DoesNotCompile, NeedsFullBuild, NothingToCompare, UserError
from ksuite.kernels.built import ModuleBuild
from ksuite.kernels.fragments import Configuration
from ksuite.kernels.given import state_of
from ksuite.kernels.series import read_series
from ksuite.kernels.source import KernelSource
from ksuite.kernels.store import Store
from ksuite.kernels.trees import Tree
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

WHY = NeedsFullBuild("needs a full build: net/core/dev.c is built into the kernel\nmore")
BROKEN = DoesNotCompile("the kernel does not compile: net/core/dev.c:1:1: error: no")


def kernel(name: str, **fields: Any) -> KernelSource:
    place = Path("/boot") / name
    return KernelSource(name, "6.1", "6.1.192", place, place, place, place, "gcc", **fields)


@dataclass
class Bench:
    """What is built, with the builders of modules and kernels replaced."""

    source: KernelSource
    store: Store
    unpatched: bool = False
    modules_fail: NeedsFullBuild | None = None
    kernels_fail: dict[int, DoesNotCompile] = field(default_factory=dict)
    patches: list[int] = field(default_factory=list)

    def build(self, wanted: Build, why: str = ASKED_FOR) -> building.Variants:
        series = read_series(str(building_series()))
        configuration = Configuration((), ())
        builder = Builder(
            self.source,
            series,
            configuration,
            self.store,
            lambda _: None,
            unpatched=self.unpatched,
        )
        return builder.build(wanted, why)

    def plan(self, *_: object) -> tuple[()]:
        if self.modules_fail:
            raise self.modules_fail
        return ()

    def build_modules(self, *arguments: Any) -> ModuleBuild:
        patches: Sequence[object] = arguments[3]
        self.patches.append(len(patches))
        return ModuleBuild(f"modules {len(patches)}", (), cached=False)

    def build_kernel(self, *arguments: Any) -> Path:
        patches: Sequence[object] = arguments[2]
        self.patches.append(len(patches))
        if fault := self.kernels_fail.get(len(patches)):
            raise fault
        return Path(f"/built/{len(patches)}")


def building_series() -> Path:
    return Path(__file__).parents[3] / "patches" / "vhost-rx-tx-limits"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    tree = Tree(tmp_path, "5eed", "0r161n")
    bench = Bench(kernel("mine", tree=tree, build_id="aa"), Store(tmp_path))
    monkeypatch.setattr(building, "check_compiler", lambda _: None)
    monkeypatch.setattr(building, "plan_once", bench.plan)
    monkeypatch.setattr(building, "build_modules", bench.build_modules)
    monkeypatch.setattr(building, "build_kernel", bench.build_kernel)
    facts = {"code": "c0de"}
    monkeypatch.setattr(building, "facts_of", lambda entry: facts | {"code": f"c0de {entry.name}"})
    monkeypatch.setattr(
        building, "read_built", lambda entry, name, _: kernel(name, build_id=f"id {entry.name}")
    )
    return bench


@pytest.mark.parametrize("wanted", [Build.AUTO, Build.MODULE])
def test_modules_where_they_will_do(bench: Bench, wanted: Build) -> None:
    variants = bench.build(wanted)
    assert bench.patches == [1, 2]
    assert variants.how.startswith("modules")
    assert set(variants.kernels.values()) == {bench.source}
    assert [variants.builds[name].vmlinux_id for name in VARIANTS] == ["aa", "aa"]


def test_whole_kernels_where_modules_will_not_do(bench: Bench) -> None:
    bench.modules_fail = WHY
    variants = bench.build(Build.AUTO)
    assert variants.how == (
        "whole kernels (needs a full build: net/core/dev.c is built into the kernel)"
    )
    assert [variants.builds[name].vmlinux_id for name in VARIANTS] == ["id 1", "id 2"]
    assert [variants.builds[name].code for name in VARIANTS] == ["c0de 1", "c0de 2"]
    assert variants.kernels[BASE] != variants.kernels[CANDIDATE]


def test_nothing_but_modules_was_wanted(bench: Bench) -> None:
    bench.modules_fail = WHY
    with pytest.raises(NeedsFullBuild, match="built into"):
        bench.build(Build.MODULE)


def test_whole_kernels_were_asked_for(bench: Bench) -> None:
    assert bench.build(Build.FULL).how == "whole kernels (asked for)"
    assert bench.patches == [1, 2]
    assert bench.build(Build.FULL, "asked for by --config").how.endswith("(asked for by --config)")


def test_unpatched_is_one_kernel_twice(bench: Bench) -> None:
    bench.unpatched = True
    variants = bench.build(Build.FULL)
    assert bench.patches == [0, 0]
    assert variants.builds[BASE] == variants.builds[CANDIDATE]


def test_whose_fault_it_is_that_a_kernel_does_not_compile(bench: Bench) -> None:
    bench.kernels_fail = {2: BROKEN}
    with pytest.raises(DoesNotCompile, match=r"net/core/dev\.c:1:1"):
        bench.build(Build.FULL)
    bench.kernels_fail = {1: BROKEN}
    with pytest.raises(NothingToCompare, match=r"without the series.*net/core/dev\.c:1:1"):
        bench.build(Build.FULL)


def test_source_that_is_judged_as_it_is_has_to_compile(bench: Bench) -> None:
    bench.unpatched = True
    bench.kernels_fail = {0: BROKEN}
    with pytest.raises(DoesNotCompile, match=r"net/core/dev\.c:1:1"):
        bench.build(Build.FULL)


def test_kernel_without_a_source(bench: Bench) -> None:
    bench.source = kernel("image,modules")
    for unpatched, wanted, said in (
        (False, Build.AUTO, "has no source, so that no series can be built"),
        (True, Build.FULL, "has no source to build it from"),
    ):
        bench.unpatched = unpatched
        with pytest.raises(UserError, match=said):
            bench.build(wanted)
    variants = bench.build(Build.AUTO)
    assert variants.how == "nothing"
    assert variants.builds[BASE] == variants.builds[CANDIDATE]
    assert not bench.patches


@pytest.fixture
def in_place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench whose tree its owner has built."""
    tree = bench.source.tree
    assert tree
    (tree.path / ".config").touch()
    bench.source = kernel("mine", tree=Tree(tree.path, state_of(tree.path), "0r161n"))
    monkeypatch.setattr(building, "must_be_current", lambda *_: None)
    return bench


def test_modules_of_a_tree_that_was_built_in_place(in_place: Bench) -> None:
    assert in_place.build(Build.AUTO).how.startswith("modules")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Build.FULL, "^no whole kernel can be built from mine"),
        (Build.AUTO, "^needs a full build: net/core/dev.c is built .*; and no whole kernel can"),
    ],
)
def test_whole_kernels_of_a_tree_that_was_built_in_place(
    in_place: Bench, wanted: Build, said: str
) -> None:
    """Make would refuse it, with an advice that takes the owner's build away."""
    in_place.modules_fail = WHY
    with pytest.raises(UserError, match=said):
        in_place.build(wanted)
    assert not in_place.patches


def test_tree_that_changes_between_base_and_candidate(
    in_place: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*arguments: Any) -> ModuleBuild:
        top: Path = arguments[1]
        (top / "new.c").touch()
        return in_place.build_modules(*arguments)

    monkeypatch.setattr(building, "build_modules", build)
    with pytest.raises(UserError, match="mine was changed while it was used"):
        in_place.build(Build.AUTO)


def test_tree_that_changed_since_it_was_built(
    in_place: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(top: Path, name: str, targets: object) -> None:
        assert in_place.source.tree
        assert (top, name, targets) == (in_place.source.tree.path, "mine", ())
        raise UserError("newer")

    monkeypatch.setattr(building, "must_be_current", refuse)
    with pytest.raises(UserError, match="newer"):
        in_place.build(Build.AUTO)
    assert not in_place.patches
