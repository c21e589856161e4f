# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that their owner has built and installed: an image, and the directory of its modules.

There is no source, so that no module is built for them. Of what their modules were built in, only
the headers are taken, for probes that are compiled in the guest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.bzimage import release_of_image
from ksuite.kernels.given import CONFIG, KIND, state_of
from ksuite.kernels.headers import OF_BUILD, OF_SOURCE, collect_headers
from ksuite.kernels.packed import MODULE, PACKED, vermagic
from ksuite.kernels.source import KernelSource, config_text
from ksuite.kernels.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ksuite.kernels.store import Store

FORMAT = "1"
"""Part of every key: raise it when the same files would give another entry."""
SAMPLES = 8
"""Modules whose release is looked at: they were installed together, but maybe over others."""
_VERSION = re.compile(r"\d+(\.\d+)*")
_CONFIGURED = re.compile(r"^# Linux/\S+ (\d+(\.\d+)*)", re.MULTILINE)


def image_with_modules(image: Path, modules: Path, name: str, store: Store) -> KernelSource:
    """Return the kernel of an image and the directory of its modules, which has no source.

    :raises UserError: one of them is something else, or they are of different releases.
    :raises InfrastructureError: a module is damaged.
    """
    if not image.is_file():
        raise UserError(f"there is no kernel image {image}")
    if not (modules / "modules.order").is_file():
        raise UserError(f"{modules} is no directory of modules: it has no modules.order")
    release = release_of_image(image)
    _must_be_modules_of(release, modules, image)
    config = next((one for one in _configs(image, modules, release) if one.is_file()), None)
    if config is None:
        raise UserError(f"the configuration of {image} is not there: put it at {modules}/config")
    place = modules.resolve()
    _must_be_installed(release, place)
    return KernelSource(
        name=name,
        release=release,
        version=_version(config, release),
        image=image.resolve(),
        config=config,
        headers=_headers(release, place, store),
        modules=place,
        compiler=config_text(config, "CONFIG_CC_VERSION_TEXT"),
    )


def _version(config: Path, release: str) -> str:
    """Return the version of Linux that a kernel is made from."""
    # Of 6.1.190 distributions make releases such as 6.1.0-56-amd64.
    found = _CONFIGURED.search(config.read_text(encoding="utf-8", errors="replace"))
    if found is not None:
        return found[1]
    match = _VERSION.match(release)
    return match[0] if match else release


def _must_be_modules_of(release: str, modules: Path, image: Path) -> None:
    """Look at some modules, from the first to the last."""
    named = ((path, MODULE.fullmatch(path.name)) for path in (modules / "kernel").rglob("*.ko*"))
    every = {path: match["packed"] for path, match in named if match}
    for path, packed in every.items():
        if packed and packed not in PACKED:
            known = ", ".join(PACKED)
            raise UserError(
                f"{path} is packed as {packed}, and only {known} are known: install the modules "
                f"without CONFIG_MODULE_COMPRESS"
            )
    for path in sorted(every)[:: len(every) // SAMPLES + 1]:
        if (found := vermagic(path)) != release:
            raise UserError(
                f"{image} is {release}, but {path} was built for {found or 'nothing'}: give the "
                f"directory that `make modules_install` made for that image"
            )


def _must_be_installed(release: str, modules: Path) -> None:
    """Refuse a directory that modprobe(8) would not look into."""
    if modules.parts[-3:] != ("lib", "modules", release):
        raise UserError(
            f"{modules} is no lib/modules/{release}, where `make modules_install` puts the modules "
            "of that image"
        )
    if not (modules / "modules.dep.bin").is_file():
        top = modules.parents[2]
        raise UserError(f"{modules} has no modules.dep.bin: run depmod -b {top} {release}")


def _configs(image: Path, modules: Path, release: str) -> Iterator[Path]:
    yield modules / "config"
    yield image.with_name(f"config-{release}")
    yield modules / "build" / CONFIG


def _headers(release: str, modules: Path, store: Store) -> Path:
    """Return where its headers are, which is nowhere if its links lead nowhere.

    The links lead to somebody's whole tree: nothing else of it may get into a guest.
    """
    links = (modules / "source", modules / "build")
    places = list(dict.fromkeys(link.resolve() for link in links if link.is_dir()))
    names = dict.fromkeys((*OF_SOURCE, *OF_BUILD))
    seen = [state_of(place / name) for place in places for name in names]

    def collect(into: Path) -> None:
        if places:
            collect_headers(places, places[-1], into / "src" / f"linux-headers-{release}")

    entry = store.obtain(KIND, digest("headers", FORMAT, release, *seen), collect)
    return entry / "src" / f"linux-headers-{release}"
