# SPDX-License-Identifier: GPL-2.0-or-later
"""From a git tree or a series to revisions that can be built, over the distro's source."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import ranges, revisions
from ksuite.campaigns.options import Build, CheckOptions
from ksuite.campaigns.ranges import Range, _ground, range_of_series, range_of_tree
from ksuite.campaigns.revisions import KernelRevisions, ModuleRevisions
from ksuite.errors import NeedsFullBuild, NothingToCompare, UserError
from ksuite.kernels.built import BuiltModule, ModuleBuild
from ksuite.kernels.comparing import as_patch
from ksuite.kernels.series import read_series
from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from ksuite.machines.image import guest_code
from tests.bisect.repositories import MIRRED, Kind, Repository, make
from tests.unit.kernels.test_history import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ksuite.kernels.plan import ModuleTarget

DISTRO = CheckOptions("", kernel="distro")
LOADED = frozenset({"act_mirred", "act_gact", "cls_flower", "veth"})


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    source = unpack(distro_source(), Store.default()).path
    return make(tmp_path_factory.mktemp("history") / "tree", source, Kind.CULPRIT, 3, 60)


@contextmanager
def searched(
    repository: Repository,
    options: CheckOptions = DISTRO,
    loaded: frozenset[str] | None = LOADED,
) -> Iterator[Range]:
    runs = None if loaded is None else lambda _: loaded
    ends = "first", "main"
    with range_of_tree(
        repository.path, ends, options, Store.default(), lambda _: None, (), runs
    ) as one:
        yield one


def changed(found: Range, name: str) -> dict[str, bytes | None]:
    assert isinstance(found.revisions, ModuleRevisions)
    return dict(found.revisions.changed(name))


def test_revisions_differ_in_what_their_commits_changed(repository: Repository) -> None:
    with searched(repository) as found:
        graph = found.graph
        assert graph.good == repository.git("rev-parse", "first")
        assert graph.names[-1] == repository.git("rev-parse", "main")
        assert len(graph.names) == repository.commits
        assert changed(found, graph.good) == {}, "it is the distro's own source"
        assert found.revisions.how == "modules act_gact, act_mirred, cls_flower"
        assert found.ground.kernel.startswith(distro_source().release)
        assert found.ground.guest == guest_code()
        assert found.ground.series == ""
        last = changed(found, graph.names[-1])
        assert MIRRED in last
        assert last[MIRRED] == (repository.path / MIRRED).read_bytes()
        # Neither what is not compiled nor what is not loaded.
        assert set(last) <= {MIRRED, "net/sched/act_gact.c", "net/sched/cls_flower.c"}


def test_only_commits_that_change_what_is_loaded_are_telling(repository: Repository) -> None:
    with searched(repository) as found, searched(repository, loaded=None) as every:
        subjects = {found.graph.subjects[name] for name in found.graph.telling}
        merge = "Merge a branch"
        assert all(word.startswith(("act_mirred", "net/sched/", merge)) for word in subjects)
        assert merge in subjects, "it holds what neither of its parents does"
        assert not any("README" in word for word in subjects)
        assert any("be thorough" in word for word in subjects)
        assert len(found.graph.telling) < len(every.graph.telling) < len(every.graph.names)
        assert "drivers/vhost/vhost.h" in every.files


def test_patches_are_put_on_top(repository: Repository, tmp_path: Path) -> None:
    patch = tmp_path / "own.patch"
    path = "net/sched/act_gact.c"
    source = unpack(distro_source(), Store.default()).path
    touched = {}
    # No guest of this cost loads what the other one is built into.
    for file in (path, "net/openvswitch/actions.c"):
        head, rest = (source / file).read_bytes().split(b"\n", 1)
        touched[file] = head + b"\n/* On top. */\n" + rest
    patch.write_bytes(as_patch(source, touched))
    with searched(repository, replace(DISTRO, series=str(patch))) as found:
        assert found.ground.series == read_series(str(patch)).digest
        for name in (found.graph.good, found.graph.names[-1]):
            content = changed(found, name)[path]
            assert content is not None
            assert content.splitlines()[1] == b"/* On top. */"
            assert "net/openvswitch/actions.c" not in changed(found, name)


def test_part_of_a_kernel_needs_the_kernel_that_it_belongs_to(repository: Repository) -> None:
    with (
        pytest.raises(UserError, match="holds no whole kernel"),
        searched(repository, CheckOptions("", kernel="")),
    ):
        pass


def test_what_is_not_loaded_can_not_be_it(repository: Repository) -> None:
    said = "this cost takes none of them"
    with (
        pytest.raises(NothingToCompare, match=said),
        searched(repository, loaded=frozenset({"veth"})),
    ):
        pass


@pytest.fixture
def prose(tmp_path: Path) -> Tree:
    """Return a tree whose files get into no kernel."""
    tree = Tree(tmp_path / "tree")
    tree.git("switch", "-q", "--orphan", "prose")
    (tree.path / "net" / "core").mkdir(parents=True)
    tree.first = tree.commit("first", README="1\n")
    return tree


def between(tree: Tree, *ends: str) -> Any:
    good, bad = ends
    return range_of_tree(tree.path, (good, bad), DISTRO, Store.default(), lambda _: None)


def test_nothing_that_gets_into_a_kernel(prose: Tree) -> None:
    last = prose.commit("second", README="2\n")
    said = "nothing between .* gets into 6"
    with pytest.raises(NothingToCompare, match=said), between(prose, prose.first, last):
        pass


def test_part_of_a_kernel_can_not_be_built_whole(prose: Tree) -> None:
    last = prose.commit("built in", **{"net/core/dev.c": "int nothing;\n"})
    said = r"net/core/dev\.c is built into the kernel"
    with pytest.raises(NeedsFullBuild, match=said), between(prose, prose.first, last):
        pass


def of_mirred(repository: Repository) -> list[str]:
    commits = repository.git("rev-list", "--reverse", "--no-merges", "main", "--", MIRRED)
    return commits.split()[1:4]


@pytest.fixture
def series(repository: Repository, tmp_path: Path) -> str:
    """Return three patches of act_mirred."""
    path = tmp_path / "series.mbox"
    commits = of_mirred(repository)
    mails = [repository.git("format-patch", "--stdout", "-1", one) for one in commits]
    path.write_text("\n".join(mails) + "\n", encoding="utf-8")
    return str(path)


def test_patches_of_a_series_one_by_one(repository: Repository, series: str) -> None:
    options = CheckOptions(series, kernel="distro")
    with range_of_series(options, Store.default(), lambda _: None) as found:
        assert found.graph.names == ("1", "2", "3")
        assert found.graph.good == "0"
        assert changed(found, "0") == {}
        for number, commit in enumerate(of_mirred(repository), 1):
            whole = repository.git("show", f"{commit}:{MIRRED}")
            content = changed(found, str(number))[MIRRED]
            assert content is not None
            assert content.decode().strip() == whole
        assert "act_mirred.c" in found.patch("2")


def test_ground_tells_kernels_apart_that_were_built(repository: Repository) -> None:
    """Whatever their source is, they have the same release and version."""
    with searched(repository) as found:
        before = found.ground
    one, other = (
        _ground(replace(distro_source(), build_id=name * 20), None) for name in ("ab", "cd")
    )
    assert _ground(distro_source(), None) == before
    assert one.kernel == f"{before.kernel}, build abababababab"
    with pytest.raises(UserError, match=r"build ababab.* build cdcdcd.* begin anew"):
        one.must_be(other)


def test_configuration_of_ours_needs_kernels_of_ours(
    repository: Repository, series: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules of somebody else's kernel are built in that one's configuration."""
    options = CheckOptions(series, kernel="distro", config=("debug",))
    with range_of_series(options, Store.default(), lambda _: None) as found:
        assert isinstance(found.revisions, KernelRevisions)
        assert found.revisions.how == "whole kernels (asked for by --config)"
    only_modules = replace(options, build=Build.MODULE)
    monkeypatch.setattr(ranges, "find_source", lambda *_: pytest.fail("too late"))
    with (
        pytest.raises(UserError, match="--config is of whole kernels, and --build module"),
        range_of_series(only_modules, Store.default(), lambda _: None),
    ):
        pass
    for chosen in (replace(DISTRO, config=("debug",)), replace(DISTRO, build=Build.FULL)):
        with (
            pytest.raises(UserError, match="holds no whole kernel, and none can be built from it"),
            searched(repository, chosen),
        ):
            pass


