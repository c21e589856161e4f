# SPDX-License-Identifier: GPL-2.0-or-later
"""The first file system of a DUT, unpacked by a real cpio; its modules are the distro's."""

from __future__ import annotations

import lzma
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import ksuite
from ksuite.dut.modules import _depends
from ksuite.errors import InfrastructureError
from ksuite.kernels.source import KernelSource, distro_source
from ksuite.machines.initrd import Archive, _with_dependencies, agent_code, initrd
from ksuite.machines.recipe import DATA, read_recipe
from ksuite.processes import run, tool

BUSYBOX = b"\x7fELF, or so"


def cpio(archive: bytes, *options: str, place: Path) -> str:
    """Hand an archive to busybox, which the DUT has too, and return what it lists."""
    command = [tool("busybox", "busybox-static"), "cpio", *options]
    done = run(command, cwd=place, env={"TZ": "UTC", "LC_ALL": "C"}, stdin=archive)
    # It ends with the number of its blocks; only root may make a device.
    *said, size = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert [line for line in said if "can't create node dev/console" not in line] == []
    assert size.endswith(" blocks")
    return done.stdout.decode()


def unpack(archive: bytes, place: Path) -> dict[str, bytes | None]:
    """Return the contents of all files by path, None for directories."""
    cpio(archive, "-idm", place=place)
    return {
        str(path.relative_to(place)): path.read_bytes() if path.is_file() else None
        for path in place.rglob("*")
    }


@pytest.fixture(scope="module")
def source() -> KernelSource:
    return distro_source()


@pytest.fixture(scope="module")
def archive(source: KernelSource) -> bytes:
    return make(source, *read_recipe().boot_modules)


def make(source: KernelSource, *modules: str) -> bytes:
    top = source.modules.parent.parent.parent
    return initrd(BUSYBOX, top, source.release, replace(read_recipe(), boot_modules=modules))


def test_module_that_a_kernel_may_lack_is_left_out(source: KernelSource) -> None:
    top = source.modules.parent.parent.parent
    recipe = replace(read_recipe(), boot_modules=("erofs", "nope"), may_lack=("nope",))
    with_it = replace(recipe, boot_modules=("erofs",))
    archives = [initrd(BUSYBOX, top, source.release, one) for one in (recipe, with_it)]
    assert archives[0] == archives[1]
    with pytest.raises(InfrastructureError, match="can't run a DUT"):
        initrd(BUSYBOX, top, source.release, replace(recipe, may_lack=()))


def test_packed_modules_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The DUT's busybox can't."""
    place = tmp_path / "lib" / "modules" / "1.0"
    place.mkdir(parents=True)
    (place / "it.ko.xz").write_bytes(lzma.compress(b"a module"))
    (place / "modules.order").write_text("it.ko\n")
    monkeypatch.setattr(
        "ksuite.machines.initrd._with_dependencies", lambda *_: [place / "it.ko.xz"]
    )
    out = tmp_path / "out"
    out.mkdir()
    files = unpack(initrd(BUSYBOX, tmp_path, "1.0", read_recipe()), out)
    assert files["modules/it.ko"] == b"a module"
    assert files["modules/order"] == b"it.ko"


@pytest.mark.parametrize("packed", ["", ".xz", ".gz", ".zst"])
def test_what_modprobe_names_is_taken_however_it_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: str
) -> None:
    """What was not would only be missed by a guest that doesn't come up."""
    said = f"builtin erofs\ninsmod {tmp_path}/it.ko{packed} option=1 \n".encode()
    done = subprocess.CompletedProcess([], 0, said, b"")
    monkeypatch.setattr("ksuite.machines.initrd.run", lambda *_: done)
    assert _with_dependencies(tmp_path, "1.0", ["it"]) == [tmp_path / f"it.ko{packed}"]


def test_files_and_the_directories_that_they_are_in(tmp_path: Path) -> None:
    archive = Archive()
    archive.file("a/b/c", b"deep")
    archive.file("a/b/d", b"")
    archive.directory("a")
    archive.directory("e/f")
    archive.file("top", b"\0\xff\n")
    assert unpack(archive.finished(), tmp_path) == {
        **dict.fromkeys(("a", "a/b", "e", "e/f")),
        "a/b/c": b"deep",
        "a/b/d": b"",
        "top": b"\0\xff\n",
    }


