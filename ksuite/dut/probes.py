# SPDX-License-Identifier: GPL-2.0-or-later
"""What vhost's handlers do from inside, by kprobes with bcc."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksuite.dut.agent import CannotObserveError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_ENTRIES = 16384
HANDLERS = ("handle_rx_net", "handle_rx_kick", "handle_tx_net", "handle_tx_kick")
"""The four work functions of drivers/vhost/net.c; each call of one is one run of a handler."""

_PROGRAM = """
#include <uapi/linux/ptrace.h>
struct burst { u64 queue; u32 packets; };
BPF_ARRAY(bursts, struct burst, LOG_ENTRIES);
BPF_ARRAY(cursor, u32, 2);  // [0] bursts begun, [1] a run has begun and no packet was seen yet

int run_begins(struct pt_regs *ctx)
{
    int one = 1;
    u32 *fresh = cursor.lookup(&one);
    if (fresh)
        *fresh = 1;
    return 0;
}

int packet_done(struct pt_regs *ctx)
{
    int zero = 0, one = 1;
    u32 *begun = cursor.lookup(&zero), *fresh = cursor.lookup(&one);
    if (!begun || !fresh)
        return 0;
    if (*fresh || !*begun) {
        *fresh = 0;
        *begun += 1;
    }
    u32 slot = *begun - 1;
    struct burst *burst = bursts.lookup(&slot);
    if (burst) {
        burst->queue = PT_REGS_PARM1(ctx);
        burst->packets += 1;
    }
    return 0;
}
"""


@dataclass(frozen=True)
class Burst:
    """Packets that one run of a handler served.

    :param queue: address of its struct vhost_virtqueue.
    """

    queue: int
    packets: int


class BurstLog:
    """The bursts since the probes were attached, oldest first."""

    def __init__(self, program: Any) -> None:
        self._program = program

    def read(self) -> list[Burst]:
        """Return all bursts.

        :raises CannotObserveError: more bursts than the log holds.
        """
        begun = self._program["cursor"][0].value
        if begun > LOG_ENTRIES:
            raise CannotObserveError(f"{begun} bursts, more than the log's {LOG_ENTRIES}")
        table = self._program["bursts"]
        return [Burst(table[i].queue, table[i].packets) for i in range(begun)]

    def clear(self) -> None:
        """Forget all bursts."""
        for name in ("bursts", "cursor"):
            table = self._program[name]
            for key in range(self._program["cursor"][0].value if name == "bursts" else 2):
                table[key] = table.Leaf()


@functools.cache
def _compiled() -> Any:
    # Compiling takes seconds on an emulated CPU; the result doesn't depend on the loaded modules.
    from bcc import BPF  # noqa: PLC0415 (Debian's, and only some scenarios need it)

    return BPF(text=_PROGRAM.replace("LOG_ENTRIES", str(LOG_ENTRIES)))


def prepare() -> None:
    """Compile the program ahead of its use."""
    _compiled()


@contextmanager
def vhost_bursts() -> Iterator[BurstLog]:
    """Count the packets of every handler run, by calls of vhost_exceeds_weight().

    Calls are counted, not its `pkts` argument: a kernel without the limit may not count packets.

    :raises CannotObserveError: the running modules lack a function that is probed.
    """
    symbols = Path("/proc/kallsyms").read_text(encoding="ascii")
    wanted = {"vhost_exceeds_weight": "packet_done"} | dict.fromkeys(HANDLERS, "run_begins")
    missing = [name for name in wanted if f" {name}\t[vhost" not in symbols]
    if missing:
        raise CannotObserveError(f"the vhost modules have no {', '.join(missing)} to probe")
    program = _compiled()
    attached = []
    try:
        for name, handler in wanted.items():
            program.attach_kprobe(event=name, fn_name=handler)
            attached.append(name)
        log = BurstLog(program)
        log.clear()
        yield log
    finally:
        for name in attached:
            program.detach_kprobe(event=name)
