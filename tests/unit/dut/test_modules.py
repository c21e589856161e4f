# SPDX-License-Identifier: GPL-2.0-or-later
"""Which build is loaded, as sysfs tells it; an absolute name leads to a tree of our own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from ksuite.dut import modules

if TYPE_CHECKING:
    from pathlib import Path

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


def test_refusal_is_an_os_error_with_the_tools_words(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"modinfo -F depends .*none\.ko: .+"):
        modules.load({str(tmp_path / "none"): str(tmp_path / "none.ko")}, [])
