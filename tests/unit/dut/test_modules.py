# SPDX-License-Identifier: GPL-2.0-or-later
"""What loading asks of the kernel, and which build is loaded, as sysfs tells it.

An absolute name leads to a tree of our own. Nothing here is a module that a kernel could load.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from ksuite.dut import modules
from ksuite.kernels.source import distro_source
from ksuite.processes import run, tool

ID = bytes(range(20))
NT_GNU_BUILD_ID = 3


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "vhost" / "notes").mkdir(parents=True)
    return tmp_path / "vhost"


def test_build_id_is_that_of_the_note(module: Path) -> None:
    note = struct.pack("<III4s", 4, len(ID), NT_GNU_BUILD_ID, b"GNU\0") + ID
    (module / "notes" / ".note.gnu.build-id").write_bytes(note)
    assert modules.build_id(str(module)) == ID.hex()


def test_module_without_a_build_id(module: Path) -> None:
    assert modules.build_id(str(module)) == ""


def test_module_that_is_not_loaded(tmp_path: Path) -> None:
    assert modules.build_id(str(tmp_path / "none")) == ""
    assert modules.unload([str(tmp_path / "none")]) == []


def test_built_in_module_is_not_unloaded(module: Path) -> None:
    """It has a directory in /sys/module, but no initstate."""
    assert modules.unload([str(module)]) == []


@pytest.mark.parametrize("image", [b"", b"garbage", b"\0depends=\0garbage"])
def test_refusal_is_an_os_error_that_says_of_what(tmp_path: Path, image: bytes) -> None:
    name = str(tmp_path / "none")
    with pytest.raises(OSError, match=rf"^\[Errno \d+\] load {re.escape(name)}: \S+"):
        modules.load({name: image}, [])


def test_module_of_the_distro_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"modprobe no_such_module: .*no_such_module"):
        modules.load({str(tmp_path / "none"): b"\0depends=no_such_module\0"}, [])


def test_loaded_modules_are_left_alone(module: Path) -> None:
    """Neither is loaded twice, though what is handed over could not be loaded at all."""
    (module / "initstate").write_text("live\n")
    assert modules.load({str(module): b"garbage"}, [str(module)]) == {
        str(module): "",
        "vmlinux": modules.kernel_build_id(),
    }


def test_what_a_module_needs_is_loaded_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever order they are handed over in; each once; nothing reaches the kernel."""
    order: list[str] = []

    def note(what: str, *_: object) -> None:
        name = what.partition(" ")[2]
        order.append(Path(name).name)
        Path(name).mkdir()
        (Path(name) / "initstate").write_text("live\n")

    monkeypatch.setattr(modules, "_system_call", note)
    top, middle, bottom = (str(tmp_path / name) for name in ("top", "middle", "bottom"))
    needs = {top: [middle, bottom], middle: [bottom], bottom: []}
    images = {name: f"\0depends={','.join(others)}\0".encode() for name, others in needs.items()}
    assert list(modules.load(images, [])) == [top, middle, bottom, "vmlinux"]
    assert order == ["bottom", "middle", "top"]


@pytest.mark.parametrize(
    ("image", "names"),
    [
        (b"\x7fELF license=GPL\0depends=vhost,tun\0name=vhost_net\0", ["vhost", "tun"]),
        (b"license=GPL\0depends=vhost\0", ["vhost"]),
        (b"license=GPL\0depends=\0retpoline=Y\0", []),
        (b"license=GPL\0softdepends=vhost\0", []),
        (b"it depends=vhost\0", []),
        (b"", []),
    ],
)
def test_what_a_module_says_that_it_needs(image: bytes, names: list[str]) -> None:
    assert modules._depends(image) == names


@pytest.mark.parametrize(
    "file", ["vhost/vhost.ko", "vhost/vhost_net.ko", "net/tun.ko", "nvdimm/nd_pmem.ko"]
)
def test_what_a_real_module_says_that_it_needs(file: str) -> None:
    path = distro_source().modules / "kernel" / "drivers" / file
    told = run([tool("modinfo", "kmod"), "-F", "depends", path]).stdout.decode().strip()
    assert modules._depends(path.read_bytes()) == [name for name in told.split(",") if name]


def note(name: bytes, kind: int, content: bytes) -> bytes:
    padded = [part + bytes(-len(part) % 4) for part in (name, content)]
    return modules.NOTE.pack(len(name), len(content), kind) + b"".join(padded)


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        ([(b"Xen\0", 6, b"linux"), (b"GNU\0", 3, b"\x12\x34")], "1234"),
        ([(b"GNU\0", 1, b"other"), (b"Linux\0", 0x100, b"")], ""),
        ([], ""),
    ],
)
def test_build_id_of_the_kernel(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notes: list[tuple[bytes, int, bytes]],
    found: str,
) -> None:
    (tmp_path / "notes").write_bytes(b"".join(note(*one) for one in notes))
    monkeypatch.setattr(modules, "NOTES", tmp_path / "notes")
    assert modules.kernel_build_id() == found