def test_configuration_for_a_kernel_that_is_built(
    series: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = replace(distro_source(), name="/tree")
    monkeypatch.setattr(ranges, "find_source", lambda *_: built)
    monkeypatch.setattr(ranges, "pinned", lambda name: name)
    options = CheckOptions(series, kernel="/tree", config=("debug",))
    with (
        pytest.raises(UserError, match="/tree is built, in a configuration of its own"),
        range_of_series(options, Store.default(), lambda _: None),
    ):
        pass


def test_module_that_the_cost_does_not_take_is_built_and_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image lacks what vhost_scsi wants, and without it vhost could export nothing else."""
    header = "drivers/vhost/vhost.h"
    source = unpack(distro_source(), Store.default()).path
    series = tmp_path / "own.patch"
    content = (source / header).read_bytes()
    series.write_bytes(as_patch(source, {header: content + b"/* More. */\n"}))
    built: list[str] = []

    def build(_source: Any, _tree: Any, targets: Sequence[ModuleTarget], *_: Any) -> ModuleBuild:
        built.extend(target.name for target in targets)
        nowhere = tmp_path / "nowhere"
        modules = tuple(BuiltModule(name, nowhere, name, name) for name in built)
        return ModuleBuild("key", modules, cached=False)

    monkeypatch.setattr(revisions, "build_changed", build)
    options = CheckOptions(str(series), kernel="distro")

    def with_loaded(*names: str) -> Any:
        loaded = frozenset(names)
        return range_of_series(options, Store.default(), lambda _: None, lambda _: loaded)

    with with_loaded("tun", "vhost", "vhost_net") as found:
        assert found.revisions.how == "modules vhost, vhost_net"
        modules = found.revisions.build("1").build.modules
        assert [module.name for module in modules] == ["vhost", "vhost_net"]
    assert "vhost_scsi" in built
    with pytest.raises(NothingToCompare, match="takes none of them"), with_loaded("veth"):
        pass
