# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that can't be judged on: one clear message, the documented exit code, no traceback."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.source import KernelSource, distro_source
from tests.broken.test_input import SERIES, ksuite, store_without

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOT_MODULE = "fs/erofs/erofs.ko"
"""Without it there is no root."""


def judged_on(kernel: str, *options: str, **environment: str) -> tuple[int, str]:
    """Return the exit code, and what was printed, on one line."""
    done = ksuite("check", SERIES, "--kernel", kernel, *options, **environment)
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed
    return done.returncode, " ".join(printed.split())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a git tree of something else."""
    top = tmp_path / "photos"
    top.mkdir()
    (top / "README").write_text("not a kernel\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *words]
        subprocess.run(command, cwd=top, check=True)
    return top


def archived(top: Path) -> str:
    tarball = top.with_name("photos.tar.gz")
    subprocess.run(["tar", "-C", top.parent, "-czf", tarball, top.name], check=True)
    return str(tarball)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (str, "is no kernel tree: it has no Makefile, Kbuild, Kconfig, arch/x86"),
        ("{}@HEAD".format, "photos@HEAD is no kernel tree: it has no Makefile"),
        (archived, "photos.tar.gz is no kernel tree: it has no Makefile"),
        ("{}@v6.99".format, "revision 'v6.99' does not exist in"),
        ("{}/.git/objects@HEAD".format, "is no"),
        ("{}/none.tar.xz".format, "there is no tarball"),
        ("{}/none@HEAD".format, "is not a git tree: there is no such directory"),
    ],
    ids=["tree", "revision", "tarball", "no revision", "no top", "no tarball", "no tree"],
)
def test_no_kernel(
    repository: Path, tmp_path: Path, name: Callable[[Path], str], says: str
) -> None:
    code, printed = judged_on(name(repository), KSUITE_STORE=str(tmp_path / "store"))
    assert (code, says in printed) == (2, True), printed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CONFIG_VHOST_NET\n", "own.config:1"),
        ("CONFIG_NET=y\nVHOST_NET=m\n", "own.config:2"),
        (None, "own.config"),
    ],
    ids=["no value", "no prefix", "no file"],
)
def test_fragment_that_makes_no_sense(tmp_path: Path, text: str | None, says: str) -> None:
    own = tmp_path / "own.config"
    if text is not None:
        own.write_text(text)
    done = ksuite("check", SERIES, "--build", "full", "--config", own)
    printed = done.stdout + done.stderr
    assert (done.returncode, says in printed) == (2, True), printed
    assert "Traceback" not in printed


@pytest.fixture(scope="module")
def distro() -> KernelSource:
    return distro_source()


@pytest.fixture
def modules(distro: KernelSource, tmp_path: Path) -> Path:
    """Return a directory of modules like the distro's, which may be changed."""
    place = tmp_path / "lib" / "modules" / distro.release
    place.mkdir(parents=True)
    for listed in distro.modules.glob("modules.*"):
        shutil.copy(listed, place)
    subprocess.run(["cp", "-rs", distro.modules / "kernel", place / "kernel"], check=True)
    (place / "build").symlink_to(distro.headers)
    shutil.copy(distro.config, place / "config")
    return place


def test_modules_of_another_release(distro: KernelSource, modules: Path) -> None:
    first = min((modules / "kernel").rglob("*.ko"))
    content = first.read_bytes()
    first.unlink()
    other = distro.release[:-1] + "5"
    first.write_bytes(content.replace(distro.release.encode(), other.encode()))
    code, printed = judged_on(f"{distro.image},{modules}", "--unpatched")
    assert code == 2, printed
    assert f"is {distro.release}, but" in printed
    assert f"was built for {other}: give the directory" in printed


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        ("{tmp}/Image,{modules}", "Image is no bzImage for x86: it has no boot header"),
        ("{tmp}/none,{modules}", "there is no kernel image"),
        ("{image},{tmp}", "is no directory of modules: it has no modules.order"),
        ("{tmp}/arm64", "arm64 is no kernel tree: it has no arch/x86"),
    ],
    ids=["arm64's", "no image", "no modules", "no x86"],
)
def test_other_architecture(
    distro: KernelSource, modules: Path, tmp_path: Path, kernel: str, says: str
) -> None:
    # Documentation/arch/arm64/booting.rst
    (tmp_path / "Image").write_bytes(b"MZ" + bytes(54) + b"ARM\x64" + bytes(4096))
    (tmp_path / "arm64" / "arch" / "arm64").mkdir(parents=True)
    for name in ("Makefile", "Kbuild", "Kconfig"):
        (tmp_path / "arm64" / name).touch()
    name = kernel.format(tmp=tmp_path, modules=modules, image=distro.image)
    code, printed = judged_on(name, "--unpatched")
    assert (code, says in printed) == (2, True), printed


def test_kernel_that_does_not_boot(distro: KernelSource, modules: Path, tmp_path: Path) -> None:
    """Its console and what its configuration lacks are told, well before the limit of a boot."""
    needed = modules / "kernel" / ROOT_MODULE
    needed.unlink()
    needed.write_text("what another compiler has made")
    config = (modules / "config").read_text(encoding="utf-8")
    (modules / "config").write_text(config.replace("CONFIG_EROFS_FS=m\n", ""), encoding="utf-8")
    store = store_without(tmp_path, "dut-kernel", "snapshot")
    kernel = f"{distro.image},{modules}"
    started = time.monotonic()
    code, printed = judged_on(
        kernel, "--unpatched", "--scenario", "vhost_tx", KSUITE_STORE=str(store)
    )
    assert code == 3, printed
    assert f"{distro.release} does not come up: panic: Kernel panic - not syncing" in printed
    assert "init: erofs.ko was not loaded" in printed
    assert "its configuration lacks" in printed
    assert "CONFIG_EROFS_FS" in printed
    assert time.monotonic() - started < 120
    assert list((store / "snapshot").glob("[!.]*")) == []


def test_kernel_that_can_not_find_its_root(
    distro: KernelSource, modules: Path, tmp_path: Path
) -> None:
    """It is told before anything is booted."""
    (modules / "kernel" / ROOT_MODULE).unlink()
    for listed in ("modules.dep", "modules.dep.bin"):
        (modules / listed).unlink(missing_ok=True)
    subprocess.run(["depmod", "-b", tmp_path, distro.release], check=True)
    store = store_without(tmp_path, "dut-kernel", "snapshot")
    code, printed = judged_on(f"{distro.image},{modules}", "--unpatched", KSUITE_STORE=str(store))
    assert code == 3, printed
    assert f"the kernel {distro.release} can't run a DUT" in printed
    assert "erofs not found" in printed
