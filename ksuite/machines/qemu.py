# SPDX-License-Identifier: GPL-2.0-or-later
"""How QEMU is called for a DUT that runs from images and can be saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.dut.mailbox import MAILBOX_BYTES
from ksuite.machines.guest import (
    BOOT_ARGUMENTS,
    INSTRUCTION_CLOCK,
    INSTRUCTION_CLOCK_ARGUMENTS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.machines.machine import MachineSpec

SLOTS_BYTES = 16 << 30
"""Room in the guest's address space for memory devices."""


@dataclass(frozen=True)
class DutFiles:
    """What a DUT is made of.

    :param kernel: the kernel's image.
    :param initrd: holds its init, our code and the modules that find the images.
    :param root: file system image of its user space.
    :param kernel_files: file system image of the kernel's modules and headers.
    :param qemu: what runs it.
    """

    kernel: Path
    initrd: Path
    root: Path
    kernel_files: Path
    qemu: Path


def qemu_command(
    files: DutFiles, spec: MachineSpec, mailbox: Path, *, paused: bool, told: Sequence[str] = ()
) -> list[str]:
    """Return the command: its monitor on stdio, the DUT's console on standard error.

    Nothing that the host times reaches the DUT: no disk, no network, no input, no entropy; the
    images and the mailbox are memory. They are shared mappings, so that a snapshot leaves them out.

    :param paused: wait for a snapshot instead of booting.
    :param told: what the kernel is told beside what all are.
    """
    command = [str(files.qemu), "-nodefaults", "-no-user-config", "-no-reboot"]
    command += ["-display", "none", "-machine", "q35,accel=tcg,nvdimm=on,hpet=on"]
    command += ["-cpu", spec.cpu_model, "-smp", str(spec.vcpus), "-seed", "1"]
    command += ["-m", f"{spec.memory_mib}M,slots=3,maxmem={SLOTS_BYTES + (spec.memory_mib << 20)}B"]
    command += INSTRUCTION_CLOCK
    command += ["-device", "pvpanic", "-action", "panic=pause"]
    for name, path in (("root", files.root), ("kernel", files.kernel_files)):
        command += _memory_device(name, path, path.stat().st_size, readonly=True)
    command += _memory_device("mailbox", mailbox, MAILBOX_BYTES, readonly=False)
    command += ["-kernel", str(files.kernel), "-initrd", str(files.initrd)]
    command += [
        "-append",
        " ".join(("console=ttyS0", *BOOT_ARGUMENTS, *INSTRUCTION_CLOCK_ARGUMENTS, *told)),
    ]
    command += ["-chardev", "file,id=console,path=/dev/stderr", "-serial", "chardev:console"]
    command += ["-qmp", "stdio"]
    return command + (["-S", "-incoming", "defer"] if paused else [])


def option_value(path: Path) -> str:
    """Return a path as a property's value: a comma would begin the next one unless doubled."""
    return str(path).replace(",", ",,")


def _memory_device(name: str, path: Path, size: int, *, readonly: bool) -> list[str]:
    place = option_value(path)
    backend = f"memory-backend-file,id={name},share=on,mem-path={place},size={size}"
    device = f"nvdimm,id=nvdimm-{name},memdev={name}"
    if readonly:
        backend += ",readonly=on"
        device += ",unarmed=on"
    return ["-object", backend, "-device", device]
