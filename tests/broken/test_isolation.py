# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile guest can get hold of: none of the host's files, and no network.

Hostile builds are in ``tests/unit``; guests that answer with garbage are in ``tests/faults``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.check import Check
from ksuite.campaigns.options import CheckOptions
from ksuite.campaigns.shell import Shell
from ksuite.measure.result import CANDIDATE

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = Path(__file__).parent / "overwrites-images.patch"
NETWORK, STORAGE, SERIAL = "0x02", "0x01", "0x07"
"""PCI's base classes (PCI Code and ID Assignment Specification, 1)."""
AHCI = "0x010601"
"""Part of q35's chipset; nothing is attached to it."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[Check]:
    """Yield a check of a kernel that writes over its images when /dev/vhost-net is opened."""
    with Check(CheckOptions(str(HOSTILE))) as check:
        yield check


def told(check: Check, *lines: str) -> list[str]:
    """Run lines in a fresh guest, and return what they print."""
    check.bench.dut.retire()
    shell = Shell(check, CANDIDATE, None)
    return [shell.run(line).output for line in lines]


def digests(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_its_images_are_not_the_guests_to_write(hostile: Check) -> None:
    snapshot = hostile.prepared.snapshot
    assert snapshot is not None
    images = [snapshot.files.root, snapshot.files.kernel_files, snapshot.state]
    before = digests(images)
    opened, said = told(hostile, ": < /dev/vhost-net && echo opened", "dmesg | tail -n 1")
    assert opened == "opened\n"
    assert "overwrote 2 images" in said
    assert digests(images) == before


def test_another_guest_does_not_see_it(hostile: Check) -> None:
    """Not even one that has the same file mapped at the time."""
    lines = (": < /dev/vhost-net", "sha256sum /usr/bin/python3", "cmp /dev/pmem0 /dev/zero")
    first, second = (told(hostile, *lines)[1:] for _ in range(2))
    assert first == second
    assert "python3" in first[0]


def test_it_has_no_device_that_leads_out(hostile: Check) -> None:
    classes, links, disks = told(
        hostile, "cat /sys/bus/pci/devices/*/class", "ls /sys/class/net", "ls /sys/block"
    )
    leading_out = (NETWORK, STORAGE, SERIAL)
    found = [one for one in classes.split() if one.startswith(leading_out)]
    assert found == [AHCI]
    assert links == "lo\n"
    # The images and the mailbox.
    assert disks.split() == ["pmem0", "pmem1", "pmem2"]
    (mounted,) = told(hostile, "cut -d ' ' -f 3 /proc/filesystems /proc/mounts | sort -u")
    assert not {"9p", "virtiofs", "nfs"} & set(mounted.split())
