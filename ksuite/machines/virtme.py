# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest booted by virtme-ng, its root the host's, read-only, its agent on virtme-ng's stdio."""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ksuite
from ksuite.errors import InfrastructureError
from ksuite.machines.agent import BOOT_LINE, Agent
from ksuite.machines.guest import (
    BOOT_ARGUMENTS,
    CLOSE_SECONDS,
    INSTRUCTION_CLOCK,
    INSTRUCTION_CLOCK_ARGUMENTS,
    NMI_SECONDS,
    Guest,
)
from ksuite.machines.machine import Clock, MachineSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.machines.machine import Call


class VirtmeMachine(Guest):
    """A guest that virtme-ng booted.

    :param image: the kernel image to boot; its modules are in /lib/modules.
    :param run_directory: a private directory for sockets and temporary files.
    :param qemu: what runs it.
    :raises InfrastructureError: a tool is missing.
    """

    def __init__(
        self,
        image: Path,
        spec: MachineSpec,
        run_directory: Path,
        qemu: Path,
        *,
        kvm: bool = False,
    ) -> None:
        self._monitor = run_directory / "monitor"
        command = vng_command(image, spec, self._monitor, qemu, kvm=kvm)
        super().__init__(spec, command, _environment(run_directory))
        self._agent = Agent(self._process.stdin, self._process.stdout, self._events)  # type: ignore[arg-type]

    def _send(self, calls: Sequence[Call]) -> None:
        self._agent.send(calls)

    def _disconnect(self) -> None:
        self._agent.join(CLOSE_SECONDS)

    def _interrupt(self) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            monitor.sendall(b"nmi\n")
            # QEMU drops what a closed monitor had to say, and a busy vCPU keeps it from listening.
            self._await_end_of_splat(NMI_SECONDS)


def _environment(run_directory: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": str(run_directory), "TMPDIR": str(run_directory), "LC_ALL": "C"}


def vng() -> str:
    """Return the path of virtme-ng's command: the one that was installed with us comes first.

    :raises InfrastructureError: there is none.
    """
    beside = Path(sys.executable).parent / "vng"
    if beside.exists():
        return str(beside)
    if found := shutil.which("vng"):
        return found
    raise InfrastructureError("vng is missing: `pip install virtme-ng`, or run with ./bootstrap")


def vng_command(
    image: Path, spec: MachineSpec, monitor: Path, qemu: Path, *, kvm: bool
) -> list[str]:
    """Return the virtme-ng command line that boots a guest with our agent on its stdio."""
    root = Path(ksuite.__file__).parent.parent
    python = f"PYTHONHASHSEED=0 PYTHONPATH={shlex.quote(str(root))} {shlex.quote(sys.executable)}"
    agent = f"{python} -u -B -c '{BOOT_LINE}'"
    command = [vng(), "--run", str(image), "--qemu", str(qemu), "--force-9p", "--verbose"]
    command += ["--disable-monitor", "--cpus", str(spec.vcpus), "--memory", f"{spec.memory_mib}M"]
    if not kvm:
        command += ["--disable-kvm"]
    for argument in BOOT_ARGUMENTS:
        command += ["--append", argument]
    options = f"-monitor unix:{monitor},server=on,wait=off"
    if not kvm:
        options += f" -cpu {spec.cpu_model}"
    if spec.clock is Clock.INSTRUCTIONS:
        options += f" {' '.join(INSTRUCTION_CLOCK)}"
        for argument in INSTRUCTION_CLOCK_ARGUMENTS:
            command += ["--append", argument]
    return [*command, f"--qemu-opts={options}", "--exec", agent]
