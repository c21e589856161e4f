# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that does not answer, and whose fault that is, over a QEMU that is played."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.dut import setup
from ksuite.errors import InfrastructureError, KernelFault
from ksuite.machines import image_machine
from ksuite.machines.image_machine import RestoredMachine
from ksuite.machines.machine import Clock, MachineSpec
from tests.unit.machines.test_qemu import make_files

if TYPE_CHECKING:
    from pathlib import Path

QEMU = """\
#!/bin/sh
while read -r line; do
    case $line in
    *migrate-incoming*) echo '{"event": "MIGRATION", "data": {"status": "completed"}}' ;;
    *inject-nmi*) %s ;;
    esac
done
"""
SPEC = MachineSpec(clock=Clock.WALL, call_timeout_seconds=0.2)


def hang(tmp_path: Path, answer: str) -> None:
    """Call a guest that is restored and says nothing.

    :param answer: what QEMU does when it is to inject an NMI.
    """
    qemu = tmp_path / "qemu"
    qemu.write_text(QEMU % answer)
    qemu.chmod(0o755)
    state = tmp_path / "state"
    state.touch()
    files = replace(make_files(tmp_path / "files"), qemu=qemu)
    with RestoredMachine(files, SPEC, tmp_path, state, "6.1.0") as machine:
        machine.call(setup.clock_ns)


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_machine, "NMI_SECONDS", 1.0)


def test_guest_that_hangs_is_the_kernels_fault(tmp_path: Path) -> None:
    with pytest.raises(KernelFault, match="hang: no answer"):
        hang(tmp_path, """echo '{"return": {}}'""")


def test_qemu_that_does_not_answer_is_not(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="QEMU itself does not answer"):
        hang(tmp_path, ":")
