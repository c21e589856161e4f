# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels of any release, each with the headers, source and compiler that belong to it.

They are extracted into a directory of the store and never installed: no maintainer script runs, and
the host's own packages are left alone. Modules are built in there (chroot), so that neither the
host's compiler nor its C library matters.
"""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.archive import Release, extracting, must_be_root, private_apt, run_told
from ksuite.kernels.source import KernelSource, check_compiler, config_text
from ksuite.kernels.store import Store, run_directory
from ksuite.processes import BUILD_PLACE, contained, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DEBIAN = "debian:"
"""What the names of these kernels begin with."""
KIND = "kernel"
WHAT = "a kernel"
TOOLS = (
    "make",
    "dash",
    "coreutils",
    "sed",
    "mawk",
    "grep",
    "findutils",
    "util-linux",
    "base-files",
)
"""What Kbuild calls besides the compiler, which the headers depend on."""
_LISTED = re.compile(r"^\s*\S+ \|\s+(\S+) \| ", re.MULTILINE)


RELEASES = {
    "5.10": Release("bullseye", "bullseye-security"),
    "6.1": Release("bookworm", "bookworm-security"),
    "6.12": Release("bookworm", "bookworm-backports"),
    "7.2": Release("trixie", "trixie-backports"),
}
"""By series, where ``debian:SERIES`` is kept; its compiler is the suite's."""


@dataclass(frozen=True)
class Package:
    """A kernel that Debian has.

    :param release: what ``uname -r`` says in it.
    :param version: of its packages.
    """

    release: str
    version: str


def debian_source(
    series: str, store: Store, progress: Callable[[str], None] = lambda _: None
) -> KernelSource:
    """Return a kernel of a series: the newest of those in the store, fetched if there is none.

    :raises UserError: Debian's releases have no such series.
    :raises InfrastructureError: it can't be fetched.
    """
    release_of(series)
    kept = kept_kernels(store, series)
    entry = store.use(KIND, kept[0].name) if kept else None
    return read_source(series, entry or fetch(series, store, progress))


def kept_kernels(store: Store, series: str) -> list[Path]:
    """Return the entries of a series in the store, the newest first.

    One that is damaged is as if it were not there, and so are those that are older than it: they
    must not be taken for the newest.
    """
    prefix = f"debian-{series}-"
    places = [place for place in (store.root / KIND).glob(f"{prefix}*") if place.is_dir()]
    places.sort(key=lambda place: _order(place.name.removeprefix(prefix)), reverse=True)
    whole = []
    for place in places:
        if not store.entry(KIND, place.name):
            break
        # A copy that somebody made is nobody's entry.
        if place.name == f"{prefix}{_facts(place).get('version')}":
            whole.append(place)
    return whole


def _facts(entry: Path) -> dict[str, str]:
    facts: dict[str, str] = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
    return facts


