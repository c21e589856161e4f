# SPDX-License-Identifier: GPL-2.0-or-later
"""Where kernel code comes from: the distro's image, headers and source of one version."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, KsuiteError, NothingToCompare, UserError
from ksuite.kernels.git import CLEAN_PATH
from ksuite.kernels.trees import Tree
from ksuite.processes import BUILD_PLACE, MOUNTS, contained, give_to_builder, run, tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.kernels.store import Store

KNOWN = {"distro": "6.1"}
"""Names of sources and the kernel series each stands for."""

PACKAGES = "linux-image-amd64 linux-headers-amd64 linux-source-6.1"

_GZIP = ("zcat", "gzip")
_UNPACKERS = {
    ".xz": ("xzcat", "xz-utils"),
    ".gz": _GZIP,
    ".tgz": _GZIP,
    ".zst": ("zstdcat", "zstd"),
}
_UNPACK = 'umask 022; "$1" | tar -x --strip-components=1 --no-same-owner -C "$2" || exit "$3"'
_BROKEN = 99
"""An exit status that none of those has who start it."""
_ASIDE = re.compile(r"Removing leading|Exiting with failure status")
"""What tar says of an archive besides what is wrong with it."""
_TREE = MOUNTS / "tree"
_MOST_SAID = 1 << 20
_ENVIRONMENT = {"LC_ALL": "C", "PATH": CLEAN_PATH}
_UPSTREAM = re.compile(r"\d+(?:\.\d+)*")
# What a configuration names is run, and it may be somebody's.
_COMPILER = re.compile(r"(?:[a-z0-9_]+-)*(?:gcc|clang)(?:-[0-9.]+)?")
# The last file that gets a part of its bytes in has no errno to tell.
_DISK_FULL = re.compile(rb"No space left on device|Disk quota exceeded|Wrote only \d+ of")


@dataclass(frozen=True)
class KernelSource:
    """A kernel that can be booted, and all that is needed to rebuild modules of it.

    :param name: what the user calls it.
    :param release: what ``uname -r`` says in it.
    :param version: the version that image, headers and source package share.
    :param config: the configuration it was built with.
    :param headers: the directory to build modules against.
    :param modules: the directory of its modules.
    :param compiler: first line of what the compiler that built it says of itself.
    :param tarball: its source, patched by the distro.
    :param build_root: what that compiler runs in, if it is not this host's: a directory that holds
        a system of its own, and the headers.
    :param tree: its source where there is no tarball.
    :param build_id: of its vmlinux, in hex, where it is known.
    :param dependencies: which headers its objects read (see there), where its build is at hand.
    """

    name: str
    release: str
    version: str
    image: Path
    config: Path
    headers: Path
    modules: Path
    compiler: str
    tarball: Path | None = None
    build_root: Path | None = None
    tree: Tree | None = None
    build_id: str = ""
    dependencies: Path | None = None

    @property
    def upstream(self) -> str:
        """The version of Linux that it is made from."""
        match = _UPSTREAM.match(self.version)
        return match[0] if match else self.version

    @property
    def header_directories(self) -> tuple[Path, ...]:
        """What its headers are spread over: the release's own, and those that it includes."""
        links = [self.modules / name for name in ("build", "source")]
        # The links say where they are in the system that they belong to.
        names = {link.readlink().name for link in links if link.is_symlink()}
        places = {self.headers.parent / name for name in names} | {self.headers}
        return tuple(sorted(place for place in places if place.is_dir()))


