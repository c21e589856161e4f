# SPDX-License-Identifier: GPL-2.0-or-later
"""Images hold nothing of the host that makes them."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.kernels.source import KernelSource
from ksuite.machines import image
from ksuite.machines.recipe import read_recipe

if TYPE_CHECKING:
    from pathlib import Path


def tree(top: Path, umask: int, hostname: str) -> Path:
    """Return what two hosts would have made of the same packages."""
    before = os.umask(umask)
    try:
        (top / "etc").mkdir(parents=True)
        for name in image.HOSTS_OWN:
            (top / "etc" / name).write_text(hostname)
        (top / "etc" / "os-release").write_text("bookworm")
        (top / "bin").mkdir()
        program = top / "bin" / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o777 & ~umask)
        (top / "link").symlink_to("nowhere")
    finally:
        os.umask(before)
    (top / "tmp").mkdir()
    (top / "tmp").chmod(0o1777)
    return top


@pytest.mark.skipif(shutil.which("mkfs.erofs") is None, reason="no mkfs.erofs (erofs-utils)")
def test_umask_and_name_of_the_host_leave_no_trace(tmp_path: Path) -> None:
    digests = set()
    for umask, hostname in ((0o022, "one"), (0o002, "other"), (0o077, "third")):
        into = tmp_path / hostname
        into.mkdir()
        image.pack(tree(into / "top", umask, hostname), into, {})
        digests.add(image.read(into).digest)
    assert len(digests) == 1


@pytest.mark.skipif(shutil.which("mkfs.erofs") is None, reason="no mkfs.erofs (erofs-utils)")
def test_another_file_is_another_image(tmp_path: Path) -> None:
    digests = set()
    for content in ("bookworm", "trixie"):
        into = tmp_path / content
        into.mkdir()
        top = tree(into / "top", 0o022, "one")
        (top / "etc" / "os-release").write_text(content)
        image.pack(top, into, {})
        digests.add(image.read(into).digest)
    assert len(digests) == 2


def test_programs_stay_programs_and_what_all_may_write_stays_so(tmp_path: Path) -> None:
    top = tree(tmp_path / "top", 0o077, "one")
    image.leave_no_trace_of_this_host(top)
    modes = {name: (top / name).stat().st_mode & 0o7777 for name in ("bin/program", "etc", "tmp")}
    assert modes == {"bin/program": 0o755, "etc": 0o755, "tmp": 0o1777}
    assert (top / "link").is_symlink()
    assert not any((top / "etc" / name).exists() for name in image.HOSTS_OWN)


@pytest.mark.parametrize("part", ["FORMAT", "agent_code", "DATA"])
def test_all_of_a_guest_that_is_ours_is_told(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = image.guest_code()
    for name in ("dut.toml", "init"):
        (tmp_path / name).write_text("another")
    other: Any = {"FORMAT": "0", "agent_code": lambda: {"ksuite/dut/x.py": b""}, "DATA": tmp_path}
    monkeypatch.setattr(image, part, other[part])
    assert image.guest_code() not in {before, ""}


@pytest.fixture
def installed(tmp_path: Path) -> KernelSource:
    """Return a kernel whose modules were built in somebody's tree."""
    modules, headers = tmp_path / "lib/modules/1.0", tmp_path / "entry/src/linux-headers-1.0"
    (modules / "kernel/net").mkdir(parents=True)
    headers.mkdir(parents=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (modules / name).touch()
    (modules / "build").symlink_to("/home/somebody/linux")
    place = tmp_path / "bzImage"
    return KernelSource("mine", "1.0", "1.0", place, place, headers, modules, "gcc")


def test_modules_are_unpacked_in_an_image(installed: KernelSource, tmp_path: Path) -> None:
    """The DUT's tools know only some packers."""
    net = installed.modules / "kernel/net"
    (net / "a.ko.gz").write_bytes(gzip.compress(b"a"))
    (net / "b.ko.xz").write_bytes(lzma.compress(b"b"))
    (net / "c.ko").write_bytes(b"c")
    image._copy_modules(installed, read_recipe(), tmp_path / "into")
    there = {path.name: path.read_bytes() for path in (tmp_path / "into/kernel/net").iterdir()}
    assert there == {"a.ko": b"a", "b.ko": b"b", "c.ko": b"c"}


def test_links_lead_to_where_an_image_has_the_headers(
    installed: KernelSource, tmp_path: Path
) -> None:
    image._copy_modules(installed, read_recipe(), tmp_path / "one")
    assert (tmp_path / "one/build").readlink() == image.HEADERS / "linux-headers-1.0"
    common = installed.headers.with_name("linux-headers-common")
    common.mkdir()
    (installed.modules / "source").symlink_to(f"/usr/src/{common.name}")
    image._copy_modules(installed, read_recipe(), tmp_path / "two")
    assert (tmp_path / "two/source").readlink() == image.HEADERS / common.name


def test_other_headers_are_another_image(
    installed: KernelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = []

    class Store:
        def obtain(self, _kind: str, key: str, _make: object) -> Path:
            keys.append(key)
            return tmp_path

    monkeypatch.setattr(image, "read", lambda entry: entry)
    store: Any = Store()
    elsewhere = tmp_path / "another/src/linux-headers-1.0"
    for source in (installed, installed, replace(installed, headers=elsewhere)):
        image.kernel_image(source, read_recipe(), store, lambda _: None)
    assert keys[0] == keys[1] != keys[2]
