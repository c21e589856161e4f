# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots that can't be made, or are no longer what was saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.suites import VHOST
from ksuite.dut import setup
from ksuite.errors import InfrastructureError
from ksuite.kernels.source import distro_source
from ksuite.kernels.store import Store, run_directory
from ksuite.machines import emulator
from ksuite.machines import snapshot as module
from ksuite.machines.machine import MachineSpec
from ksuite.machines.recipe import read_recipe
from ksuite.machines.snapshot import Snapshot, take_snapshot
from tests.broken.test_broken import outside_pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERIES = Path(__file__).parent / "harmless-comment.patch"
TAKE = """
import sys
from pathlib import Path
from tests.broken.test_snapshots import take
said = []
snapshot = take(Path(sys.argv[1]), said.append)
print(snapshot.state, len(said))
"""


def take(store: Path, progress: Callable[[str], None] = print) -> Snapshot:
    """Return the snapshot that the vhost suite uses."""
    spec = MachineSpec()
    return take_snapshot(
        distro_source(), read_recipe(), spec, VHOST.imports, Store(store), progress
    )


def works(snapshot: Snapshot) -> bool:
    with run_directory() as directory, snapshot.restore(directory) as machine:
        return bool(machine.call(setup.clock_ns) > 0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with the usual one's images, and no snapshot."""
    take(Store.default().root)
    store = tmp_path / "store"
    store.mkdir()
    for kind in ("dut-kernel", "dut-root"):
        (store / kind).symlink_to(Store.default().root / kind)
    return store


def cut(state: Path) -> None:
    os.truncate(state, state.stat().st_size // 2)


def alter(state: Path) -> None:
    with state.open("r+b") as file:
        file.seek(state.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def test_damaged_snapshot_is_made_anew(store: Path) -> None:
    usual = take(Store.default().root).state.parent
    mine = store / "snapshot" / usual.name
    shutil.copytree(usual, mine)
    said: list[str] = []
    assert take(store, said.append).state.parent == mine
    assert said == []
    cut(mine / "state")
    assert Store(store).entry("snapshot", usual.name) is None
    shutil.copy(usual / "state", mine)
    alter(mine / "state")
    again = take(store, said.append)
    assert len(said) == 1
    assert "booting" in said[0]
    assert again.state.parent == mine
    assert works(again)


def test_killed_while_saving_then_two_builders_at_once(store: Path) -> None:
    """What the first left is not used, and one of the others makes what both use."""
    command = [sys.executable, "-c", TAKE, str(store)]
    victim = subprocess.Popen(command, env=outside_pytest(), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not list((store / ".tmp").rglob("state")):
        assert time.monotonic() < deadline
        assert victim.poll() is None
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert not list((store / "snapshot").glob("[!.]*"))
    builders = [
        subprocess.Popen(command, env=outside_pytest(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [builder.communicate(timeout=400)[0].split() for builder in builders]
    assert said[0][0] == said[1][0]
    assert sorted(times for _, times in said) == ["0", "1"]
    assert works(take(store))
    assert not list((store / ".tmp").iterdir())


@pytest.fixture
def small_disk(store: Path) -> Iterator[Path]:
    """Yield a store whose snapshots have 64 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = store / "snapshot"
    temporary = store / ".tmp"
    for directory in (place, temporary):
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "small", directory], check=True)
    try:
        yield store
    finally:
        for directory in (place, temporary):
            subprocess.run(["umount", directory], check=True)


def test_no_room_for_a_snapshot(small_disk: Path) -> None:
    with pytest.raises(InfrastructureError, match="disk full"):
        take(small_disk)
    assert not [path for path in small_disk.rglob("*/state") if path.is_file()]


def test_no_room_while_it_is_written(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may fill up after we have looked."""
    plenty = shutil.disk_usage("/")
    monkeypatch.setattr("ksuite.machines.snapshot.shutil.disk_usage", lambda _: plenty)
    with pytest.raises(InfrastructureError, match="could not save the guest"):
        take(small_disk)
    assert not [path for path in (small_disk / "snapshot").iterdir() if path.is_dir()]


def test_package_that_does_not_exist(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.write_text("# tools\nno-such-package-at-all\n")
    done = subprocess.run(
        [sys.executable, "-m", "ksuite", "check", str(SERIES), "--packages", str(packages)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=outside_pytest(),
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "bookworm has no package no-such-package-at-all" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_other_qemu_never_gets_a_snapshot_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "qemu"
    other.write_bytes(Path("/usr/bin/qemu-system-x86_64").read_bytes() + b"\n")
    other.chmod(0o755)
    asked: list[str] = []

    class Asked(Store):
        def obtain(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
            if kind == "snapshot":
                asked.append(key)
            return super().obtain(kind, key, make)

    def snapshot() -> Snapshot:
        store = Asked(Store.default().root)
        return take_snapshot(distro_source(), read_recipe(), MachineSpec(), VHOST.imports, store)

    snapshot()
    monkeypatch.setattr(emulator, "tool", lambda *_: str(other))
    monkeypatch.setattr(module, "_boot_and_save", _refuse)
    with pytest.raises(InfrastructureError, match="would be booted"):
        snapshot()
    assert len(set(asked)) == 2


def _refuse(*_: object) -> None:
    raise InfrastructureError("it would be booted")


def test_versions_and_digest_of_the_image_are_known() -> None:
    snapshot = take(Store.default().root)
    facts = json.loads((snapshot.files.root.parent / "facts.json").read_text())
    assert snapshot.digest == facts["digest"]
    assert {"python3", "python3-bpfcc", "numpy"} <= set(snapshot.versions)
