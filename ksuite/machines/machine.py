# SPDX-License-Identifier: GPL-2.0-or-later
"""What every machine can do, however it came up: booted, restored, reached, or already here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    """A function of `ksuite.dut`, and what it is called with."""


class Clock(StrEnum):
    """What the DUT's time is made of."""

    INSTRUCTIONS = "instructions"
    """QEMU -icount shift=0: one guest instruction is one nanosecond."""
    WALL = "wall"
    """Real time: KVM, bare metal, or plain emulation."""


class Root(StrEnum):
    """What a guest's file system is."""

    IMAGE = "image"
    """Our own image, the same everywhere; the guest is restored from a snapshot."""
    HOST = "host"
    """This host's, read-only over 9p; the guest is booted by virtme-ng."""


@dataclass(frozen=True)
class MachineSpec:
    """What a machine is made of; with the kernel's, its part of a fingerprint.

    :param cpu_model: QEMU's name of it; a fixed one, so that the same code runs everywhere.
    :param memory_mib: guest memory in MiB.
    """

    clock: Clock = Clock.INSTRUCTIONS
    vcpus: int = 1
    cpu_model: str = "Nehalem"
    memory_mib: int = 1024
    boot_timeout_seconds: float = 300.0
    call_timeout_seconds: float = 60.0


class Machine(Protocol):
    """A DUT that is up."""

    @property
    def release(self) -> str:
        """``uname -r`` as the DUT says it."""

    def wait_ready(self) -> None:
        """Wait until it is up.

        :raises KernelFault: the kernel broke while it booted.
        :raises InfrastructureError: it did not come up in time.
        """

    def call(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run a module-level function of `ksuite.dut` on the DUT and return its plain result.

        :param timeout: host seconds; the machine's own limit when None.
        :raises KernelFault: splat, panic, hang or silence; the machine must be thrown away.
        :raises DutError: the function met an OSError: a kernel interface refused something.
        :raises NothingToCompare: the DUT can't be observed in the way that the function needs.
        :raises InfrastructureError: the function itself failed: a bug of ours.
        """

    def run(self, calls: Sequence[Call], timeout: float | None = None) -> list[Any]:
        """Run functions one after the other on the DUT; nothing of the host's comes in between.

        :param timeout: host seconds for all of them.
        :raises KsuiteError: as `call`, for the first that fails; the others after it don't run.
        """

    @property
    def console(self) -> str:
        """The console so far (its first and last part where it is very long)."""

    def close(self) -> None:
        """End the machine at once."""
