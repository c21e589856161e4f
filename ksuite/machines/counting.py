# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts a guest's instructions by where they are, through a plugin in QEMU.

The guest does not notice: its clock counts the same instructions, in the same order.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.store import digest
from ksuite.machines.qemu import option_value
from ksuite.machines.recipe import DATA
from ksuite.processes import contained, run, tool

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.store import Store

SOURCE = "count_plugin.c"
OLD_INTERFACE, NEW_INTERFACE = 1, 4
"""Versions of QEMU's plugin interface; none is understood by all of QEMU's own."""
FIRST_OTHER = 9
"""The first major version of QEMU that has not got the old one."""


def counting_plugin(store: Store, major: int) -> Path:
    """Return the plugin, compiled if the store hasn't got it.

    :param major: version of the QEMU that is to take it.
    :raises InfrastructureError: it can't be compiled.
    """
    source = (DATA / SOURCE).read_bytes()
    interface = f"-DAPI={OLD_INTERFACE if major < FIRST_OTHER else NEW_INTERFACE}"

    def make(into: Path) -> None:
        place = into / SOURCE
        place.write_bytes(source)
        command = [tool("gcc", "gcc"), "-O2", "-fPIC", "-shared", "-fvisibility=hidden"]
        command += [interface]
        command += ["-o", str(into / "count.so"), str(place)]
        done = run([*contained(), *command])
        if done.returncode:
            text = done.stderr.decode(errors="replace")[-500:]
            msg = (
                f"QEMU's plugin can't be compiled: {text}; is libc6-dev installed? run ./bootstrap"
            )
            raise InfrastructureError(msg)

    return store.obtain("plugin", digest(source, interface), make) / "count.so"


def plugin_arguments(plugin: Path, output: Path) -> list[str]:
    """Return what QEMU is called with to count into a file."""
    return ["-plugin", f"file={option_value(plugin)},output={option_value(output)}"]


def read_counts(output: Path) -> Counter[int]:
    """Return instructions by the address of their block.

    :raises InfrastructureError: the plugin has not written any.
    """
    counts: Counter[int] = Counter()
    try:
        for line in output.read_text(encoding="ascii").splitlines():
            address, instructions = (int(word, 16) for word in line.split())
            counts[address] += instructions
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"QEMU's plugin did not count: {error}") from error
    if not counts:
        raise InfrastructureError("QEMU's plugin did not count: the DUT has set no marks")
    return counts
