# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``ksuite gate init`` writes can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.gate_file import read_gate_file
from ksuite.campaigns.gate_start import write_start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("place", [".", "src", 'a "b" \\ c', "\x7f\t\n#", "ü"])
@pytest.mark.parametrize("name", ["Kbuild", "dkms.conf"])
def test_any_directory_can_be_named(tmp_path: Path, place: str, name: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / name).write_text("obj-m := mine.o\n", encoding="utf-8")
    write_start(tmp_path)
    how = read_gate_file(tmp_path).how
    told = how.kbuild if name == "Kbuild" else how.dkms.removesuffix(name).removesuffix("/") or "."
    assert told == place
