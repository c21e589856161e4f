# SPDX-License-Identifier: GPL-2.0-or-later
"""Which QEMU runs which guest, and what is kept of Debian's packages; nothing is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import ExitCode, InfrastructureError
from ksuite.kernels.store import Store, file_digest
from ksuite.machines import emulator as emulators
from ksuite.machines.emulator import KEY, KIND, QEMU, emulator, fetched, hosts_own
from ksuite.machines.machine import Clock, MachineSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE, TWO = MachineSpec(), MachineSpec(vcpus=2)
LOADER = Path("/lib64/ld-linux-x86-64.so.2")


def put_qemu(place: Path, version: str) -> None:
    """Make a QEMU that tells its version, and otherwise what it was called with."""
    place.parent.mkdir(parents=True, exist_ok=True)
    tells = f'case "$*" in *--version) echo "QEMU version {version}" ;; *) echo "$@" ;; esac'
    place.write_text(f"#!/bin/sh\n{tells}\n")
    place.chmod(0o755)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's QEMU, too old."""
    place = tmp_path / "bin" / QEMU
    put_qemu(place, "7.2.22 (Debian)")
    monkeypatch.setenv("PATH", f"{place.parent}:{os.environ['PATH']}")
    return place


class Mirror:
    """Lays down what mmdebstrap would: a program of two libraries, and firmware."""

    def __init__(self, version: str = "10.0.2") -> None:
        self.version = version
        self.asked = 0
        self.foreign = ""

    def command(self, words: Sequence[str], *, fetches: str = "") -> str:
        if "--list" in words:
            top = Path(words[-1]).parents[2]
            found = f"\tlibc.so.6 => {top}/lib/x86_64-linux-gnu/libc.so.6 (0x0001)\n"
            return f"\tlinux-vdso.so.1 (0x0002)\n{found}{self.foreign}"
        assert "--variant=extract" in words
        assert fetches == "QEMU"
        self.asked += 1
        top = next(Path(word) for word in words if str(word).endswith("/extracted"))
        for place in ("usr/bin", "lib64", "lib/x86_64-linux-gnu", "usr/share/qemu"):
            (top / place).mkdir(parents=True)
        put_qemu(top / "usr" / "bin" / QEMU, self.version)
        # What it is started by only has to be a program that runs its last but two words.
        loader = top / "lib64" / LOADER.name
        loader.write_text('#!/bin/sh\nshift 2\nexec /bin/sh "$@"\n')
        loader.chmod(0o755)
        (top / "lib" / "x86_64-linux-gnu" / "libc.so.6").write_text("a library")
        (top / "usr" / "share" / "qemu" / "linuxboot.bin").write_text("firmware")
        (top / "usr" / "share" / "qemu" / "link.bin").symlink_to("/etc/passwd")
        return ""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Mirror:
    made = Mirror()
    monkeypatch.setattr(emulators, "run_told", made.command)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return made


@pytest.mark.parametrize("spec", [ONE, MachineSpec(Clock.WALL, vcpus=2)])
def test_hosts_own_where_it_is_good_enough(
    host: Path, store: Store, mirror: Mirror, spec: MachineSpec
) -> None:
    assert emulator(spec, store).path == host
    assert (hosts_own().version, hosts_own().major) == ("7.2.22", 7)
    assert mirror.asked == 0


@pytest.mark.parametrize("version", ["10.0.2", "11.1.0"])
def test_hosts_own_where_it_is_new(host: Path, store: Store, mirror: Mirror, version: str) -> None:
    put_qemu(host, version)
    assert emulator(TWO, store).path == host
    assert mirror.asked == 0


@pytest.mark.usefixtures("host")
def test_newer_one_is_fetched_once(store: Store, mirror: Mirror) -> None:
    said: list[str] = []
    assert fetched(store) is None
    found = emulator(TWO, store, said.append)
    assert (found.version, found.path) == ("10.0.2", store.root / KIND / KEY / QEMU)
    assert emulator(TWO, store) == found == fetched(store)
    assert mirror.asked == 1
    assert len(said) == 1


@pytest.mark.usefixtures("host")
def test_it_is_started_from_where_it_lies(store: Store, mirror: Mirror, tmp_path: Path) -> None:
    """With its own loader, libraries and firmware, wherever the store is moved."""
    place = emulator(TWO, store).path
    assert mirror.asked == 1
    moved = tmp_path / "moved"
    shutil.copytree(place.parent, moved)
    done = subprocess.run([moved / QEMU, "-S", "a b"], capture_output=True, text=True, check=True)
    assert done.stdout == f"-L {moved}/firmware -S a b\n"
    assert (moved / "lib" / "libc.so.6").read_text() == "a library"
    assert [path.name for path in (moved / "firmware").iterdir()] == ["linuxboot.bin"]
    assert not (moved / "extracted").exists()


@pytest.mark.usefixtures("host")
def test_what_is_called_tells_programs_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots are kept by its digest."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    digests = set()
    for number, version in enumerate(("10.0.2", "10.0.2", "10.0.3")):
        monkeypatch.setattr(emulators, "run_told", Mirror(version).command)
        digests.add(file_digest(emulator(TWO, Store(tmp_path / str(number))).path))
    assert len(digests) == 2


@pytest.mark.usefixtures("host")
def test_stale_mirror_is_told(store: Store, mirror: Mirror) -> None:
    mirror.version = "8.2.0"
    with pytest.raises(InfrastructureError, match="bookworm-backports has only QEMU 8"):
        emulator(TWO, store)
    assert fetched(store) is None


@pytest.mark.usefixtures("host")
def test_library_of_the_hosts_is_none(store: Store, mirror: Mirror) -> None:
    mirror.foreign = "\tlibz.so.1 => /usr/lib/x86_64-linux-gnu/libz.so.1 (0x0003)\n"
    with pytest.raises(InfrastructureError, match=r"QEMU's packages lack libz\.so\.1"):
        emulator(TWO, store)


@pytest.mark.usefixtures("host")
def test_who_is_not_root_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InfrastructureError, match="fetching QEMU 10 needs root") as raised:
        emulator(TWO, store)
    assert raised.value.exit_code == ExitCode.INFRASTRUCTURE


def test_missing_emulator_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InfrastructureError, match=f"{QEMU} is missing.*qemu-system-x86"):
        emulator(ONE, store)


def test_emulator_without_a_version_is_told(host: Path, store: Store) -> None:
    host.write_text("#!/bin/sh\necho QEMU\n")
    with pytest.raises(InfrastructureError, match="says nothing of a version"):
        emulator(ONE, store)
