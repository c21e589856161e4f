# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DUT's images are made of, as data."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.store import digest

if TYPE_CHECKING:
    from pathlib import Path

DATA = files("ksuite.machines") / "data"
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""Debian Policy, 5.6.1."""


@dataclass(frozen=True)
class Recipe:
    """The packages of the root image, and what of a kernel goes into the kernel image.

    :param may_lack: what a kernel need not have of its modules.
    :param extra: Debian packages that the user wants besides.
    """

    suite: str
    debian: tuple[str, ...]
    python: tuple[str, ...]
    root_leaves_out: tuple[str, ...]
    modules: tuple[str, ...]
    kernel_leaves_out: tuple[str, ...]
    boot_modules: tuple[str, ...]
    may_lack: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @cached_property
    def root_key(self) -> str:
        """The root image's name in the store."""
        return digest(
            repr((self.suite, self.debian, self.python, self.root_leaves_out, self.extra))
        )

    @cached_property
    def kernel_key(self) -> str:
        """The part of a kernel image's name that is not the kernel's."""
        return digest(repr((self.modules, self.kernel_leaves_out)))


def read_recipe(extra_packages: Path | None = None) -> Recipe:
    """Return our recipe, with the packages that a file names added: one a line, # for comments.

    :raises UserError: the file can't be read, or a line is no package name.
    """
    data = tomllib.loads((DATA / "dut.toml").read_text(encoding="utf-8"))
    root, kernel = data["root"], data["kernel"]
    return Recipe(
        suite=root["suite"],
        debian=tuple(root["debian"]),
        python=tuple(root["python"]),
        root_leaves_out=tuple(root["leave_out"]),
        modules=tuple(kernel["modules"]),
        kernel_leaves_out=tuple(kernel["leave_out"]),
        boot_modules=tuple(kernel["boot"]),
        may_lack=tuple(kernel["may_lack"]),
        extra=_extra(extra_packages) if extra_packages else (),
    )


def _extra(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the package list {path} can't be read: {error}") from error
    names = sorted({line.partition("#")[0].strip() for line in text.splitlines()} - {""})
    for name in names:
        if not _PACKAGE.fullmatch(name):
            raise UserError(f"{path}: {name!r:.80} is no name of a Debian package")
    return tuple(names)
