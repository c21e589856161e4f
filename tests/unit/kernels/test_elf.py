# SPDX-License-Identifier: GPL-2.0-or-later
"""Object code compared by digest, on modules of the distro."""

from __future__ import annotations

import resource
import struct
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError
from ksuite.kernels.elf import build_id, code_digest

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource


@pytest.fixture
def module(source: KernelSource, tmp_path: Path) -> Path:
    """Return a copy of the distro's vhost_net.ko."""
    path = tmp_path / "vhost_net.ko"
    path.write_bytes((source.modules / "kernel/drivers/vhost/vhost_net.ko").read_bytes())
    return path


def objcopy(module: Path, *options: str) -> Path:
    result = module.with_name("changed.ko")
    subprocess.run(["objcopy", *options, module, result], check=True)
    return result


def test_the_build_id_is_what_readelf_shows(module: Path) -> None:
    notes = subprocess.run(["readelf", "-n", module], check=True, capture_output=True).stdout
    assert f"Build ID: {build_id(module)}\n".encode() in notes


def test_no_build_id_is_told(module: Path) -> None:
    with pytest.raises(InfrastructureError, match="has no build-id"):
        build_id(objcopy(module, "--remove-section=.note.gnu.build-id"))


@pytest.mark.parametrize(
    "options",
    [
        ["--remove-section=.modinfo"],
        ["--remove-section=.note.gnu.build-id"],
        ["--strip-debug", "--remove-section=.BTF"],
        ["--redefine-sym=handle_rx=renamed"],
    ],
)
def test_what_isnt_loaded_doesnt_count(options: list[str], module: Path) -> None:
    assert code_digest(objcopy(module, *options)) == code_digest(module)


@pytest.mark.parametrize(
    "section",
    [
        ".text",
        ".init.text",
        ".exit.text",
        ".rodata",
        ".rodata.str1.1",
        ".data",
        "__jump_table",
        "__param",
        "__versions",
        ".orc_unwind",
        ".gnu.linkonce.this_module",
    ],
)
def test_one_byte_of_a_loaded_section_counts(section: str, module: Path) -> None:
    content = module.with_name("content")
    objcopy(module, f"--dump-section={section}={content}")
    data = bytearray(content.read_bytes())
    data[len(data) // 2] ^= 1
    content.write_bytes(data)
    assert code_digest(objcopy(module, f"--update-section={section}={content}")) != code_digest(
        module
    )


def test_the_order_of_versions_doesnt_count(module: Path) -> None:
    content = module.with_name("content")
    objcopy(module, f"--dump-section=__versions={content}")
    data = content.read_bytes()
    content.write_bytes(b"".join(data[at : at + 64] for at in range(0, len(data), 64)[::-1]))
    other = objcopy(module, f"--update-section=__versions={content}")
    assert code_digest(other) == code_digest(module)


def test_the_layout_of_empty_memory_counts(module: Path) -> None:
    assert code_digest(objcopy(module, "--set-section-alignment=.bss=64")) != code_digest(module)


def test_whom_the_code_calls_counts(module: Path) -> None:
    other = objcopy(module, "--redefine-sym=vhost_exceeds_weight=vhost_dev_ioctl")
    assert code_digest(other) != code_digest(module)


@pytest.mark.parametrize("damage", [b"", b"\x7fELF", b"text" * 99])
def test_what_is_no_module_is_told(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.ko").write_bytes(damage)
    with pytest.raises(InfrastructureError, match="rebuild it"):
        code_digest(tmp_path / "x.ko")


def test_a_module_cut_short_is_told(module: Path) -> None:
    module.write_bytes(module.read_bytes()[:30000])
    refuse(module)


def refuse(module: Path) -> None:
    with pytest.raises(InfrastructureError, match="cut short or damaged: rebuild it"):
        code_digest(module)


def hostile(path: Path, count: int, section: tuple[int, ...], content: bytes) -> Path:
    """Write a file of many sections, all alike."""
    head = struct.pack("<6s34xQ10xHHH", b"\x7fELF\x02\x01", 64, 64, count, 0)
    path.write_bytes(
        head + b"\0" * (64 - len(head)) + struct.pack(SECTION, *section) * count + content
    )
    return path


SECTION = "<IIQQQQIIQQ"
BITS, RELA, NOTE = 1, 4, 7


def test_sections_that_overlap_take_no_memory(tmp_path: Path) -> None:
    """They would be 512 MB."""
    path = tmp_path / "x.ko"
    hostile(path, 65535, (0, BITS, 2, 0, 64, 1 << 13, 0, 0, 1, 0), b"")
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refuse(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert time.monotonic() - start < 5


def test_names_that_overlap_take_no_memory(tmp_path: Path) -> None:
    content = b"x" * 100_000 + b"\0"
    refuse(
        hostile(tmp_path / "x.ko", 1000, (0, BITS, 2, 0, 64 + 64 * 1000, 1, 0, 0, 1, 0), content)
    )


def test_notes_that_overlap_take_no_time(tmp_path: Path) -> None:
    path = hostile(
        tmp_path / "x.ko",
        65535,
        (0, NOTE, 2, 0, 64 + 64 * 65535, 1 << 18, 0, 0, 1, 0),
        bytes(1 << 18),
    )
    start = time.monotonic()
    with pytest.raises(InfrastructureError, match="has no build-id"):
        build_id(path)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("link", [0, 1, 9])
@pytest.mark.parametrize("size", [24, 25])
def test_relocations_of_nothing(link: int, size: int, tmp_path: Path) -> None:
    section = (0, RELA, 2, 0, 64 + 64 * 2, size, link, 0, 1, 0)
    refuse(hostile(tmp_path / "x.ko", 2, section, b"\xff" * 64 + b"\0"))
