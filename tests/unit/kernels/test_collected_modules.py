# SPDX-License-Identifier: GPL-2.0-or-later
"""The archive of modules that a build leaves, which a series may have had its hands in."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.full import _unpack_modules

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "lib/modules/6.1.0-x/kernel/net/a.ko"


def archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 4
            made.addfile(member, io.BytesIO(b"\x7fELF"))
    return packed.getvalue()


def test_modules_are_unpacked(tmp_path: Path) -> None:
    assert _unpack_modules(archive(GOOD), tmp_path).name == "6.1.0-x"
    assert (tmp_path / GOOD).read_bytes() == b"\x7fELF"


@pytest.mark.parametrize("name", ["/etc/x", "lib/modules/../../../x", "../lib/modules/a/b.ko"])
def test_nothing_is_unpacked_elsewhere(tmp_path: Path, name: str) -> None:
    _unpack_modules(archive(GOOD, name), tmp_path / "into")
    assert [path for path in tmp_path.rglob("x") if path.is_file()] == []
    assert {path.name for path in tmp_path.iterdir()} == {"into"}


@pytest.mark.parametrize(
    "packed",
    [b"", b"garbage" * 100, archive(GOOD)[:600], archive(), archive(GOOD, "lib/modules/other/a")],
    ids=["empty", "garbage", "cut off", "no modules", "two releases"],
)
def test_what_is_no_such_archive_is_told(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises((tarfile.TarError, ValueError, FileNotFoundError)):
        _unpack_modules(packed, tmp_path)
