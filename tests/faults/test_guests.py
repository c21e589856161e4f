# SPDX-License-Identifier: GPL-2.0-or-later
"""What a candidate's kernel can do to its guest, and to us: each is the candidate's fault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.broken.test_broken import check

if TYPE_CHECKING:
    from tests.faults.drill import Drill

PATCHES = Path(__file__).parent / "patches"
BROKEN = Path(__file__).parents[1] / "broken"
RX, TX = "test_rx_bursts_are_limited", "test_tx_bursts_are_limited"


@dataclass(frozen=True)
class Fault:
    """A broken kernel.

    :param says: how the fault is called.
    :param console: what the console that is shown must have; none where the kernel says nothing.
    :param timeout: seconds that a guest may be silent for; ten times as long if it does not work.
    """

    patch: Path
    says: str
    console: str = ""
    test: str = RX
    timeout: int = 20


FAULTS = {
    # The one that takes longest comes first.
    "flood": Fault(PATCHES / "flood.patch", "oops: BUG: kernel NULL", "xxx\n", timeout=300),
    "panic": Fault(PATCHES / "panic.patch", "panic: Kernel panic", "broken on purpose"),
    "oops": Fault(BROKEN / "null-dereference.patch", "oops: BUG: kernel NULL", "handle_tx", TX),
    "interrupts-off": Fault(
        PATCHES / "interrupts-off.patch", "hang: no answer", "vhost_net_open", timeout=5
    ),
    "halt": Fault(PATCHES / "halt.patch", "hang: no answer", "vhost_net_open", timeout=2),
    "stops": Fault(PATCHES / "stops.patch", "hang: no answer", "vhost_net_open", timeout=2),
    "out-of-memory": Fault(
        PATCHES / "out-of-memory.patch", "panic: Kernel panic", "deadlocked on memory"
    ),
    "agent-killed": Fault(
        PATCHES / "agent-killed.patch", "panic: Kernel panic", "Attempted to kill init"
    ),
    "garbage": Fault(PATCHES / "garbage.patch", "silence: the guest broke its connection"),
    "gigabyte": Fault(PATCHES / "gigabyte.patch", "silence: the guest broke its connection"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_kernel_that_breaks_fails(name: str, drill: Drill, tmp_path: Path) -> None:
    fault = FAULTS[name]
    options = ("--scenario", "vhost_function", "--check", fault.test, "--candidate-only")
    code, result = check(fault.patch, tmp_path, *options, "--timeout", str(fault.timeout))
    assert code == 1
    assert result["verdict"] == "FAIL"
    (test,) = result["tests"]
    assert test["verdict"] == "FAIL"
    assert test["detail"].startswith(fault.says)
    assert fault.console in test["console"]
    assert bool(fault.console) == bool(test["console"])
    assert len(test["console"]) < 100_000
    drill.must_be_clean()
