# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting calls: functions that not every kernel has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import calls
from ksuite.dut.agent import CannotObserveError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the hits of a kernel that has only netif_rx."""
    hits = tmp_path / "kprobe_profile"
    hits.write_text("netif_rx 5 0\n", encoding="ascii")

    def write(name: str, text: str) -> None:
        if name == "kprobe_events" and text.startswith("p:") and not text.endswith(" netif_rx"):
            raise CannotObserveError(f"{text}: No such file or directory")

    monkeypatch.setattr(calls, "TRACING", tmp_path)
    monkeypatch.setattr(calls, "_write", write)
    return hits


def test_function_that_a_kernel_need_not_have_is_left_out(kernel: Path) -> None:
    with calls.counted("netif_rx", perhaps=("__netif_rx",)) as counted:
        kernel.write_text("netif_rx 8 0\n", encoding="ascii")
        assert counted.counts() == {"netif_rx": 3}


def test_function_that_a_kernel_must_have(kernel: Path) -> None:
    assert kernel.exists()
    with pytest.raises(CannotObserveError, match="__netif_rx"), calls.counted("__netif_rx"):
        pass


def test_calls_that_the_kernel_missed(kernel: Path) -> None:
    with calls.counted("netif_rx") as counted:
        kernel.write_text("netif_rx 8 1\n", encoding="ascii")
        with pytest.raises(CannotObserveError, match="1 calls of netif_rx were not counted"):
            counted.counts()
