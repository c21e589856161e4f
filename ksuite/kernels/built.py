# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that were built, as an entry of the store has them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ksuite.kernels.elf import build_id, code_digest

RECORDS = "build.json"


@dataclass(frozen=True)
class BuiltModule:
    """A module that can be loaded.

    :param path: the ``.ko`` in the store.
    :param build_id: of its GNU note, in hex; what ``/sys/module/*/notes`` shows when it's loaded.
    :param code_digest: SHA-256 of what gets loaded, whatever it was built from.
    :param parameters: that it is loaded with, as insmod(8) takes them.
    """

    name: str
    path: Path
    build_id: str
    code_digest: str
    parameters: str = ""


@dataclass(frozen=True)
class ModuleBuild:
    """The modules of one build.

    :param key: SHA-256 of all that went in.
    :param cached: they were in the store already.
    :param vmlinux_id: build-id of the kernel that they run in, in hex, where it is known.
    :param code: SHA-256 of the code of a kernel that was built with them.
    """

    key: str
    modules: tuple[BuiltModule, ...]
    cached: bool
    vmlinux_id: str = ""
    code: str = ""


def write_modules(into: Path, log: str, made: dict[str, tuple[str, bytes]]) -> None:
    """Fill an entry.

    :param made: the file name and content of each module, by its name.
    """
    (into / "make.log").write_text(log, encoding="utf-8")
    records = []
    for name, (file, content) in made.items():
        path = into / file
        path.write_bytes(content)
        module = BuiltModule(name, Path(file), build_id(path), code_digest(path))
        records.append(asdict(module) | {"path": file})
    (into / RECORDS).write_text(json.dumps(records, indent=1), encoding="utf-8")


def read_modules(entry: Path) -> tuple[BuiltModule, ...]:
    """Return what `write_modules` wrote."""
    records = json.loads((entry / RECORDS).read_text(encoding="utf-8"))
    return tuple(BuiltModule(**(record | {"path": entry / record["path"]})) for record in records)