def distro_source(name: str = "distro") -> KernelSource:
    """Return the newest installed distro kernel whose headers and source are installed too.

    :raises UserError: there is no such name.
    :raises InfrastructureError: packages are missing, or are of different versions.
    """
    if name not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise UserError(f"unknown kernel {name!r}: known are {known}")
    series = KNOWN[name]
    versions = _installed(series)
    release = _newest_release(versions, series)
    headers = Path(f"/usr/src/linux-headers-{release}")
    config = Path(f"/boot/config-{release}")
    tarball = Path(f"/usr/src/linux-source-{series}.tar.xz")
    source = KernelSource(
        name=name,
        release=release,
        version=versions[f"linux-image-{release}"],
        image=Path(f"/boot/vmlinuz-{release}"),
        config=config,
        headers=headers,
        modules=Path(f"/lib/modules/{release}"),
        tarball=tarball,
        compiler=config_text(config, "CONFIG_CC_VERSION_TEXT"),
    )
    order = source.modules / "modules.order"
    for path in (source.image, headers / "Makefile", order, tarball):
        if not path.exists():
            msg = f"{path} is missing although its package is installed: {_mend('--reinstall ')}"
            raise InfrastructureError(msg)
    return source


def unpack(source: KernelSource, store: Store) -> Tree:
    """Return a kernel's source, to be read only.

    :raises NothingToCompare: there is none.
    :raises InfrastructureError: the tarball can't be read, or the store can't be written.
    """
    if source.tree is not None:
        return source.tree
    if source.tarball is None:
        msg = f"{source.name} has no source, so that nothing of it can be built: see --unpatched"
        raise NothingToCompare(msg)
    return unpack_tarball(source.tarball, store, _mend("--reinstall "), InfrastructureError)


def unpack_tarball(
    tarball: Path, store: Store, remedy: str, fault: type[KsuiteError] = UserError
) -> Tree:
    """Return the source in a tarball, in the store, to be read only.

    :param remedy: what to do when it can't be read.
    :param fault: what to raise then: whose tarball it is.
    :raises InfrastructureError: the store can't be written, or a tool is missing.
    """
    try:
        with tarball.open("rb") as packed:
            key = hashlib.file_digest(packed, "sha256").hexdigest()
    except OSError as error:
        raise fault(f"{tarball} can't be read: {error.strerror}; {remedy}") from error

    def extract(into: Path) -> None:
        unpacker = tool(*_UNPACKERS.get(tarball.suffix, ("cat", "coreutils")), CLEAN_PATH)
        give_to_builder(into)
        confined = contained(drop_root=True, mounts={_TREE.name: [into]})
        shell = ["bash", "-o", "pipefail", "-c", _UNPACK, "unpack"]
        command = [*shell, unpacker, str(_TREE), str(_BROKEN)]
        # Nobody may be unable to get at it.
        opened = ["sh", "-c", 'exec "$@" <"$0"', str(tarball.absolute())]
        done = run([*opened, *confined, *command], env=_ENVIRONMENT, most_bytes=_MOST_SAID)
        if _DISK_FULL.search(done.stderr):
            raise store.disk_full()
        said = done.stderr.decode(errors="replace")
        if done.returncode not in {0, _BROKEN}:
            raise InfrastructureError(f"tar could not be run: {said[-300:]}")
        what = _wrong(said) if done.returncode else _taken_over(into)
        if what:
            raise fault(f"{tarball} can't be unpacked: {what[:300]}; {remedy}")

    return Tree(store.obtain("tree", key, extract), key, origin=key)


def _wrong(said: str) -> str:
    """Return the line that says what is wrong with an archive; what unpacks it knows best."""
    lines = [line for line in said.splitlines() if line and not _ASIDE.search(line)]
    return min(lines, key=lambda line: line.startswith("tar: "), default="it is damaged")


