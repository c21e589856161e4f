# SPDX-License-Identifier: GPL-2.0-or-later
"""The DUT's file systems: one of user space, one of a kernel's modules and headers; both erofs.

Nothing in them is this host's, so that a DUT is the same on every machine.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.packed import unpacked
from ksuite.kernels.store import digest, file_digest
from ksuite.machines.initrd import agent_code
from ksuite.machines.recipe import DATA
from ksuite.processes import contained, run, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.kernels.source import KernelSource
    from ksuite.kernels.store import Store
    from ksuite.machines.recipe import Recipe

FORMAT = "3"
"""Raised whenever the same recipe makes another image."""
EPOCH = "1767225600"
"""The time of every file, 2026-01-01, so that the same packages make the same image."""
UUID = "6b737569-7465-4000-8000-000000000000"
ALIGN_BYTES = 2 << 20
"""The kernel maps persistent memory in sections of this size."""
HEADERS = Path("/usr/src")
PYTHON_VERSION = "3.11"
BUILD_SECONDS = 900
HOSTS_OWN = ("hostname", "hosts", "resolv.conf")
"""Files of /etc that mmdebstrap copies from its host."""
_MISSING_PACKAGE = re.compile(r"Unable to locate package (\S+)")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "SOURCE_DATE_EPOCH": EPOCH}
_INSTALLERS_OWN = {".lock", "INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}


@dataclass(frozen=True)
class Image:
    """A file system image in the store.

    :param digest: SHA-256 of the image, in hex.
    :param versions: version by package, for those made of packages.
    """

    path: Path
    digest: str
    versions: dict[str, str]


def guest_code() -> str:
    """Return the SHA-256 of all of a DUT that is ours, in hex: what runs on it, and its recipe.

    With other packages from Debian the same recipe makes another image.
    """
    recipe = [(DATA / name).read_bytes() for name in ("dut.toml", "init")]
    return digest(FORMAT, *recipe, *(part for item in agent_code().items() for part in item))


def root_image(recipe: Recipe, store: Store, progress: Callable[[str], None]) -> Image:
    """Return the image of the DUT's user space, built if the store hasn't got it.

    :raises UserError: a package that the user asked for does not exist.
    :raises InfrastructureError: it can't be built.
    """

    def make(into: Path) -> None:
        progress("building the DUT's image: Debian packages")
        top = into / "top"
        try:
            _install_debian(recipe, top)
            progress("building the DUT's image: Python packages")
            _install_python(recipe, top)
            versions = _debian_versions(top) | dict(name.split("==") for name in recipe.python)
            progress("building the DUT's image: file system")
            shutil.copy(top / "usr" / "bin" / "busybox", into)
            pack(top, into, versions)
        finally:
            shutil.rmtree(top, ignore_errors=True)

    return read(store.obtain("dut-root", f"{FORMAT}-{recipe.root_key}", make))


def kernel_image(
    source: KernelSource, recipe: Recipe, store: Store, progress: Callable[[str], None]
) -> Image:
    """Return the image of a kernel's modules and headers, built if the store hasn't got it.

    :raises InfrastructureError: it can't be built.
    """

    def make(into: Path) -> None:
        progress(f"building the DUT's image of {source.release}")
        top = into / "top"
        try:
            _copy_modules(source, recipe, top / "usr" / "lib" / "modules" / source.release)
            _command([tool("depmod", "kmod"), "-b", str(top / "usr"), source.release])
            for headers in source.header_directories:
                place = top / HEADERS.relative_to("/") / headers.name
                shutil.copytree(headers, place, symlinks=True)
            pack(top, into, {})
        finally:
            shutil.rmtree(top, ignore_errors=True)

    known = [source.version, recipe.kernel_key, _seen(source, recipe)]
    if source.tree is None and source.tarball is None:
        # Its headers are an entry of the store, by their content.
        known += [source.headers.parent.parent.name]
    content = digest(*known, *filter(None, [source.build_id]))
    key = f"{FORMAT}-{source.release}-{content}"
    return read(store.obtain("dut-kernel", key, make))


def module_files(source: KernelSource, recipe: Recipe) -> list[Path]:
    """Return the files of modules in what an image is made from, left-out directories included."""
    tops = [source.modules / "kernel" / name for name in recipe.modules]
    return sorted(path for top in tops for path in top.rglob("*.ko*") if path.is_file())


def _seen(source: KernelSource, recipe: Recipe) -> str:
    """Return which module files there are: somebody may have replaced one."""
    files = module_files(source, recipe)
    stats = [(str(path.relative_to(source.modules)), path.stat()) for path in files]
    return repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def _install_debian(recipe: Recipe, top: Path) -> None:
    command = [tool("mmdebstrap", "mmdebstrap"), "--variant=minbase", "--format=directory"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.root_leaves_out]
    command += [f"--include={','.join((*recipe.debian, *recipe.extra))}", recipe.suite, str(top)]
    done = run(
        [*contained(network=True), *command], env=_ENVIRONMENT, timeout_seconds=BUILD_SECONDS
    )
    if done.returncode == 0:
        return
    said = done.stderr.decode(errors="replace")
    if (missing := _MISSING_PACKAGE.search(said)) and missing[1] in recipe.extra:
        raise UserError(f"{recipe.suite} has no package {missing[1]}, which is to be in the DUT")
    errors = [line for line in said.splitlines() if line.startswith("E: ")] or said.splitlines()
    text = "\n".join(errors[-5:])
    raise InfrastructureError(f"the DUT's image can't be built: mmdebstrap says:\n{text}")


def _install_python(recipe: Recipe, top: Path) -> None:
    place = top / "usr" / "local" / "lib" / f"python{PYTHON_VERSION}" / "dist-packages"
    # Environments that uv made have no pip, and others may have no uv.
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    command = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
    command += ["install", "-q", "--target", str(place), "--no-deps", "--only-binary=:all:"]
    command += ["--no-compile", *(["--link-mode=copy"] if uv else [])]
    command += [f"--python-version={PYTHON_VERSION}", *recipe.python]
    _command(command, network=True, inherit=True)
    # Scripts are for this host's Python, and the records are the installer's.
    for path in [place / "bin", *place.rglob("tests")]:
        shutil.rmtree(path, ignore_errors=True)
    for path in [*place.glob("*"), *place.glob("*.dist-info/*")]:
        if path.name in _INSTALLERS_OWN:
            path.unlink()
    # All files will have one time: Python must not compare it with the one in its cache.
    compiling = ["python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "-f"]
    inside = [f"/usr/lib/python{PYTHON_VERSION}", "/usr/lib/python3", f"/{place.relative_to(top)}"]
    _command([tool("chroot", "coreutils"), str(top), *compiling, *inside])


def _debian_versions(top: Path) -> dict[str, str]:
    admin = top / "var" / "lib" / "dpkg"
    form = "${Package} ${Version}\n"
    listed = _command([tool("dpkg-query", "dpkg"), f"--admindir={admin}", "-W", f"-f={form}"])
    return dict(line.split() for line in listed.splitlines())


def _copy_modules(source: KernelSource, recipe: Recipe, into: Path) -> None:
    # A kernel may have all of a directory built in.
    there = [name for name in recipe.modules if (source.modules / "kernel" / name).is_dir()]
    for name in there:
        place = into / "kernel" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        leave = shutil.ignore_patterns(*recipe.kernel_leaves_out)
        shutil.copytree(source.modules / "kernel" / name, place, ignore=leave)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(source.modules / name, into)
    headers = {place.name for place in source.header_directories}
    for link in ("build", "source"):
        if (source.modules / link).is_symlink():
            name = (source.modules / link).readlink().name
            # Headers that were picked from a tree are not where its owner has them.
            (into / link).symlink_to(HEADERS / (name if name in headers else source.headers.name))
    for packed in into.rglob("*.ko.*"):
        name, data = unpacked(packed)
        packed.with_name(name).write_bytes(data)
        packed.unlink()


def leave_no_trace_of_this_host(top: Path) -> None:
    """Make the same packages the same bytes wherever they were installed."""
    for name in HOSTS_OWN:
        (top / "etc" / name).unlink(missing_ok=True)
    top.chmod(0o755)
    for path in top.rglob("*"):
        mode = path.lstat().st_mode
        # The umask had its say where no package did.
        if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
            path.chmod(_without_umask(mode))


def _without_umask(mode: int) -> int:
    """Return the permissions of a file that all may read and its owner may write."""
    executable = stat.S_ISDIR(mode) or mode & stat.S_IXUSR
    writable = stat.S_IMODE(mode) if mode & stat.S_ISVTX else stat.S_IMODE(mode) & ~0o022
    return writable | (0o755 if executable else 0o644)


def pack(top: Path, into: Path, versions: dict[str, str]) -> None:
    """Make an image of a directory, and note what is in it.

    :raises InfrastructureError: it can't be made.
    """
    leave_no_trace_of_this_host(top)
    image = into / "image.erofs"
    same_everywhere = [f"-T{EPOCH}", f"-U{UUID}", "--all-root", "-x-1"]
    _command([tool("mkfs.erofs", "erofs-utils"), *same_everywhere, str(image), str(top)])
    with image.open("r+b") as file:
        size = file.seek(0, 2)
        file.truncate(-(-size // ALIGN_BYTES) * ALIGN_BYTES)
    facts = {"digest": file_digest(image), "versions": versions}
    (into / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read(entry: Path) -> Image:
    """Return what `pack` made."""
    facts = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
    return Image(entry / "image.erofs", facts["digest"], facts["versions"])


def _command(argv: Sequence[str], *, network: bool = False, inherit: bool = False) -> str:
    environment = None if inherit else _ENVIRONMENT
    done = run([*contained(network=network), *argv], env=environment, timeout_seconds=BUILD_SECONDS)
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()[-500:]
        raise InfrastructureError(f"the DUT's image can't be built: {argv[0]} says:\n{text}")
    return done.stdout.decode(errors="replace")
