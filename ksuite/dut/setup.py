# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DUT needs once after it came up."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import mmap
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.dut import kmemleak

if TYPE_CHECKING:
    from collections.abc import Iterator

SLABS = Path("/sys/kernel/slab")
KEPT_SLABS = 1_000_000
"""More than memory holds, so that none is ever one too many."""
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
MADV_PAGEOUT = 21
LARGE_LIBRARIES = ("libLLVM", "libclang")
RESERVE = Path("/proc/sys/vm/min_free_kbytes")
RESERVE_KIB = 4096
LEFT_PAGES = 2048
"""What the kernel itself may want meanwhile: above its reserve, or it would kill processes."""


def settle(imports: list[str]) -> None:
    """Make the DUT quiet, and import what the scenarios will need.

    :param imports: names of modules of this package.
    """
    if udevadm := shutil.which("udevadm"):
        # A new tap would wake udev's workers, whose time would be ours.
        subprocess.run([udevadm, "control", "--exit"], check=False, capture_output=True)
    keep_empty_slabs()
    # Root is a remote file system: nothing may be imported inside a window.
    for name in imports:
        importlib.import_module(f"ksuite.dut.{name}")


def clock_ns() -> int:
    """Return the DUT's monotonic clock."""
    return time.monotonic_ns()


def prepare(imports: list[str]) -> None:
    """Do what takes a scenario's module long, and stays done: its `prepare()`, if it has one."""
    for name in imports:
        module = importlib.import_module(f"ksuite.dut.{name}")
        if hasattr(module, "prepare"):
            module.prepare()
    if kmemleak.REPORT.exists():
        # What the boot has leaked is nobody's.
        kmemleak.leaks()
        kmemleak.forget()
    shrink()


def shrink() -> None:
    """Leave little in memory that a snapshot would have to hold.

    What is cached of files can be read again, if anybody wants it; and free memory is no smaller
    than used memory unless it holds zeros, which the kernel writes whenever it hands out a page.
    """
    gc.collect()
    gc.freeze()
    _page_out()
    DROP_CACHES.write_text("3")
    with _small_reserve(), mmap.mmap(-1, _free_pages() * mmap.PAGESIZE) as memory:
        for page in range(0, len(memory), mmap.PAGESIZE):
            # Page tables take memory, too: how much is left shows only as it goes.
            if _free_pages() < LEFT_PAGES:
                break
            memory[page] = 0


def _free_pages() -> int:
    return os.sysconf("SC_AVPHYS_PAGES")


@contextlib.contextmanager
def _small_reserve() -> Iterator[None]:
    """Let nearly all memory be used, which khugepaged wants to keep 45 MiB of when it starts."""
    before = RESERVE.read_text()
    RESERVE.write_text(str(min(RESERVE_KIB, int(before))))
    try:
        yield
    finally:
        RESERVE.write_text(before)


def _page_out() -> None:
    """Give up what was read of libraries that were needed only to prepare."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc_trim(0)
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(word, 16) for word in line.split()[0].split("-"))
        if any(name in line for name in LARGE_LIBRARIES):
            # Unlike MADV_DONTNEED it keeps what the process has written.
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_PAGEOUT)


def keep_empty_slabs() -> None:
    """Let no slab cache give pages back.

    A burst of packets fills and empties dozens of slabs. SLUB keeps `min_partial` partly used ones
    a node (mm/slub.c, `__slab_free()`); how many of these the boot has left behind differs from
    boot to boot, and so does the number of pages that every burst frees, gets again and clears:
    0.9 % of what an rx packet costs. Kept, they are a pool that a warm-up fills.
    """
    for setting in SLABS.glob("*/min_partial"):
        # Before 5.17 the kernel clamps the number to 10 by itself; some caches vanish meanwhile.
        with contextlib.suppress(OSError):
            setting.write_text(str(KEPT_SLABS))
