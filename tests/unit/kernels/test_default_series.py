# SPDX-License-Identifier: GPL-2.0-or-later
"""The default series of ``tox -e vhost``: its base and itself make the distro's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.build import build_modules, code_digest
from ksuite.kernels.plan import plan_modules
from ksuite.kernels.series import Series, read_series
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.series import Patch
    from ksuite.kernels.source import KernelSource


@pytest.fixture
def series(checkout: Path) -> Series:
    return read_series(str(checkout / "patches" / "vhost-rx-tx-limits"))


def vhost_net(source: KernelSource, tree: Path, patches: tuple[Patch, ...]) -> str:
    """Return the code digest of vhost_net.ko built with these patches."""
    targets = plan_modules(source, tree, ["drivers/vhost/net.c"])
    build = build_modules(source, tree, targets, patches, Store.default())
    assert [module.name for module in build.modules] == ["vhost_net"]
    return build.modules[0].code_digest


def test_base_and_series_make_the_distros_object_code(
    source: KernelSource, tree: Path, series: Series
) -> None:
    distro = code_digest(source.modules / "kernel" / "drivers" / "vhost" / "vhost_net.ko")
    assert vhost_net(source, tree, (*series.base_patches, *series.patches)) == distro


def test_base_alone_does_not(source: KernelSource, tree: Path, series: Series) -> None:
    distro = code_digest(source.modules / "kernel" / "drivers" / "vhost" / "vhost_net.ko")
    assert vhost_net(source, tree, series.base_patches) != distro


def test_meta_says_what_it_is(series: Series) -> None:
    assert series.meta is not None
    assert len(series.meta.upstream) >= 2
    assert series.meta.kernels == ">=6.1,<6.2"
    assert series.meta.expected_effect
