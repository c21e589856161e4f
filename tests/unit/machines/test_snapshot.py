# SPDX-License-Identifier: GPL-2.0-or-later
"""What is refused before a guest is booted to be saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksuite.errors import UserError
from ksuite.kernels.source import KernelSource
from ksuite.kernels.store import Store
from ksuite.machines import snapshot
from ksuite.machines.machine import MachineSpec
from ksuite.machines.qemu import DutFiles
from ksuite.machines.recipe import read_recipe
from ksuite.machines.snapshot import _called, take_snapshot


class BootedError(Exception):
    """It went on."""


def test_places_make_no_other_snapshot(tmp_path: Path) -> None:
    """Equal kernels of two builds are one kernel."""

    def called(place: Path) -> list[str]:
        place.mkdir()
        for name in ("vmlinuz", "root", "modules"):
            (place / name).write_bytes(b"content")
        files = DutFiles(
            place / "vmlinuz", Path("initrd"), place / "root", place / "modules", Path("qemu")
        )
        return _called(files, MachineSpec())

    assert called(tmp_path / "one") == called(tmp_path / "other")


def test_kernel_without_headers_is_only_refused_where_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on(*_: object) -> None:
        raise BootedError

    monkeypatch.setattr(snapshot, "root_image", go_on)
    place = tmp_path / "lib/modules/1.0"
    headers = tmp_path / "entry/src/linux-headers-1.0"
    kernel = KernelSource("bzImage,1.0", "1.0", "1.0", place, place, headers, place, "gcc")

    def take(*imports: str) -> None:
        take_snapshot(kernel, read_recipe(), MachineSpec(), imports, Store(tmp_path / "store"))

    with pytest.raises(UserError, match=r"bzImage,1\.0 has no headers .*/build leads to none"):
        take("loops", "probes")
    with pytest.raises(BootedError):
        take("loops")
    headers.mkdir(parents=True)
    with pytest.raises(BootedError):
        take("loops", "probes")
