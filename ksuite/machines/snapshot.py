# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots: one cold boot for each kind of guest; after that every guest is a restore."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.dut import setup as dut_setup
from ksuite.errors import (
    DutError,
    GuestNotReady,
    InfrastructureError,
    NothingToCompare,
    UserError,
)
from ksuite.kernels.store import digest, file_digest, run_directory
from ksuite.machines.emulator import emulator
from ksuite.machines.image import kernel_image, root_image
from ksuite.machines.image_machine import ImageMachine, RestoredMachine
from ksuite.machines.initrd import initrd
from ksuite.machines.machine import MachineSpec
from ksuite.machines.qemu import DutFiles, option_value, qemu_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ksuite.kernels.source import KernelSource
    from ksuite.kernels.store import Store
    from ksuite.machines.recipe import Recipe

FORMAT = "4"
"""Raised whenever the same inputs make another snapshot."""
COMPILING = frozenset({"probes"})
"""Modules of `ksuite.dut` that compile against the kernel's headers when they are prepared."""

FIRST_WORDS = "Linux version "
"""init/version.c: what a kernel says first, as soon as it has a console."""
EARLY = ("earlyprintk=ttyS0,115200",)
"""A console without a driver, until the one that has one takes over."""


@dataclass(frozen=True)
class Snapshot:
    """A guest that waits to be restored.

    :param key: of all that makes its guests what they are.
    :param digest: SHA-256 of the root image, in hex.
    :param versions: what is installed in it, version by package.
    """

    files: DutFiles
    spec: MachineSpec
    state: Path
    release: str
    key: str
    digest: str
    versions: dict[str, str]

    def at(self, state: Path) -> Snapshot:
        """Return the same with another state, saved by a guest that was restored from this one."""
        return replace(self, state=state)

    def restore(self, run_directory: Path, more_arguments: Sequence[str] = ()) -> RestoredMachine:
        """Start a guest from it; any number may run at once.

        :param more_arguments: for QEMU; nothing that a guest could notice.
        """
        return RestoredMachine(
            self.files, self.spec, run_directory, self.state, self.release, more_arguments
        )


def take_snapshot(
    source: KernelSource,
    recipe: Recipe,
    spec: MachineSpec,
    imports: Sequence[str],
    store: Store,
    progress: Callable[[str], None] = lambda _: None,
) -> Snapshot:
    """Return a snapshot of a settled guest, with images and cold boot where there is none yet.

    :param imports: modules of `ksuite.dut` that are to be imported and prepared in it.
    :raises UserError: the recipe asks for a package that does not exist, or a module is to be
        prepared that needs headers of the kernel, and there are none.
    :raises KernelFault: the kernel breaks before its guest is ready.
    :raises GuestNotReady: the kernel does not get there, and does not say why.
    :raises InfrastructureError: no guest can be run, or there is no room for it.
    """
    _must_have_headers(source, imports)
    root = root_image(recipe, store, progress)
    kernel = kernel_image(source, recipe, store, progress)
    qemu = emulator(spec, store, progress).path
    files = DutFiles(source.image, Path("initrd"), root.path, kernel.path, qemu)
    busybox = root.path.with_name("busybox").read_bytes()
    top = source.modules.parent.parent.parent
    archive = initrd(busybox, top, source.release, recipe)
    key = digest(
        FORMAT,
        root.digest,
        kernel.digest,
        archive,
        *map(file_digest, (source.image, qemu)),
        repr(_called(files, spec)),
        repr(sorted(imports)),
    )

    def make(into: Path) -> None:
        progress(f"booting {source.release} once, to be restored from then on")
        (into / "initrd").write_bytes(archive)
        booted = replace(files, initrd=into / "initrd")
        release = _boot_and_save(booted, spec, imports, into, store)
        if release != source.release:
            raise InfrastructureError(f"the DUT runs {release}, not {source.release}")

    entry = store.obtain("snapshot", key, make)
    facts = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
    return Snapshot(
        files=replace(files, initrd=entry / "initrd"),
        spec=spec,
        state=entry / "state",
        release=facts["release"],
        key=digest(key, facts["state"]),
        digest=root.digest,
        versions=root.versions,
    )


def _must_have_headers(source: KernelSource, imports: Sequence[str]) -> None:
    if COMPILING.intersection(imports) and not source.header_directories:
        raise UserError(
            f"{source.name} has no headers ({source.modules}/build leads to none), which the "
            "probes of this suite are compiled with: have it lead to them, or choose another suite"
        )


def _called(files: DutFiles, spec: MachineSpec) -> list[str]:
    """Return how QEMU is called, without places: those of a machine, or of equal kernels.

    What is in the files is known by their content: equal kernels share a snapshot, whichever build
    they come from.
    """
    anywhere = replace(files, kernel=Path("image"))
    command = qemu_command(anywhere, spec, Path("mailbox"), paused=False)[1:]
    for name, path in (("root", files.root), ("kernel", files.kernel_files)):
        command = [word.replace(option_value(path), name) for word in command]
    return command


@contextmanager
def _early_words(machine: ImageMachine, files: DutFiles, spec: MachineSpec) -> Iterator[None]:
    """Have a kernel that breaks before it has a console say why, in one more guest.

    What all kernels are told is part of what they cost, so only such a one is told of a console
    that is there from the start.

    :raises KernelFault: it says how it broke.
    :raises GuestNotReady: it does not.
    """
    try:
        yield
    except GuestNotReady:
        if FIRST_WORDS in machine.console:
            raise
        machine.close()
        with run_directory() as scratch, ImageMachine(files, spec, scratch, told=EARLY) as again:
            again.wait_ready()
        # It came up this time.
        raise


def _boot_and_save(
    files: DutFiles, spec: MachineSpec, imports: Sequence[str], into: Path, store: Store
) -> str:
    state = into / "state"
    if shutil.disk_usage(into).free < spec.memory_mib << 20:
        raise store.disk_full()
    with run_directory() as scratch, ImageMachine(files, spec, scratch) as machine:
        with _early_words(machine, files, spec):
            machine.wait_ready()
        try:
            machine.run(
                [
                    (dut_setup.settle, (list(imports),), {}),
                    (dut_setup.prepare, (list(imports),), {}),
                ],
                timeout=spec.boot_timeout_seconds,
            )
            machine.save(state)
        except (DutError, NothingToCompare) as fault:
            msg = f"{files.kernel.name} could not be made ready: {fault}"
            raise GuestNotReady(msg) from fault
        release = machine.release
    facts = {"release": release, "state": file_digest(state)}
    (into / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return release