def test_every_length_of_name_and_contents(tmp_path: Path) -> None:
    """Both are padded to four bytes."""
    wanted = {"n" * name + str(size): b"x" * size for name in range(1, 6) for size in range(6)}
    wanted["größe " + "x" * 200] = b"y" * 70_001
    archive = Archive()
    for name, data in wanted.items():
        archive.file(name, data)
    assert unpack(archive.finished(), tmp_path) == wanted


def test_nothing_in_it(tmp_path: Path) -> None:
    assert unpack(Archive().finished(), tmp_path) == {}


def test_modes_and_times(tmp_path: Path) -> None:
    archive = Archive()
    archive.file("bin/run", b"#!/bin/sh\n", executable=True)
    archive.file("bin/data", b"")
    mask = os.umask(0)
    try:
        unpack(archive.finished(), tmp_path)
    finally:
        os.umask(mask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"bin": 0o755, "run": 0o755, "data": 0o644}
    assert (tmp_path / "bin" / "run").stat().st_mtime == 0


def test_console_is_a_device_of_roots(tmp_path: Path) -> None:
    """Without it init has no output, and nobody would know why it failed."""
    archive = Archive()
    archive.console()
    directory, console = cpio(archive.finished(), "-tv", place=tmp_path).splitlines()
    assert directory.split() == ["drwxr-xr-x", "0/0", "0", "1970-01-01", "00:00:00", "dev"]
    assert console.split()[:2] == ["crw-------", "0/0"]
    assert console.endswith(" dev/console")
    # busybox doesn't list what device it is: Documentation/admin-guide/devices.txt has 5:1.
    header = archive.finished().split(b"070701")[2]
    assert [int(header[at : at + 8], 16) for at in (72, 80)] == [5, 1]


def test_same_inputs_make_the_same_archive(source: KernelSource, archive: bytes) -> None:
    """A snapshot is found again by what went into it."""
    assert make(source, *read_recipe().boot_modules) == archive


def test_whole_archive(archive: bytes, tmp_path: Path) -> None:
    names = cpio(archive, "-t", place=tmp_path).split()
    assert len(names) == len(set(names))
    for name in names:
        parent = str(Path(name).parent)
        assert parent == "." or names.index(parent) < names.index(name)
    found = unpack(archive, tmp_path)
    assert "dev/console" in names
    assert {"proc", "sys", "dev"} <= set(found)
    assert found["bin/busybox"] == BUSYBOX
    assert found["init"] == (DATA / "init").read_bytes()
    for name in ("bin/busybox", "init"):
        assert os.access(tmp_path / name, os.X_OK)
    ours = {name: data for name, data in found.items() if name.startswith("ksuite/") and data}
    assert ours == {name: data for name, data in agent_code().items() if data}


def test_modules_of_init_come_after_what_they_need(archive: bytes, tmp_path: Path) -> None:
    found = unpack(archive, tmp_path)
    order = (found["modules/order"] or b"").decode().split("\n")
    assert sorted(name for name in found if name.endswith(".ko")) == sorted(
        f"modules/{name}" for name in order
    )
    before: set[str] = set()
    for name in order:
        image = found[f"modules/{name}"] or b""
        assert image.startswith(b"\x7fELF")
        assert set(_depends(image)) <= before
        before.add(name.removesuffix(".ko"))
    assert set(read_recipe().boot_modules) <= before


def test_module_that_is_built_in_is_not_loaded(source: KernelSource, tmp_path: Path) -> None:
    found = unpack(make(source, "unix"), tmp_path)
    assert found["modules/order"] == b""
    assert not [name for name in found if name.endswith(".ko")]


def test_kernel_that_lacks_a_module(source: KernelSource) -> None:
    with pytest.raises(InfrastructureError, match=r"can't run a DUT: .*no_such_module") as raised:
        make(source, "erofs", "no_such_module")
    assert source.release in str(raised.value)


def test_agent_code_is_dut_and_nothing_else() -> None:
    """What runs on the DUT is part of a snapshot's name: the rest may change without a boot."""
    package = Path(ksuite.__file__).parent
    code = agent_code()
    beside = {path.name for path in (package / "dut").glob("*.py")}
    assert "mailbox.py" in beside
    assert set(code) == {"ksuite/__init__.py", *(f"ksuite/dut/{name}" for name in beside)}
    for name, data in code.items():
        assert (package.parent / name).read_bytes() == data


def test_agent_code_runs_by_itself(archive: bytes, tmp_path: Path) -> None:
    """It imports nothing that is left out."""
    unpack(archive, tmp_path)
    done = subprocess.run(
        [sys.executable, "-B", "-c", "import ksuite.dut.mailbox as m; print(m.__file__)"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "ksuite" / "dut" / "mailbox.py")
