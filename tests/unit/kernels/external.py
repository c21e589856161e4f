# SPDX-License-Identifier: GPL-2.0-or-later
"""A tiny module of somebody's, and what its build does besides."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DoesNotCompile
from ksuite.kernels.external import How, build_external
from ksuite.kernels.modulesource import File, ModuleSource
from ksuite.processes import NOBODY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ksuite.kernels.source import KernelSource
    from ksuite.kernels.store import Store

CODE = '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n'
TINY: Mapping[str, str] = {"Kbuild": "obj-m := ks_tiny.o\n", "ks_tiny.c": CODE}
DKMS = "PACKAGE_NAME=ks_tiny\nPACKAGE_VERSION=1\n"
ATTACK = "$(info said: $(shell sh $(src)/attack 2>&1))\n$(error it ran)\n"


def a_module(files: Mapping[str, str | bytes]) -> ModuleSource:
    contents = {
        name: text.encode() if isinstance(text, str) else text for name, text in files.items()
    }
    return ModuleSource("mine", {name: File(content) for name, content in contents.items()})


def log_of(error: DoesNotCompile) -> str:
    return Path(str(error).partition("the log is ")[2].partition("\n")[0]).read_text()


def attack(script: str, kernel: KernelSource, store: Store) -> str:
    """Have Kbuild run a script as it reads a Kbuild file, and return what the script said."""
    source = a_module({"Kbuild": ATTACK, "attack": script})
    with pytest.raises(DoesNotCompile, match="it ran") as caught:
        build_external(kernel, source, How(), store)
    return log_of(caught.value).partition("said: ")[2].partition("\n")[0]


def unconfined(script: str) -> str:
    """Return what a script says where a build would run if nothing confined it."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    done = subprocess.run(
        [*user, "sh", "-c", script], cwd="/", capture_output=True, check=False, timeout=60
    )
    return " ".join((done.stdout + done.stderr).decode().split())
