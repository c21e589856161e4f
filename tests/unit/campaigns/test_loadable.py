# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that a series changes and a DUT can't load."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.building import Variants
from ksuite.campaigns.loadable import only_loadable
from ksuite.errors import NothingToCompare
from ksuite.kernels.built import BuiltModule, ModuleBuild
from ksuite.machines.recipe import read_recipe
from ksuite.measure.result import BASE, CANDIDATE

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = read_recipe()
HAS = ("drivers/vhost/vhost_iotlb.ko.xz", "net/core/failover.ko", "net/wireless/cfg80211.ko")


@pytest.fixture
def kernel(tmp_path: Path) -> Any:
    for name in (*HAS, "drivers/target/target_core_mod.ko"):
        path = tmp_path / "lib" / "kernel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return SimpleNamespace(modules=tmp_path / "lib")


def built(tmp_path: Path, kernel: Any, **depends: str) -> Variants:
    modules = []
    for name, others in depends.items():
        path = tmp_path / f"{name}.ko"
        path.write_bytes(f"\x7fELF\0license=GPL\0depends={others}\0name={name}\0".encode())
        modules.append(BuiltModule(name, path, f"id of {name}", ""))
    build = ModuleBuild("key", tuple(modules), cached=False)
    return Variants(dict.fromkeys((BASE, CANDIDATE), build), {BASE: kernel, CANDIDATE: kernel}, "m")


def names(variants: Variants) -> list[str]:
    assert variants.builds[BASE].modules == variants.builds[CANDIDATE].modules
    return [module.name for module in variants.builds[BASE].modules]


def test_all_are_loaded_where_the_image_has_what_they_want(tmp_path: Path, kernel: Any) -> None:
    variants = built(tmp_path, kernel, vhost="vhost_iotlb", vhost_net="vhost", tun="", f="failover")
    assert only_loadable(variants, RECIPE) is variants


def test_what_wants_more_is_left_out_and_told(tmp_path: Path, kernel: Any) -> None:
    scsi = {"vhost_scsi": "vhost,target_core_mod", "above": "vhost_scsi"}
    found = only_loadable(built(tmp_path, kernel, vhost="", **scsi), RECIPE)
    assert names(found) == ["vhost"]
    told = "above (wants vhost_scsi), vhost_scsi (wants target_core_mod)"
    assert found.how == f"m; not loaded: {told}"


def test_what_the_image_leaves_out_is_not_there(tmp_path: Path, kernel: Any) -> None:
    found = only_loadable(built(tmp_path, kernel, veth="", radio="cfg80211"), RECIPE)
    assert names(found) == ["veth"]


def test_nothing_left_is_nothing_to_compare(tmp_path: Path, kernel: Any) -> None:
    variants = built(tmp_path, kernel, vhost_scsi="target_core_mod")
    with pytest.raises(NothingToCompare, match=r"none of the modules: vhost_scsi \(wants target"):
        only_loadable(variants, RECIPE)
    assert names(only_loadable(variants, RECIPE, even_none=True)) == []


def test_whole_kernels_have_no_modules_to_load(tmp_path: Path, kernel: Any) -> None:
    variants = built(tmp_path, kernel)
    assert only_loadable(variants, RECIPE) is variants
