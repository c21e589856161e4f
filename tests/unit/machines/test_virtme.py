# SPDX-License-Identifier: GPL-2.0-or-later
"""VirtmeMachine over guest.py in the place of virtme-ng: real processes, no kernel."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import ksuite
from ksuite.errors import DutError, GuestNotReady, InfrastructureError, KernelFault
from ksuite.kernels.store import run_directory
from ksuite.machines import guest as machine_guest
from ksuite.machines import patience, virtme
from ksuite.machines.agent import BOOT_LINE
from ksuite.machines.machine import Clock, MachineSpec
from ksuite.machines.virtme import VirtmeMachine, vng_command
from tests.unit.machines import guest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GUEST = Path(guest.__file__)
GRACE = 0.5
"""In the place of SPLAT_GRACE_SECONDS: nothing here takes longer to be printed."""
LEEWAY = 10
"""What a busy host may add to a time limit."""
IMAGE = Path("/boot/vmlinuz")
QEMU = Path("/usr/bin/qemu-system-x86_64")


class Boot(Protocol):
    """Starts a played guest that is closed at the end of the test."""

    def __call__(self, how: str, *, boot: float = 20, call: float = 20) -> VirtmeMachine:
        """Return the machine; the limits are seconds."""


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Boot]:
    monkeypatch.setattr(machine_guest, "SPLAT_GRACE_SECONDS", GRACE)
    with ExitStack() as stack:
        directory = stack.enter_context(run_directory())

        def start(how: str, *, boot: float = 20, call: float = 20) -> VirtmeMachine:
            def command(*given: object, kvm: bool) -> list[str]:
                _, _, monitor, qemu = given
                assert (qemu, kvm) == (QEMU, False)
                return [sys.executable, "-u", str(GUEST), how, str(monitor)]

            monkeypatch.setattr(virtme, "vng_command", command)
            spec = MachineSpec(boot_timeout_seconds=boot, call_timeout_seconds=call)
            return stack.enter_context(VirtmeMachine(IMAGE, spec, directory, QEMU))

        yield start


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time limits be of time alone: a played guest sleeps where a real one computes."""
    monkeypatch.setattr(patience, "LOAD_FACTOR", 1)


