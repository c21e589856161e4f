# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a user calls a kernel to the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.debian import DEBIAN, RELEASES, debian_source
from ksuite.kernels.source import KNOWN, KernelSource, distro_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksuite.kernels.store import Store


def find_source(
    name: str, store: Store, progress: Callable[[str], None] = lambda _: None
) -> KernelSource:
    """Return the kernel of a name: ``distro``, or ``debian:SERIES``.

    :raises UserError: there is no such kernel.
    :raises InfrastructureError: parts of it are missing, or can't be fetched.
    """
    series = name.removeprefix(DEBIAN)
    if name.startswith(DEBIAN) and series in RELEASES:
        return debian_source(series, store, progress)
    if name in KNOWN:
        return distro_source(name)
    known = ", ".join([*sorted(KNOWN), *(f"{DEBIAN}{series}" for series in RELEASES)])
    raise UserError(f"unknown kernel {name!r}: known are {known}")
