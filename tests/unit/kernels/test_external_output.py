# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile build leaves where a module is to be: it gets no further than an error."""

from __future__ import annotations

import os
import shlex
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DoesNotCompile, ExitCode, InfrastructureError
from ksuite.kernels import external
from ksuite.kernels.external import How, build_external
from tests.unit.kernels.external import DKMS, TINY, a_module

if TYPE_CHECKING:
    from ksuite.kernels.built import ModuleBuild
    from ksuite.kernels.source import KernelSource
    from ksuite.kernels.store import Store

KO = "ks_tiny.ko"
GOOD = f"cp good {KO}"
PYTHON = "/usr/bin/python3 -c "
DEEP = """
import os
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
print("was deep")
"""


@pytest.fixture(scope="module")
def good(source: KernelSource, builds: Store) -> bytes:
    build = build_external(source, a_module(TINY), How(), builds)
    return build.modules[0].path.read_bytes()


@pytest.fixture
def room(open_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where all that a build can write is."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_directory))
    return open_directory


def made(
    script: str, good: bytes, kernel: KernelSource, store: Store, configuration: str = ""
) -> ModuleBuild:
    """Build with a script that does what it wants; nothing else is done."""
    conf = f"{DKMS}MAKE='sh -e attack'\n{configuration}"
    source = a_module({"dkms.conf": conf, "attack": f"{script}\n", "good": good})
    return build_external(kernel, source, How(dkms="dkms.conf"), store)


def test_the_script_makes_what_is_taken(
    good: bytes, source: KernelSource, builds: Store, room: Path
) -> None:
    """Or else none of the others would say anything."""
    (module,) = made(GOOD, good, source, builds).modules
    assert module.path.read_bytes() == good
    assert list(room.iterdir()) == []


@pytest.mark.parametrize(
    "script",
    [
        "true",
        f"ln -s /etc/shadow {KO}",
        f"ln -s /etc/passwd {KO}",
        f"ln -s good {KO}",
        f"ln -s /dev/zero {KO}",
        f"mkfifo {KO}",
        f"mkdir {KO}",
        f"{PYTHON}'import socket; socket.socket(socket.AF_UNIX).bind(\"{KO}\")'",
        f"{GOOD}; mv $PWD ../away; ln -s away $PWD",
        f"{GOOD}; chmod a= . || true; mv $PWD $PWD.away",
    ],
)
def test_what_is_no_file_of_it_is_not_taken(
    script: str, good: bytes, source: KernelSource, builds: Store, room: Path
) -> None:
    with pytest.raises(DoesNotCompile, match=rf"the build made no ks_tiny/1/build/{KO}") as caught:
        made(script, good, source, builds)
    assert caught.value.exit_code == ExitCode.FAIL
    assert "root:" not in str(caught.value)
    assert list(room.iterdir()) == []


SECTIONS = struct.pack("<6s34xQ10xHHH", b"\x7fELF\x02\x01", 64, 64, 9, 0)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", b"#!/bin/sh\n", SECTIONS, SECTIONS.ljust(9999, b"\xff"), None],
)
def test_what_is_no_module_is_told(
    content: bytes | None, good: bytes, source: KernelSource, builds: Store, room: Path
) -> None:
    content = good[:-100] if content is None else content
    with pytest.raises(DoesNotCompile, match="the build made what is no module: "):
        made(GOOD, content, source, builds)
    assert list(room.iterdir()) == []
    assert list((builds.root / ".tmp").iterdir()) == []


def test_modes_of_a_module_are_ours(
    good: bytes, source: KernelSource, builds: Store, room: Path
) -> None:
    script = f"{GOOD}; chmod 6777 {KO}; cp /bin/sh s; chmod 6755 s; test -u s; test -u {KO}"
    (module,) = made(script, good, source, builds).modules
    status = module.path.stat()
    assert (status.st_mode & 0o7022, status.st_uid) == (0, os.geteuid())
    assert list(room.iterdir()) == []


def test_modules_are_bounded_together(
    good: bytes,
    source: KernelSource,
    builds: Store,
    room: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = f"{GOOD}; for n in 1 2 3; do ln {KO} m$n.ko; done"
    listed = "BUILT_MODULE_NAME=(m1 m2 m3)\n"
    monkeypatch.setattr(external, "FILE_BYTES", 3 * len(good))
    with pytest.raises(DoesNotCompile, match="the build made modules of more than 0 MiB"):
        made(script, good, source, builds, listed)
    monkeypatch.setattr(external, "FILE_BYTES", 3 * len(good) + 1)
    assert len(made(script, good, source, builds, listed).modules) == 3
    assert list(room.iterdir()) == []


def test_directories_may_be_deep(
    good: bytes, source: KernelSource, builds: Store, room: Path
) -> None:
    script = f"{GOOD}; {PYTHON}{shlex.quote(DEEP)}"
    (module,) = made(script, good, source, builds).modules
    assert "was deep" in (module.path.parent / "make.log").read_text()
    assert list(room.iterdir()) == []


def test_kbuild_may_leave_them_deep(source: KernelSource, builds: Store, room: Path) -> None:
    files = dict(TINY)
    files["Kbuild"] = TINY["Kbuild"] + "$(info $(shell cd $(src) && python3 deep.py))\n"
    files["deep.py"] = "import os\nif os.path.exists('d'):\n    raise SystemExit\n" + DEEP
    (module,) = build_external(source, a_module(files), How(), builds).modules
    assert "was deep" in (module.path.parent / "make.log").read_text()
    assert list(room.iterdir()) == []


@pytest.mark.parametrize(
    "put", ["ln -s /etc/passwd $LOG", "mkfifo $LOG", "mkdir $LOG", "ln -s /dev/zero $LOG", "true"]
)
def test_its_log_is_no_way_out(
    put: str, good: bytes, source: KernelSource, builds: Store, room: Path
) -> None:
    script = f"LOG=$TMPDIR/make.log; rm $LOG; {put}; {GOOD}"
    with pytest.raises(InfrastructureError, match="the build left no") as caught:
        made(script, good, source, builds)
    assert "root:" not in str(caught.value)
    assert list(room.iterdir()) == []


def test_its_log_is_bounded(good: bytes, source: KernelSource, builds: Store, room: Path) -> None:
    script = f"{GOOD}; head -c 20000000 /dev/zero | tr '\\0' x; echo; false"
    with pytest.raises(DoesNotCompile, match="does not compile") as caught:
        made(script, good, source, builds)
    assert len(str(caught.value)) < 20_000
    log = Path(str(caught.value).partition("the log is ")[2].partition("\n")[0])
    assert log.stat().st_size <= 4 << 20
    assert list(room.iterdir()) == []
