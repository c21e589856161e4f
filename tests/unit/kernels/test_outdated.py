# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree whose sources are no longer those that it was built from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.kernels.outdated import must_be_current
from ksuite.kernels.plan import ModuleTarget
from tests.unit.kernels.images import write

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = (ModuleTarget("b", "net/a", ("net/a/b.o",), "b.ko"),)
FILES = ("net/a/b.c", "include/net/own.h", "include/config/NET", "/elsewhere.h")
COMMAND = """\
savedcmd_net/a/b.o := gcc -Iinclude -c net/a/b.c

source_net/a/b.o := net/a/b.c

deps_net/a/b.o := \\
    $(wildcard include/config/NET) \\
    $(wildcard include/config/NOT_THERE) \\
  include/net/own.h \\
  {top}/elsewhere.h \\

net/a/b.o: $(deps_net/a/b.o)
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    write(tmp_path, {name.lstrip("/"): "" for name in FILES})
    write(
        tmp_path,
        {
            "net/a/b.o": "",
            "net/a/.b.o.cmd": COMMAND.format(top=tmp_path),
            "net/a/other.c": "",
            "include/net/other.h": "",
        },
    )
    return tmp_path


def touch(path: Path, seconds: int) -> None:
    changed = path.stat().st_mtime + seconds
    os.utime(path, (changed, changed))


def test_tree_as_it_was_built(top: Path) -> None:
    must_be_current(top, "mine", TARGETS)


@pytest.mark.parametrize("name", FILES)
def test_file_that_was_changed_since(top: Path, name: str) -> None:
    touch(top / name.lstrip("/"), 9)
    with pytest.raises(UserError, match=rf"mine was .*{name} is newer than net/a/b\.o.*run make"):
        must_be_current(top, "mine", TARGETS)
    touch(top / "net/a/b.o", 9)
    must_be_current(top, "mine", TARGETS)


def test_file_that_none_of_the_modules_was_made_from(top: Path) -> None:
    for name in ("net/a/other.c", "include/net/other.h"):
        touch(top / name, 9)
    must_be_current(top, "mine", TARGETS)


@pytest.mark.parametrize("gone", ["net/a/b.o", "net/a/.b.o.cmd", "include/net/own.h"])
def test_what_is_not_there_is_not_newer(top: Path, gone: str) -> None:
    (top / gone).unlink()
    must_be_current(top, "mine", TARGETS)
