# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build leaves for the next one, and what it must not."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DiskFull
from ksuite.kernels.areas import CONFIG, Area, config_key, put_config
from ksuite.kernels.tux import FRAGMENT

if TYPE_CHECKING:
    from pathlib import Path

OLD = 1_700_000_000_123_456_789
"""A time, in nanoseconds."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for name in ("Makefile", "Kconfig", "net/Kconfig.debug", "net/dev.c", "scripts/cc.sh"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    return top


@pytest.fixture
def area(tmp_path: Path) -> Area:
    out = tmp_path / "area" / "out"
    out.mkdir(parents=True)
    (out / "dev.o").write_text("as it was")
    os.utime(out / "dev.o", ns=(OLD, OLD))
    return Area(tmp_path / "area", tmp_path / "ccache")


def ignore(_: str) -> None:
    pass


def test_tree_as_it_is_leaves_its_objects(area: Area, tree: Path) -> None:
    for _ in range(2):
        with area.workplace(tree, {}, "CONFIG_A=y\n", ignore) as place:
            assert place.trusted
            assert place.source[1] == tree
            assert list(place.source[0].iterdir()) == []
            assert (place.given / FRAGMENT).read_text() == "CONFIG_A=y\n"
            (place.out / "new.o").write_text("of the tree")
    assert (area.path / "out" / "new.o").exists()


def test_patches_leave_nothing(area: Area, tree: Path) -> None:
    with area.workplace(tree, {"net/dev.c": b"patched"}, "", ignore) as place:
        assert not place.trusted
        assert (place.out / "dev.o").stat().st_mtime_ns == OLD
        (place.out / "dev.o").write_text("of the patch")
    assert (area.path / "out" / "dev.o").read_text() == "as it was"
    assert not place.out.exists()


@pytest.mark.parametrize(
    "full", [DiskFull("disk full"), OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full")]
)
@pytest.mark.parametrize(("changed", "left"), [({}, False), ({"net/dev.c": b"patched"}, True)])
def test_full_disk_leaves_nothing_half_written(
    area: Area, tree: Path, full: Exception, changed: dict[str, bytes | None], *, left: bool
) -> None:
    """What is built with patches is built in a copy: the objects that it is of are whole."""
    with pytest.raises(DiskFull), area.workplace(tree, changed, "", ignore):
        raise full
    assert (area.path / "out" / "dev.o").exists() == left
    assert not (area.path / "copy").exists()


def test_other_trouble_keeps_the_objects(area: Area, tree: Path) -> None:
    with pytest.raises(PermissionError), area.workplace(tree, {}, "", ignore):
        raise PermissionError(errno.EACCES, "no")
    assert (area.path / "out" / "dev.o").exists()


def test_copy_of_a_killed_build_is_not_used(area: Area, tree: Path) -> None:
    (area.path / "copy").mkdir()
    (area.path / "copy" / "left.o").touch()
    with area.workplace(tree, {"net/dev.c": b"patched"}, "", ignore) as place:
        assert sorted(path.name for path in place.out.iterdir()) == ["dev.o"]


def test_patched_files_lie_over_the_tree(area: Area, tree: Path) -> None:
    (tree / "scripts/cc.sh").chmod(0o755)
    changed = {"net/dev.c": None, "scripts/cc.sh": b"run me", "net/new/more.c": b"new"}
    with area.workplace(tree, changed, "", ignore) as place:
        over = place.source[0]
        gone = (over / "net/dev.c").lstat()
        assert stat.S_ISCHR(gone.st_mode)
        assert gone.st_rdev == 0
        assert (over / "scripts/cc.sh").read_bytes() == b"run me"
        assert (over / "scripts/cc.sh").stat().st_mode & 0o777 == 0o755
        assert (over / "net/new/more.c").stat().st_mode & 0o777 == 0o644


def test_whatever_the_umask_the_builder_can_read_it(area: Area, tree: Path) -> None:
    before = os.umask(0o077)
    try:
        changed = {"net/new/more.c": b"new"}
        with area.workplace(tree, changed, "CONFIG_A=y\n", ignore) as place:
            for top in (place.given, place.source[0]):
                for path in (top, *top.rglob("*")):
                    wanted = 0o755 if path.is_dir() else 0o644
                    assert path.stat().st_mode & 0o777 == wanted, path
            put_config(b"CONFIG_A=y\n", place.out)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["Kconfig", "net/Kconfig.debug", "scripts/cc.sh", "Makefile"])
def test_configuration_depends_on(tree: Path, name: str) -> None:
    before = config_key(tree, {}, "CONFIG_A=y", "gcc")
    patched = config_key(tree, {name: b"other"}, "CONFIG_A=y", "gcc")
    removed = config_key(tree, {name: None}, "CONFIG_A=y", "gcc")
    (tree / name).write_bytes(b"other")
    assert config_key(tree, {}, "CONFIG_A=y", "gcc") == patched
    assert len({before, patched, removed}) == 3


def test_configuration_does_not_depend_on_code(tree: Path) -> None:
    before = config_key(tree, {}, "CONFIG_A=y", "gcc")
    assert config_key(tree, {"net/dev.c": b"other"}, "CONFIG_A=y", "gcc") == before
    assert config_key(tree, {}, "CONFIG_A=n", "gcc") != before
    assert config_key(tree, {}, "CONFIG_A=y", "gcc 13") != before


def test_same_configuration_keeps_its_time(tmp_path: Path) -> None:
    put_config(b"CONFIG_A=y\n", tmp_path)
    os.utime(tmp_path / CONFIG, ns=(OLD, OLD))
    put_config(b"CONFIG_A=y\n", tmp_path)
    assert (tmp_path / CONFIG).stat().st_mtime_ns == OLD
    put_config(b"CONFIG_A=n\n", tmp_path)
    assert (tmp_path / CONFIG).read_bytes() == b"CONFIG_A=n\n"
    assert (tmp_path / CONFIG).stat().st_mtime_ns != OLD


def test_configuration_never_goes_where_a_link_leads(tmp_path: Path) -> None:
    """What make runs there may have put one."""
    (tmp_path / "out").mkdir()
    (tmp_path / "ours").write_bytes(b"ours")
    (tmp_path / "out" / CONFIG).symlink_to(tmp_path / "ours")
    put_config(b"CONFIG_A=y\n", tmp_path / "out")
    assert (tmp_path / "ours").read_bytes() == b"ours"
    assert (tmp_path / "out" / CONFIG).read_bytes() == b"CONFIG_A=y\n"
