# SPDX-License-Identifier: GPL-2.0-or-later
"""A look through a store: each thing that is not whole, and nothing that a running process has."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.kernels import held, verifying
from ksuite.kernels.locks import held_alone
from ksuite.kernels.pruning import clear_left
from ksuite.kernels.store import FEW_FILES, MANIFEST, Store
from ksuite.kernels.verifying import Fault, verify
from tests.unit.kernels.another import another

if TYPE_CHECKING:
    from collections.abc import Callable

MAKING = """
import sys, time
from pathlib import Path
from ksuite.kernels import held
from ksuite.kernels.store import Store

held.SOCKET_PATH_CHARACTERS = 500

def make(into):
    (into / "half").write_text("half")
    with held.run_directory():
        print("ready", flush=True)
        time.sleep(600)

Store(Path(sys.argv[1])).obtain("kind", "other", make)
"""
HEX = "0123456789abcdef" * 4


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store of two entries, and a directory of its own for scratch."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(held, "SOCKET_PATH_CHARACTERS", 500)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(verifying, "SETTLE_SECONDS", 0.05)
    store = Store(tmp_path / "store")
    for key in ("key", "good"):
        with store.create("kind", key) as into:
            (into / "file").write_text("content")
            (into / "link").symlink_to("file")
            (into / "part").mkdir()
            (into / "part" / "inner").write_text("inner")
    return store


def faults(store: Store) -> dict[str, Fault]:
    """Return what is found, by its path below the store's parent."""
    found = verify(store).faults
    return {str(fault.path.relative_to(store.root.parent)): fault for fault in found}


def test_whole_store(store: Store) -> None:
    said: list[str] = []
    verified = verify(store, said.append)
    assert verified.faults == ()
    assert verified.entries == 2
    assert said[-1] == "2 of 2: kind/key"


def test_no_store(tmp_path: Path) -> None:
    assert verify(Store(tmp_path / "none")).entries == 0


def change(entry: Path) -> None:
    (entry / "file").write_text("CONTENT")


def cut(entry: Path) -> None:
    os.truncate(entry / "part" / "inner", 2)


def lose(entry: Path) -> None:
    (entry / "part" / "inner").unlink()


def lose_directory(entry: Path) -> None:
    (entry / "part" / "inner").unlink()
    (entry / "part").rmdir()
    (entry / "part").write_text("a file now")


def lead_elsewhere(entry: Path) -> None:
    (entry / "link").unlink()
    (entry / "link").symlink_to("elif")


def add(entry: Path) -> None:
    (entry / "part" / "more").touch()


def lose_manifest(entry: Path) -> None:
    (entry / MANIFEST).unlink()


def cut_manifest(entry: Path) -> None:
    os.truncate(entry / MANIFEST, 10)


def let_write(entry: Path) -> None:
    entry.chmod(0o777)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (change, "file was changed"),
        (cut, "part/inner has 2 bytes of 5"),
        (lose, "inner is missing"),
        (lose_directory, "inner is missing"),
        (lead_elsewhere, "link was changed"),
        (add, "part/more is none of its files"),
        (lose_manifest, f"{MANIFEST} is missing"),
        (cut_manifest, f"{MANIFEST} is damaged"),
        (let_write, "others can write it"),
    ],
)
def test_entry_that_is_not_whole(store: Store, harm: Callable[[Path], None], says: str) -> None:
    place = store.root / "kind" / "key"
    harm(place)
    assert {path: fault.what for path, fault in faults(store).items()} == {"store/kind/key": says}
    assert place.exists()


def test_many_files_are_looked_at_by_size(store: Store) -> None:
    with store.create("kind", "large") as into:
        for number in range(FEW_FILES + 1):
            (into / str(number)).write_text("content")
    (store.root / "kind" / "large" / "5").write_text("CONTENT")
    assert faults(store) == {}
    (store.root / "kind" / "large" / "5").write_text("cut")
    assert faults(store)["store/kind/large"].what == "5 has 3 bytes of 7"


