# SPDX-License-Identifier: GPL-2.0-or-later
"""A module build that changes what other modules were linked against is no fast path."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError, NeedsFullBuild
from ksuite.kernels.build import build_modules
from ksuite.kernels.exports import exports_of, refuse_changed_exports, users_of
from ksuite.kernels.plan import plan_modules
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource
    from tests.unit.kernels.conftest import Edit


@pytest.fixture
def distro(source: KernelSource) -> str:
    return (source.headers / "Module.symvers").read_text()


def test_exports_are_read(distro: str) -> None:
    found = exports_of(distro, ["vhost", "vhost_net"])
    assert "vhost_exceeds_weight" in found["vhost"]
    assert found["vhost"]["vhost_exceeds_weight"].startswith("0x")
    assert found["vhost_net"] == {}


def test_same_exports_pass(source: KernelSource, distro: str) -> None:
    refuse_changed_exports(source, distro, ["vhost.ko"])


def test_more_exports_pass(source: KernelSource, distro: str) -> None:
    more = distro + "0x12345678\tvhost_new\tdrivers/vhost/vhost\tEXPORT_SYMBOL_GPL\t\n"
    refuse_changed_exports(source, more, ["vhost.ko"])


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_changed_export_is_refused(source: KernelSource, distro: str, change: str) -> None:
    line = next(line for line in distro.splitlines(keepends=True) if "\tvhost_dev_init\t" in line)
    other = "" if change == "gone" else "0x00000001" + line[10:]
    with pytest.raises(NeedsFullBuild, match="vhost_dev_init") as refused:
        refuse_changed_exports(source, distro.replace(line, other), ["vhost.ko"])
    assert "vhost_net" in str(refused.value)


def test_all_users_built_too_is_fine(source: KernelSource, distro: str) -> None:
    line = next(line for line in distro.splitlines(keepends=True) if "\tvhost_dev_init\t" in line)
    users = ["vhost_net.ko", "vhost_scsi.ko", "vhost_vsock.ko", "vhost_vdpa.ko"]
    refuse_changed_exports(source, distro.replace(line, ""), ["vhost.ko", *users])


def test_kernel_whose_modules_were_never_listed(source: KernelSource, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"modules\.dep is missing: run depmod"):
        users_of(replace(source, modules=tmp_path), "vhost")


def test_removed_export_of_a_real_build_is_refused(
    source: KernelSource, tree: Path, edit: Edit
) -> None:
    patch = edit("drivers/vhost/vhost.c", "EXPORT_SYMBOL_GPL(vhost_vq_is_setup);\n", "")
    targets = plan_modules(source, tree, patch.files)
    with pytest.raises(NeedsFullBuild, match="vhost_vq_is_setup"):
        build_modules(source, tree, targets, [patch], Store.default())
