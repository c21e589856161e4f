# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a repository is built, by a builder that is told what it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns import gate_check
from ksuite.campaigns.gate_check import NOTHING, Asked, NoBase, build_variants
from ksuite.campaigns.gate_file import GateFile
from ksuite.errors import DoesNotCompile, KsuiteError, NothingToCompare, UserError
from ksuite.kernels.built import BuiltModule, ModuleBuild
from ksuite.kernels.external import How
from ksuite.kernels.source import distro_source
from ksuite.kernels.store import Store
from ksuite.measure.result import BASE, CANDIDATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ksuite.kernels.modulesource import ModuleSource

REFUSED = DoesNotCompile("x.c:3: error")


class Builder:
    """Builds what it is told by the name of a revision; in what order is kept."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.answers: dict[str, KsuiteError] = {}
        self.modules: dict[str, tuple[str, ...]] = {}
        self.asked: list[str] = []
        self.left_out: list[Path] = []

    def read(self, _top: Path, revision: str, left_out: Sequence[Path] = ()) -> str:
        self.left_out += left_out
        if revision == "none":
            raise UserError("there is no revision none")
        return revision

    def build(self, _kernel: object, source: ModuleSource, *_: object) -> ModuleBuild:
        revision = str(source)
        self.asked.append(revision)
        if error := self.answers.get(revision):
            raise error
        names = self.modules.get(revision, ("mine",))
        made = tuple(BuiltModule(name, self.place / f"{name}.ko", "1", "2") for name in names)
        return ModuleBuild(revision, made, cached=False)

    def __call__(self, base: str = "old", head: str = "new", **more: str) -> dict[str, ModuleBuild]:
        file = GateFile(self.place / "ksuite.toml", "x", How(), parameters=more)
        asked = Asked(file, base, head)
        return build_variants(asked, distro_source(), Store(self.place), lambda _: None)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Builder:
    builder = Builder(tmp_path)
    monkeypatch.setattr(gate_check, "read_module", builder.read)
    monkeypatch.setattr(gate_check, "build_external", builder.build)
    return builder


def test_both_are_built(build: Builder) -> None:
    assert [one.key for one in build().values()] == ["old", "new"]
    assert build("")[BASE].modules == NOTHING.modules


def test_head_that_does_not_compile_fails_whatever_the_base_does(build: Builder) -> None:
    build.answers = {"old": REFUSED, "new": DoesNotCompile("y.c:7: error")}
    with pytest.raises(DoesNotCompile, match=r"y\.c:7"):
        build()
    assert build.asked == ["new"]


@pytest.mark.parametrize(
    "error", [REFUSED, UserError("there is no dkms.conf"), NothingToCompare("not for this kernel")]
)
def test_base_alone_that_can_not_be_built(build: Builder, error: KsuiteError) -> None:
    build.answers = {"old": error}
    with pytest.raises(NoBase, match=f"there is no base to compare with: {error}"):
        build()


def test_base_that_is_not_asked_for_is_not_built(build: Builder) -> None:
    asked = Asked(GateFile(build.place / "ksuite.toml", "x", How()), "old", "new", alone=True)
    made = build_variants(asked, distro_source(), Store(build.place), lambda _: None)
    assert (build.asked, made[BASE].modules) == (["new"], ())


def test_our_own_files_are_no_part_of_it(build: Builder) -> None:
    file = GateFile(build.place / "ksuite.toml", "x", How())
    asked = Asked(file, output=build.place / "out")
    build_variants(asked, distro_source(), Store(build.place / "store"), lambda _: None)
    assert build.left_out == [build.place / "store", build.place / "out"]


@pytest.mark.parametrize("revisions", [("none", "new"), ("old", "none")])
def test_revision_that_is_none_is_bad_usage(build: Builder, revisions: tuple[str, str]) -> None:
    with pytest.raises(UserError, match="no revision none"):
        build(*revisions)
    assert build.asked == []


def test_parameters_are_of_what_each_side_has(build: Builder) -> None:
    build.modules = {"new": ("mine", "more")}
    made = build(more="debug=1")
    told = {name: [one.parameters for one in build.modules] for name, build in made.items()}
    assert told == {BASE: [""], CANDIDATE: ["", "debug=1"]}
    with pytest.raises(UserError, match="such: no such module is loaded, but mine, more"):
        build(such="debug=1")
