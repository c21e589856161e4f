# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests of a kernel are restored from, and what is to be known of their costs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ksuite.campaigns.suites import GATE, SUITES
from ksuite.machines.host import cpu_model, identity
from ksuite.machines.machine import Root
from ksuite.machines.recipe import read_recipe
from ksuite.machines.snapshot import Snapshot, take_snapshot
from ksuite.measure.cost import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ksuite.campaigns.suites import Suite
    from ksuite.kernels.source import KernelSource
    from ksuite.kernels.store import Store
    from ksuite.machines.emulator import Emulator
    from ksuite.machines.machine import MachineSpec


def snapshot_of(
    kernel: KernelSource,
    suites: Sequence[Suite],
    spec: MachineSpec,
    packages: Path | None,
    store: Store,
    progress: Callable[[str], None],
) -> Snapshot:
    """Return the snapshot that guests of some suites are restored from; see `take_snapshot`.

    :param packages: a file that names Debian packages to add to the image.
    """
    # One snapshot serves all suites: what one of them doesn't need costs it nothing. Several
    # vCPUs come up slowly, and few suites want them.
    sharing = (*SUITES, GATE) if spec.vcpus == 1 else suites
    imports = sorted({name for suite in sharing for name in suite.imports})
    return take_snapshot(kernel, read_recipe(packages), spec, imports, store, progress)


def conditions_of(
    kernel: KernelSource,
    snapshot: Snapshot | None,
    spec: MachineSpec,
    qemu: Emulator,
    *,
    kvm: bool,
) -> Fingerprint:
    """Return the fingerprint of what is measured on a kernel, but for what is the scenario's.

    :param snapshot: None where guests are booted.
    """
    return Fingerprint(
        clock=spec.clock,
        scenario="",
        scenario_version=0,
        parameters=(),
        kernel_release=f"{kernel.release} ({kernel.version})",
        kernel_config=hashlib.sha256(kernel.config.read_bytes()).hexdigest(),
        compiler=kernel.compiler,
        cpu_model=cpu_model() if kvm else spec.cpu_model,
        vcpus=spec.vcpus,
        memory_mib=spec.memory_mib,
        qemu=str(qemu.major),
        root=snapshot.digest if snapshot else str(Root.HOST),
        host="" if snapshot else identity(),
    )
