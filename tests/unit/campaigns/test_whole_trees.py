# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole kernels in git: when nobody else may check them out, and which of them can be booted."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import ranges
from ksuite.campaigns.options import Build, CheckOptions
from ksuite.campaigns.ranges import range_of_series, range_of_tree
from ksuite.campaigns.revisions import KernelRevisions, ModuleRevisions
from ksuite.errors import UserError
from ksuite.kernels.locks import unused
from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from ksuite.kernels.trees import PARTS, checked_out
from ksuite.machines.machine import Clock
from tests.bisect.repositories import MIRRED
from tests.unit.kernels.test_history import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ksuite.campaigns.ranges import Range
    from ksuite.kernels.trees import Tree as CheckedOut

GOOD, BAD = "/* Good. */\n", "/* Bad. */\n"


def quiet(_: str) -> None:
    pass


@dataclass(frozen=True)
class Kernel:
    """A whole kernel in git, with what it has of the distro's; a branch has its good revision."""

    tree: Tree
    store: Store
    good: str
    bad: str

    def free(self) -> bool:
        """Say whether anybody could check it out now."""
        [place] = (self.store.root / "checkout").iterdir()
        with unused(place) as free:
            return free

    def others_check_out(self) -> None:
        assert self.free(), "or they would wait for ever"
        with checked_out(self.tree.path, self.bad, self.store, quiet):
            pass


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    tree = Tree(tmp_path / "tree")
    source = unpack(distro_source(), Store.default()).path
    shutil.copytree(source / "net" / "sched", tree.path / "net" / "sched")
    (tree.path / "scripts").mkdir()
    shutil.copy(source / "scripts" / "Kbuild.include", tree.path / "scripts")
    for name in PARTS:
        (tree.path / name).parent.mkdir(exist_ok=True)
        (tree.path / name).touch() if "/" not in name else (tree.path / name).mkdir(parents=True)
    mirred = (tree.path / MIRRED).read_text(encoding="utf-8")
    good = tree.commit("good", **{MIRRED: mirred + GOOD, "arch/x86/Kconfig": ""})
    tree.git("branch", "release")
    bad = tree.commit("bad", **{MIRRED: mirred + BAD})

    def find_source(name: str, store: Store, _: Any, held: Any, __: Any) -> Any:
        at = name.rpartition("@")[2] if "@" in name else good
        own = held.enter_context(checked_out(tree.path, at, store, quiet))
        return replace(distro_source(), name=name, tree=own, tarball=None)

    monkeypatch.setattr(ranges, "find_source", find_source)
    return Kernel(tree, Store(tmp_path / "store"), good, bad)


@contextmanager
def searched(kernel: Kernel, bad: str = "", /, **chosen: Any) -> Iterator[Range]:
    ends = kernel.good, bad or kernel.bad
    options = CheckOptions("", **({"kernel": ""} | chosen))
    with range_of_tree(kernel.tree.path, ends, options, kernel.store, quiet) as found:
        yield found


def test_tree_is_let_go_of_until_it_is_read_again(kernel: Kernel) -> None:
    """A check of a revision checks out to the same place, in a process of its own."""
    with searched(kernel) as found:
        kernel.others_check_out()
        assert isinstance(found.revisions, ModuleRevisions)
        assert found.revisions.patch(kernel.good) == b"", "it is what the modules are built for"
        patch = found.revisions.patch(kernel.bad).decode()
        assert f"-{GOOD}+{BAD}" in patch
        assert kernel.free()


def test_tree_is_held_while_modules_are_built(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SeenError(Exception):
        pass

    def build(_source: Any, tree: Path, *_: Any) -> None:
        assert not kernel.free()
        assert (tree / MIRRED).read_text(encoding="utf-8").endswith(GOOD)
        raise SeenError

    monkeypatch.setattr("ksuite.campaigns.revisions.build_changed", build)
    with searched(kernel) as found:
        kernel.others_check_out()
        with pytest.raises(SeenError):
            found.revisions.build(kernel.bad)
        assert kernel.free()


@contextmanager
def series(kernel: Kernel, build: Build) -> Iterator[Range]:
    path = kernel.tree.path.parent / "s.mbox"
    path.write_text(kernel.tree.git("format-patch", "--stdout", "-1", kernel.bad) + "\n")
    options = CheckOptions(str(path), kernel=f"{kernel.tree.path}@release", build=build)
    with range_of_series(options, kernel.store, quiet) as found:
        kernel.tree.git("branch", "--force", "release", kernel.bad)
        yield found


def test_series_for_a_revision(kernel: Kernel) -> None:
    with series(kernel, Build.AUTO) as found:
        assert found.kernel == f"{kernel.tree.path}@{kernel.good}", "the branch may go on"
        kernel.others_check_out()
        assert isinstance(found.revisions, ModuleRevisions)
        assert f"-{GOOD}+{BAD}" in found.revisions.patch("1").decode()


def test_whole_kernels_of_a_series_for_a_revision(kernel: Kernel) -> None:
    with series(kernel, Build.FULL) as found:
        assert isinstance(found.revisions, KernelRevisions)
        assert found.revisions.kernel("1") == f"{kernel.tree.path}@{kernel.good}"
        kernel.others_check_out()
        with found.revisions._trees("1") as tree:
            assert not kernel.free()
            own: CheckedOut = tree
            assert (own.path / MIRRED).read_text(encoding="utf-8").endswith(GOOD)


@pytest.mark.parametrize(
    "chosen",
    [{}, {"kernel": "debian:6.12"}, {"kernel": "distro", "build": Build.FULL}],
    ids=["own", "fetched", "whole"],
)
def test_wall_clock_boots_no_kernel_of_ours(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any]
) -> None:
    """Nothing is fetched or built to find that out."""
    monkeypatch.setattr(ranges, "find_source", lambda *_: pytest.fail("too late"))
    said = r"this host's root, which has the modules of distro only: leave --clock wall out"
    with pytest.raises(UserError, match=said), searched(kernel, clock=Clock.WALL, **chosen):
        pass


def test_wall_clock_and_a_range_that_needs_whole_kernels(kernel: Kernel) -> None:
    bad = kernel.tree.commit("more", Kconfig="# More.\n")
    chosen = {"kernel": "distro", "clock": Clock.WALL}
    said = "Kconfig is neither C source nor a header: on the wall clock"
    with pytest.raises(UserError, match=said), searched(kernel, bad, **chosen):
        pass
    with searched(kernel, **chosen) as found:
        assert isinstance(found.revisions, ModuleRevisions)
