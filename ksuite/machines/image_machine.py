# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that runs from images, whose only input is a mailbox that it reads while it alone runs.

It answers by stopping (see `ksuite.dut.mailbox`); the controller reads the answer, leaves the next
calls, and lets it go on. A stop without an answer is let go on at once. Booted cold, it can be
saved; restored, it is the same guest again (how nearly, docs/measurement.md tells).
"""

from __future__ import annotations

import json
import shlex
import shutil
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from ksuite.errors import InfrastructureError, KernelFault
from ksuite.machines.guest import CLOSE_SECONDS, NMI_SECONDS, Guest
from ksuite.machines.mailbox import Mailbox
from ksuite.machines.qemu import DutFiles, qemu_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ksuite.machines.machine import Call, MachineSpec

INTERRUPT = "inject-nmi"
SAVE_SECONDS = 60.0
WRITE_SECONDS = 20.0
"""What a pipe still holds when QEMU is done is soon written."""
SAVE_BYTES_PER_SECOND = 1 << 40
"""QEMU saves at 128 MiB/s unless it is told that nobody else wants the network."""
_CAPABILITIES = [
    # The images and the mailbox are shared memory: a snapshot leaves them out.
    {"capability": "x-ignore-shared", "state": True},
    {"capability": "events", "state": True},
]
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class ImageMachine(Guest):
    """A guest booted from images.

    :param run_directory: a private directory for its mailbox.
    :param more_arguments: for QEMU; nothing that a guest could notice.
    :param descriptors: files that QEMU finds open.
    :param told: what its kernel is told beside what all are.
    :raises InfrastructureError: a tool is missing.
    """

    def __init__(
        self,
        files: DutFiles,
        spec: MachineSpec,
        run_directory: Path,
        *,
        paused: bool = False,
        more_arguments: Sequence[str] = (),
        descriptors: Sequence[int] = (),
        told: Sequence[str] = (),
    ) -> None:
        self._mailbox = Mailbox(run_directory)
        self._obeyed = threading.Event()
        command = qemu_command(files, spec, self._mailbox.path, paused=paused, told=told)
        super().__init__(spec, [*command, *more_arguments], _ENVIRONMENT, descriptors)
        self._monitor = threading.Thread(target=self._read_monitor, name="ks-qmp", daemon=True)
        self._monitor.start()
        self._order("qmp_capabilities")
        self._order("migrate-set-capabilities", capabilities=_CAPABILITIES)

    def save(self, snapshot: Path) -> None:
        """Write the guest, which must have answered, into a file; it can't go on afterwards.

        :raises InfrastructureError: QEMU could not, or not in time.
        """
        self.wait_ready()
        self._order("migrate-set-parameters", **{"max-bandwidth": SAVE_BYTES_PER_SECOND})
        part = snapshot.with_name(f"{snapshot.name}.part")
        into, final = (shlex.quote(str(path)) for path in (part, snapshot))
        self._order("migrate", uri=f"exec:cat > {into} && mv {into} {final}")
        try:
            status = self._next("migration", SAVE_SECONDS, "saving it")
        except KernelFault as fault:
            if fault.kind not in {"hang", "silence"}:
                raise
            status = str(fault)
        # QEMU has said all then, but cat may not have written all.
        if status != "completed" or not _appears(snapshot, WRITE_SECONDS):
            free_mib = shutil.disk_usage(snapshot.parent).free >> 20
            msg = f"QEMU could not save the guest into {snapshot.parent}, where {free_mib} MiB are"
            raise InfrastructureError(f"{msg} free: {self.console[-500:]}")

    def _send(self, calls: Sequence[Call]) -> None:
        self._mailbox.post(calls)
        self._order("cont")

    def _interrupt(self) -> None:
        self._obeyed.clear()
        self._order(INTERRUPT)
        # No guest can keep QEMU's own thread from its monitor.
        if not self._obeyed.wait(NMI_SECONDS):
            raise TimeoutError
        self._await_end_of_splat(NMI_SECONDS)

    def _disconnect(self) -> None:
        self._monitor.join(CLOSE_SECONDS)
        self._mailbox.close()

    def _order(self, command: str, **arguments: Any) -> None:
        line = json.dumps({"execute": command, "arguments": arguments, "id": command}) + "\n"
        # A dead QEMU shows as its "gone" event; one that was closed has a closed pipe.
        with suppress(OSError, ValueError):
            self._process.stdin.write(line.encode())  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def _read_monitor(self) -> None:
        for line in self._process.stdout:  # type: ignore[union-attr]
            match json.loads(line):
                case {"event": "STOP"}:
                    self._stopped()
                case {"event": "MIGRATION", "data": {"status": "completed" | "failed" as status}}:
                    self._migrated(status)
                case {"return": _, "id": str(name)} if name == INTERRUPT:
                    self._obeyed.set()
                case {"error": {"desc": str(text)}}:
                    self._events.put(("refused", text))
        self._events.put(("gone", "QEMU ended"))

    def _migrated(self, status: str) -> None:
        self._events.put(("migration", status))

    def _stopped(self) -> None:
        try:
            if not self._mailbox.answered:
                # Its clock has not leapt yet: see `ksuite.dut.mailbox`.
                self._order("cont")
                return
            message = self._mailbox.take()
        # Such is memory, too, that was closed meanwhile.
        except ValueError as error:
            self._events.put(("gone", str(error)))
            return
        match message:
            case _ if self.release:
                self._events.put(("answer", message))
            case ("ok", str(release)):
                self._events.put(("ready", release))
            case _:
                self._events.put(("gone", "the agent began with garbage"))


def _opened(snapshot: Path) -> BinaryIO:
    try:
        return snapshot.open("rb")
    except OSError as error:
        raise InfrastructureError(f"{snapshot} can't be restored: {error.strerror}") from error


def _appears(path: Path, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class RestoredMachine(ImageMachine):
    """A guest restored from a snapshot: up at once, and always the same.

    :param snapshot: what `ImageMachine.save` wrote with the same files and spec.
    :param release: the kernel release that runs in it.
    """

    def __init__(
        self,
        files: DutFiles,
        spec: MachineSpec,
        run_directory: Path,
        snapshot: Path,
        release: str,
        more_arguments: Sequence[str] = (),
    ) -> None:
        self._saved_release = release
        with _opened(snapshot) as state:
            super().__init__(
                files,
                spec,
                run_directory,
                paused=True,
                more_arguments=more_arguments,
                descriptors=[state.fileno()],
            )
            # A number is the descriptor of a file that QEMU has inherited.
            self._order("migrate-incoming", uri=f"fd:{state.fileno()}")

    def _migrated(self, status: str) -> None:
        if self.release:
            super()._migrated(status)
            return
        ready = status == "completed"
        self._events.put(("ready", self._saved_release) if ready else ("gone", "not restored"))
