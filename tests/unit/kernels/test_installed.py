# SPDX-License-Identifier: GPL-2.0-or-later
"""An image with the directory of its modules, as it was installed."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.kernels.installed import SAMPLES, image_with_modules
from ksuite.kernels.store import Store
from tests.unit.kernels.images import image_of, write

if TYPE_CHECKING:
    from ksuite.kernels.source import KernelSource

RELEASE = "6.13.0+"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def module_of(release: str) -> bytes:
    return b"\x7fELF\0license=GPL\0vermagic=" + release.encode() + b" SMP mod_unload \0"


@dataclass
class Installed:
    """What `make modules_install` has left."""

    image: Path
    modules: Path
    store: Store

    def read(self) -> KernelSource:
        return image_with_modules(self.image, self.modules, "mine", self.store)


@pytest.fixture
def installed(tmp_path: Path, store: Store) -> Installed:
    modules = tmp_path / "lib" / "modules" / RELEASE
    write(
        modules,
        {
            "modules.order": "",
            "modules.dep.bin": "",
            "config": 'CONFIG_CC_VERSION_TEXT=""\n',
            **{f"kernel/net/{at:02}.ko": module_of(RELEASE) for at in range(3 * SAMPLES)},
        },
    )
    write(tmp_path, {"bzImage": image_of(RELEASE)})
    return Installed(tmp_path / "bzImage", modules, store)


def test_what_was_installed(installed: Installed) -> None:
    kernel = installed.read()
    assert (kernel.release, kernel.modules) == (RELEASE, installed.modules)
    assert (kernel.tree, kernel.tarball, kernel.header_directories) == (None, None, ())


@pytest.mark.parametrize("release", ["6.13.0+", "6.13.0-rc2+", "6.13.0_mine", "6.13.0"])
def test_version_is_a_number_whatever_follows(installed: Installed, release: str) -> None:
    """Ranges of versions are asked whether it is in them."""
    installed.modules = installed.modules.rename(installed.modules.with_name(release))
    for path in (installed.modules / "kernel").rglob("*.ko"):
        path.write_bytes(module_of(release))
    installed.image.write_bytes(image_of(release))
    kernel = installed.read()
    assert (kernel.version, kernel.upstream) == ("6.13.0", "6.13.0")
    assert replace(kernel, version=release).upstream == "6.13.0"


def test_version_is_what_was_configured(installed: Installed) -> None:
    """As a distribution's 6.1.0-56-amd64 may be a 6.1.190."""
    config = installed.modules / "config"
    text = config.read_text(encoding="utf-8")
    config.write_text(f"#\n# Linux/x86 6.13.7-rc2 Kernel Configuration\n#\n{text}")
    assert installed.read().upstream == "6.13.7"


@pytest.mark.parametrize("place", [0, -1])
def test_one_module_of_another_release(installed: Installed, place: int) -> None:
    files = sorted((installed.modules / "kernel").rglob("*.ko"))[:: 3 * SAMPLES // SAMPLES + 1]
    files[place].write_bytes(module_of("6.12.0"))
    with pytest.raises(UserError, match=r"bzImage is 6\.13\.0\+, but .*ko was built for 6\.12\.0"):
        installed.read()


def test_directory_of_another_release_that_is_empty(installed: Installed) -> None:
    installed.modules = installed.modules.rename(installed.modules.with_name("5.4.0"))
    shutil.rmtree(installed.modules / "kernel")
    with pytest.raises(UserError, match=r"5\.4\.0 is no lib/modules/6\.13\.0\+"):
        installed.read()


def test_directory_that_is_elsewhere(installed: Installed, tmp_path: Path) -> None:
    installed.modules = installed.modules.rename(tmp_path / RELEASE)
    with pytest.raises(UserError, match=r"is no lib/modules/6\.13\.0\+, where"):
        installed.read()


def test_directory_without_the_list_of_what_depends_on_what(installed: Installed) -> None:
    (installed.modules / "modules.dep.bin").unlink()
    top = installed.modules.parents[2]
    with pytest.raises(UserError) as raised:
        installed.read()
    assert str(raised.value).endswith(f"has no modules.dep.bin: run depmod -b {top} {RELEASE}")


def test_modules_that_are_packed(installed: Installed) -> None:
    first = min((installed.modules / "kernel").rglob("*.ko"))
    first.with_name("00.ko.gz").write_bytes(gzip.compress(first.read_bytes()))
    first.unlink()
    installed.read()
    first.with_name("00.ko.gz").rename(first.with_name("00.ko.lz4"))
    said = r"00\.ko\.lz4 is packed as \.lz4, and only \.gz, \.xz, \.zst are known"
    with pytest.raises(UserError, match=said):
        installed.read()


def test_only_headers_of_the_tree_that_the_modules_were_built_in(
    installed: Installed, tmp_path: Path
) -> None:
    tree = tmp_path / "linux"
    wanted = {"include/net/own.h", "include/generated/autoconf.h", "arch/x86/include/asm/page.h"}
    others = {".git/config", "vmlinux", "net/core/dev.o", "include/net/.own.h.cmd", "secret"}
    write(tree, dict.fromkeys(wanted | others, ""))
    for link in ("build", "source"):
        (installed.modules / link).symlink_to(tree)
    kernel = installed.read()
    (place,) = kernel.header_directories
    assert place.is_relative_to(installed.store.root)
    there = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert there == wanted
    before = kernel.headers
    write(tree, {"secret": "changed"})
    assert installed.read().headers == before
    write(tree, {"include/net/own.h": "changed"})
    assert (installed.read().headers / "include/net/own.h").read_text() == "changed"


def test_headers_in_two_directories(installed: Installed, tmp_path: Path) -> None:
    """As of a build with O=, or as distributions have them."""
    write(tmp_path / "source", {"include/net/own.h": ""})
    write(tmp_path / "out", {"include/generated/autoconf.h": "", ".config": ""})
    (installed.modules / "source").symlink_to(tmp_path / "source")
    (installed.modules / "build").symlink_to(tmp_path / "out")
    (place,) = installed.read().header_directories
    for name in ("include/net/own.h", "include/generated/autoconf.h", ".config"):
        assert (place / name).is_file()


def test_distros_own_as_image_with_modules(source: KernelSource, store: Store) -> None:
    kernel = image_with_modules(source.image, source.modules, "mine", store)
    assert (kernel.release, kernel.config, kernel.tree) == (source.release, source.config, None)
    assert kernel.upstream == source.upstream


def test_modules_of_another_release(source: KernelSource, store: Store, tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(image_of("6.1.0-1-amd64"))
    said = rf"bzImage is 6\.1\.0-1-amd64, but .*\.ko was built for {source.release}"
    with pytest.raises(UserError, match=said):
        image_with_modules(tmp_path / "bzImage", source.modules, "mine", store)


def test_parts_that_are_not_there(source: KernelSource, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no kernel image"):
        image_with_modules(tmp_path / "none", source.modules, "mine", store)
    with pytest.raises(UserError, match=r"is no directory of modules: it has no modules\.order"):
        image_with_modules(source.image, tmp_path, "mine", store)
    (tmp_path / "modules.order").touch()
    lone = tmp_path / "bzImage"
    lone.write_bytes(source.image.read_bytes())
    with pytest.raises(UserError, match=r"the configuration of .* is not there"):
        image_with_modules(lone, tmp_path, "mine", store)
