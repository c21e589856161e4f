# SPDX-License-Identifier: GPL-2.0-or-later
"""The distro's kernel: what is installed, and what is said when it isn't."""

from __future__ import annotations

import gzip
import os
import re
import stat
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import ExitCode, InfrastructureError, UserError
from ksuite.kernels import source as module
from ksuite.kernels.git import CLEAN_PATH
from ksuite.kernels.source import (
    KernelSource,
    check_compiler,
    distro_source,
    unpack,
    unpack_tarball,
)
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path


def test_all_parts_of_the_distro_kernel_exist(source: KernelSource) -> None:
    assert source.release.startswith("6.1.0-")
    assert source.tarball is not None
    for path in (source.image, source.config, source.headers, source.modules, source.tarball):
        assert path.exists()
    assert source.release in source.image.name
    assert source.compiler.startswith("gcc-")


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown kernel 'linus'.*known are distro") as caught:
        distro_source("linus")
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ({}, "linux-image-6.1.*-amd64 is not installed"),
        ({"linux-image-6.1.0-56-amd64": "1"}, "linux-source-6.1 is not installed"),
        (
            {"linux-image-6.1.0-56-amd64": "1", "linux-source-6.1": "1"},
            "different versions",
        ),
        (
            {
                "linux-image-6.1.0-56-amd64": "1",
                "linux-headers-6.1.0-56-amd64": "1",
                "linux-source-6.1": "2",
            },
            "different versions",
        ),
    ],
)
def test_missing_or_mixed_packages_are_told(
    versions: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_installed", lambda _: versions)
    with pytest.raises(InfrastructureError) as caught:
        distro_source()
    assert says in str(caught.value)
    assert re.search("apt-get install (--allow-downgrades )?linux-image-amd64", str(caught.value))
    assert caught.value.exit_code == ExitCode.INFRASTRUCTURE


def test_source_that_is_newer_than_any_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are signed some time later."""
    versions = {f"linux-{part}-6.1.0-9-amd64": "1-2" for part in ("image", "headers")}
    monkeypatch.setattr(module, "_installed", lambda _: versions | {"linux-source-6.1": "1-3"})
    with pytest.raises(InfrastructureError, match=r"--allow-downgrades .*linux-source-6\.1=1-2$"):
        distro_source()


def test_the_newest_whole_kernel_is_taken() -> None:
    versions = {"linux-source-6.1": "5"}
    for number, version in ((9, "5"), (10, "5"), (11, "6")):
        versions[f"linux-image-6.1.0-{number}-amd64"] = version
        versions[f"linux-headers-6.1.0-{number}-amd64"] = version
    versions |= {"linux-image-6.1.0-12-amd64": "5", "linux-image-6.1.0-13-rt-amd64": "5"}
    assert module._newest_release(versions, "6.1") == "6.1.0-10-amd64"


def test_the_tree_is_the_source_of_that_version(tree: Path, source: KernelSource) -> None:
    assert "VERSION = 6\nPATCHLEVEL = 1\n" in (tree / "Makefile").read_text()
    assert (tree / "drivers/vhost/net.c").is_file()
    assert source.version.startswith("6.1.")


def test_a_full_disk_while_unpacking_is_told(
    source: KernelSource, tmp_path: Path, tiny_disk: Callable[[str], AbstractContextManager[Path]]
) -> None:
    (tmp_path / "linux").mkdir()
    (tmp_path / "linux/file").write_bytes(bytes(2 << 20))
    subprocess.run(["tar", "-cJf", "linux.tar.xz", "linux"], cwd=tmp_path, check=True)
    packed = replace(source, tarball=tmp_path / "linux.tar.xz")
    assert (unpack(packed, Store(tmp_path / "store")).path / "file").stat().st_size == 2 << 20
    with tiny_disk("1m") as root:
        with pytest.raises(InfrastructureError, match="disk full in the store at"):
            unpack(packed, Store(root))
        assert list((root / ".tmp").iterdir()) == []


def test_a_damaged_tarball_is_told(source: KernelSource, tmp_path: Path) -> None:
    damaged = tmp_path / "linux.tar.xz"
    damaged.write_bytes(b"no archive")
    with pytest.raises(InfrastructureError, match=r"can't be unpacked.*--reinstall"):
        unpack(replace(source, tarball=damaged), Store(tmp_path / "store"))
    assert list((tmp_path / "store/.tmp").iterdir()) == []


def packed(directory: Path, *options: str) -> Path:
    """Return the tarball of what is in a directory."""
    name = f"{directory.name}.tar"
    command = ["tar", "-cPf", name, *options, directory.name]
    subprocess.run(command, cwd=directory.parent, check=True)
    return directory.parent / name


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    top = tmp_path / "linux"
    (top / "sub").mkdir(parents=True)
    (top / "sub" / "file").write_text("text")
    return top


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".tar.gz", ".tar.xz"])
def test_tarballs_of_each_name(suffix: str, linux: Path, tmp_path: Path) -> None:
    tarball = tmp_path / f"x{suffix}"
    subprocess.run(["tar", "-caf", tarball, "linux"], cwd=tmp_path, check=True)
    found = unpack_tarball(tarball, Store(tmp_path / "store"), "")
    assert (found.path / "sub" / "file").read_text() == "text"
    assert linux.is_dir()


def test_a_tarball_has_no_say_in_owners_and_modes(linux: Path, tmp_path: Path) -> None:
    (linux / "script").write_text("")
    for name, mode in (("script", 0o6755), ("sub/file", 0o600), ("sub", 0o3700)):
        (linux / name).chmod(mode)
    (linux / "link").symlink_to("sub/file")
    tarball = packed(linux, "--owner=4242", "--group=4242")
    before = os.umask(0o077)
    try:
        top = unpack_tarball(tarball, Store(tmp_path / "store"), "").path
    finally:
        os.umask(before)
    places = [top, *top.rglob("*")]
    assert {path.lstat().st_uid for path in places} == {os.geteuid()}
    modes = {path.name: path.lstat().st_mode & 0o7777 for path in places if not path.is_symlink()}
    del modes[".ksuite.json"]
    assert modes == {top.name: 0o755, "script": 0o755, "sub": 0o755, "file": 0o644}
    assert (top / "link").readlink().as_posix() == "sub/file"


def test_what_is_no_file_is_not_unpacked(linux: Path, tmp_path: Path) -> None:
    """Whoever opened it would wait for ever."""
    os.mkfifo(linux / "sub" / "fifo")
    with pytest.raises(UserError, match="sub/fifo is no file, directory or link; give another"):
        unpack_tarball(packed(linux), Store(tmp_path / "store"), "give another")
    assert not list((tmp_path / "store/tree").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a device")
def test_a_device_is_not_unpacked(linux: Path, tmp_path: Path) -> None:
    os.mknod(linux / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    with pytest.raises(UserError, match="zero: Cannot mknod: Operation not permitted"):
        unpack_tarball(packed(linux), Store(tmp_path / "store"), "")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("empty", "This does not look like a tar archive"),
        ("cut", "unexpected end of file"),
        ("outside", "Member name contains '..'"),
        ("gone", "No such file"),
    ],
)
def test_the_users_tarball_is_the_users(kind: str, says: str, linux: Path, tmp_path: Path) -> None:
    tarball = tmp_path / "x.tar.gz"
    names = ["linux/sub", "linux/../linux/sub/file"] if kind == "outside" else ["linux"]
    if kind != "gone":
        subprocess.run(["tar", "-czPf", tarball, *names], cwd=linux.parent, check=True)
    if kind in {"empty", "cut"}:
        tarball.write_bytes(gzip.compress(b"") if kind == "empty" else tarball.read_bytes()[:60])
    with pytest.raises(UserError, match=rf"x\.tar\.gz can't be .*{re.escape(says)}.*; look"):
        unpack_tarball(tarball, Store(tmp_path / "store"), "look")


def test_the_compiler_must_be_the_kernels(source: KernelSource) -> None:
    check_compiler(source)
    other = replace(source, compiler=f"{source.compiler.split()[0]} (Debian 1) 12.0.0")
    with pytest.raises(InfrastructureError, match="their code can't be compared"):
        check_compiler(other)
    with pytest.raises(InfrastructureError, match="gcc-99 is missing: install it"):
        check_compiler(replace(source, compiler="gcc-99 (Debian) 99.0"))


@pytest.mark.parametrize("given", ["{} (x) 1", "../{} 1", "sh 1", "", "gcc; 12", "gcc\t12"])
def test_what_is_no_compiler_is_not_run(given: str, source: KernelSource, tmp_path: Path) -> None:
    """A tree's configuration says what its compiler is called."""
    trap = tmp_path / "gcc"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    with pytest.raises(InfrastructureError, match="is no compiler that we know"):
        check_compiler(replace(source, compiler=given.format(trap)))
    assert not (tmp_path / "sprung").exists()


def test_a_tool_that_says_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "contained", lambda **_: ["false"])
    with pytest.raises(InfrastructureError, match="ld does not say its version"):
        module.linker_version()


@pytest.mark.parametrize(
    "name",
    ["gcc", "gcc-12", "x86_64-linux-gnu-gcc-12", "clang-14", "x86_64-linux-gnu-gcc", "gcc-4.9"],
)
def test_names_of_compilers(name: str) -> None:
    assert module._COMPILER.fullmatch(name)


def test_the_compiler_is_the_one_that_builds(
    source: KernelSource, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one may be first on the user's path."""
    other = open_directory / source.compiler.split()[0]
    other.write_text("#!/bin/sh\necho other\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_directory}:{CLEAN_PATH}")
    check_compiler(source)