def played(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a stand-in for a function of guest.py under the name that it has in the guest."""

    def stand_in() -> None:
        raise AssertionError("called on the controller")

    stand_in.__module__ = "ksuite.dut.played"
    stand_in.__qualname__ = function.__name__
    return stand_in


def family(pid: int) -> set[int]:
    """Return a process and all that descend from it."""
    found = {pid}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            found |= family(int(child))
    return found


def alive(pids: set[int]) -> set[int]:
    """Return which of these processes run; a zombie doesn't."""
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found.add(pid)
    return found


def gone_within(pids: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while left := alive(pids):
        if time.monotonic() > deadline:
            return not left
        time.sleep(0.02)
    return True


def test_calls_are_answered(boot: Boot) -> None:
    machine = boot("up")
    sent: dict[str, Any] = {"n": 1, "f": 0.5, "b": b"\0\xff", "l": [1, (2, None)], "t": "ü"}
    assert machine.call(played(guest.echo), sent) == sent
    assert machine.call(played(guest.echo), value="text") == "text"
    assert machine.release == os.uname().release
    assert "Linux version 6.1.0-played" in machine.console
    assert 0 < machine.boot_seconds < 20


def test_error_of_a_kernel_interface(boot: Boot) -> None:
    machine = boot("up")
    with pytest.raises(DutError, match="Operation not permitted") as raised:
        machine.call(played(guest.refuse))
    assert "ksuite.dut.played.refuse" in str(raised.value)
    assert "in refuse" in raised.value.remote_traceback
    assert machine.call(played(guest.echo), 1) == 1


def test_bug_of_ours_on_the_dut(boot: Boot) -> None:
    machine = boot("up")
    with pytest.raises(InfrastructureError, match="a bug of ours"):
        machine.call(played(guest.fail))


def test_function_from_elsewhere_is_not_run(boot: Boot) -> None:
    machine = boot("up")
    with pytest.raises(InfrastructureError, match=r"not part of ksuite\.dut\."):
        machine.call(os.getpid)


def test_warning_during_a_call_is_its_fault(boot: Boot) -> None:
    machine = boot("up")
    with pytest.raises(KernelFault) as raised:
        machine.call(played(guest.warn_and_answer))
    fault = raised.value
    assert fault.kind == "warn"
    assert fault.summary.startswith("WARNING: CPU: 0 PID: 512 at drivers/vhost/net.c:712")
    assert "vhost_worker+0x6c/0xa0" in fault.console
    with pytest.raises(KernelFault) as again:
        machine.call(played(guest.echo), 1)
    assert again.value is fault


def test_warning_between_calls_is_not_lost(boot: Boot) -> None:
    machine = boot("up")
    assert machine.call(played(guest.answer_and_warn)) == "done"
    deadline = time.monotonic() + 5
    while "end trace" not in machine.console and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(KernelFault, match="warn: WARNING: CPU: 0"):
        machine.call(played(guest.echo), 1)


def test_panic_that_ends_the_guest(boot: Boot) -> None:
    machine = boot("up")
    started = time.monotonic()
    with pytest.raises(KernelFault, match="panic: Kernel panic - not syncing: NMI"):
        machine.call(played(guest.panic))
    assert time.monotonic() - started < GRACE + LEEWAY


def test_guest_that_ends_without_a_word(boot: Boot) -> None:
    machine = boot("up")
    with pytest.raises(KernelFault) as raised:
        machine.call(played(guest.leave), 0)
    assert raised.value.kind == "silence"
    assert "ksuite.dut.played.leave" in raised.value.summary


def test_emulator_that_fails_is_not_the_kernels_fault(boot: Boot) -> None:
    machine = boot("up")
    with pytest.raises(InfrastructureError, match="status 1") as raised:
        machine.call(played(guest.leave), 1)
    assert "Linux version 6.1.0-played" in str(raised.value)


@pytest.mark.usefixtures("impatient")
def test_hang_ends_in_time_and_shows_where(boot: Boot) -> None:
    machine = boot("up with monitor", call=0.5)
    machine.wait_ready()
    started = time.monotonic()
    with pytest.raises(KernelFault) as raised:
        machine.call(played(guest.hang))
    assert time.monotonic() - started < 0.5 + GRACE + LEEWAY
    assert raised.value.kind == "hang"
    assert "ksuite.dut.played.hang" in raised.value.summary
    assert "RIP: 0010:handle_rx" in raised.value.console


@pytest.mark.usefixtures("impatient")
def test_hang_ends_in_time_without_a_monitor(boot: Boot) -> None:
    machine = boot("up")
    machine.wait_ready()
    started = time.monotonic()
    with pytest.raises(KernelFault, match=r"hang: no answer within 1 s of ksuite\.dut\.played"):
        machine.call(played(guest.hang), timeout=1)
    assert time.monotonic() - started < 1 + GRACE + LEEWAY


def test_garbage_in_the_agents_stream_ends_the_call(boot: Boot) -> None:
    machine = boot("up")
    machine.wait_ready()
    started = time.monotonic()
    with pytest.raises(KernelFault, match="silence"):
        machine.call(played(guest.babble))
    assert time.monotonic() - started < 2 * GRACE + LEEWAY


def test_flood_on_the_console(boot: Boot) -> None:
    machine = boot("up")
    assert machine.call(played(guest.flood), 64) == "done"
    assert len(machine.console) < 2 << 20
    assert machine.call(played(guest.echo), 1) == 1


@pytest.mark.usefixtures("impatient")
def test_flood_that_never_ends_does_not_stop_the_controller(boot: Boot) -> None:
    machine = boot("up")
    machine.wait_ready()
    call = threading.Thread(
        target=machine.call, args=[played(guest.answer_and_flood)], kwargs={"timeout": 1}
    )
    call.start()
    call.join(1 + GRACE + LEEWAY)
    in_time = not call.is_alive()
    machine.close()
    call.join()
    assert in_time


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("how", "limit", "says"),
    [
        ("silent", 1, "no agent within 1 s of the boot"),
        ("stuck", 2, "the last words"),
        ("dead", 60, "vng: no such kernel"),
        ("dead", 60, "status 3"),
        ("babbles", 60, "during the boot"),
    ],
)
def test_boot_that_fails_is_infrastructure(boot: Boot, how: str, limit: float, says: str) -> None:
    machine = boot(how, boot=limit)
    started = time.monotonic()
    with pytest.raises(InfrastructureError) as raised:
        machine.call(played(guest.echo), 1)
    assert says in str(raised.value)
    assert "hang" not in str(raised.value)
    assert time.monotonic() - started < limit + 2 * GRACE + LEEWAY


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("how", "limit"), [("silent", 1), ("resets", 60)])
def test_boot_that_the_kernel_ends_is_told_from_one_that_the_host_ends(
    boot: Boot, how: str, limit: float
) -> None:
    with pytest.raises(GuestNotReady):
        boot(how, boot=limit).wait_ready()
    with pytest.raises(InfrastructureError, match="status 3") as raised:
        boot("dead").wait_ready()
    assert not isinstance(raised.value, GuestNotReady)