def test_what_a_killed_process_left_is_told_and_stays(store: Store) -> None:
    with another(MAKING, str(store.root), says=b"ready\n") as process:
        assert faults(store) == {}
        process.kill()
        process.wait()
        left = faults(store)
        assert {fault.what for fault in left.values()} == {"left by a killed process"}
        assert {str(Path(path).parent) for path in left} == {"store/.tmp", "scratch"}
        assert len(left) == 3
        assert faults(store) == left
    assert len(list(clear_left(store))) == 3
    assert faults(store) == {}


def test_what_is_locked_only_now_is_not_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between making a directory and locking it a process may have to wait for its turn."""
    made = store.root / ".tmp" / "new"
    made.mkdir()
    locks: list[int] = []

    def lock(_: float) -> None:
        locks.append(os.open(made, os.O_RDONLY))
        fcntl.flock(locks[0], fcntl.LOCK_EX)

    monkeypatch.setattr("ksuite.kernels.verifying.time.sleep", lock)
    assert faults(store) == {}
    os.close(locks[0])
    monkeypatch.setattr("ksuite.kernels.verifying.time.sleep", lambda _: None)
    assert set(faults(store)) == {"store/.tmp/new"}


def test_locks_of_an_earlier_ksuite(store: Store) -> None:
    for name in (f".{HEX}.lock", ".mine.lock"):
        (store.root / "kind" / name).touch()
    (store.root / "kind" / ".good.removed").mkdir()
    assert set(faults(store)) == {f"store/kind/.{HEX}.lock", "store/kind/.good.removed"}
    assert len(list(clear_left(store))) == 2
    assert faults(store) == {}


def test_what_is_removed_meanwhile_is_not_missed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = store.root / "kind" / "key"

    def removed(entry: Path) -> str:
        if entry == place:
            place.rename(place.with_name(".key.removed.elsewhere"))
        return "file is missing" if entry == place else ""

    monkeypatch.setattr(verifying, "damage", removed)
    assert faults(store) == {}


def test_builds_that_were_interrupted(store: Store) -> None:
    area, checkout = (store.root / kind / ("0" * 16) for kind in ("area", "checkout"))
    for left in (area / "copy", checkout / "begun"):
        left.mkdir(parents=True)
    with held_alone(area, pytest.fail), held_alone(checkout, pytest.fail):
        assert faults(store) == {}
    assert [fault.path for fault in faults(store).values()] == [area / "copy", checkout / "begun"]


def test_place_that_others_can_write(store: Store) -> None:
    (store.root / "kind").chmod(0o775)
    (fault,) = faults(store).values()
    assert fault.path == store.root / "kind"
    assert f"chmod go-w {fault.path}" in str(fault)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory away needs root")
def test_kind_of_another_user(store: Store) -> None:
    os.chown(store.root / "kind", 65534, -1)
    (fault,) = faults(store).values()
    assert fault.what == f"belongs to user 65534, and the store to {os.geteuid()}"


def test_what_is_not_ours_is_left_alone(store: Store, tmp_path: Path) -> None:
    for path in ("photos/2026", "area/mine", "logs/old", ".ssh", f"kind/.{HEX}"):
        (store.root / path).mkdir(parents=True)
    (tmp_path / "elsewhere" / HEX).mkdir(parents=True)
    (store.root / "linked").symlink_to(tmp_path / "elsewhere")
    assert faults(store) == {}
    (store.root / "snapshot" / HEX).mkdir(parents=True)
    assert set(faults(store)) == {f"store/snapshot/{HEX}"}


def test_use_is_not_noted(store: Store) -> None:
    """What is only looked at gets as old as it is."""
    place = store.root / "kind" / "key"
    os.utime(place, (0, 0))
    verify(store)
    assert place.stat().st_mtime == 0
