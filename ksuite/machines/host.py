# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host can do for a guest, found out by trying."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from ksuite.machines.emulator import PACKAGE, QEMU
from ksuite.processes import contained, tool

KVM_PROBE_SECONDS = 8.0
IDENTITIES = ("/etc/machine-id", "/proc/sys/kernel/random/boot_id")
"""Files that tell one host from another, machine-id(5) and random(4); the second until it boots."""
APPLICATION = "ksuite fingerprint:"
"""A machine's id is to be shown to nobody: only what one application makes of it, machine-id(5)."""


def cpu_model() -> str:
    """Return this host's CPU as it names itself."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def identity() -> str:
    """Return what tells this host from another, and is no secret: its CPUs and a short digest."""
    found = (Path(name).read_text().strip() for name in IDENTITIES if Path(name).exists())
    own = next((text for text in found if text), "")
    short = hashlib.sha256(f"{APPLICATION}{own}".encode()).hexdigest()[:8]
    return f"{cpu_model()}, {os.cpu_count()} CPUs, machine {short}"


def kvm_works(image: Path) -> bool:
    """Whether KVM runs a kernel here: boots one and waits for its first line.

    /dev/kvm tells nothing: it may be there where the host's hypervisor doesn't nest.
    """
    if not Path("/dev/kvm").exists():
        return False
    command = [*contained(), tool(QEMU, PACKAGE), "-enable-kvm", "-nodefaults"]
    command += ["-no-reboot", "-display", "none", "-m", "256M", "-serial", "stdio"]
    command += ["-kernel", str(image), "-append", "console=ttyS0 earlyprintk=serial panic=-1"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            printed, _ = process.communicate(timeout=KVM_PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
    return b"Linux version" in printed