def test_panic_while_booting_is_the_kernels_fault(boot: Boot) -> None:
    with pytest.raises(KernelFault, match="panic: Kernel panic"):
        boot("panics").wait_ready()


@pytest.mark.parametrize("how", ["up", "silent"])
def test_close_leaves_no_process(boot: Boot, how: str) -> None:
    machine = boot(how)
    if how == "up":
        machine.wait_ready()
    pids = family(machine._process.pid)
    assert alive(pids) == pids
    machine.close()
    assert gone_within(pids, LEEWAY)
    machine.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["up", "silent", "dead", "babbles"])
def test_close_closes_every_stream(boot: Boot, how: str) -> None:
    machine = boot(how, boot=0.1)
    with contextlib.suppress(InfrastructureError):
        machine.wait_ready()
    machine.close()
    process = machine._process
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        assert stream.closed


KILLED = """
import sys, time
from pathlib import Path
from ksuite.machines import virtme
from ksuite.machines.machine import MachineSpec

virtme.vng_command = lambda *_, **__: [sys.executable, "-u", sys.argv[1], "stuck", "none"]
machine = virtme.VirtmeMachine(Path("/boot/vmlinuz"), MachineSpec(), Path(sys.argv[2]), Path())
while "the last words" not in machine.console:
    time.sleep(0.01)
print("up", flush=True)
time.sleep(600)
"""


def test_killed_controller_leaves_no_process(tmp_path: Path, checkout: Path) -> None:
    """Though the guest doesn't care that its streams are closed."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(GUEST), str(tmp_path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(checkout)},
    ) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"up\n"
        pids = family(controller.pid)
        assert len(pids) >= 3
        controller.send_signal(signal.SIGKILL)
    assert gone_within(pids, LEEWAY)


@pytest.mark.parametrize("kvm", [True, False])
@pytest.mark.parametrize("clock", Clock)
def test_command_fits_the_clock(clock: Clock, kvm: bool) -> None:
    command = vng_command(IMAGE, MachineSpec(clock), Path("/run/monitor"), QEMU, kvm=kvm)
    options = next(word for word in command if word.startswith("--qemu-opts="))
    assert ("-icount shift=0,sleep=off" in options) == (clock is Clock.INSTRUCTIONS)
    assert ("-cpu Nehalem" in options) == (not kvm)
    assert ("--disable-kvm" in command) == (not kvm)
    assert "oops=panic" in command


def test_checkout_with_a_space_in_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ksuite, "__file__", "/home/me/my src/ksuite/__init__.py")
    command = vng_command(IMAGE, MachineSpec(), Path("/run/monitor"), QEMU, kvm=False)
    words = shlex.split(command[command.index("--exec") + 1])
    assert "PYTHONPATH=/home/me/my src" in words
    assert words[-1] == BOOT_LINE


def test_vng_beside_the_interpreter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """``.venv/bin/ksuite`` works where the environment is not activated."""
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    command = vng_command(IMAGE, MachineSpec(), Path("/run/monitor"), QEMU, kvm=False)
    assert Path(command[0]) == Path(sys.executable).parent / "vng"