def fetch(series: str, store: Store, progress: Callable[[str], None] = lambda _: None) -> Path:
    """Return the entry of the newest kernel of a series, downloaded unless it is in the store.

    :raises UserError: Debian's releases have no such series.
    :raises InfrastructureError: no network, or no room.
    """
    release = release_of(series)
    must_be_root("Debian's kernels")
    progress(f"asking Debian for its newest {series}")
    with run_directory() as directory:
        package, extra = _newest(series, release, directory)

    def make(into: Path) -> None:
        progress(f"fetching {package.release} ({package.version}) with its compiler")
        root = into / "root"
        run_told(extracting(release, [*TOOLS, *extra], root), fetches=WHAT)
        (root / "usr" / "bin" / "awk").symlink_to("mawk")
        for path in root.rglob("*"):
            mode = path.lstat().st_mode
            # Nobody updates these: they must not make anybody root.
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & 0o777)
        (root / BUILD_PLACE.strip("/")).mkdir()
        headers = root / "usr" / "src" / f"linux-headers-{package.release}"
        # Only there to make BTF of debug information, which our modules don't have.
        (headers / "vmlinux").unlink(missing_ok=True)
        run_told([tool("depmod", "kmod"), "-b", str(_modules_top(root)), package.release])
        facts = {"release": package.release, "version": package.version}
        (into / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        # What can't be used must not be kept.
        check_compiler(read_source(series, into))

    return store.obtain(KIND, f"debian-{series}-{package.version}", make)


def read_source(series: str, entry: Path) -> KernelSource:
    """Return the kernel that an entry of the store holds.

    :raises InfrastructureError: parts of it are missing.
    """
    facts = _facts(entry)
    release, root = facts["release"], entry / "root"
    modules = _modules_top(root) / "lib" / "modules" / release
    boot = root / "boot"
    config = _first(boot / f"config-{release}", modules / "config")
    return KernelSource(
        name=f"{DEBIAN}{series}",
        release=release,
        version=facts["version"],
        image=_first(boot / f"vmlinuz-{release}", modules / "vmlinuz"),
        config=config,
        headers=_first(root / "usr" / "src" / f"linux-headers-{release}"),
        modules=modules,
        tarball=_first(root / "usr" / "src" / f"linux-source-{series}.tar.xz"),
        compiler=config_text(config, "CONFIG_CC_VERSION_TEXT"),
        build_root=root,
    )


def release_of(series: str) -> Release:
    """Return where a series is kept.

    :raises UserError: Debian's releases have no such series.
    """
    if series not in RELEASES:
        raise unknown(f"{DEBIAN}{series}")
    return RELEASES[series]


def unknown(name: str) -> UserError:
    """Return the error that says that a name is none of these kernels."""
    known = ", ".join(f"{DEBIAN}{series}" for series in RELEASES)
    return UserError(f"unknown kernel {name!r}: known are {known}")


def _newest(series: str, release: Release, directory: Path) -> tuple[Package, list[str]]:
    """Return the newest kernel whose source is there too, and the packages that it is made of."""
    # What APT_CONFIG names is read first, and so can keep the host's own from being read.
    private = ["env", f"APT_CONFIG={private_apt(release, directory)}"]
    run_told([*contained(network=True), *private, "apt-get", "update"], fetches=WHAT)
    cache = [*private, "apt-cache"]
    name = rf"^linux-headers-{re.escape(series)}\.[0-9.]+([+-][a-z0-9.]+)?-amd64$"
    listed = run_told([*cache, "search", "--names-only", name])
    versions = _versions(cache, f"linux-source-{series}")
    headers = [line.split()[0] for line in listed.splitlines()]
    found = [
        Package(name.removeprefix("linux-headers-"), version)
        for name in headers
        for version in _versions(cache, name) & versions
    ]
    if not found:
        have = ", ".join(release.lines)
        msg = f"Debian has no {series} with headers and source of one version: {have}"
        raise InfrastructureError(msg)
    # Images are signed some time after the rest is there.
    for package in sorted(found, key=lambda one: _order(one.version), reverse=True):
        if image := _image(cache, package):
            names = [*image, f"linux-headers-{package.release}", f"linux-source-{series}"]
            return package, [f"{one}={package.version}" for one in names]
    raise InfrastructureError(f"Debian has no image of {', '.join(one.release for one in found)}")


def _image(cache: Sequence[str], package: Package) -> list[str]:
    """Return the packages that a kernel's image and modules are in; none if they aren't there."""
    for parts in (("binary", "modules"), ("image",)):
        names = [f"linux-{part}-{package.release}" for part in parts]
        if all(package.version in _versions(cache, name) for name in names):
            return names
    return []


def _versions(cache: Sequence[str], package: str) -> set[str]:
    return set(_LISTED.findall(run_told([*cache, "madison", package])))


def _order(version: str) -> list[int]:
    """Return by what one version of a kernel package is newer than another."""
    return [int(number) for number in re.findall(r"\d+", version)]


def _modules_top(root: Path) -> Path:
    """Return the directory that lib/modules is in: newer releases have it below usr."""
    return root / "usr" if (root / "usr" / "lib" / "modules").is_dir() else root


def _first(*places: Path) -> Path:
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise InfrastructureError(f"{places[0]} is missing: prune that kernel, and fetch it again")
    return found
