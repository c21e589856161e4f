# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest in a process of ours: its console is watched, its agent asked, its end noticed.

How it is connected is a subclass's matter. Whatever happens arrives as an event, a name and a
payload: ``ready`` with the release, ``answer``, ``gone`` with a reason, ``refused`` with QEMU's,
``splat``, ``silence``.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from ksuite.errors import (
    DutError,
    GuestNotReady,
    InfrastructureError,
    KernelFault,
    NothingToCompare,
)
from ksuite.machines.console import BOOT_LINES_BEFORE, CONTEXT_LINES_BEFORE, Console
from ksuite.machines.patience import Patience
from ksuite.processes import contained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ksuite.machines.machine import Call, MachineSpec

CLOSE_SECONDS = 5.0
NMI_SECONDS = 10.0
SPLAT_GRACE_SECONDS = 3.0
"""How long a splat may take to be printed to its end."""

BOOT_ARGUMENTS = (
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
INSTRUCTION_CLOCK = ("-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm")
"""What QEMU is called with: an instruction is a nanosecond, and no time is the host's."""
INSTRUCTION_CLOCK_ARGUMENTS = (
    # TSC ticks are QEMU's virtual nanoseconds; measuring them would only add an error.
    "tsc=reliable",
    "tsc_early_khz=1000000",
    # Its calibration is 100 ms of PAUSE, each of which leaves QEMU's translated code: 6 s of ours.
    "nolapic_timer",
    "no_timer_check",
)
"""What its kernel is told then; the HPET wakes it instead."""


class Guest(ABC):
    """A running guest; a context manager.

    The constructor returns at once; the start goes on by itself, the first call waits for it.

    :param command: what runs the guest: its console on standard error, its connection on the
        other two.
    :param descriptors: files that it finds open.
    :raises InfrastructureError: a tool is missing.
    """

    def __init__(
        self,
        spec: MachineSpec,
        command: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
    ) -> None:
        self.spec = spec
        self.release = ""
        self.boot_seconds = 0.0
        self._started = time.monotonic()
        self._console = Console()
        self._console_lock = threading.Lock()
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._fault: KernelFault | InfrastructureError | None = None
        self._process = subprocess.Popen(
            [*contained(), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            pass_fds=descriptors,
            # Ctrl-C is for us: the guest ends when we say so.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_console, name="ks-console", daemon=True)
        self._reader.start()

    @abstractmethod
    def _send(self, calls: Sequence[Call]) -> None:
        """Ask the agent for calls; an OSError shows as an event too."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Wait until nothing reads the dead process's streams."""

    @abstractmethod
    def _interrupt(self) -> None:
        """Send the guest an NMI.

        :raises TimeoutError: QEMU itself does not answer, whatever its guest does.
        :raises OSError: it is gone.
        """

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
        :raises GuestNotReady: no agent within the boot's time limit, or the kernel ended the guest.
        :raises InfrastructureError: the guest could not be run.
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
        return self.run([(function, args, kwargs)], timeout)[0]

    def run(self, calls: Sequence[Call], timeout: float | None = None) -> list[Any]:
        """Run functions of `ksuite.dut` one after the other; see `Machine.run`."""
        self.wait_ready()
        if self._fault is not None:
            raise self._fault
        names = [f"{function.__module__}.{function.__qualname__}" for function, _, _ in calls]
        with contextlib.suppress(OSError):  # a dead connection shows as its "gone" event
            self._send(calls)
        limit = self.spec.call_timeout_seconds if timeout is None else timeout
        answers = self._next("answer", limit, ", ".join(names))
        if not isinstance(answers, list) or not 0 < len(answers) <= len(calls):
            raise InfrastructureError(f"{', '.join(names)}: the DUT answered with garbage")
        results = [_result(answer, name) for answer, name in zip(answers, names, strict=False)]
        if len(results) < len(calls):
            raise InfrastructureError(f"{names[len(results)]}: the DUT did not answer")
        return results

    def close(self) -> None:
        """Kill the guest and wait until all of it is gone."""
        self._process.kill()
        self._process.wait()
        self._reader.join(CLOSE_SECONDS)
        self._disconnect()
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
        patience = Patience(self._process.pid, timeout_seconds, self.spec.clock)
        while True:
            try:
                event, payload = self._events.get(timeout=patience.next_look_seconds)
            except queue.Empty:
                if not patience.ended():
                    continue
                self._fail(self._hang(timeout_seconds, doing))
            self._catch_up_with_console()
            if event == wanted and self._console.splat is None:
                return payload
            if event == "refused":
                self._fail(InfrastructureError(f"QEMU refused an order during {doing}: {payload}"))
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
            before = CONTEXT_LINES_BEFORE if self.release else BOOT_LINES_BEFORE
            return KernelFault(splat.kind, splat.summary, self._console.excerpt(before))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=SPLAT_GRACE_SECONDS)
        status = self._process.poll()
        if not self.release or status not in {0, None}:
            text = f"the guest ended (status {status}) during {doing}: {reason}"
            text += f"\nlast of its console:\n{self._console.excerpt()}"
            # A reset ends QEMU as an order would; what the host has against it is another status.
            return (GuestNotReady if status in {0, None} else InfrastructureError)(text)
        what = "stopped" if status == 0 else "broke its connection"
        summary = f"the guest {what} without a word during {doing}"
        return KernelFault("silence", summary, self._console.excerpt())

    def _hang(self, timeout_seconds: float, doing: str) -> KernelFault | InfrastructureError:
        if not self.release:
            text = f"no agent within {timeout_seconds:.0f} s of {doing}"
            return GuestNotReady(f"{text}\nlast of its console:\n{self._console.excerpt()}")
        # The NMI makes the stuck CPU print where it is, then panic (unknown_nmi_panic).
        try:
            self._interrupt()
        except TimeoutError:
            text = f"QEMU itself does not answer during {doing}: something on this host stops it"
            return InfrastructureError(text)
        except OSError:
            pass
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
