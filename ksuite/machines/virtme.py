# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest booted by virtme-ng, its root the host's, read-only, its agent on virtme-ng's stdio."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import ksuite
from ksuite.errors import DutError, InfrastructureError, KernelFault, NothingToCompare
from ksuite.machines.agent import BOOT_LINE, Agent
from ksuite.machines.console import Console
from ksuite.machines.machine import Clock, MachineSpec
from ksuite.processes import contained

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSE_SECONDS = 5.0
NMI_SECONDS = 10.0
SPLAT_GRACE_SECONDS = 3.0
"""How long a splat may take to be printed to its end."""

KERNEL_ARGUMENTS = (
    "nokaslr",
    "printk.time=1",
    "oops=panic",
    "panic=-1",
    "unknown_nmi_panic",
    "nowatchdog",
    "mitigations=off",
    # Where a heap lies decides how many page faults its owner takes.
    "norandmaps",
)


class VirtmeMachine:
    """A running guest; a context manager.

    The constructor returns at once; the boot goes on by itself, the first call waits for it.

    :param image: the kernel image to boot; its modules are in /lib/modules.
    :param run_directory: a private directory for sockets and temporary files.
    :raises InfrastructureError: a tool is missing.
    """

    def __init__(
        self, image: Path, spec: MachineSpec, run_directory: Path, *, kvm: bool = False
    ) -> None:
        self.spec = spec
        self.release = ""
        self.boot_seconds = 0.0
        self._started = time.monotonic()
        self._console = Console()
        self._console_lock = threading.Lock()
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._fault: KernelFault | InfrastructureError | None = None
        self._monitor = run_directory / "monitor"
        command = vng_command(image, spec, self._monitor, kvm=kvm)
        self._process = subprocess.Popen(
            [*contained(), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(run_directory),
            # Ctrl-C is for us: the guest ends when we say so.
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: PT018
        self._reader = threading.Thread(target=self._read_console, name="ks-console", daemon=True)
        self._reader.start()
        self._agent = Agent(self._process.stdin, self._process.stdout, self._events)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def console(self) -> str:
        """The console so far."""
        return self._console.text

    def wait_ready(self) -> None:
        """Wait until the agent answers.

        :raises KernelFault: the kernel broke while it booted.
        :raises InfrastructureError: no agent within the boot's time limit.
        """
        if self.release:
            return
        left = self._started + self.spec.boot_timeout_seconds - time.monotonic()
        self.release = self._next("ready", max(left, 1.0), "the boot")
        self.boot_seconds = time.monotonic() - self._started

    def call(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run a function of `ksuite.dut` on the DUT; see `Machine.call`."""
        self.wait_ready()
        if self._fault is not None:
            raise self._fault
        name = f"{function.__module__}.{function.__qualname__}"
        with contextlib.suppress(OSError):  # a dead connection shows as its "gone" event
            self._agent.send(function, args, kwargs)
        limit = self.spec.call_timeout_seconds if timeout is None else timeout
        return _result(self._next("answer", limit, name), name)

    def close(self) -> None:
        """Kill the guest and wait until all of it is gone."""
        self._process.kill()
        self._process.wait()
        self._reader.join(CLOSE_SECONDS)
        self._agent.join(CLOSE_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _read_console(self) -> None:
        stream = self._process.stderr.fileno()  # type: ignore[union-attr]
        data = b"-"
        while data:
            select.select([stream], [], [])
            with self._console_lock:
                data = os.read(stream, 65536)
                self._console.feed(data)
            if self._console.splat is not None:
                self._events.put(("splat", None))
        self._events.put(("silence", None))

    def _catch_up_with_console(self) -> None:
        # The kernel prints before it goes on: what it had to say of a call is in the pipe when the
        # call's answer is here.
        stream = self._process.stderr.fileno()  # type: ignore[union-attr]
        deadline = time.monotonic() + SPLAT_GRACE_SECONDS
        while self._reader.is_alive() and time.monotonic() < deadline:
            with self._console_lock:
                if not select.select([stream], [], [], 0)[0]:
                    return
            time.sleep(0.001)

    def _next(self, wanted: str, timeout_seconds: float, doing: str) -> Any:
        """Return the payload of the next wanted event; raise what else may happen."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                event, payload = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self._fail(self._hang(timeout_seconds, doing))
            self._catch_up_with_console()
            if event == wanted and self._console.splat is None:
                return payload
            if event in {"splat", "gone", "silence"} or self._console.splat is not None:
                self._await_end_of_splat()
                self._fail(self._death(doing, str(payload or "")))

    def _fail(self, fault: KernelFault | InfrastructureError) -> None:
        self._fault = fault
        raise fault

    def _await_end_of_splat(self, limit_seconds: float = SPLAT_GRACE_SECONDS) -> None:
        deadline = time.monotonic() + limit_seconds
        while time.monotonic() < deadline and self._reader.is_alive():
            if self._console.splat_ended:
                return
            time.sleep(0.05)

    def _death(self, doing: str, reason: str) -> KernelFault | InfrastructureError:
        splat = self._console.splat
        if splat is not None:
            return KernelFault(splat.kind, splat.summary, self._console.excerpt())
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=SPLAT_GRACE_SECONDS)
        status = self._process.poll()
        if not self.release or status not in {0, None}:
            text = f"the guest ended (status {status}) during {doing}: {reason}"
            return InfrastructureError(f"{text}\nlast of its console:\n{self._console.excerpt()}")
        what = "stopped" if status == 0 else "broke its connection"
        summary = f"the guest {what} without a word during {doing}"
        return KernelFault("silence", summary, self._console.excerpt())

    def _hang(self, timeout_seconds: float, doing: str) -> KernelFault | InfrastructureError:
        if not self.release:
            text = f"no agent within {timeout_seconds:.0f} s of {doing}"
            return InfrastructureError(f"{text}\nlast of its console:\n{self._console.excerpt()}")
        # The NMI makes the stuck CPU print where it is, then panic (unknown_nmi_panic).
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            monitor.sendall(b"nmi\n")
            # QEMU drops what a closed monitor had to say, and a busy vCPU keeps it from listening.
            self._await_end_of_splat(NMI_SECONDS)
        summary = f"no answer within {timeout_seconds:.0f} s of {doing}"
        return KernelFault("hang", summary, self._console.excerpt())


def _result(answer: Any, name: str) -> Any:
    match answer:
        case ("ok", result):
            return result
        case ("error", "os", str(text), str(trace)):
            raise DutError(f"{name}: {text}", trace)
        case ("error", "blind", str(text), str()):
            raise NothingToCompare(f"{name}: {text}")
        case ("error", "bug", str(text), str(trace)):
            raise InfrastructureError(f"{name} failed on the DUT: {text}\n{trace}")
        case _:
            raise InfrastructureError(f"{name}: the DUT answered with garbage")


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


def vng_command(image: Path, spec: MachineSpec, monitor: Path, *, kvm: bool) -> list[str]:
    """Return the virtme-ng command line that boots a guest with our agent on its stdio."""
    root = Path(ksuite.__file__).parent.parent
    python = f"PYTHONHASHSEED=0 PYTHONPATH={shlex.quote(str(root))} {shlex.quote(sys.executable)}"
    agent = f"{python} -u -B -c '{BOOT_LINE}'"
    command = [vng(), "--run", str(image), "--force-9p", "--verbose"]
    command += ["--disable-monitor", "--cpus", str(spec.vcpus), "--memory", f"{spec.memory_mib}M"]
    if not kvm:
        command += ["--disable-kvm"]
    for argument in KERNEL_ARGUMENTS:
        command += ["--append", argument]
    options = f"-monitor unix:{monitor},server=on,wait=off"
    if not kvm:
        options += f" -cpu {spec.cpu_model}"
    if spec.clock is Clock.INSTRUCTIONS:
        options += " -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm"
        # TSC ticks are QEMU's virtual nanoseconds; measuring them would only add an error.
        command += ["--append", "tsc=reliable", "--append", "tsc_early_khz=1000000"]
    return [*command, f"--qemu-opts={options}", "--exec", agent]
