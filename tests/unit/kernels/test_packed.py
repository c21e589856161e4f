# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules in each way that a distribution packs them."""

from __future__ import annotations

import gzip
import lzma
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError
from ksuite.kernels.packed import unpacked, vermagic
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource

MODULE = b"\x7fELF\0vermagic=6.13.0+ SMP \0depends=\0"


def zstd(data: bytes) -> bytes:
    return run([tool("zstd", "zstd"), "-cq"], stdin=data).stdout


PACKED = {
    "it.ko": MODULE,
    "it.ko.xz": lzma.compress(MODULE),
    "it.ko.gz": gzip.compress(MODULE),
    "it.ko.zst": zstd(MODULE),
}


@pytest.mark.parametrize("name", PACKED)
def test_each_is_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name])
    assert unpacked(tmp_path / name) == ("it.ko", MODULE)
    assert vermagic(tmp_path / name) == "6.13.0+"


@pytest.mark.parametrize("name", ["it.ko.xz", "it.ko.gz", "it.ko.zst"])
@pytest.mark.parametrize("cut", [0, 8, 20])
def test_one_that_is_damaged(tmp_path: Path, name: str, cut: int) -> None:
    (tmp_path / name).write_bytes(PACKED[name][:cut] if cut else b"\x7fELF, not packed")
    with pytest.raises(InfrastructureError, match=rf"{name} can't be unpacked"):
        unpacked(tmp_path / name)


def test_one_that_is_packed_otherwise(tmp_path: Path) -> None:
    (tmp_path / "it.ko.lz4").write_bytes(b"")
    with pytest.raises(InfrastructureError, match=r"as \.lz4, and only \.gz, \.xz, \.zst are"):
        unpacked(tmp_path / "it.ko.lz4")


def test_what_the_distros_own_was_built_for(source: KernelSource) -> None:
    module = next((source.modules / "kernel" / "net").rglob("*.ko*"))
    assert vermagic(module) == source.release


def test_what_does_not_say_what_it_was_built_for(tmp_path: Path) -> None:
    (tmp_path / "it.ko").write_bytes(b"a module")
    assert vermagic(tmp_path / "it.ko") == ""
