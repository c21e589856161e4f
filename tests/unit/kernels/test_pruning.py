# SPDX-License-Identifier: GPL-2.0-or-later
"""Pruning: what is used stays, what was left goes."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError
from ksuite.kernels import held, pruning
from ksuite.kernels.locks import held_alone, shared
from ksuite.kernels.pruning import clear_left, kept, remove
from ksuite.kernels.store import Store
from tests.unit.kernels.another import another

if TYPE_CHECKING:
    import subprocess
    from contextlib import AbstractContextManager
    from pathlib import Path

USER = """
import sys, time
from pathlib import Path
from ksuite.kernels.store import Store

def make(into):
    (into / "file").write_text("content")

root, how = Path(sys.argv[1]), sys.argv[2]
if how == "obtained":
    Store(root).obtain("kind", "key", make)
elif how == "found":
    Store(root).use("kind", "key")
elif how == "making":
    def slowly(into):
        make(into)
        print("ready", flush=True)
        time.sleep(600)
    Store(root).obtain("kind", "other", slowly)
print("ready", flush=True)
time.sleep(600)
"""
DAY = 86400


def user(root: Path, how: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Return a process that uses a store's entry, or makes another."""
    return another(USER, str(root), how, says=b"ready\n")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return an empty store, with a directory of its own for scratch."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(held, "SOCKET_PATH_CHARACTERS", 500)
    return Store(tmp_path / "store")


def filled(store: Store, kind: str = "kind", key: str = "key", size: int = 1) -> Path:
    with store.create(kind, key) as into:
        (into / "file").write_bytes(bytes(size))
    return store.root / kind / key


def names(store: Store) -> set[str]:
    return {f"{one.kind}/{one.name}" for one in kept(store)}


@pytest.mark.parametrize("how", ["obtained", "found"])
def test_what_a_process_uses_stays_until_it_is_killed(store: Store, how: str) -> None:
    place = filled(store)
    with user(store.root, how) as process:
        (one,) = kept(store)
        assert one.in_use
        assert not remove(place)
        assert Store(store.root).entry("kind", "key")
        process.kill()
        process.wait()
        assert not one.in_use
        assert remove(place)
    assert not place.exists()
    assert names(store) == set()


def test_what_has_just_been_made_is_used(store: Store) -> None:
    with user(store.root, "obtained"):
        assert not remove(store.root / "kind" / "key")


def test_what_is_being_made_is_not_left(store: Store) -> None:
    filled(store)
    with user(store.root, "making") as process:
        assert list(clear_left(store)) == []
        process.kill()
        process.wait()
        left = dict(clear_left(store))
    assert len(left) == 2
    assert store.root / ".tmp" / "kind-other.lock" in left
    assert {path.parent for path in left} == {store.root / ".tmp"}
    assert sum(left.values()) > 0
    assert not any(path.exists() for path in left)


def test_entry_that_is_read_stays_meanwhile(store: Store) -> None:
    place = filled(store)
    with store.reading("kind", "key") as entry:
        assert entry == place
        assert not remove(place)
    assert remove(place)
    with store.reading("kind", "key") as entry:
        assert entry is None


def test_what_is_removed_is_made_anew(store: Store) -> None:
    assert remove(filled(store))
    with user(store.root, "obtained"):
        assert store.entry("kind", "key")


@pytest.mark.parametrize("how", ["obtain", "use", "reading"])
def test_use_is_noted(store: Store, how: str) -> None:
    os.utime(filled(store), (0, 0))
    store.entry("kind", "key")
    assert [one.used for one in kept(store)] == [0]
    if how == "reading":
        with store.reading("kind", "key"):
            pass
    elif how == "use":
        store.use("kind", "key")
    else:
        store.obtain("kind", "key", lambda _: pytest.fail("made again"))
    (one,) = kept(store)
    assert one.used > 0


def test_the_one_used_last_comes_last(store: Store) -> None:
    for day, key in ((3, "c"), (1, "a"), (2, "b")):
        os.utime(filled(store, key=key), (0, day * DAY))
    assert [one.name for one in kept(store)] == ["a", "b", "c"]


def test_where_kernels_are_built_stays_meanwhile(store: Store) -> None:
    places = [store.root / kind / ("0" * 16) for kind in ("area", "checkout")]
    cache = store.root / "ccache"
    cache.mkdir(parents=True)
    for place in places:
        with held_alone(place, pytest.fail), shared(cache):
            assert {one.in_use for one in kept(store)} >= {True}
            assert not remove(place)
            assert not remove(cache)
    assert names(store) == {f"area/{'0' * 16}", f"checkout/{'0' * 16}", "ccache/ccache"}
    assert all(remove(one.path) for one in kept(store))
    assert names(store) == set()


def test_logs_are_kept_things(store: Store) -> None:
    log = store.keep_log("a" * 64, "it failed")
    assert names(store) == {f"logs/{log.name}"}
    assert remove(log)
    assert not log.exists()


def test_what_is_not_ours_stays(store: Store, tmp_path: Path) -> None:
    """The directory of a store may hold other things, or be a home by mistake."""
    place = filled(Store(tmp_path / "other"), "linked", "key")
    ours = store.root
    for path in ("photos/2026", "area/mine", "checkout/mine", "logs", ".ssh"):
        (ours / path).mkdir(parents=True)
    (ours / "linked").symlink_to(place.parent)
    for file in ("photos/2026/a.jpg", "logs/mine.log", "notes.txt"):
        (ours / file).write_text("mine")
    assert names(store) == set()
    assert list(clear_left(store)) == []


def test_what_killed_processes_left_goes(store: Store, tmp_path: Path) -> None:
    filled(store)
    left = [
        store.root / ".tmp" / "half",
        store.root / "kind" / ".key.removed",
        store.root / ".ccache.removed",
        tmp_path / "scratch" / f"ksuite-{os.geteuid()}-abcdefgh",
    ]
    for path in left:
        path.mkdir()
        (path / "file").write_bytes(bytes(100_000))
    assert {path for path, _ in clear_left(store, dry_run=True)} == set(left)
    assert all(path.exists() for path in left)
    cleared = dict(clear_left(store))
    assert cleared.keys() == set(left)
    assert all(100_000 <= size < 120_000 for size in cleared.values())
    assert not any(path.exists() for path in left)
    assert names(store) == {"kind/key"}


def test_size_is_that_on_the_disk(store: Store) -> None:
    filled(store, size=1 << 20)
    (one,) = kept(store)
    assert 1 << 20 <= one.size_bytes() < (1 << 20) + 20_000


def test_what_can_not_be_removed_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    place = filled(store)

    def refused(_: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(pruning, "_remove_tree", refused)
    with pytest.raises(InfrastructureError, match=f"can't remove {place}: Operation not"):
        remove(place)
