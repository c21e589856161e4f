# SPDX-License-Identifier: GPL-2.0-or-later
"""The default series in each of their forms: they apply, and make the distro's own code again."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.suites import SUITES
from ksuite.kernels.build import build_modules
from ksuite.kernels.debian import DEBIAN, kept_kernels
from ksuite.kernels.elf import code_digest
from ksuite.kernels.fragments import read_configuration
from ksuite.kernels.made_for import series_for
from ksuite.kernels.packed import unpacked
from ksuite.kernels.plan import plan_modules
from ksuite.kernels.series import read_series
from ksuite.kernels.source import unpack
from ksuite.kernels.sources import find_source
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from ksuite.kernels.series import Patch, Series
    from ksuite.kernels.source import KernelSource

KERNELS = {"5.10": "debian:5.10", "6.1": "distro", "6.12": "debian:6.12", "7.2": "debian:7.2"}
OTHER_CODE = {("6.1", "patches/act-mirred-clone-removal")}
"""It does the same in words of its own."""
OTHER_CODE_OF_ALL = "7.2"
"""Strings lie elsewhere in what we build of it."""
DEFAULT = sorted({suite.default_series for suite in SUITES})
TOP = Path(__file__).parents[3]


def kernel_of(version: str) -> KernelSource:
    """Return a kernel, if it is there."""
    name = KERNELS[version]
    if name.startswith(DEBIAN) and not kept_kernels(Store.default(), version):
        pytest.skip(f"{name} is not in the store: `ksuite kernels fetch {name}`")
    return find_source(name, Store.default(), read_configuration(), ExitStack())


def form(place: str, version: str) -> Series:
    return series_for(read_series(str(TOP / place)), kernel_of(version))


@cache
def digests(version: str, place: str, *, whole: bool) -> dict[str, str]:
    """Return the code digests of a series' modules, built with its base, or with all of it."""
    source, series = kernel_of(version), form(place, version)
    tree = unpack(source, Store.default()).path
    patches: tuple[Patch, ...] = series.base_patches
    if whole:
        patches += series.patches
    targets = plan_modules(source, tree, series.files)
    built = build_modules(source, tree, targets, patches, Store.default())
    return {module.name: module.code_digest for module in built.modules}


def distros(version: str, name: str, into: Path) -> str:
    """Return the code digest of the distro's own module."""
    modules = kernel_of(version).modules
    found = [file for file in modules.rglob(f"{name}.ko*") if file.suffix in {".ko", ".xz"}]
    (module,) = found
    copy = into / f"{name}.ko"
    copy.write_bytes(unpacked(module)[1])
    return code_digest(copy)


@pytest.mark.parametrize("version", KERNELS)
@pytest.mark.parametrize("place", DEFAULT)
def test_base_and_series_make_the_distros_object_code(
    tmp_path: Path, place: str, version: str
) -> None:
    built = digests(version, place, whole=True)
    distro = {name: distros(version, name, tmp_path) for name in built}
    other = version == OTHER_CODE_OF_ALL or (version, place) in OTHER_CODE
    assert (built != distro) is other


@pytest.mark.parametrize("version", KERNELS)
@pytest.mark.parametrize("place", DEFAULT)
def test_base_alone_does_not(tmp_path: Path, place: str, version: str) -> None:
    built = digests(version, place, whole=False)
    assert all(code != distros(version, name, tmp_path) for name, code in built.items())
    assert built != digests(version, place, whole=True)


@pytest.mark.parametrize("version", KERNELS)
@pytest.mark.parametrize("place", DEFAULT)
def test_meta_says_what_it_is(place: str, version: str) -> None:
    meta = form(place, version).meta
    assert meta is not None
    major, minor = map(int, version.split("."))
    assert meta.kernels == f">={version},<{major}.{minor + 1}"
    assert meta.upstream
    others = set(KERNELS) - {version}
    assert not any(f"{other} has" in meta.expected_effect for other in others)
