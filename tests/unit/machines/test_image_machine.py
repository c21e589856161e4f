# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that does not answer, and whose fault that is, over a QEMU that is played."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from execnet import gateway_base

from ksuite.dut import setup
from ksuite.dut.mailbox import HEADER
from ksuite.errors import InfrastructureError, KernelFault
from ksuite.machines import image_machine
from ksuite.machines.image_machine import RestoredMachine
from ksuite.machines.machine import Clock, MachineSpec
from tests.unit.machines.test_qemu import make_files

if TYPE_CHECKING:
    from pathlib import Path

QEMU = """\
#!/bin/sh
cd %s
while read -r line; do
    case $line in
    *migrate-incoming*) echo '{"event": "MIGRATION", "data": {"status": "completed"}}' ;;
    *inject-nmi*) %s ;;
    *'"cont"'*) echo >>conts; %s ;;
    esac
done
"""
SPEC = MachineSpec(clock=Clock.WALL, call_timeout_seconds=0.2)
STOP = """echo '{"event": "STOP"}'"""
WRITE = "dd if=answer of=$(echo mailbox-*) conv=notrunc status=none"
LATE = f"[ $(wc -l <conts) -lt 3 ] || {WRITE}; {STOP}"
"""Stops twice before it answers."""


def ask(tmp_path: Path, *, nmi: str = ":", cont: str = ":") -> object:
    """Return what a guest says that is restored.

    :param nmi: what QEMU does when it is to inject an NMI.
    :param cont: what it does when the guest is to go on.
    """
    qemu = tmp_path / "qemu"
    qemu.write_text(QEMU % (tmp_path, nmi, cont))
    qemu.chmod(0o755)
    state = tmp_path / "state"
    state.touch()
    files = replace(make_files(tmp_path / "files"), qemu=qemu)
    with RestoredMachine(files, SPEC, tmp_path, state, "6.1.0") as machine:
        return machine.call(setup.clock_ns)


def answers(tmp_path: Path, number: int) -> None:
    """Have the guest leave an answer of this number once it gives one."""
    data: bytes = gateway_base.dumps_internal([("ok", 4_000_000)])
    (tmp_path / "answer").write_bytes(HEADER.pack(number, len(data)) + data)


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_machine, "NMI_SECONDS", 1.0)


def test_guest_that_hangs_is_the_kernels_fault(tmp_path: Path) -> None:
    with pytest.raises(KernelFault, match="hang: no answer"):
        ask(tmp_path, nmi="""echo '{"return": {}, "id": "inject-nmi"}'""")


def test_qemu_that_does_not_answer_is_not(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="QEMU itself does not answer"):
        ask(tmp_path)


def test_that_qemu_has_done_something_else_is_no_sign_of_it(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="QEMU itself does not answer"):
        ask(tmp_path, nmi="""echo '{"return": {}, "id": "cont"}'""")


def test_stop_without_an_answer_is_let_go_on(tmp_path: Path) -> None:
    answers(tmp_path, 3)
    assert ask(tmp_path, cont=LATE) == 4_000_000
    assert (tmp_path / "conts").read_text() == "\n" * 3


@pytest.mark.parametrize("number", [1, 4, 5])
def test_answer_to_something_else_ends_it(number: int, tmp_path: Path) -> None:
    answers(tmp_path, number)
    with pytest.raises(KernelFault, match=r"silence: .*broke its connection"):
        ask(tmp_path, cont=LATE)


def test_guest_that_stops_for_ever_hangs(tmp_path: Path) -> None:
    with pytest.raises(KernelFault, match="hang: no answer"):
        ask(tmp_path, nmi="""echo '{"return": {}, "id": "inject-nmi"}'""", cont=STOP)
    assert len((tmp_path / "conts").read_text()) > 3
