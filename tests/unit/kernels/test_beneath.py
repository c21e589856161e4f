# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a directory that is somebody else's: no link leads out of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels import full
from ksuite.kernels.areas import config_key
from ksuite.kernels.beneath import read_beneath
from ksuite.kernels.headers import collect_headers
from ksuite.kernels.includes import named_by_makefile
from ksuite.kernels.makelog import read_unfollowed
from ksuite.kernels.trees import PARTS, Tree, must_be_kernel

if TYPE_CHECKING:
    from ksuite.kernels.source import KernelSource


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "away").mkdir()
    (tmp_path / "away/secret").write_text("secret")
    return tmp_path / "away"


@pytest.fixture
def top(tmp_path: Path, secret: Path) -> Path:
    top = tmp_path / "top"
    (top / "d").mkdir(parents=True)
    (top / "d/file").write_text("text")
    (top / "d/inside").symlink_to("file")
    (top / "d/outside").symlink_to(secret / "secret")
    (top / "up").symlink_to(secret)
    (top / "dots").symlink_to("../away/secret")
    (top / "endless").symlink_to("/dev/zero")
    os.mkfifo(top / "fifo")
    return top


FDS = Path("/proc/self/fd")
OUTSIDE = ["d/outside", "up/secret", "dots", "endless", "../away/secret", "fifo", "d", "none"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_not_there_itself_is_not_read(name: str, top: Path) -> None:
    for links in (False, True):
        with pytest.raises(OSError, match=r"."):
            read_beneath(top, name, 100, links=links)
    with pytest.raises(InfrastructureError, match="the build left no "):
        read_unfollowed(top, name, 100)


def test_links_that_stay_inside(top: Path) -> None:
    assert read_beneath(top, "d/file", 4) == b"text"
    assert read_beneath(top, "d/inside", 4, links=True) == b"text"
    with pytest.raises(OSError, match="symbolic links"):
        read_beneath(top, "d/inside", 4)


def test_the_way_to_the_directory_is_trusted(top: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(top)
    assert read_unfollowed(tmp_path / "link", "d/file", 2) == b"te"


def test_what_is_larger_is_refused(top: Path) -> None:
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_beneath(top, "d/file", 3)


def test_nothing_is_left_open(top: Path) -> None:
    before = len(list(FDS.iterdir()))
    for name in OUTSIDE:
        with pytest.raises(OSError, match=r"."):
            read_beneath(top, name, 100)
    assert len(list(FDS.iterdir())) == before


@pytest.mark.parametrize("leads_to", ["/dev/zero", "d/file"])
def test_makefile_that_is_a_link(leads_to: str, top: Path) -> None:
    (top / "Makefile").symlink_to(leads_to)
    with pytest.raises(UserError, match=r"Makefile of .* can't be read: Too many levels"):
        _ = Tree(top, "", "").version


@pytest.mark.parametrize("linked", ["Makefile", "Kconfig", "arch"])
def test_tree_whose_parts_are_links(linked: str, tmp_path: Path) -> None:
    for part in PARTS:
        (tmp_path / "tree" / part).mkdir(parents=True)
    must_be_kernel(tmp_path / "tree", "mine")
    (tmp_path / "tree" / linked).rename(tmp_path / "away")
    (tmp_path / "tree" / linked).symlink_to(tmp_path / "away")
    with pytest.raises(UserError, match=f"mine is no kernel tree: a link leads to its {linked}"):
        must_be_kernel(tmp_path / "tree", "mine")


def test_configuration_does_not_depend_on_what_is_elsewhere(tmp_path: Path, secret: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "scripts").mkdir(parents=True)
    (tree / "Makefile").touch()
    before = config_key(tree, {}, "", "")
    (tree / "Kconfig.link").symlink_to(secret / "secret")
    (tree / "scripts/zero").symlink_to("/dev/zero")
    (tree / "scripts/directory").symlink_to(secret)
    linked = config_key(tree, {}, "", "")
    (secret / "secret").write_text("other")
    assert config_key(tree, {}, "", "") == linked != before
    (tree / "scripts/directory").unlink()
    assert config_key(tree, {}, "", "") not in {linked, before}


def test_configuration_depends_on_what_a_link_in_the_tree_stands_for(tmp_path: Path) -> None:
    (tmp_path / "options").write_text("one")
    (tmp_path / "Kconfig").symlink_to("options")
    before = config_key(tmp_path, {}, "", "")
    (tmp_path / "options").write_text("two")
    assert config_key(tmp_path, {}, "", "") != before


def test_configuration_of_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Kconfig")
    with pytest.raises(UserError, match="Kconfig in the kernel tree can't be read: it is no"):
        config_key(tmp_path, {}, "", "")


@pytest.mark.parametrize("name", ["arch", "include", "scripts/there", "tools/objtool"])
def test_headers_are_not_collected_through_links(name: str, secret: Path, tmp_path: Path) -> None:
    build, into = tmp_path / "build", tmp_path / "into"
    for inside in ("x86/include", "objtool"):
        (secret / inside).mkdir(parents=True, exist_ok=True)
        (secret / inside / "secret").write_text("secret")
    (build / name).parent.mkdir(parents=True)
    (build / name).symlink_to(secret)
    collect_headers([], build, into)
    assert not [path for path in into.rglob("*") if path.is_file() and not path.is_symlink()]


def test_headers_are_readable_for_all(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        for name in ("include/linux/x.h", "arch/x86/include/asm/x.h", "scripts/run"):
            (tmp_path / "build" / name).parent.mkdir(parents=True)
            (tmp_path / "build" / name).touch()
        (tmp_path / "build/scripts/run").chmod(0o700)
        collect_headers([], tmp_path / "build", tmp_path / "into")
    finally:
        os.umask(before)
    into = tmp_path / "into"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (into, *into.rglob("*"))}
    assert modes.pop("x.h") == 0o644
    assert set(modes.values()) == {0o755}


def test_headers_that_are_no_files_are_not_collected(tmp_path: Path) -> None:
    for name in ("include/linux/fifo", "scripts/x"):
        (tmp_path / "build" / name).parent.mkdir(parents=True)
    (tmp_path / "build/include/linux/x.h").touch()
    os.mkfifo(tmp_path / "build/include/linux/fifo")
    os.mkfifo(tmp_path / "build/.config")
    collect_headers([], tmp_path / "build", tmp_path / "into")
    found = sorted(path.name for path in (tmp_path / "into").rglob("*") if not path.is_dir())
    assert found == ["x.h"]


def test_build_id_of_a_vmlinux_that_is_a_link(top: Path, source: KernelSource) -> None:
    module = source.modules / "kernel/drivers/vhost/vhost_net.ko"
    shutil.copyfile(module, top / "vmlinux")
    assert len(full._build_id(top)) == 40
    for leads_to in ("/dev/zero", module):
        (top / "vmlinux").unlink()
        (top / "vmlinux").symlink_to(leads_to)
        with pytest.raises(InfrastructureError, match="the build left no vmlinux: Too many"):
            full._build_id(top)


def test_makefiles_are_not_looked_for_elsewhere(secret: Path, tmp_path: Path) -> None:
    (secret / "Makefile").write_text("x.h\n")
    (tmp_path / "tree/arch/x86").mkdir(parents=True)
    (tmp_path / "tree/drivers").symlink_to(secret)
    assert named_by_makefile(tmp_path / "tree", "drivers/x.h") is None
