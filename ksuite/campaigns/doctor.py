# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host can do, tried out, with a line on how to mend each gap."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.suites import VHOST
from ksuite.dut import setup as dut_setup
from ksuite.errors import KsuiteError
from ksuite.kernels.source import check_compiler, distro_source
from ksuite.kernels.store import Store, run_directory
from ksuite.machines.emulator import (
    COUNTS_SEVERAL,
    RELEASE,
    fetched,
    hosts_own,
    suffices,
)
from ksuite.machines.host import kvm_works
from ksuite.machines.machine import MachineSpec
from ksuite.machines.recipe import read_recipe
from ksuite.machines.snapshot import take_snapshot
from ksuite.machines.virtme import VirtmeMachine
from ksuite.processes import contained, run

if TYPE_CHECKING:
    from collections.abc import Callable

FREE_GIB_WANTED = 5
MEND_RESTORE = "a DUT's image is made of Debian and Python packages: is a mirror reachable?"
TOOLS = (
    ("make", "make"),
    ("gcc", "gcc"),
    ("git", "git"),
    ("b4", "b4"),
    ("xz", "xz-utils"),
    ("modinfo", "kmod"),
    ("busybox", "busybox-static"),
    ("file", "file"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("mmdebstrap", "mmdebstrap"),
    ("mkfs.erofs", "erofs-utils"),
    ("depmod", "kmod"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    :param needed: nothing runs without it.
    """

    what: str
    good: bool
    found: str
    mend: str = ""
    needed: bool = True


def examine(progress: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Look at everything that a check needs, cheapest first; restores and boots guests at the end.

    :param progress: is told what is going on: what a check needs is made where it is missing.
    """
    findings = [
        _tools(),
        _bcc(),
        _try("QEMU", _qemu, "apt-get install qemu-system-x86"),
        _try("base kernel", _kernel, "./bootstrap"),
        _try("compiler", _compiler, "./bootstrap"),
        _store(),
        _containment(),
        _kvm(),
    ]
    if all(finding.good for finding in findings if finding.needed):
        findings.append(_try("exact costs", lambda: _restore(progress), MEND_RESTORE))
        progress("booting a guest on this host's root")
        host_root = _try("host's root", _boot, "not needed, except for --root host")
        findings.append(replace(host_root, needed=False))
    return findings


def _try(what: str, look: Callable[[], str], mend: str) -> Finding:
    try:
        return Finding(what, good=True, found=look())
    except KsuiteError as error:
        return Finding(what, good=False, found=str(error), mend=mend)


def _tools() -> Finding:
    missing = [package for name, package in TOOLS if shutil.which(name) is None]
    if missing:
        mend = f"apt-get install {' '.join(sorted(set(missing)))}, or ./bootstrap"
        return Finding("tools", good=False, found=f"missing: {', '.join(missing)}", mend=mend)
    return Finding("tools", good=True, found=", ".join(name for name, _ in TOOLS))


def _bcc() -> Finding:
    good = find_spec("bcc") is not None
    mend = "apt-get install python3-bpfcc, and run with ./bootstrap: its environment sees it"
    return Finding("bcc", good, "importable" if good else "not importable", mend)


def _qemu() -> str:
    """Say which QEMU runs what."""
    own = hosts_own()
    if suffices(own, MachineSpec(vcpus=2)):
        return f"{own.version}, for all guests"
    newer = fetched(Store.default())
    found = f"{newer.version} in the store" if newer else f"{RELEASE.newest}'s, not fetched yet"
    return (
        f"{own.version}; for several vCPUs on the instruction clock, which needs {COUNTS_SEVERAL}: "
        f"{found}"
    )


def _kernel() -> str:
    source = distro_source()
    return f"{source.release} ({source.version}), image, headers and source"


def _compiler() -> str:
    source = distro_source()
    check_compiler(source)
    return f"{source.compiler}, as the kernel was built with"


def _store() -> Finding:
    root = Store.default().root
    existing = next(place for place in (root, *root.parents) if place.exists())
    free_gib = shutil.disk_usage(existing).free / 2**30
    if not os.access(existing, os.W_OK):
        mend = "set KSUITE_STORE to a directory of yours"
        return Finding("store", good=False, found=f"{existing} is not writable", mend=mend)
    mend = f"free {FREE_GIB_WANTED} GiB there, or set KSUITE_STORE to another directory"
    good = free_gib >= FREE_GIB_WANTED
    return Finding("store", good, f"{root}, {free_gib:.0f} GiB free", mend)


def _containment() -> Finding:
    done = run([*contained(drop_root=True), "true"], timeout_seconds=30)
    good = done.returncode == 0
    found = "builds run without root and network" if good else done.stderr.decode().strip()
    mend = "run as root, or allow unprivileged user namespaces (kernel.unprivileged_userns_clone=1)"
    return Finding("containment", good, found, mend)


def _kvm() -> Finding:
    try:
        works = kvm_works(distro_source().image)
    except KsuiteError as error:
        return Finding("KVM", good=False, found=str(error), mend="./bootstrap", needed=False)
    there = (
        "/dev/kvm is there, but no kernel boots with it" if Path("/dev/kvm").exists() else "none"
    )
    mend = "not needed for the instruction clock; the wall clock wants a host with (nested) KVM"
    return Finding("KVM", works, "boots a kernel" if works else there, mend, needed=False)


def _restore(progress: Callable[[str], None]) -> str:
    snapshot = take_snapshot(
        distro_source(), read_recipe(), MachineSpec(), VHOST.imports, Store.default(), progress
    )
    started = time.monotonic()
    with run_directory() as directory, snapshot.restore(directory) as machine:
        machine.run([(dut_setup.clock_ns, (), {})])
        return (
            f"a guest of {machine.release}, restored, answered after "
            f"{time.monotonic() - started:.1f} s; its image is {snapshot.digest[:12]}"
        )


def _boot() -> str:
    started = time.monotonic()
    with run_directory() as directory, _machine(directory) as machine:
        machine.wait_ready()
        return f"a guest runs {machine.release}, up in {time.monotonic() - started:.0f} s"


def _machine(directory: Path) -> VirtmeMachine:
    return VirtmeMachine(distro_source().image, MachineSpec(), directory, hosts_own().path)
