# SPDX-License-Identifier: GPL-2.0-or-later
"""PVP with DPDK's testpmd in the guest's place: another driver's opinion, on the wall clock.

::

    generator --> gen ===veth=== port --+          +-- tap0 --> vhost --> virtio-user --+
                                        | datapath |                testpmd, macswap    |
    sink      <-- gen ===veth=== port --+          +-- tap0 <-- vhost <-- virtio-user <-+

testpmd polls, so it needs a CPU of its own, and on the instruction clock its polling would be the
time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from ksuite.dut import batches
from ksuite.dut.agent import CannotObserveError
from ksuite.dut.frames import FrameBatch, Verifier
from ksuite.dut.links import bring_up, veth
from ksuite.dut.netns import namespace
from ksuite.dut.pvp import GENERATOR, OUTSIDE, PORT, outside_ring
from ksuite.dut.pvp_datapaths import DATAPATHS
from ksuite.dut.pvp_flows import Flows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksuite.dut.packet import PacketRing

PROGRAM = "dpdk-testpmd"
PACKAGES = "dpdk-dev, librte-net-virtio23 and librte-mempool-ring23"
LINK = "tap0"
HUGE_PAGES, HUGE_PAGES_WANTED = Path("/proc/sys/vm/nr_hugepages"), 128
"""Of 2 MiB."""
COMMAND = (
    "--no-pci --in-memory --lcores=0@0,1@1 --no-telemetry "
    f"--vdev=net_virtio_user0,path=/dev/vhost-net,iface={LINK},queue_size=256,queues=1 -- "
    "--forward-mode=macswap --no-flush-rx --total-num-mbufs=8192 --auto-start"
)
TOGETHER = 64
"""Packets under way at once: less than testpmd's ring."""
WAIT_SECONDS = 180.0
"""testpmd may take so long to come up on an emulated CPU."""
SILENT_SECONDS = 2.0
"""After which what has not come does not come any more."""
FORWARDS = "Press enter to exit"
"""What testpmd says last."""


def missing() -> str:
    """Return what keeps testpmd from running here; empty where nothing does."""
    if shutil.which(PROGRAM) is None:
        return f"the DUT has no {PROGRAM}: install {PACKAGES}"
    cpus = os.cpu_count() or 1
    return f"testpmd needs a CPU of its own: {cpus} are there (--ks-vcpus)" if cpus < 2 else ""


@contextmanager
def _testpmd() -> Iterator[None]:
    """Run testpmd, from when it forwards until it is told to end.

    :raises CannotObserveError: it doesn't come up.
    """
    HUGE_PAGES.write_text(str(HUGE_PAGES_WANTED))
    with tempfile.TemporaryFile("w+") as log, ExitStack() as stack:
        stack.callback(HUGE_PAGES.write_text, "0")
        process = subprocess.Popen(
            # Otherwise it keeps what it says to itself until there is much of it.
            ["stdbuf", "-o0", PROGRAM, *COMMAND.split()],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        stack.callback(process.wait)
        stack.callback(process.send_signal, signal.SIGINT)
        _await_forwarding(process, log)
        yield


def _await_forwarding(process: subprocess.Popen[bytes], log: TextIO) -> None:
    said = ""
    limit = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        log.seek(0)
        said = log.read()
        if FORWARDS in said:
            return
        time.sleep(0.1)
    raise CannotObserveError(f"{PROGRAM} did not come up: {said[-500:]}")


def forward(datapath: str, frame_bytes: int, packets: int) -> dict[str, Any]:
    """Send packets to testpmd and back, some at a time, as fast as these come back.

    :param datapath: a key of `pvp_datapaths.DATAPATHS`.
    :return: what became of the frames that went to testpmd and back (``answered``), what the
        datapath has ``carried`` from the port and from testpmd, and the ``seconds`` it took.
    """
    with ExitStack() as stack:
        stack.enter_context(namespace(OUTSIDE))
        stack.enter_context(veth(PORT, GENERATOR, OUTSIDE))
        stack.enter_context(_testpmd())
        bring_up(LINK)
        flows = Flows(1)
        carried = stack.enter_context(DATAPATHS[datapath](PORT, LINK, flows))
        source = stack.enter_context(outside_ring(TOGETHER, send=True))
        sink = stack.enter_context(outside_ring(4 * TOGETHER, send=False))
        some = np.zeros(TOGETHER, dtype=np.intp)
        frames, answers = (
            FrameBatch([row.tobytes() for row in made(frame_bytes)[some]])
            for made in (flows.inward, flows.outward)
        )
        verifier = Verifier(answers)
        started = time.monotonic()
        for _ in range(packets // TOGETHER):
            batches.send(source, frames)
            answers.stamp()
            if not _collect(sink, verifier, answers.number):
                break
        seconds = time.monotonic() - started
        counted = carried()
        return {
            "answered": verifier.finish().as_dict(),
            "carried": [counted[PORT], counted[LINK]],
            "seconds": seconds,
        }


def _collect(sink: PacketRing, verifier: Verifier, sent: int) -> bool:
    """Take frames until all that were sent are back; False when they don't come any more."""
    while verifier.tally.arrived < sent:
        if not sink.wait(SILENT_SECONDS):
            return False
        batches.take(sink, verifier)
    return True
