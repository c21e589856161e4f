# SPDX-License-Identifier: GPL-2.0-or-later
"""What modules export: a module build must not change what modules beside it were linked against.

Module.symvers lists a kernel's exports with their CRCs (Documentation/kbuild/modules.rst); the
headers hold the whole kernel's, a module build writes its own.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, NeedsFullBuild

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksuite.kernels.source import KernelSource

SYMVERS = "Module.symvers"


def exports_of(symvers: str, modules: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the CRC of each export, by module and symbol.

    :param symvers: the content of a Module.symvers.
    :param modules: file names without ``.ko``; others are left out.
    """
    found: dict[str, dict[str, str]] = {module: {} for module in modules}
    for line in symvers.splitlines():
        crc, symbol, place, *_ = line.split("\t")
        module = PurePath(place).name
        if module in found:
            found[module][symbol] = crc
    return found


def refuse_changed_exports(source: KernelSource, built: str, files: Iterable[str]) -> None:
    """Refuse modules whose exports are not those that the kernel's other modules expect.

    :param built: Module.symvers of the build.
    :param files: file names of the modules that were built.
    :raises NeedsFullBuild: an export went away or changed, and a module that was not built uses it.
    :raises InfrastructureError: it is not known which modules use it.
    """
    modules = [file.removesuffix(".ko") for file in files]
    distro = (source.headers / SYMVERS).read_text(encoding="utf-8")
    now = exports_of(built, modules)
    for module, symbols in exports_of(distro, modules).items():
        changed = sorted(name for name, crc in symbols.items() if now[module].get(name) != crc)
        users = users_of(source, module) - set(modules)
        if changed and users:
            msg = (
                f"needs a full build: {module} no longer exports {', '.join(changed)} as the "
                f"kernel was built with, and {', '.join(sorted(users))} may use it"
            )
            raise NeedsFullBuild(msg)


def users_of(source: KernelSource, module: str) -> set[str]:
    """Return the modules that depend on one, by modules.dep (depmod(8)).

    :raises InfrastructureError: it is not there.
    """
    users = set()
    listed = source.modules / "modules.dep"
    if not listed.is_file():
        raise InfrastructureError(f"{listed} is missing: run depmod {source.release}")
    for line in listed.read_text(encoding="utf-8").splitlines():
        user, _, needs = line.partition(":")
        if module in {PurePath(need).name.partition(".ko")[0] for need in needs.split()}:
            users.add(PurePath(user).name.partition(".ko")[0])
    return users