def _taken_over(top: Path) -> str:
    """Make a tree ours, and readable for all; return what it has that no tree may have, if any.

    Whoever opened a device or a FIFO would do what the archive wants, or wait for ever.
    """
    for directory, directories, names in os.walk(top):
        for path in (Path(directory), *(Path(directory, name) for name in directories + names)):
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                return f"{path.relative_to(top)} is no file, directory or link"
            os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
            if not stat.S_ISLNK(mode):
                path.chmod(0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
    return ""


def version_of(command: str, package: str) -> str:
    """Return the first line of what a compiler or linker says of itself.

    It is the one that builds use, whatever else is on the user's path.

    :param package: the Debian package that holds it, for the error message.
    :raises InfrastructureError: it is not installed, or does not say it.
    """
    if found := _said([*contained(drop_root=True), tool(command, package, CLEAN_PATH)]):
        return found
    # Else keys would lack it, and take all versions for one.
    raise InfrastructureError(f"{command} does not say its version: reinstall {package}")


def linker_version(command: str = "ld") -> str:
    """Return what the linker of builds on this host says of itself; its assembler goes with it.

    :raises InfrastructureError: it is not installed.
    """
    return version_of(command, "binutils")


def _said(command: Sequence[str]) -> str:
    done = run([*command, "--version"], env=_ENVIRONMENT)
    return done.stdout.decode(errors="replace").partition("\n")[0].strip()


def check_compiler(source: KernelSource) -> None:
    """Make sure that modules will be built by the compiler that built the kernel.

    :raises InfrastructureError: it is another one, or missing.
    """
    command = source.compiler.partition(" ")[0]
    if not _COMPILER.fullmatch(command):
        msg = (
            f"the kernel {source.release} says that it was built by {source.compiler!r}, and "
            f"{command[:80]!r} is no compiler that we know: build it by gcc, and by its name"
        )
        raise InfrastructureError(msg)
    if root := source.build_root:
        nothing = root / BUILD_PLACE.strip("/")
        found = _said([*contained(drop_root=True, root=(root, nothing)), command])
    else:
        found = version_of(command, command)
    if found != source.compiler:
        msg = (
            f"the kernel {source.release} was built by {source.compiler!r}, but {command} here is "
            f"{found!r}: their code can't be compared; {_mend_compiler(source, command)}"
        )
        raise InfrastructureError(msg)


def _mend_compiler(source: KernelSource, command: str) -> str:
    if source.build_root:
        return f"ksuite kernels prune {source.name}, and fetch it again"
    return f"apt-get install --reinstall {command}"


def _mend(option: str = "") -> str:
    return f"apt-get update && apt-get install {option}{PACKAGES}"


def _installed(series: str) -> dict[str, str]:
    """Return the versions of the installed packages of a kernel series."""
    patterns = [f"linux-{part}-{series}*" for part in ("image", "headers", "source")]
    form = "${db:Status-Status} ${Package} ${Version}\n"
    # Its exit status says that one of the patterns matched nothing; what it prints is right.
    done = run([tool("dpkg-query", "dpkg"), "-W", f"-f={form}", *patterns])
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "installed"}


def _newest_release(versions: dict[str, str], series: str) -> str:
    pattern = re.compile(rf"linux-image-({re.escape(series)}\.0-(\d+)-amd64)")
    found = [match for package in versions if (match := pattern.fullmatch(package))]
    wanted = versions.get(f"linux-source-{series}")
    if not found or wanted is None:
        missing = f"linux-image-{series}.*-amd64" if not found else f"linux-source-{series}"
        raise InfrastructureError(f"package {missing} is not installed: {_mend()}")
    whole = [
        match
        for match in found
        if versions[match[0]] == wanted == versions.get(f"linux-headers-{match[1]}")
    ]
    if not whole:
        have = ", ".join(f"{package} {version}" for package, version in sorted(versions.items()))
        image = versions[max(found, key=lambda match: int(match[2]))[0]]
        # Images are signed some time after the rest is there: the newest source may be too new.
        msg = (
            f"kernel image, headers and source are of different versions ({have}): "
            f"{_mend('--allow-downgrades ')}={image}"
        )
        raise InfrastructureError(msg)
    return max(whole, key=lambda match: int(match[2]))[1]


def config_text(config: Path, option: str) -> str:
    """Return the text that a kernel configuration has for an option.

    :raises InfrastructureError: it can't be read, or has none.
    """
    try:
        text = config.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"{config} can't be read: {error.strerror}; {_mend('--reinstall ')}"
        raise InfrastructureError(msg) from error
    match = re.search(rf'^{option}="(.*)"$', text, re.MULTILINE)
    if match is None:
        raise InfrastructureError(f"{config} has no {option}: {_mend('--reinstall ')}")
    return match[1]
