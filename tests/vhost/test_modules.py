# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules that were built are the ones that run, and they leave nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import modules

if TYPE_CHECKING:
    from ksuite.campaigns.bench import Bench
    from ksuite.campaigns.dut import Dut

BUILD_ID_DIGITS = 40
"""SHA-1, in hex."""
pytestmark = pytest.mark.ks_scenario("vhost_function")


def test_modules_unload_and_load_again(ks_bench: Bench, ks_dut: Dut, ks_variant: str) -> None:
    built = ks_bench.builds[ks_variant].modules
    gone = ks_dut.call(modules.unload, [module.name for module in built])
    assert {module.name for module in built} <= set(gone)
    images = {module.name: module.path.read_bytes() for module in built}
    running = ks_dut.call(modules.load, images, list(ks_bench.suites[0].modules))
    kernel = running.pop("vmlinux")
    assert kernel == (ks_bench.builds[ks_variant].vmlinux_id or kernel)
    assert len(kernel) == BUILD_ID_DIGITS
    assert running == {module.name: module.build_id for module in built}
