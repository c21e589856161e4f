# SPDX-License-Identifier: GPL-2.0-or-later
"""What `ksuite gate init` writes: a file that says how, and a first test."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.gate_file import NAME
from ksuite.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = "tests/test_gate.py"
FILE = """\
# SPDX-License-Identifier: GPL-2.0-or-later
# How `ksuite gate` builds and judges the modules of this repository.

[module]
name = "{name}"
{how}
# load = ["{name}"]            # which of those that are built; all when left out
# make = ["CONFIG_FOO=m"]      # more of make's arguments

# [parameters]                 # what modules are loaded with, as insmod takes it
# {name} = "debug=1"

[kernels]
# distro, debian:5.10, debian:6.1, debian:6.12, debian:7.2; +debug has KASAN, lockdep and kmemleak.
run = ["distro"]

[scenarios]
# Of ksuite's own, with the modules in place: see `ksuite check --help`.
run = []

[tests]
run = ["tests"]
on_dut = []                    # files whose functions run in the guest, and their loops
need = []                      # modules of the kernel's that the tests need
# packages = "packages.txt"    # Debian packages that the guest is to have, one a line

[thresholds]
# From when a cost has risen too much; the default is 0.3 %.
# [thresholds.cost."my_loop 64 B"]

[baseline]
directory = "baselines"        # `ksuite gate --save-baseline` writes there

[flakes]
fail = false                   # whether a check that passes only when it is run again fails the run
"""
TEST = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""What this module does, seen from outside: each test has a fresh guest with it loaded.

Fixtures: machine (run a command or a function there), netns, veth, tap, traffic, costs, baseline.
"""


def test_frames_get_through(machine, veth, traffic):
    veth("left/a", "b")
    veth("c", "right/d")
    # With snooping the bridge itself would talk to its neighbours.
    machine.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    for port in ("b", "c"):
        machine.run("ip", "link", "set", "dev", port, "master", "br0")
    machine.run("ip", "link", "set", "br0", "up")
    frame = bytes.fromhex("02000000000202000000000188b5") + bytes(50)
    assert traffic.through(frame, into="left/a", out="right/d") == [frame]
'''
_KBUILD = re.compile(r"^\s*obj-[^=:]*[:+]?=.*?([\w-]+)\.o", re.MULTILINE)


def write_start(top: Path) -> list[Path]:
    """Write both files, and return where they are.

    :raises UserError: there is no such directory, or it has them.
    :raises InfrastructureError: they can't be written.
    """
    if not top.is_dir():
        raise UserError(f"{top} is no directory")
    texts = {top / NAME: _file(top), top / TESTS: TEST}
    if there := [path for path in texts if path.exists()]:
        raise UserError(f"{there[0]} is there already: it is left as it is")
    try:
        for path, text in texts.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(f"can't write {error.filename}: {error.strerror}") from error
    return list(texts)


def _file(top: Path) -> str:
    dkms = next((path for path in _below(top, "dkms.conf")), None)
    kbuild = next((path for name in ("Kbuild", "Makefile") for path in _modules(top, name)), None)
    if dkms is not None and kbuild is None:
        return FILE.format(
            name=_name(top.absolute().name), how=f"dkms = {_text(dkms.relative_to(top))}"
        )
    place = kbuild.parent.relative_to(top) if kbuild else Path()
    named = _KBUILD.search(kbuild.read_text(errors="replace")) if kbuild else None
    name = named[1] if named else top.absolute().name
    return FILE.format(
        name=_name(name), how=f"kbuild = {_text(place)}          # where its Kbuild is"
    )


def _modules(top: Path, name: str) -> Iterator[Path]:
    """Yield the files of a name that say what modules are made of."""
    for path in _below(top, name):
        if _KBUILD.search(path.read_text(errors="replace")):
            yield path


def _below(top: Path, name: str) -> list[Path]:
    return sorted(path for path in top.rglob(name) if path.is_file() and not path.is_symlink())


def _text(path: Path) -> str:
    """Return a path as a text of TOML, which writes as JSON does what is no plain character."""
    return json.dumps(os.fsencode(path).decode(errors="replace"), ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )


def _name(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text)[:60] or "module"
